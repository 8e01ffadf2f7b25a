"""Brings back what the topic has and the store has not: the store was restored from an older copy.

Runs at every start of a worker, before anything is read or published; when nothing is missing it costs one look at the
end of the topic. Events come back under their own positions, byte for byte, with the values they claim; the inputs they
were made from are noted, so that reading those again makes nothing twice. What had been decided but was not on the
topic yet is decided anew from its inputs. Of an input with several events only the first may have been published: the
last input of each partition is decided once more on the state that it was decided on, and what is missing is added.

Stop all workers of the stage before restoring its schema: one that still runs notices (`StoreWentBack`) and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.sql import SQL

from events.envelope import Envelope
from events.registry import decode
from postavka.kernel.log.offsets import end_offsets, first_offsets
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.outbox.relay import read_checkpoint
from postavka.kernel.process import liveness
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.stage.definition import Stage
from postavka.kernel.stage.runner import StageRunner
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.recorder import RecordedEvent

QUERIES = load_queries("postavka.kernel.stage")

log = logger(__name__)


def bring_back(settings: Settings, stage: Stage, datastore: SchemaDatastore) -> int:
    """Import every event of the stage's topic that lies above the store's head; returns how many."""
    return import_missing(
        settings,
        datastore,
        [stage.topic],
        lambda event: stage.claims(event.originator_id, decode(event.type, event.body)),  # type: ignore[arg-type]
        _note_incomplete,
    )


def import_missing(
    settings: Settings,
    datastore: SchemaDatastore,
    topics: Sequence[str],
    claims: Callable[[RecordedEvent], Iterable[tuple[str, str]]],
    note: Callable[[psycopg.Connection[Any], Sequence[RecordedEvent]], None] = lambda connection, events: None,
) -> int:
    """Import what lies on the topics of a store above its head, with what it claims; returns how many. `note` is called
    in the same transaction."""
    with datastore.open_session() as connection:
        connection.execute(QUERIES.lock, (f"recovery of {datastore.schema}",))
        _, offsets = read_checkpoint(connection, list(topics))
        head = _head(connection, QUERIES.head)
        missing: dict[int, RecordedEvent] = {}
        for batch in read_records(settings, offsets):
            liveness.beat(liveness.START, liveness.START_SECONDS)
            for record in batch:
                event = recorded(record)
                if event is not None and event.position > head:
                    missing.setdefault(event.position, event)
        if not missing:
            return 0
        with connection.transaction():
            # Another worker of the store may be at work: what it wrote and published meanwhile is there already.
            head = _head(connection, QUERIES.head_for_update)
            events = [missing[position] for position in sorted(missing) if position > head]
            if events:
                import_events(connection, events, claims)
                note(connection, events)
        if events:
            log.warning(
                "events came back from the topic into an older store", store=datastore.schema, events=len(events)
            )
    return len(events)


def _note_incomplete(connection: psycopg.Connection[Any], events: Sequence[RecordedEvent]) -> None:
    # A partition has its events in order of position: only what came last can have been cut off.
    last = {partition_of(str(event.originator_id).encode(), PARTITIONS): event.input for event in events}
    with connection.cursor() as cursor:
        cursor.executemany(QUERIES.note_incomplete, [(each,) for each in last.values() if each is not None])


def complete_inputs(runner: StageRunner, fetch: Callable[[str], Record | None]) -> int:
    """Add what is missing of inputs that may have been published in part; returns how many events. Before anything
    else is read. `fetch` gives the record of an input (`topic/partition/offset`)."""
    datastore, count = runner.recorder.datastore, 0
    with datastore.get_connection() as connection:
        inputs = [row["input"] for row in connection.execute(QUERIES.incomplete_inputs)]
    for each in inputs:
        record = fetch(each)
        if record is None:
            log.error("an input that may lack events is not on its topic any more", input=each)
        else:
            count += len(runner.complete(record).events)
        with datastore.get_connection() as connection:
            connection.execute(QUERIES.completed, (each,))
    if count:
        log.warning("events were missing of inputs that came back", stage=runner.stage.name, events=count)
    return count


def fetch_input(settings: Settings, coordinates: str) -> Record | None:
    """The record of a topic at `topic/partition/offset`; None when there is none any more."""
    topic, partition, offset = coordinates.rsplit("/", 2)
    place, wanted = (topic, int(partition)), int(offset)
    if not first_offsets(settings, [place])[place] <= wanted < end_offsets(settings, [place])[place]:
        return None
    for batch in read_records(settings, {place: wanted}, {place: wanted + 1}):
        for message in batch:
            return message
    return None


def imported_inputs(datastore: SchemaDatastore) -> frozenset[str]:
    """Inputs that must not be handled again, as `topic/partition/offset`."""
    with datastore.get_connection() as connection:
        return frozenset(row["input"] for row in connection.execute(QUERIES.imported_inputs))


def _head(connection: psycopg.Connection[Any], query: SQL) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def recorded(record: Record) -> RecordedEvent | None:
    """A record of the stage's own topic as the event it was; None for a record that its relay did not write."""
    try:
        envelope = Envelope.read(record.headers)
        request_id, _, version = envelope.id.rpartition("/")
        originator, number = UUID(request_id), int(version)
    except ValueError:
        return None
    if envelope.position is None or record.value is None:
        return None
    return RecordedEvent(
        originator,
        number,
        envelope.type,
        record.value,
        envelope.time,
        envelope.clock,
        envelope.causation,
        envelope.correlation,
        envelope.input,
        envelope.trace,
        envelope.position,
    )


def import_events(
    connection: psycopg.Connection[Any],
    events: Sequence[RecordedEvent],
    claims: Callable[[RecordedEvent], Iterable[tuple[str, str]]],
) -> None:
    """Put events back under their own positions, with what they claim and the inputs they were made from."""
    with connection.cursor() as cursor:
        cursor.executemany(
            QUERIES.import_event,
            [
                (
                    event.originator_id,
                    event.version,
                    event.type,
                    event.body,
                    event.time,
                    event.clock,
                    event.causation,
                    event.correlation,
                    event.input,
                    event.trace,
                    event.position,
                )
                for event in events
            ],
        )
        cursor.executemany(
            QUERIES.import_claim,
            [(kind, value, event.originator_id) for event in events for kind, value in claims(event)],
        )
        cursor.executemany(
            QUERIES.import_input,
            [(event.input,) for event in events if event.input is not None],
        )
    connection.execute(QUERIES.raise_head, (events[-1].position,))
