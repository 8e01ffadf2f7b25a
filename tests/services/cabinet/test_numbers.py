"""Numbers of requests in the cabinet: from the events that come, and for rows that were there before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from events.envelope import rfc3339
from postavka.domain.request_ids.lookup import request_named
from postavka.domain.request_numbers import number_of
from postavka.kernel.errors import NotFound, UserError
from postavka.web.search import Search
from services.audit.verification.fold_check import _different
from services.cabinet.fold import Row, fold
from services.cabinet.table import load_rows, write_groups
from tests.paths import PROJECT
from tests.services.cabinet.test_fold import EVERYTHING

SQL = PROJECT / "services" / "cabinet" / "sql"
NEW_YEAR = datetime(2026, 12, 31, 21, 30, tzinfo=UTC)
SUBMITTED, WITHDRAWN = (
    next(event for event in EVERYTHING["request"] if event[0].startswith(name))
    for name in ("RequestSubmitted", "RequestWithdrawn")
)


def sent(position: int) -> Row:
    row: Row = {}
    fold(row, "request", *SUBMITTED, rfc3339(NEW_YEAR), position)
    return row


def test_a_number_stays_whatever_comes_after_it() -> None:
    row = sent(255)
    fold(row, "request", *WITHDRAWN, rfc3339(NEW_YEAR), 300)
    assert row["request"]["number"] == "2027-000255"


@pytest.fixture(scope="module")
def connection(own_database: str) -> Iterator[psycopg.Connection[Any]]:
    """To a database of its own, in which the release before has written."""
    with psycopg.connect(own_database, autocommit=True, options="-c search_path=cabinet,public") as opened:
        function = (SQL / "005_numbers.sql").read_text("utf-8").partition("CREATE FUNCTION")[2]
        opened.execute(("CREATE FUNCTION" + function).encode())
        yield opened


def record(connection: psycopg.Connection[Any], request_id: UUID, position: int) -> None:
    connection.execute(
        "INSERT INTO request.stored_events (originator_id, originator_version, topic, state, notification_id, "
        "recorded_at, clock) VALUES (%s, 1, 'RequestSubmitted.v1', '{}', %s, %s, 0)",
        (request_id, position, NEW_YEAR),
    )


def test_rows_of_the_release_before_get_the_number_that_the_fold_would_give(
    connection: psycopg.Connection[Any],
) -> None:
    rows = {uuid4(): sent(position) for position in (7, 1_234_567)}
    for request_id, row in rows.items():
        record(connection, request_id, row["request"]["position"])
    before: dict[UUID, Row] = {}
    for each, row in rows.items():
        before[each] = {"request": {name: value for name, value in row["request"].items() if name != "number"}}
    before[uuid4()] = {"approval": {"approved_at": "2026-03-16T09:30:00Z"}}  # what it began with is not read yet
    write_groups(connection, before)
    assert all(_different(before[each], rows.get(each, before[each])) == [] for each in before), "no finding meanwhile"
    connection.execute((SQL / "006_contract_numbers.sql").read_bytes())
    found = load_rows(connection, before)
    assert {each: row for each, row in found.items() if each in rows} == rows
    numbers = connection.execute("SELECT number FROM requests WHERE request_id = ANY(%s)", (list(before),)).fetchall()
    assert sorted(numbers, key=str) == [("2027-000007",), ("2027-1234567",), (None,)]


def test_a_request_is_found_by_its_number_or_the_beginning_of_its_id(own_database: str) -> None:
    one, other = UUID("a1b2c3d4-0000-4000-8000-000000000001"), UUID("a1b2c3d5-0000-4000-8000-000000000002")
    with psycopg.connect(own_database) as connection:
        record(connection, one, 41)
        record(connection, other, 42)
    for typed in ("№ 2027-000041", "2027-41", "a1b2c3d4", "A1B2C3D4-0000-4", str(one)):
        assert request_named(own_database, typed) == one
    for typed in ("2026-000041", "2027-000043", "ffffffff"):
        with pytest.raises(NotFound):
            request_named(own_database, typed)
    with pytest.raises(UserError, match="several requests"):
        request_named(own_database, "a1b2")


def test_the_sign_of_a_number_is_no_word_of_a_search() -> None:
    assert Search.of("№ 2026-255 Завод №").things == ("2026-000255", "завод")
    assert number_of(255, NEW_YEAR) == "2027-000255"
