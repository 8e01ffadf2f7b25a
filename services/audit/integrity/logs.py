"""Events of a log as leaves of its tree, wherever a copy of them lies: on the topic or in the stage's store."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from events.envelope import header_map
from events.topics import OPS_EVENTS, STAGE_TOPICS
from postavka.kernel.outbox.relay import envelope_of
from postavka.kernel.store.recorder import SELECT_EVENTS, RecordedEvent
from services.audit.verifier import LEAF_PREFIX, leaf_data, leaf_hash

LOGS = tuple(topic.name for topic in (*STAGE_TOPICS, OPS_EVENTS))
"""Topics whose events have positions, each written by one relay."""


def stage_of(log: str) -> str:
    """The stage whose topic this is: its name, and that of its schema."""
    return log.removesuffix(".events")


NULL = b"\xff(null)"
"""Stands for a header without a value: none of ours has such."""
LEAF_BEGIN = b"\x00" + LEAF_PREFIX
"""Of what a leaf's hash is made of (RFC 9162, 2.1.1)."""
LONG_NAME = 64

RawHeaders = Collection[tuple[str, bytes | None]]


class Foreign(ValueError):
    """A record on a stage's topic that its relay did not write; the message says by what it is recognised."""


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


def digest_of(key: bytes | None, value: bytes | None, headers: RawHeaders) -> tuple[int | None, bytes]:
    """The position that a record says it has, and its leaf hash: what `leaf_hash(leaf_data(…))` is, made for millions.
    A header without a value has none in ours, so it counts as one that was added."""
    position = None
    key, value = key or b"", value or b""
    parts = [LEAF_BEGIN, len(key).to_bytes(4, "big"), key, len(headers).to_bytes(4, "big")]
    for name, content in headers:
        if content is None:
            content = NULL
        elif name == "ce_position":
            position = _number(content)
        parts += (named(name), len(content).to_bytes(4, "big"), content)
    parts += (len(value).to_bytes(4, "big"), value)
    return position, hashlib.sha256(b"".join(parts)).digest()


def named(name: str) -> bytes:
    """A header's name as a leaf has it, its length before it. Those of foreign records may be long."""
    return _name(name) if len(name) < LONG_NAME else _name.__wrapped__(name)


@lru_cache(maxsize=200)
def _name(name: str) -> bytes:
    raw = name.encode()
    return len(raw).to_bytes(4, "big") + raw


def _number(value: bytes) -> int | None:
    try:
        number = int(value)
    except ValueError:
        return None
    return number if number > 0 else None


def leaf_of_event(log: str, event: RecordedEvent) -> bytes:
    """Canonical form of a stored event: that of the record which the relay makes of it."""
    envelope = envelope_of(event, f"/postavka/{stage_of(log)}")
    return leaf_data(str(event.originator_id).encode(), envelope.headers(), event.body)


def stored_events(
    connection: psycopg.Connection[Any], log: str, after: int = 0, at_once: int = 5_000
) -> Iterator[RecordedEvent]:
    """The events of a stage's store behind a position, in order. Runs in a transaction, with a cursor of its own, which
    fetches so many at once."""
    with connection.transaction(), connection.cursor(name="stored_events", binary=True) as cursor:
        cursor.itersize = at_once
        query = SELECT_EVENTS.replace("stored_events", "{}.stored_events")
        cursor.execute(
            SQL(query + " WHERE notification_id > %s ORDER BY notification_id").format(Identifier(stage_of(log))),
            (after,),
        )
        for row in cursor:
            yield RecordedEvent(*row)


__all__ = [
    "LEAF_BEGIN",
    "LOGS",
    "Foreign",
    "digest_of",
    "leaf_hash",
    "leaf_of_event",
    "named",
    "position_of",
    "stage_of",
]
