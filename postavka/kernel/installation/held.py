"""Input partitions that have lost their end.

A single broker can lose its last records in a power cut, and a topic can be deleted and made anew. New records then
have offsets that were handled before, and whoever reads behind its checkpoint would skip them without a word. So every
reader compares its checkpoints with the ends: when partitions are assigned to it, and whenever an end is seen before a
checkpoint.

A stage's topic is then read again from its beginning: its relay publishes again what is missing, and what was seen is
skipped by its position. What outsiders write is held: its records are left alone, the reader is not ready, and the
database remembers it, since the topic grows on. `postavka topics --set-back` lets it be read again. What was lost
before anybody had read it only its sender can know.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.sql import Identifier

from events.topics import STAGE_TOPICS
from postavka.kernel.log.offsets import PartitionOffsets, end_offsets, offsets_at
from postavka.kernel.log.record import partition_name
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.kernel.installation")

log = logger(__name__)

AGAIN_SECONDS = 3.0
"""So long after its first answer an end is asked for again before a partition is held. A new leader may not know its
own at once; and a broker that was cut off answers as the leader that it was until it has heard of another."""
PAUSE_SECONDS = 0.5

OURS = frozenset(topic.name for topic in STAGE_TOPICS)
"""Topics whose records have positions, and are published again."""
Place = tuple[str, int]
ADVICE = "`postavka topics --set-back` lets it be read again (docs/how-it-recovers.md)"


@dataclass(frozen=True, slots=True)
class HeldPartition:
    """A partition that is shorter than what its reader has handled."""

    reader: str
    place: Place
    reached: int
    end: int

    def __str__(self) -> str:
        return (
            f"{partition_name(*self.place)} ended at offset {self.end}, and {self.reader} had handled {self.reached}: "
            "it has lost its end, and is held"
        )


class HeldPartitions:
    """Those of one reader, which its checkpoints' schema names. For several threads, one at a time."""

    def __init__(self, config: Settings, reader: str) -> None:
        self._reader = reader
        self._conninfo = database_url(config)
        self._offsets = PartitionOffsets(config)
        self.held: Mapping[Place, HeldPartition] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self.held

    def look(self, reached: Mapping[Place, int]) -> bool:
        """Compare checkpoints (offset of the last record handled; -1: none), read before, with the ends. Returns
        whether one was set back: read them again. Raises `OffsetsUnknown`; psycopg's `OperationalError`."""
        short = self._shorter(reached)
        ours = [place for place in short if place[0] in OURS]
        held = {place: end for place, end in short.items() if place[0] not in OURS}
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            for place in ours:
                log.error("a topic has lost its end: it is read from its beginning", place=partition_name(*place))
                _move(connection, self._reader, place, -1)
            if held:
                names, at = [partition_name(*place) for place in held], [reached[place] for place in held]
                connection.execute(QUERIES.hold, (self._reader, names, at, list(held.values())))
            rows = connection.execute(QUERIES.held_by, (self._reader,)).fetchall()
        self.held = {each.place: each for each in (_held(self._reader, *row) for row in rows)}
        for place in held:
            log.error("a topic has lost its end", what=str(self.held.get(place)), todo=ADVICE)
        return bool(ours)

    def _shorter(self, reached: Mapping[Place, int]) -> dict[Place, int]:
        """Partitions that end before these offsets, with their ends. What is believed was asked long enough after the
        first answer, however long that took: other brokers may have kept it waiting."""
        suspected = {place: offset for place, offset in reached.items() if offset >= 0}
        deadline: float | None = None
        while True:
            asked = time.monotonic()
            ends = self._offsets.ends(suspected)
            suspected = {place: offset for place, offset in suspected.items() if ends[place] <= offset}
            if not suspected or (deadline is not None and asked >= deadline):
                return {place: ends[place] for place in suspected}
            deadline = deadline or time.monotonic() + AGAIN_SECONDS
            time.sleep(max(0.0, min(PAUSE_SECONDS, deadline - time.monotonic())))

    def let_go(self) -> bool:
        """Has somebody set a checkpoint back? Then the reader starts anew. Raises psycopg's `OperationalError`."""
        if not self.held:
            return False
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            rows = connection.execute(QUERIES.held_by, (self._reader,)).fetchall()
        return {place_of(row[0]) for row in rows} != set(self.held)

    def trouble(self, assigned: Iterable[Place]) -> str | None:
        """What is held of these, as a sentence."""
        held = [self.held[place] for place in assigned if place in self.held]
        if not held:
            return None
        more = f", and {len(held) - 1} more" if len(held) > 1 else ""
        return f"{held[0]}{more}: {ADVICE}"


def all_held(connection: psycopg.Connection[Any]) -> list[HeldPartition]:
    """What all readers hold."""
    there = _is_there(connection, "installation.held")
    return [_held(*row) for row in connection.execute(QUERIES.all_held)] if there else []


def set_back(config: Settings) -> dict[HeldPartition, int]:
    """Set back the checkpoint of everything that is held, so that what took the place of lost records is read; returns
    the new checkpoints. Their readers start anew by themselves.

    A stage reads what is younger than its last event or dead letter from that partition: whatever was handled after it
    had led to nothing, and leads to nothing again. Another reader, which makes nothing twice, reads everything. Raises
    `OffsetsUnknown`.
    """
    found = {}
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        for held in all_held(connection):
            schema, name = Identifier(held.reader), partition_name(*held.place)
            offset = -1
            if not _is_there(connection, f"{held.reader}.marks"):
                row = connection.execute(QUERIES.last_effect.format(schema, schema), (name, name)).fetchone()
                offset = _before(config, held.place, row[0] if row else None)
            with connection.transaction():
                _move(connection, held.reader, held.place, offset)
                connection.execute(QUERIES.let_go, (held.reader, name))
            found[held] = offset
    return found


def _move(connection: psycopg.Connection[Any], reader: str, place: Place, offset: int) -> None:
    is_stage = not _is_there(connection, f"{reader}.marks")
    query = QUERIES.set_back_stage if is_stage else QUERIES.set_back_projection
    connection.execute(query.format(Identifier(reader)), (offset, partition_name(*place)))


def _is_there(connection: psycopg.Connection[Any], table: str) -> bool:
    return connection.execute(QUERIES.is_there, (table,)).fetchone() == (True,)


def _before(config: Settings, place: Place, moment: datetime | None) -> int:
    """The offset before the first record that came after this moment; never behind the end."""
    if moment is None:
        return -1
    first = offsets_at(config, [place], int(moment.timestamp() * 1000) + 1)[place]
    return min(first, end_offsets(config, [place])[place]) - 1


def _held(reader: str, place: str, reached: int, end: int) -> HeldPartition:
    return HeldPartition(reader, place_of(place), reached, end)


def place_of(name: str) -> Place:
    """`topic/partition` taken apart."""
    topic, _, number = name.rpartition("/")
    return topic, int(number)
