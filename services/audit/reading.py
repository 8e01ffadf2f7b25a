"""The sources that the auditor reads: the stages' stores by request (indexed), the topics by key. A request's events
lie in one partition number of every stage's topic; what comes from outside lies wherever its sender has put it. Reads
only: the sessions are read-only, and no producer is made."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from confluent_kafka.admin import AdminClient
from psycopg.sql import Identifier

from events.topics import (
    ALL_TOPICS,
    BANK_PAYMENTS,
    CONFIRMATIONS,
    DEAD_LETTERS,
    MANUFACTURING_ORDERS,
    OPS_EVENTS,
    PAYMENT_COMMANDS,
    STAGE_TOPICS,
    distributor_of,
)
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import TIMEOUT_SECONDS, offsets_at
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import READ_ONLY, open_session

QUERIES = load_queries("services.audit")

STAGES = tuple(topic.writer for topic in STAGE_TOPICS)
TOPIC_OF = {topic.writer: topic.name for topic in STAGE_TOPICS}
STAGE_OF = {topic.name: topic.writer for topic in STAGE_TOPICS}

OF_MONEY = frozenset((BANK_PAYMENTS.name, PAYMENT_COMMANDS.name))
"""Topics whose key is not the request: money does not say which one it is for."""

LOG_OF = {**TOPIC_OF, OPS_EVENTS.writer: OPS_EVENTS.name}
"""Every store's topic."""

READS = {**READ_ONLY, "default_transaction_isolation": "repeatable read", "app.scope": "all", "jit": "off"}
"""Of a session: nothing is written, one snapshot a transaction, the cabinets of all partners."""

Place = tuple[str, int]
"""(topic, partition)"""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An event as it lies in its stage's store."""

    stage: str
    position: int
    request_id: UUID
    version: int
    type: str
    body: bytes
    time: datetime
    clock: int
    causation: str | None
    correlation: str | None
    input: str | None
    trace: str | None


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter as it lies in the store of the stage that could not take it."""

    stage: str
    number: int
    record: Record
    code: str
    reason: str
    received_at: datetime
    status: str
    subject: UUID | None


@contextmanager
def reading(config: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A session that PostgreSQL itself keeps from writing; one snapshot for all that is read in it."""
    with open_session(database_url(config), READS, autocommit=False, application_name="postavka-audit") as connection:
        yield connection


def stages_there(connection: psycopg.Connection[Any]) -> list[str]:
    """Stages that have a store: on a new installation some may never have started."""
    rows = connection.execute(QUERIES.stages_there, (list(STAGES),))
    return [row[0] for row in rows]


def logs_there(connection: psycopg.Connection[Any]) -> list[str]:
    """The same with the store of what operations do by hand."""
    row = connection.execute(QUERIES.table_there, (f"{OPS_EVENTS.writer}.stored_events",)).fetchone()
    return stages_there(connection) + ([OPS_EVENTS.writer] if row is not None and row[0] is not None else [])


def stored_events(
    connection: psycopg.Connection[Any], requests: Iterable[UUID], until: int | None = None
) -> list[StoredRow]:
    """Events of these requests from all stores, in causal order; `until`: with a clock up to this."""
    wanted = list(requests)
    found: list[StoredRow] = []
    for stage in stages_there(connection):
        query = QUERIES.stored_events.format(Identifier(stage))
        rows = connection.execute(query, (wanted, until, until), binary=True)
        found.extend(StoredRow(stage, *row) for row in rows)
    found.sort(key=lambda event: (event.clock, event.stage, event.position))
    return found


def dead_letters(connection: psycopg.Connection[Any], request: UUID) -> list[DeadLetterRow]:
    """Dead letters of a request: known by its stage to be about it, or written under its key."""
    found: list[DeadLetterRow] = []
    for stage in stages_there(connection):
        query = QUERIES.dead_letters.format(Identifier(stage))
        rows = connection.execute(query, (request, str(request).encode()))
        found.extend(letter_of(stage, row) for row in rows)
    return found


def letter_of(stage: str, row: tuple[Any, ...]) -> DeadLetterRow:
    """The dead letter in the columns that `dead_letters` selects."""
    number, topic, partition, offset, timestamp_ms, key, value, headers, code, reason, received_at, status, subject = (
        row
    )
    raw = tuple((name, None if text is None else base64.b64decode(text)) for name, text in headers)
    record = Record(topic, partition, offset, timestamp_ms, key, value, raw)
    return DeadLetterRow(stage, number, record, code, reason, received_at, status, subject)


CORRECTS = "dlq_corrects"
"""Header of a record that operations have put in a dead letter's place: `billing/12`. Anybody can write it: what was
corrected stands on `ops.events`."""


Corrections = Mapping[tuple[str, str, str], str]
"""(dead letter, topic, SHA-256 of the corrected body) → who corrected it, who agreed, and in whose place."""


def corrections_made(connection: psycopg.Connection[Any], letters: Iterable[str] | None = None) -> Corrections:
    """The corrections that operations have made of these dead letters (`billing/12`); None: of all."""
    if OPS_EVENTS.writer not in logs_there(connection):
        return {}
    only = None if letters is None else list(letters)
    rows = connection.execute(QUERIES.corrections_made, {"only": only})
    agreed: dict[str, str] = {}
    found: dict[tuple[str, str, str], str] = {}
    for kind, event in rows if only is None or only else ():
        place = event["letter"]
        letter = f"{place['stage']}/{place['number']}"
        if kind == "CorrectionAgreed.v1":
            agreed[letter] = "the only operator" if event["by_one"] else f"agreed: {event['agreed_by']}"
            continue
        instead = distributor_of(place["topic"])
        more = [f"in place of {instead}"] if instead else []
        more += [agreed[letter]] if letter in agreed else []
        who = f"{event['corrected_by']} ({', '.join((f'corrects {letter}', *more))})"
        found[letter, place["topic"], event["corrected_sha256"]] = who
    return found


def letter_corrected(headers: Mapping[str, bytes]) -> str | None:
    """The dead letter that a record says it corrects; from what `header_map` gave."""
    data = headers.get(CORRECTS)
    return None if data is None else data.decode("utf-8", "replace")


def corrector(made: Corrections, topic: str, headers: Mapping[str, bytes], value: bytes | None) -> str | None:
    """Who has put this record in a dead letter's place; None for every other record, whatever its headers say."""
    letter = letter_corrected(headers)
    return None if letter is None else made.get((letter, topic, hashlib.sha256(value or b"").hexdigest()))


# Topics


def topics_there(config: Settings) -> list[str]:
    """All topics of the contract that exist, with every distributor's answers; without the copies (orders to
    manufacturing, dead letters)."""
    metadata = AdminClient(for_librdkafka(config)).list_topics(timeout=TIMEOUT_SECONDS)
    left_out = {MANUFACTURING_ORDERS.name, DEAD_LETTERS.name, CONFIRMATIONS.name}
    fixed = [topic.name for topic in ALL_TOPICS if topic.name in metadata.topics and topic.name not in left_out]
    return fixed + sorted(name for name in metadata.topics if distributor_of(name) is not None)


def records_of(
    config: Settings, keys: Mapping[str, Iterable[bytes]], since_ms: int, named: Iterable[str]
) -> Iterator[Record]:
    """Records with these keys (by topic), from this time on to the end as it is now; and those `named` by their
    coordinates, whatever their key and time.
    """
    wanted = {(topic, key) for topic, these in keys.items() for key in these}
    places: set[Place] = set()
    for topic, key in wanted:
        numbers = (partition_of(key, PARTITIONS),) if topic in STAGE_OF else range(PARTITIONS)
        places.update((topic, number) for number in numbers)
    starts = offsets_at(config, places, since_ms)
    exactly = {place_of(coordinates) for coordinates in named}
    for topic, partition, offset in exactly:
        starts[topic, partition] = min(offset, starts.get((topic, partition), offset))
    for batch in read_records(config, starts):
        for message in batch:
            topic, partition = message.topic, message.partition
            if (topic, message.key) in wanted or (topic, partition, message.offset) in exactly:
                yield message


def place_of(coordinates: str) -> tuple[str, int, int]:
    """The topic, partition and offset in `topic/partition/offset`."""
    topic, partition, offset = coordinates.rsplit("/", 2)
    return topic, int(partition), int(offset)
