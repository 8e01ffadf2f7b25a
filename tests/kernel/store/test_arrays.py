"""Arrays go to PostgreSQL and come back as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from struct import error

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from postavka.kernel.store.arrays import Bigints, Byteas, Texts, Times, Uuids

FIRST, LAST = datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2200-01-01")
KINDS = {
    "text": (Texts, st.none() | st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)))),
    "bytea": (Byteas, st.none() | st.binary()),
    "bigint": (Bigints, st.integers(-(2**63), 2**63 - 1)),
    "uuid": (Uuids, st.none() | st.uuids()),
    "timestamptz": (
        Times,
        st.datetimes(FIRST, LAST, timezones=st.sampled_from([UTC, timezone(timedelta(hours=3))])),
    ),
}


@pytest.fixture(scope="module")
def connection(store: str):
    with psycopg.connect(store) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
@how(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_goes_in_comes_out(connection: psycopg.Connection, kind: str, data: st.DataObject):
    array, elements = KINDS[kind]
    sent = array(data.draw(st.lists(elements, max_size=20)))
    found = connection.execute(
        "SELECT pg_typeof(given)::text, given, "
        "(SELECT array_agg(e ORDER BY n) FROM unnest(given) WITH ORDINALITY u(e, n)) FROM (SELECT %b AS given) AS s",
        (sent,),
    ).fetchone()
    assert found == (kind_of(kind), list(sent), list(sent) or None)


def kind_of(kind: str) -> str:
    """As PostgreSQL names an array of it."""
    return {"timestamptz": "timestamp with time zone"}.get(kind, kind) + "[]"


def test_an_empty_array_is_of_the_same_type_as_a_full_one(connection: psycopg.Connection):
    """Otherwise a statement would be prepared anew for every set of empty columns."""
    before = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    for numbers, texts in (([], []), ([1], []), ([], ["a"]), ([2**40], ["a", None])):
        connection.execute("SELECT %b, %b /* empty or not */", (Bigints(numbers), Texts(texts)), prepare=True)
    after = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert before is not None
    assert after is not None
    assert after[0] - before[0] <= 1


def test_a_number_too_large_is_refused_here(connection: psycopg.Connection):
    with pytest.raises(error, match="too large"):
        connection.execute("SELECT %b", (Bigints([2**63]),))
