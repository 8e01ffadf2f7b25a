"""The live projection of the cabinet: every event once, rows and marks in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from events.activation import Activated
from events.approval import Approved
from events.envelope import trace_of
from events.shipping import ManufacturingOrdered, ShipmentIssued
from postavka.kernel.latest_used import LatestUsed
from postavka.kernel.log.record import Record
from postavka.kernel.process import metrics, tracing
from postavka.kernel.process.logs import logger
from postavka.kernel.projection.blue_green import connect, generation, swap_lock
from postavka.kernel.projection.checkpoints import keep_unread
from postavka.kernel.projection.event_reader import WRONG, EventReader, unread
from postavka.kernel.projection.read_model import Unread
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.checkpoint import Checkpoint, CheckpointMoved
from services.cabinet.fold import UNSHOWN, Row, fold, read
from services.cabinet.pickup import pick_up
from services.cabinet.table import (
    SCHEMA,
    STAGE_OF,
    TOPICS,
    load_rows,
    move_marks,
    prepare,
    read_marks,
    tell_changed,
    write_groups,
)

log = logger(__name__)

CACHE = 20_000
MILESTONES = {each.TYPE: each.__name__ for each in (Approved, ManufacturingOrdered, ShipmentIssued, Activated)}
"""Events to which the time from the submission is measured."""


class Cabinet:
    """The `postavka.kernel.projection.worker.Projection` of the cabinet."""

    name = "cabinet"
    topics = TOPICS

    def __init__(self, config: Settings, schema: str = SCHEMA) -> None:
        """`schema`: where its tables are, if they are not in use yet (a rebuild)."""
        self._config = config
        self._schema = schema
        self._conninfo = database_url(config)
        prepare(self._conninfo)
        self._generation = 0
        self._connection: psycopg.Connection[Any] | None = None
        self._marks: dict[str, Checkpoint] = {}
        self._rows = LatestUsed[UUID, Row](CACHE)
        for milestone in MILESTONES.values():
            metrics.REQUEST_SECONDS.labels(milestone)  # shown as 0 from the start, so that rates see the first one

    def marks(self, names: Sequence[str]) -> dict[str, int]:
        """Read the marks; what is cached may be another worker's by now, so it goes. What an earlier release could not
        read in these partitions is taken up first."""
        connection = self._connect()
        while True:
            self._rows.clear()
            self._generation = generation(connection, "requests")
            fresh = read_marks(connection, names)
            self._marks.update(fresh)
            try:
                pick_up(self._config, connection, fresh, lambda: self._hold(connection))
            except CheckpointMoved:
                continue  # built anew at this very moment
            return {name: mark.offset for name, mark in fresh.items()}

    def _hold(self, connection: psycopg.Connection[Any]) -> None:
        """No swap until the transaction ends. Raises `CheckpointMoved` if there has been one."""
        swap_lock(connection, self._schema)
        if generation(connection, "requests") != self._generation:
            raise CheckpointMoved("the tables were built anew")

    def project(self, records: Sequence[Record]) -> int:
        """Fold the records in. Everything or nothing is written."""
        connection = self._connect()
        reader = EventReader(self._marks)
        events: list[tuple[Record, UUID, str, dict[str, Any], str, int]] = []
        not_read: list[Unread] = []

        def refuse(record: Record, wrong: Exception) -> None:
            not_read.append(unread(record.topic, record.partition, record, wrong))

        for record, headers, position in reader.read(records, refuse):
            try:
                type_name, fields = read(STAGE_OF[record.topic], headers["ce_type"].decode(), record.value)
                subject, time = UUID(headers["ce_subject"].decode()), headers["ce_time"].decode()
            except WRONG as wrong:
                refuse(record, wrong)
                continue
            if type_name not in UNSHOWN:
                events.append((record, subject, type_name, fields, time, position))
        moved = reader.moved()
        if not moved:
            return 0
        steps = tracing.Steps()
        if tracing.is_on():
            for record, _, type_name, *_ in events:
                parent = trace_of(record.headers)
                steps.take(self.name, record.topic, record.partition, record.offset, type_name, parent)
        rows = self._load(connection, {subject for _, subject, *_ in events})
        changed: dict[UUID, dict[str, Any]] = {}
        for record, subject, type_name, fields, time, position in events:
            stage = STAGE_OF[record.topic]
            fold(rows[subject], stage, type_name, fields, time, position)
            changed.setdefault(subject, {})[stage] = rows[subject][stage]
        try:
            with connection.transaction():
                self._hold(connection)
                write_groups(connection, changed)
                keep_unread(connection, not_read)
                move_marks(connection, moved)
                tell_changed(connection, changed)
        except (psycopg.Error, CheckpointMoved):
            # Rows were folded in memory and are not in the table.
            self._rows.clear()
            self._connection = None
            connection.close()
            raise
        steps.end()
        if not_read:
            metrics.RECORDS.labels(self.name, "unread").inc(len(not_read))
        self._marks = reader.checkpoints
        self._rows.keep(rows)
        for _, subject, type_name, _, time, _ in events:
            if type_name in MILESTONES:
                _measure(rows[subject], type_name, time)
        return len(events)

    def _load(self, connection: psycopg.Connection[Any], subjects: set[UUID]) -> dict[UUID, Row]:
        rows = {subject: self._rows[subject] for subject in subjects if subject in self._rows}
        missing = subjects - rows.keys()
        if missing:
            stored = load_rows(connection, missing)
            rows.update({subject: stored.get(subject, {}) for subject in missing})
        return rows

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo, self._schema, SCHEMA)
        return self._connection


def _measure(row: Row, type_name: str, time: str) -> None:
    """Observe the time from the submission to this milestone."""
    submitted = row.get("request", {}).get("submitted_at")
    if submitted is not None:  # an event of a later stage may be read first
        seconds = (datetime.fromisoformat(time) - datetime.fromisoformat(submitted)).total_seconds()
        metrics.REQUEST_SECONDS.labels(MILESTONES[type_name]).observe(max(0.0, seconds))
