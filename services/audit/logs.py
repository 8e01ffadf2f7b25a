"""Events of a log as leaves of its tree, wherever a copy of them lies: on the topic or in the stage's store."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import psycopg
from confluent_kafka import Message
from psycopg.sql import SQL, Identifier

from events.envelope import header_map
from events.topics import OPS_EVENTS, STAGE_TOPICS
from postavka.log.relay import envelope_of
from postavka.log.unreadable import headers_of
from postavka.store.recorder import SELECT_EVENTS, RecordedEvent
from services.audit.verifier import leaf_data, leaf_hash

LOGS = tuple(topic.name for topic in (*STAGE_TOPICS, OPS_EVENTS))
"""Topics whose events have positions, each written by one relay."""


def stage_of(log: str) -> str:
    """The stage whose topic this is: its name, and that of its schema."""
    return log.removesuffix(".events")


NULL = b"\xff(null)"
"""Stands for a header without a value: none of ours has such."""

RawHeaders = Collection[tuple[str, bytes | None]]


class Foreign(ValueError):
    """A record on a stage's topic that its relay did not write; the message says by what it is told."""


def position_of(log: str, key: bytes | None, headers: RawHeaders, value: bytes | None) -> int:
    """The position that a record of this topic says it has. Raises `Foreign`."""
    named = header_map(headers)
    if named.get("ce_source") != f"/postavka/{stage_of(log)}".encode():
        raise Foreign("another source")
    if key is None or not value:
        raise Foreign("no key or no body")
    position = named.get("ce_position", b"")
    if not position.isdigit() or len(position) > 18 or position.startswith(b"0"):
        raise Foreign("no position")
    return int(position)


def leaf_of_record(key: bytes | None, headers: RawHeaders, value: bytes | None) -> bytes:
    """Canonical form of a record. A header without a value has none in ours, so it counts as one that was added."""
    pairs = ((name, NULL if content is None else content) for name, content in headers)
    return leaf_data(key or b"", pairs, value or b"")


def leaf_of_message(message: Message) -> bytes:
    """The same of librdkafka's message."""
    return leaf_of_record(message.key(), headers_of(message), message.value())


def leaf_of_event(log: str, event: RecordedEvent) -> bytes:
    """Canonical form of a stored event: that of the record which the relay makes of it."""
    envelope = envelope_of(event, f"/postavka/{stage_of(log)}")
    return leaf_data(str(event.originator_id).encode(), envelope.headers(), event.body)


def stored_events(connection: psycopg.Connection[Any], log: str, after: int = 0) -> Iterator[RecordedEvent]:
    """The events of a stage's store behind a position, in order. Runs in a transaction, with a cursor of its own."""
    with connection.transaction(), connection.cursor(name="stored_events", binary=True) as cursor:
        cursor.itersize = 5_000
        query = SELECT_EVENTS.replace("stored_events", "{}.stored_events")
        cursor.execute(
            SQL(query + " WHERE notification_id > %s ORDER BY notification_id").format(Identifier(stage_of(log))),
            (after,),
        )
        for row in cursor:
            yield RecordedEvent(*row)


__all__ = ["LOGS", "Foreign", "leaf_hash", "leaf_of_event", "leaf_of_message", "position_of", "stage_of"]
