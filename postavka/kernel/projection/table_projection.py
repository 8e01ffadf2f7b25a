"""Read models of which each event writes columns of its own, so that events of several topics may come in any order:
their live projection, and their fold for a rebuild. What an event writes is the part's own (`TableRows`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

import psycopg

from events.envelope import trace_in
from events.registry import MESSAGES, fields_of, read_fields
from events.topics import default_type_of
from events.upcasting import newest_version
from postavka.kernel.log.record import Piece, Record
from postavka.kernel.process import metrics
from postavka.kernel.projection.blue_green import connect, generation, swap_lock
from postavka.kernel.projection.checkpoints import keep_unread, move_marks, read_marks
from postavka.kernel.projection.event_reader import WRONG, EventReader, Unreadable, message_of, type_of, unread
from postavka.kernel.projection.read_model import Copied, Unread
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.checkpoint import Checkpoint, CheckpointMoved


class TableRows(Protocol):
    """The rows that some records give, by table."""

    def take(self, type_name: str, fields: dict[str, Any], subject: str, time: str, trace: str | None) -> bool:
        """Take one record, read as its newest version; False if it says nothing here. `time` is RFC 3339."""
        ...

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Write the rows into tables that have some; the same again changes nothing."""
        ...

    def copied(self) -> Iterator[Copied]:
        """The rows for tables that are empty."""
        ...


@dataclass(frozen=True, slots=True)
class ProjectionDefinition:
    """The definition of a read model's reading. `takes`: the types that say something. `outside`: topics that no relay
    of ours writes."""

    schema: str
    topics: Sequence[str]
    tables: Sequence[str]
    takes: frozenset[str]
    entries: Callable[[], TableRows]
    prepare: Callable[[str], None]
    outside: Collection[str]


class TableReader:
    """A stretch of the log on its way into entries."""

    def __init__(self, how: ProjectionDefinition, marks: Mapping[str, Checkpoint]) -> None:
        self._how = how
        self.reader = EventReader(marks, lambda topic: topic not in how.outside)
        self.entries = how.entries()
        self.unread: list[Unread] = []
        self.events = 0
        self.alarming = 0
        """Of what is unread, what nobody else complains of: what an outsider wrote wrongly is a dead letter of the
        stage that takes it."""

    @property
    def marks(self) -> dict[str, Checkpoint]:
        """The checkpoints by `topic/partition`."""
        return self.reader.checkpoints

    def take(self, topic: str, partition: int, records: Iterable[Any]) -> None:
        """Some records of one partition."""
        outside, default_type = topic in self._how.outside, default_type_of(topic)

        def refuse(record: Any, wrong: Exception) -> None:
            self.unread.append(unread(topic, partition, record, wrong))
            self.alarming += not outside or not isinstance(wrong, Unreadable)

        for record, headers, _ in self.reader.partition(topic, partition).read(records, refuse):
            type_name = type_of(headers, default_type)
            newest = newest_version(type_name)
            if newest in MESSAGES and newest not in self._how.takes:
                continue
            try:
                if not outside:
                    newest, fields = read_fields(type_name, record.value)
                    subject, time = headers["ce_subject"].decode(), headers["ce_time"].decode()
                else:
                    # An outsider's headers may be anything; the stage that takes its records does not need these.
                    fields = fields_of(message_of(record, type_name, keyed_by_request=True))
                    subject = headers.get("ce_subject", b"").decode("utf-8", "replace")
                    time = headers.get("ce_time", b"").decode("utf-8", "replace")
                self.events += self.entries.take(newest, fields, subject, time, trace_in(headers))
            except WRONG as wrong:
                refuse(record, wrong)


class TableFold(TableReader):
    """A `postavka.kernel.projection.read_model.Fold` of rows."""

    def __init__(self, how: ProjectionDefinition) -> None:
        super().__init__(how, {})

    def take(self, piece: Piece) -> None:  # type: ignore[override]
        """Take some records of one partition."""
        super().take(piece.topic, piece.partition, piece.records)

    def copied(self) -> Iterator[Copied]:
        """All rows of the fold."""
        return self.entries.copied()


class TableProjection:
    """A `postavka.kernel.projection.worker.Projection` into tables."""

    def __init__(self, config: Settings, how: ProjectionDefinition, schema: str | None = None) -> None:
        """`schema`: where its tables are, if they are not in use yet (a rebuild)."""
        self.name = how.schema
        self.topics = how.topics
        self._how = how
        self._schema = schema or how.schema
        self._conninfo = database_url(config)
        how.prepare(self._conninfo)
        self._connection: psycopg.Connection[Any] | None = None
        self._marks: dict[str, Checkpoint] = {}
        self._generation = 0

    def marks(self, names: Sequence[str]) -> dict[str, int]:
        """Read the marks."""
        connection = self._connect()
        self._generation = generation(connection, self._how.tables[0])
        fresh = read_marks(connection, names)
        self._marks.update(fresh)
        return {name: mark.offset for name, mark in fresh.items()}

    def project(self, records: Sequence[Record]) -> int:
        """Write the records down. Everything or nothing is written."""
        read = TableReader(self._how, self._marks)
        for (topic, partition), run in groupby(records, attrgetter("topic", "partition")):
            read.take(topic, partition, run)
        moved = read.reader.moved()
        if not moved:
            return 0
        connection = self._connect()
        try:
            with connection.transaction():
                swap_lock(connection, self._schema)
                if generation(connection, self._how.tables[0]) != self._generation:
                    raise CheckpointMoved("the tables were built anew")
                read.entries.write(connection)
                keep_unread(connection, read.unread)
                move_marks(connection, moved)
        except (psycopg.Error, CheckpointMoved):
            self._connection = None
            connection.close()
            raise
        self._marks = read.marks
        if read.alarming:
            metrics.RECORDS.labels(self.name, "unread").inc(read.alarming)
        return read.events

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo, self._schema, self._how.schema)
        return self._connection
