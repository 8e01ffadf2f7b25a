"""Build the cabinet anew from the log, blue/green: a second table is filled while the first one serves, catches up, and
takes its place in one transaction.

Partitions are independent of one another (a request lies in one partition number of every topic), so that each is read,
folded in memory and copied on its own, several at a time. Indexes come after the rows. The live projection notices the
swap by its marks and goes on from there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from confluent_kafka import Message
from psycopg.sql import SQL, Identifier

from postavka.log.record import partition_name
from postavka.log.tail import end_offsets, read_messages_to_end
from postavka.settings import PARTITIONS, Settings, database_url
from postavka.store.mark import Mark
from services.cabinet.share import NEXT, Answer, Folded, Share, connect, places
from services.cabinet.table import load_rows, prepare, write_groups

TELL_SECONDS = 0.2
CLOSE_ENOUGH = 500
"""Records behind the log at which the swap begins: the live projection stands still while these are folded in."""
LARGEST_SHARE = 400_000
"""Events that one process folds in memory before it writes: about a gigabyte of rows at most."""
_COVERED = "approved, status, search"
INDEXES = (
    (
        "requests_of_partner",
        f"(partner_id, submitted_at DESC, request_id) INCLUDE (distributor_id, {_COVERED})",
    ),
    (
        "requests_of_distributor",
        f"(distributor_id, submitted_at DESC, request_id) INCLUDE (partner_id, {_COVERED})",
    ),
    ("requests_by_time", f"(submitted_at DESC, request_id) INCLUDE (partner_id, distributor_id, {_COVERED})"),
    ("requests_by_sold_registration", "(sold_registration) WHERE sold_registration IS NOT NULL"),
)
"""As in sql/002_search.sql."""

Told = Callable[[int, int], None]
"""Called with events folded so far and events to fold."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a rebuild did. `seconds` is the whole, swap included."""

    events: int
    rows: int
    unread: int
    seconds: float


def rebuild(config: Settings, told: Told = lambda done, total: None, processes: int | None = None) -> Report:
    """Build anew and swap. Safe to run while everything works; two at once wait for each other."""
    started = time.monotonic()
    prepare(database_url(config))
    with connect(config) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('rebuild of cabinet'))")
        _make_next(connection)
        total = sum(end_offsets(config, places(range(PARTITIONS))).values())
        folded = _fill(config, told, total, processes or min(2, os.cpu_count() or 1))
        _index(connection)
        while _catch_up(connection, config, folded) > CLOSE_ENOUGH:
            told(folded.events, max(total, folded.events))
        with connection.transaction():
            _swap(connection, config, folded)
        row = connection.execute("SELECT count(*) FROM requests").fetchone()
    told(folded.events, folded.events)
    return Report(folded.events, int(row[0]) if row else 0, len(folded.unread), time.monotonic() - started)


def _fill(config: Settings, told: Told, total: int, processes: int) -> Folded:
    done: dict[int, int] = {}

    def run(partitions: Sequence[int]) -> Answer:
        with Share(config, partitions) as share:
            while True:
                answer = share.read()
                done[partitions[0]] = answer.events
                if answer.marks is not None:
                    return answer

    with ThreadPoolExecutor(processes) as pool:
        waiting = {pool.submit(run, share) for share in _shares(total, processes)}
        whole = Folded()
        marks: dict[str, Mark] = {}
        while waiting:
            finished, waiting = wait(waiting, TELL_SECONDS, FIRST_COMPLETED)
            for answer in (each.result() for each in finished):
                marks.update(answer.marks or {})
                whole.unread += answer.unread
                whole.events += answer.events
            told(sum(done.values()), total)
    whole.marks = marks
    return whole


def _shares(total: int, processes: int) -> list[list[int]]:
    """Partition numbers that are folded together: few shares (each costs a process), none too large for memory, and as
    many for each process, so that none waits for another's last one."""
    count = min(PARTITIONS, processes * max(1, -(-total // (LARGEST_SHARE * processes))))
    return [list(range(first, PARTITIONS, count)) for first in range(count)]


def _catch_up(connection: psycopg.Connection[Any], config: Settings, folded: Folded) -> int:
    """Fold in what has come since; returns how many records that were."""
    count = 0
    marks = folded.marks
    start = {place: marks.get(partition_name(*place), Mark()).offset + 1 for place in places(range(PARTITIONS))}
    for batch in read_messages_to_end(config, start):
        count += len(batch)
        folded.rows = load_rows(connection, _subjects(batch), NEXT)
        changed: dict[UUID, dict[str, Any]] = {}
        for record in batch:
            touched = folded.take(record)
            if touched is not None:
                subject, stage = touched
                changed.setdefault(subject, {})[stage] = folded.row(subject)[stage]
        write_groups(connection, changed, NEXT)
    folded.rows = {}
    return count


def _subjects(batch: Iterable[Message]) -> set[UUID]:
    found = set()
    for record in batch:
        try:
            found.add(UUID((record.key() or b"").decode()))
        except ValueError:
            continue
    return found


def _swap(connection: psycopg.Connection[Any], config: Settings, folded: Folded) -> None:
    # In the live projection's own order (rows, then marks), so that the two can't wait for each other.
    connection.execute("LOCK TABLE requests IN SHARE ROW EXCLUSIVE MODE")
    connection.execute("LOCK TABLE marks IN EXCLUSIVE MODE")
    _catch_up(connection, config, folded)
    connection.execute("DROP TABLE requests")
    connection.execute("ALTER TABLE requests_next RENAME TO requests")
    connection.execute("ALTER INDEX requests_next_pkey RENAME TO requests_pkey")
    for name, _ in INDEXES:
        connection.execute(SQL("ALTER INDEX {} RENAME TO {}").format(Identifier(f"{name}_next"), Identifier(name)))
    connection.execute("DELETE FROM marks")
    _insert(connection, "marks", [(name, mark.offset, mark.position) for name, mark in folded.marks.items()])
    connection.execute("DELETE FROM unread")
    _insert(connection, "unread", folded.unread)


def _insert(connection: psycopg.Connection[Any], table: str, rows: list[Any]) -> None:
    if rows:
        values = SQL(", ").join(SQL("%s") for _ in rows[0])
        with connection.cursor() as cursor:
            cursor.executemany(SQL("INSERT INTO {} VALUES ({})").format(Identifier(table), values), rows)


def _make_next(connection: psycopg.Connection[Any]) -> None:
    connection.execute("DROP TABLE IF EXISTS requests_next")
    connection.execute(
        "CREATE TABLE requests_next (LIKE requests INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING COMMENTS) "
        "WITH (fillfactor = 60)"
    )


def _index(connection: psycopg.Connection[Any]) -> None:
    connection.execute("ALTER TABLE requests_next ADD PRIMARY KEY (request_id)")
    for name, columns in INDEXES:
        connection.execute(SQL("CREATE INDEX {} ON requests_next " + columns).format(Identifier(f"{name}_next")))
    protect_next(connection)
    connection.execute(
        "VACUUM ANALYZE requests_next"
    )  # lists are answered from indexes alone once pages are all visible


def protect_next(connection: psycopg.Connection[Any]) -> None:
    """Row-level security and rights as the table in use has them: tenants are confined from the swap on."""
    connection.execute("SELECT protect_requests('requests_next')")


__all__ = ["Report", "protect_next", "rebuild"]
