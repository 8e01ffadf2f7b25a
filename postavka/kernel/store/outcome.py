"""What has come of a record: the events that a stage has written when it handled it, or why it could not take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import psycopg

from postavka.kernel.log.record import partition_name
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.kernel.store")


@dataclass(frozen=True, slots=True)
class StoredFact:
    """An event as it is stored: `reference` is how others name it as their cause."""

    stage: str
    position: int
    type: str
    body: dict[str, Any]
    reference: str


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """The events in the order in which they were written; `refused` says why the record is a dead letter. With neither
    there was nothing to do."""

    events: Sequence[StoredFact] = ()
    refused: str | None = None


def outcome_of(
    connection: psycopg.Connection[Any],
    stage: str,
    record: tuple[str, int, int],
    subjects: Callable[[], Sequence[UUID]],
) -> RecordOutcome | None:
    """What has come of the record at (topic, partition, offset); None while the stage has not got there. `connection`:
    to the stage's store. `subjects`: says where its events may lie; called once they are there."""
    topic, partition, offset = record
    input_name = partition_name(topic, partition)
    mark = connection.execute(QUERIES.checkpoints, ([input_name],)).fetchone()
    if mark is None or mark[1] < offset:
        return None
    letter = connection.execute(QUERIES.dead_letter_at, record).fetchone()
    if letter is not None:
        return RecordOutcome(refused=f"{letter[0]}: {letter[1]}")
    found = connection.execute(QUERIES.events_of_input, (list(subjects()), f"{input_name}/{offset}"))
    return RecordOutcome(_facts(stage, found))


def followed(
    connection: psycopg.Connection[Any], stage: str, cause: StoredFact, partition: int, subject: UUID
) -> RecordOutcome | None:
    """What another stage has made of an event; None while it has not got there."""
    mark = connection.execute(QUERIES.checkpoints, ([partition_name(f"{cause.stage}.events", partition)],)).fetchone()
    if mark is None or mark[2] < cause.position:
        return None
    return RecordOutcome(_facts(stage, connection.execute(QUERIES.events_of_cause, (subject, cause.reference))))


def claimed_by(connection: psycopg.Connection[Any], kind: str, value: str) -> list[UUID]:
    """Whose events hold what may exist once; empty while nobody's do."""
    return [subject for _, subject in connection.execute(QUERIES.find_claims, (kind, [value]))]


def _facts(stage: str, rows: psycopg.Cursor[Any]) -> list[StoredFact]:
    return [
        StoredFact(stage, position, type_name, orjson.loads(body), f"/postavka/{stage}#{subject}/{version}")
        for position, type_name, body, subject, version in rows
    ]
