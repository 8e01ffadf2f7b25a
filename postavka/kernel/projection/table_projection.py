"""Read models of which each event writes columns of its own, so that events of several topics may come in any order:
their live projection, and their fold for a rebuild. What an event writes is the part's own (`Entries`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from events.envelope import header_map, trace_in
from events.registry import MESSAGES, BadBody, UnknownType, read_fields
from events.upcasting import newest_version
from postavka.kernel.log.record import Piece, Record, partition_name
from postavka.kernel.log.unreadable import MARKER, UNREADABLE
from postavka.kernel.process import metrics
from postavka.kernel.projection.blue_green import connect, generation, swap_lock
from postavka.kernel.projection.checkpoints import move_marks, read_marks
from postavka.kernel.projection.read_model import Copied, Unread
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.checkpoint import Mark, MarksMoved


class Entries(Protocol):
    """What some records say, by table."""

    def take(self, type_name: str, fields: dict[str, Any], subject: str, time: str, trace: str | None) -> bool:
        """One record, read as its newest version; False if it says nothing here. `time` is RFC 3339."""
        ...

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Into tables that have rows; the same again changes nothing."""
        ...

    def copied(self) -> Iterator[Copied]:
        """For tables that are empty."""
        ...


@dataclass(frozen=True, slots=True)
class Entering:
    """How records of a read model are read. `takes`: the types that say something. `outside`: topics that no relay of
    ours writes, each with the type of a record without that header."""

    schema: str
    topics: Sequence[str]
    tables: Sequence[str]
    takes: frozenset[str]
    entries: Callable[[], Entries]
    prepare: Callable[[str], None]
    outside: Mapping[str, str]


class Reading:
    """A stretch of the log on its way into entries: marks are moved over every record, each counts once."""

    def __init__(self, how: Entering, marks: Mapping[str, Mark]) -> None:
        self._how = how
        self.marks = dict(marks)
        self.entries = how.entries()
        self.unread: list[Unread] = []
        self.events = 0
        self.alarming = 0
        """Of what is unread, what nobody else complains of."""

    def take(
        self,
        topic: str,
        partition: int,
        offset: int,
        headers: Collection[tuple[str, bytes | None]],
        value: bytes | None,
    ) -> None:
        """One record."""
        name = partition_name(topic, partition)
        mark = self.marks.get(name, Mark())
        if offset <= mark.offset:
            return
        said = header_map(headers)
        outside = self._how.outside.get(topic)
        position = mark.position
        if outside is None:
            try:
                position = int(said["ce_position"])
            except (KeyError, ValueError):
                self.marks[name] = Mark(offset, mark.position)
                return  # not written by the stage's relay
        self.marks[name] = Mark(offset, max(position, mark.position))
        if outside is None and position <= mark.position:
            return  # a late duplicate of a replaced relay
        if UNREADABLE in said or (MARKER in said and value is None):
            return
        type_name = said.get("ce_type", (outside or "").encode()).decode("utf-8", "replace")
        newest = newest_version(type_name)
        if newest in MESSAGES and newest not in self._how.takes:
            return
        try:
            newest, fields = read_fields(type_name, value)
            if outside is None:
                subject, time = said["ce_subject"].decode(), said["ce_time"].decode()
            else:
                # An outsider's headers may be anything; the stage that takes its records does not need these.
                subject = said.get("ce_subject", b"").decode("utf-8", "replace")
                time = said.get("ce_time", b"").decode("utf-8", "replace")
            self.events += self.entries.take(newest, fields, subject, time, trace_in(said))
        except (KeyError, ValueError, TypeError, AttributeError, UnknownType, BadBody) as wrong:
            self.unread.append((topic, partition, offset, type_name.replace("\x00", "\\0"), _words(wrong)))
            # What an outsider wrote wrongly is a dead letter of the stage that takes it: one alarm is enough.
            self.alarming += outside is None or not isinstance(wrong, UnknownType | BadBody)


class EntriesFold(Reading):
    """See `postavka.kernel.projection.read_model.Fold`."""

    def __init__(self, how: Entering) -> None:
        super().__init__(how, {})

    def take(self, piece: Piece) -> None:  # type: ignore[override]
        """Some records."""
        for record in piece.records:
            super().take(piece.topic, piece.partition, record.offset, record.headers, record.value)

    def copied(self) -> Iterator[Copied]:
        """All rows."""
        return self.entries.copied()


class EntriesProjection:
    """See `postavka.kernel.projection.worker.Projection`."""

    def __init__(self, config: Settings, how: Entering, schema: str | None = None) -> None:
        """`schema`: where its tables are, if they are not in use yet (a rebuild)."""
        self.name = how.schema
        self.topics = how.topics
        self._how = how
        self._schema = schema or how.schema
        self._conninfo = database_url(config)
        how.prepare(self._conninfo)
        self._connection: psycopg.Connection[Any] | None = None
        self._marks: dict[str, Mark] = {}
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
        read = Reading(self._how, self._marks)
        for record in records:
            read.take(record.topic, record.partition, record.offset, record.headers, record.value)
        before = self._marks
        moved = {
            name: (before.get(name, Mark()), mark) for name, mark in read.marks.items() if before.get(name) != mark
        }
        if not moved:
            return 0
        connection = self._connect()
        try:
            with connection.transaction():
                swap_lock(connection, self._schema)
                if generation(connection, self._how.tables[0]) != self._generation:
                    raise MarksMoved("the tables were built anew")
                read.entries.write(connection)
                for each in read.unread:
                    connection.execute("INSERT INTO unread VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", each)
                move_marks(connection, moved)
        except (psycopg.Error, MarksMoved):
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


def _words(wrong: Exception) -> str:
    return str(wrong)[:500].replace("\x00", "\\0")
