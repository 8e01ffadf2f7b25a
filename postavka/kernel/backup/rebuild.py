"""When only one half is left: the stages' stores from the topics, or the stages' topics from the stores.

All services must stand still. Neither changes what is there: a store or a topic that has something is brought up to
date or refused.

**Stores from topics.** Events come back byte for byte. How far a stage had handled its inputs is read from its events,
since each names the record that it was made from, and from its dead letters; what came later is decided anew. Dead
letters come back from their topic.

**Topics from stores.** Every event is published again in the order of its position, which gives it the offset that it
had; marks of readers are set by position all the same. What outsiders wrote on the input topics lies nowhere else: they
are made anew, beginning at the offset behind the last one that was handled, so that no offset means two records.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
from psycopg.sql import SQL, Identifier

from events.envelope import header_map
from postavka.kernel.backup.database import require_nobody_at_work
from postavka.kernel.backup.offset_writer import OffsetWriter
from postavka.kernel.errors import UserError
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import partition_name
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.on_progress import OnProgress
from postavka.kernel.outbox.relay import DEAD_LETTERS, envelope_of, read_events
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.stage.definition import Stage
from postavka.kernel.stage.recovery import bring_back
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.kernel.backup")

Place = tuple[str, int]


class StoreNotEmpty(UserError):
    """A store that shall be built from its topic has events."""


@dataclass(slots=True)
class Rebuilt:
    """The result of a rebuild from the other half."""

    events: dict[str, int] = field(default_factory=dict)
    """By stage (stores) or by topic."""
    dead_letters: int = 0
    made: list[str] = field(default_factory=list)
    """Topics that were missing or empty."""
    lost: dict[str, int] = field(default_factory=dict)
    """Input topics whose records are gone, with how many there were."""


# Stores from topics


def rebuild_stores(
    config: Settings, stages: Sequence[Stage], on_progress: OnProgress = lambda what, done, total: None
) -> Rebuilt:
    """Make the store of each stage from its topic. Raises `StoreNotEmpty`, `StillAtWork`."""
    url = database_url(config)
    with psycopg.connect(url, autocommit=True) as connection:
        require_nobody_at_work(connection)
        for stage in stages:
            _require_empty(connection, stage.name)
    rebuilt = Rebuilt()
    for done, stage in enumerate(stages):
        on_progress(f"events of {stage.name}", done, len(stages))
        migrate(url, stage.name, EVENT_STORE)
        datastore = SchemaDatastore(url, stage.name)
        try:
            rebuilt.events[stage.name] = bring_back(config, stage, datastore)
        finally:
            datastore.close()
    letters = _dead_letters(config)
    with psycopg.connect(url) as connection:
        reached = {stage.name: _reached(connection, stage, letters.get(stage.source, ())) for stage in stages}
        on_progress("marks", 0, 1)
        positions = _positions(config, _stage_places(stages, reached))
        for stage in stages:
            _write_marks(connection, stage, reached[stage.name], positions)
            rebuilt.dead_letters += _write_letters(connection, stage, letters.get(stage.source, ()))
    on_progress("marks", 1, 1)
    return rebuilt


def _require_empty(connection: psycopg.Connection[Any], schema: str) -> None:
    found = connection.execute(QUERIES.table_there, (f"{schema}.stored_events",)).fetchone()
    if found is None or found[0] is None:
        return
    row = connection.execute(QUERIES.has_events.format(Identifier(schema))).fetchone()
    if row is not None and row[0]:
        raise StoreNotEmpty(
            f"the store of {schema} has events: its workers bring back what it lacks when they start. "
            f"To build it from nothing, drop its schema: DROP SCHEMA {schema} CASCADE"
        )


def _reached(
    connection: psycopg.Connection[Any], stage: Stage, letters: Iterable[Mapping[str, Any]]
) -> dict[Place, int]:
    """The highest offset of each input partition that an event or a dead letter of the stage comes from."""
    rows = connection.execute(QUERIES.reached.format(Identifier(stage.name)))
    reached: dict[Place, int] = {(topic, partition): offset for topic, partition, offset in rows}
    for letter in letters:
        place = (letter["topic"], letter["partition"])
        reached[place] = max(reached.get(place, -1), letter["offset"])
    return reached


def _stage_places(stages: Sequence[Stage], reached: Mapping[str, Mapping[Place, int]]) -> dict[Place, list[int]]:
    """Partitions of stages' topics that other stages read, with the offsets at which positions are wanted."""
    topics = {stage.topic for stage in stages}
    wanted: dict[Place, list[int]] = {}
    for marks in reached.values():
        for place, offset in marks.items():
            if place[0] in topics:
                wanted.setdefault(place, []).append(offset)
    return wanted


def _positions(config: Settings, wanted: Mapping[Place, list[int]]) -> dict[tuple[Place, int], int]:
    """The highest position up to each offset of each partition."""
    found: dict[tuple[Place, int], int] = {}
    highest: dict[Place, int] = dict.fromkeys(wanted, 0)
    for batch in read_records(config, dict.fromkeys(wanted, 0)):
        for message in batch:
            place = (message.topic, message.partition)
            position = header_map(message.headers).get("ce_position", b"")
            if position.isdigit():
                highest[place] = max(highest[place], int(position))
            if message.offset in wanted[place]:
                found[place, message.offset] = highest[place]
    return found


def _write_marks(
    connection: psycopg.Connection[Any],
    stage: Stage,
    reached: Mapping[Place, int],
    positions: Mapping[tuple[Place, int], int],
) -> None:
    connection.execute(QUERIES.use_schema.format(Identifier(stage.name)))
    rows = [(partition_name(*place), offset, positions.get((place, offset), 0)) for place, offset in reached.items()]
    with connection.cursor() as cursor:
        cursor.executemany(QUERIES.write_checkpoint, rows)
    # Marks say it now: the list of inputs that came back would be looked at with every record, for ever.
    connection.execute(QUERIES.forget_imported_inputs)


def _dead_letters(config: Settings) -> dict[str, list[dict[str, Any]]]:
    """What the topic of dead letters has, by the source of the stage that could not take it. One that is there twice
    counts once."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for batch in read_records(config, {(DEAD_LETTERS, number): 0 for number in range(PARTITIONS)}):
        for message in batch:
            headers = message.headers
            facts = {name: value.decode() for name, value in headers if name.startswith("dlq_") and value is not None}
            source, _, number = facts.get("dlq_id", "").rpartition("#")
            if not number.isdigit():
                continue
            found.setdefault(source, {})[int(number)] = {
                "id": int(number),
                "topic": facts["dlq_topic"],
                "partition": int(facts["dlq_partition"]),
                "offset": int(facts["dlq_offset"]),
                "timestamp_ms": message.timestamp_ms,
                "key": message.key,
                "value": message.value,
                "headers": orjson.dumps(
                    [
                        [name, None if value is None else base64.b64encode(value).decode()]
                        for name, value in headers
                        if not name.startswith("dlq_")
                    ]
                ).decode(),
                "code": facts["dlq_code"],
                "reason": facts["dlq_reason"],
                "sha256": facts["dlq_sha256"],
            }
    return {source: [letters[number] for number in sorted(letters)] for source, letters in found.items()}


def _write_letters(connection: psycopg.Connection[Any], stage: Stage, letters: Iterable[Mapping[str, Any]]) -> int:
    """One whose record has become an event since was taken at a later try."""
    count = 0
    for letter in letters:
        count += 1
        connection.execute(
            QUERIES.write_dead_letter,
            {**letter, "input": f"{letter['topic']}/{letter['partition']}/{letter['offset']}"},
        )
    connection.execute(QUERIES.number_dead_letters)
    return count


# Topics from stores


@dataclass(frozen=True, slots=True)
class CheckpointKeeper:
    """Somebody who keeps marks: table, and columns of name, offset and position (None: it keeps no position)."""

    schema: str
    table: str
    name: str
    offset: str
    position: str | None
    following: bool = False
    """Its offset is that of the next record, not of the last one."""


KINDS = (
    ("notification_tracking", "application_name", "notification_id", "position", False),
    ("marks", "name", "offset", "position", False),
    ("followed", "name", "offset", None, True),
)
"""How the tables of marks look that there are: of stages, of projections, of the auditor's service."""


def find_readers(connection: psycopg.Connection[Any]) -> list[CheckpointKeeper]:
    """Everybody who keeps marks in this database."""
    rows = connection.execute(QUERIES.find_readers, ([kind[0] for kind in KINDS],)).fetchall()
    return [
        CheckpointKeeper(schema, table, name, offset, position, following)
        for schema, table, columns in rows
        for kind, name, offset, position, following in KINDS
        if kind == table and {name, offset, position or name} <= set(columns)
    ]


def rebuild_topics(
    config: Settings,
    stages: Sequence[Stage],
    topics: Sequence[str],
    on_progress: OnProgress = lambda what, done, total: None,
) -> Rebuilt:
    """Make what is missing of `topics` and fill the stages' from their stores. A topic that has records is left alone.
    Raises `StillAtWork`."""
    url = database_url(config)
    rebuilt = Rebuilt()
    with psycopg.connect(url) as connection:
        require_nobody_at_work(connection)
        ensure_topics(config, topics)
        places = [(topic, number) for topic in topics for number in range(PARTITIONS)]
        ends = end_offsets(config, places)
        empty = {topic for topic in topics if not any(ends[topic, number] for number in range(PARTITIONS))}
        rebuilt.made = sorted(empty)
        known = find_readers(connection)
        marks = {reader: _marks(connection, reader) for reader in known}
        writer = OffsetWriter(config, empty)
        offsets: dict[tuple[Place, int], int] = {}
        for stage in stages:
            for topic in (stage.topic, *stage.copies.values()):
                if topic in empty:
                    count = _publish(connection, writer, stage, topic, offsets, on_progress)
                    rebuilt.events[topic] = count
        written = {stage.topic for stage in stages} | {copy for stage in stages for copy in stage.copies.values()}
        for topic in sorted(empty - written):
            lost = _begin_behind(writer, topic, marks, known)
            if lost and topic != DEAD_LETTERS:
                rebuilt.lost[topic] = lost
        writer.close()
        for reader in known:
            _move_marks(connection, reader, marks[reader], offsets, empty & written)
        for stage in stages:
            connection.execute(QUERIES.publish_events_again.format(Identifier(stage.name)))
            if DEAD_LETTERS in empty:
                done = connection.execute(QUERIES.publish_dead_letters_again.format(Identifier(stage.name)))
                rebuilt.dead_letters += done.rowcount
    return rebuilt


def _publish(
    connection: psycopg.Connection[Any],
    writer: OffsetWriter,
    stage: Stage,
    topic: str,
    offsets: dict[tuple[Place, int], int],
    on_progress: OnProgress,
) -> int:
    """Every event (or those that are copied to this topic) in order of position; notes which offset each position has
    got."""
    connection.execute(QUERIES.use_schema.format(Identifier(stage.name)))
    row = connection.execute(QUERIES.count_events).fetchone()
    total = row[0] if row else 0
    copied = {kind for kind, copy in stage.copies.items() if copy == topic}
    nexts = dict.fromkeys(range(PARTITIONS), 0)
    for number in nexts:
        writer.start_at(topic, number, 0)
    position = done = 0
    while events := read_events(connection, position):
        for event in events:
            if topic != stage.topic and event.type not in copied:
                continue
            key = str(event.originator_id).encode()
            partition = partition_of(key, PARTITIONS)
            headers = [{"name": name, "value": value} for name, value in envelope_of(event, stage.source).headers()]
            writer.write(
                topic,
                partition,
                {
                    "offset": nexts[partition],
                    "timestamp": int(event.time.timestamp() * 1000),
                    "key": key,
                    "value": event.body,
                    "headers": headers,
                },
            )
            offsets[(topic, partition), event.position] = nexts[partition]
            nexts[partition] += 1
            done += 1
        position = events[-1].position
        on_progress(f"{topic}", done, total)
    return done


def _begin_behind(
    writer: OffsetWriter,
    topic: str,
    marks: Mapping[CheckpointKeeper, Mapping[str, tuple[int, int]]],
    readers: Sequence[CheckpointKeeper],
) -> int:
    """A topic whose records are gone begins behind every offset that anybody has seen of it."""
    lost = 0
    for number in range(PARTITIONS):
        name = partition_name(topic, number)
        seen = max(
            (marks[reader][name][0] + (not reader.following) for reader in readers if name in marks[reader]), default=0
        )
        writer.start_at(topic, number, seen)
        lost += seen
    return lost


def _marks(connection: psycopg.Connection[Any], reader: CheckpointKeeper) -> dict[str, tuple[int, int]]:
    position = Identifier(reader.position) if reader.position else SQL("0")
    query = QUERIES.checkpoints.format(
        Identifier(reader.name), Identifier(reader.offset), position, Identifier(reader.schema, reader.table)
    )
    return {name: (offset, place) for name, offset, place in connection.execute(query)}


def _move_marks(
    connection: psycopg.Connection[Any],
    reader: CheckpointKeeper,
    marks: Mapping[str, tuple[int, int]],
    offsets: Mapping[tuple[Place, int], int],
    rewritten: set[str],
) -> None:
    """Move a reader's checkpoints to where the position that it has seen lies now; a reader without positions begins
    anew."""
    for name, (_, position) in marks.items():
        topic, _, number = name.rpartition("/")
        if topic not in rewritten:
            continue
        offset = offsets.get(((topic, int(number)), position), -1)
        connection.execute(
            QUERIES.move_checkpoint.format(
                Identifier(reader.schema, reader.table), Identifier(reader.offset), Identifier(reader.name)
            ),
            (offset + 1 if reader.following else offset, name),
        )
