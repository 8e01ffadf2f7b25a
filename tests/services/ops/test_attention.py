"""What needs somebody: the home of operations and the badges of the menu are made of the same counts."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from postavka.kernel.settings import Settings
from services.cabinet.table import SCHEMA, write_groups
from services.ops.attention import AttentionCounts, DeskCounts, concerns_of
from services.ops.lag import ServiceState
from services.ops.queues import KINDS, Queue
from services.ops.settings import OpsSettings
from tests.services.ops.test_queues import asked

UNWELL = ServiceState("billing", "a server is away", None, None, None, {})


def test_every_count_belongs_to_a_section_and_badges_are_their_sums() -> None:
    waiting = [Queue(kind, 9, 2 if kind in ("kit", "payment") else 0, 60.0, 5.0, None) for kind in KINDS]
    desks = DeskCounts(clients=1, unmatched=3, refunds=4, envelopes=5, stuck=6, lapsed=9, failed_mail=7)
    found = concerns_of(waiting, {"billing": 8, "request": 0}, desks, [UNWELL])
    sections: dict[str, int] = {}
    for each in found:
        sections[each.section] = sections.get(each.section, 0) + each.count
    assert sections == {
        "/ops/waiting": 2 + 2 + 1,
        "/ops/letters": 8,
        "/ops/money": 3 + 4,
        "/ops/post": 5 + 6,
        "/renewals": 9,
        "/ops/streams": 1,
        "/letters": 7,
    }
    late = {each.path: (each.count, each.by) for each in found if each.section == "/ops/waiting" and each.count}
    assert late["/ops/waiting?what=kit&overdue=1"] == (2, "производство")
    assert late["/ops/waiting?what=payment&overdue=1"] == (2, "партнёр")
    assert not next(each for each in found if each.path == "/ops/clients").burns, "work, but nothing has gone wrong"


@pytest.fixture
def counts(database: str) -> AttentionCounts:
    return AttentionCounts(Settings(database_url=database), OpsSettings())


def test_all_counts_are_read_from_the_tables_of_their_services(database: str, counts: AttentionCounts) -> None:
    assert counts.badges() == {}, "nobody waits for the first count"
    assert counts.fresh().badges == {}
    with psycopg.connect(database, options=f"-c search_path={SCHEMA},public -c app.scope=all") as connection:
        request = uuid4()
        write_groups(connection, {request: {"request": asked(minutes=5)}})
        connection.execute("INSERT INTO cabinet.unchecked_clients (request_id, why) VALUES (%s, 'nobody')", (request,))
        connection.execute(
            'INSERT INTO request.dead_letters (topic, partition, "offset", timestamp_ms, code, reason, sha256, headers)'
            " VALUES ('commands.requests', 1, 2, 3, 'bad-body', 'why', '', '[]')"
        )
    found = AttentionCounts(counts._config, OpsSettings()).fresh()
    assert found.badges == {"/ops/waiting": 2, "/ops/letters": 1}


def test_a_count_that_is_hardly_old_is_not_made_anew(counts: AttentionCounts) -> None:
    assert counts.fresh() is counts.fresh()
