"""Build a read model anew from the log, blue/green: new tables are filled while the old ones serve, catch up, and take
their place in one transaction.

Partition numbers are read, folded in memory and copied side by side by processes of their own (`rebuild_worker.py`);
indexes come after the rows (`blue_green.py`). What has come meanwhile is folded in by the live projection's own code,
on the new tables: the last of it while the live projection stands still, for as long as a few hundred records take.
That goes on from the new marks by itself.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import partition_name
from postavka.kernel.on_progress import OnProgress
from postavka.kernel.projection.blue_green import StagedTables, taken
from postavka.kernel.projection.read_model import CatchingUp, ReadModel, Unread
from postavka.kernel.projection.rebuild_worker import FoldAnswer, Folder, Place
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.store.checkpoint import Checkpoint

TELL_SECONDS = 0.2
CLOSE_ENOUGH = 500
"""Records behind the log at which the swap begins: the live projection stands still while these are folded in."""
LARGEST_SHARE = 400_000
"""Records that one process folds in memory before it writes: about a gigabyte of rows at most."""

OWN = ("marks", "unread")
"""Tables that are the rebuild's own business."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """The result of a rebuild. `rows` by table; `seconds` is the whole, swap included, `folding` and `indexing` its
    largest parts, `swapping` how long the live projection stood still."""

    records: int
    events: int
    rows: dict[str, int]
    unread: int
    seconds: float
    folding: float
    indexing: float
    swapping: float


@dataclass(slots=True)
class _Read:
    """What the shares have read."""

    records: int = 0
    events: int = 0
    marks: dict[str, Checkpoint] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)


def rebuild(
    config: Settings,
    model: ReadModel,
    on_progress: OnProgress = lambda what, done, total: None,
    processes: int | None = None,
) -> RebuildReport:
    """Build anew and swap. Safe to run while everything works; two at once wait for each other. An interrupted one
    leaves the old tables as they are."""
    started = time.monotonic()
    processes = min(processes or min(2, os.cpu_count() or 1), PARTITIONS)
    with ExitStack() as opened:
        # They start while the tables are made: it takes them a third of a second.
        folders = [opened.enter_context(Folder(config, model)) for _ in range(processes)]
        model.prepare(database_url(config))
        connection = opened.enter_context(model.connect(config))
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (f"rebuild of {model.schema}",))
        staging = StagedTables(
            connection, model.schema, model.staging, list(model.tables), lambda: model.connect(config)
        )
        staging.make()
        try:
            return _build(config, model, connection, staging, on_progress, folders, started)
        except BaseException:
            if not connection.closed:
                staging.drop()
            raise


def _build(
    config: Settings,
    model: ReadModel,
    connection: psycopg.Connection[Any],
    staging: StagedTables,
    on_progress: OnProgress,
    folders: Sequence[Folder],
    started: float,
) -> RebuildReport:
    places = [(topic, number) for topic in model.topics(config) for number in range(PARTITIONS)]
    read = _fill(model, _ends(config, model, connection, places), on_progress, folders)
    folded = time.monotonic()
    on_progress("indexes", 0, len(model.tables))
    staging.put_together(model.tables)
    staging.finish()
    on_progress("indexes", len(model.tables), len(model.tables))
    indexed = time.monotonic()
    _note(connection, model, read)
    live = model.live(config, model.staging, read.marks)
    live.marks([partition_name(*place) for place in places])
    reached = {place: read.marks.get(partition_name(*place), Checkpoint()).offset for place in places}

    def catch_up() -> int:
        ends = _ends(config, model, connection, places)
        count = _catch_up(config, live, reached, ends)
        read.records += count
        return count

    while catch_up() > CLOSE_ENOUGH:
        on_progress("what has come since", read.records, read.records)
    stood_still = time.monotonic()

    def last() -> None:
        nonlocal stood_still
        stood_still = time.monotonic()
        catch_up()

    staging.swap(last)
    swapped = time.monotonic()
    rows = {table: _count(connection, model.schema, table) for table in model.tables if table not in OWN}
    return RebuildReport(
        read.records,
        read.events,
        rows,
        len(read.unread),
        time.monotonic() - started,
        folded - started,
        indexed - folded,
        swapped - stood_still,
    )


def _ends(
    config: Settings, model: ReadModel, connection: psycopg.Connection[Any], places: Sequence[Place]
) -> dict[Place, int]:
    """The offsets up to which the new tables may go now: the end of the log, or the marks that the projection goes on
    from."""
    ends = end_offsets(config, places)
    if model.reached is None:
        return ends
    marks = model.reached(connection)
    return {place: min(end, marks.get(partition_name(*place), Checkpoint()).offset + 1) for place, end in ends.items()}


def _fill(model: ReadModel, ends: Mapping[Place, int], on_progress: OnProgress, folders: Sequence[Folder]) -> _Read:
    """Each folder has a thread of ours that waits for it, and takes the next share when it has folded one. Ends the
    folders."""
    total = sum(ends.values())
    done: dict[int, int] = {}
    shares = deque(_shares(total, len(folders)))

    def work(folder: Folder) -> list[FoldAnswer]:
        last: list[FoldAnswer] = []
        while (share := taken(shares)) is not None:
            for answer in folder.fold(_within(ends, model, share)):
                done[share[0]] = answer.records
            last.append(answer)
        return last

    whole = _Read()
    with ThreadPoolExecutor(len(folders)) as pool:
        try:
            waiting = {pool.submit(work, folder) for folder in folders}
            while waiting:
                finished, waiting = wait(waiting, TELL_SECONDS, FIRST_COMPLETED)
                for answer in chain.from_iterable(each.result() for each in finished):
                    whole.records += answer.records
                    whole.events += answer.events
                    whole.marks.update(answer.marks or {})
                    whole.unread += answer.unread
                on_progress("records", sum(done.values()), total)
        finally:
            shares.clear()
            for folder in folders:
                folder.kill()
            for folder in folders:
                folder.close()
    return whole


def _within(ends: Mapping[Place, int], model: ReadModel, share: Sequence[int]) -> dict[Place, int]:
    return {place: end for place, end in ends.items() if (0 if model.together(place[0]) else place[1]) in share}


def _shares(total: int, processes: int) -> list[list[int]]:
    """Partition numbers that are folded together: few shares, none too large for memory, and as many for each process,
    so that none waits for another's last one."""
    count = min(PARTITIONS, processes * max(1, -(-total // (LARGEST_SHARE * processes))))
    return [list(range(first, PARTITIONS, count)) for first in range(count)]


def _catch_up(config: Settings, live: CatchingUp, reached: dict[Place, int], ends: Mapping[Place, int]) -> int:
    """Fold in what has come since; returns how many records that were."""
    count = 0
    start = {place: offset + 1 for place, offset in reached.items()}
    for records in read_records(config, start, ends):
        live.project(records)
        count += len(records)
        for record in records:
            reached[record.topic, record.partition] = record.offset
    return count


def _note(connection: psycopg.Connection[Any], model: ReadModel, read: _Read) -> None:
    """Marks and unread records of the new tables, as far as the read model has such tables."""
    marks = [(name, mark.offset, mark.position) for name, mark in read.marks.items()]
    with connection.cursor() as cursor:
        for table, values, rows in (("marks", "%s, %s, %s", marks), ("unread", "%s, %s, %s, %s, %s", read.unread)):
            if table in model.tables:
                statement = SQL("INSERT INTO {} VALUES ({})").format(Identifier(model.staging, table), SQL(values))
                cursor.executemany(statement, rows)


def _count(connection: psycopg.Connection[Any], schema: str, table: str) -> int:
    row = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(schema, table))).fetchone()
    return int(row[0]) if row else 0
