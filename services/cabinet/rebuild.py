"""Build the cabinet anew from the log, blue/green: a second table is filled while the first one serves, catches up, and
takes its place in one transaction.

Partitions are independent of one another (a request lies in one partition number of every topic), so that each is read,
folded in memory and copied on its own, several at a time. Indexes come after the rows. The live projection notices the
swap by its marks and goes on from there.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

from events.envelope import header_map
from events.registry import BadBody, UnknownType, read_fields
from postavka.log.record import Record, partition_name
from postavka.log.tail import end_offsets, read_to_end
from postavka.settings import PARTITIONS, Settings
from postavka.stage.service import database_url
from postavka.store.migration import migrate
from postavka.store.recorder import Mark
from services.cabinet.fold import UNSHOWN, Row, fold
from services.cabinet.projection import SCHEMA, STAGE_OF, TOPICS
from services.cabinet.table import copy_rows, load_rows, write_groups

NEXT = "requests_next"
CLOSE_ENOUGH = 500
"""Records behind the log at which the swap begins: the live projection stands still while these are folded in."""
LARGEST_SHARE = 400_000
"""Events that one process folds in memory before it writes: about a gigabyte of rows at most."""
INDEXES = (
    ("requests_of_partner", "(partner_id, submitted_at DESC, request_id)"),
    ("requests_of_distributor", "(distributor_id, submitted_at DESC, request_id)"),
)

Unread = tuple[str, int, int, str, str]
Told = Callable[[int, int], None]
"""Called with events folded so far and events to fold."""


@dataclass(slots=True)
class Folded:
    """What came of reading a stretch of the log."""

    rows: dict[UUID, Row] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    events: int = 0

    def take(self, record: Record) -> tuple[UUID, str] | None:
        """Fold one record in; returns whose row and which group changed, or None."""
        name = partition_name(record.topic, record.partition)
        mark = self.marks.get(name) or Mark()
        self.marks[name] = Mark(record.offset, mark.position)
        try:
            headers = header_map(record.headers)
            position = int(headers["ce_position"])
            if position <= mark.position:
                return None
            type_name, fields = read_fields(headers["ce_type"].decode(), record.value)
            subject = UUID(headers["ce_subject"].decode())
        except (KeyError, ValueError, UnknownType, BadBody) as wrong:
            named = header_map(record.headers).get("ce_type", b"").decode("utf-8", "replace")
            self.unread.append((record.topic, record.partition, record.offset, named, str(wrong)))
            return None
        self.marks[name] = Mark(record.offset, position)
        self.events += 1
        if type_name in UNSHOWN:
            return None
        stage = STAGE_OF[record.topic]
        row = self.rows.get(subject)
        if row is None:
            row = self.rows[subject] = {}
        fold(row, stage, type_name, fields, headers["ce_time"].decode(), position)
        return subject, stage


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
    migrate(database_url(config), SCHEMA, "services.cabinet")
    with _connect(config) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('rebuild of cabinet'))")
        _make_next(connection)
        total = sum(end_offsets(config, _places(range(PARTITIONS))).values())
        folded = _fill(config, told, total, processes or min(2, os.cpu_count() or 1))
        _index(connection)
        while _catch_up(connection, config, folded) > CLOSE_ENOUGH:
            told(folded.events, max(total, folded.events))
        with connection.transaction():
            _swap(connection, config, folded)
        row = connection.execute("SELECT count(*) FROM requests").fetchone()
    told(folded.events, folded.events)
    return Report(folded.events, int(row[0]) if row else 0, len(folded.unread), time.monotonic() - started)


def fold_partitions(config: Settings, partitions: Sequence[int]) -> Folded:
    """Fold these partition numbers of all stage topics, from the beginning to the end as it is now."""
    folded = Folded()
    for batch in read_to_end(config, dict.fromkeys(_places(partitions), 0)):
        for record in batch:
            folded.take(record)
    return folded


def _fill(config: Settings, told: Told, total: int, processes: int) -> Folded:
    whole = Folded()
    shares = _shares(total, processes)
    spawn = multiprocessing.get_context("spawn")
    # Folding makes rows, not cycles: looking for those would take a third of the time.
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=gc.disable) as pool:
        for future in as_completed([pool.submit(_fill_share, config, share) for share in shares]):
            marks, unread, events = future.result()
            whole.marks.update(marks)
            whole.unread += unread
            whole.events += events
            told(whole.events, total)
    return whole


def _shares(total: int, processes: int) -> list[list[int]]:
    """Partition numbers that are folded together: few shares (each costs a consumer), none too large for memory."""
    count = min(PARTITIONS, max(processes, -(-total // LARGEST_SHARE)))
    return [list(range(first, PARTITIONS, count)) for first in range(count)]


def _fill_share(config: Settings, partitions: Sequence[int]) -> tuple[dict[str, Mark], list[Unread], int]:
    folded = fold_partitions(config, partitions)
    with _connect(config) as connection:
        copy_rows(connection, folded.rows, NEXT)
    return folded.marks, folded.unread, folded.events


def _catch_up(connection: psycopg.Connection[Any], config: Settings, folded: Folded) -> int:
    """Fold in what has come since; returns how many records that were."""
    count = 0
    start = {place: folded.marks.get(partition_name(*place), Mark()).offset + 1 for place in _places(range(PARTITIONS))}
    for batch in read_to_end(config, start):
        count += len(batch)
        folded.rows = load_rows(connection, _subjects(batch), NEXT)
        changed: dict[UUID, dict[str, Any]] = {}
        for record in batch:
            touched = folded.take(record)
            if touched is not None:
                subject, stage = touched
                changed.setdefault(subject, {})[stage] = folded.rows[subject][stage]
        write_groups(connection, changed, NEXT)
    folded.rows = {}
    return count


def _subjects(batch: Iterable[Record]) -> set[UUID]:
    found = set()
    for record in batch:
        try:
            found.add(UUID((record.key or b"").decode()))
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
    connection.execute("ANALYZE requests_next")


def _connect(config: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(database_url(config), autocommit=True, options=f"-c search_path={SCHEMA},public -c jit=off")


def _places(partitions: Iterable[int]) -> list[tuple[str, int]]:
    return [(topic, partition) for topic in TOPICS for partition in partitions]


__all__ = ["Folded", "Report", "fold_partitions", "rebuild"]
