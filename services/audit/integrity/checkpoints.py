"""Checkpoints after a disaster: back into PostgreSQL from their topic, or onto the topic from PostgreSQL."""

from __future__ import annotations

import orjson

from events.audit import CheckpointSigned
from events.registry import BadBody, UnknownType, decode
from events.topics import CHECKPOINTS
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.store.migration import require
from postavka.kernel.store.queries import load_queries
from services.audit.integrity.store import MIGRATIONS, SCHEMA, connect

QUERIES = load_queries("services.audit")


def bring_back_checkpoints(config: Settings) -> int:
    """Put what the topic has into an empty table; returns how many. What is forged among them is found by `verify`."""
    require(database_url(config), SCHEMA, MIGRATIONS)
    places = dict.fromkeys(((CHECKPOINTS.name, number) for number in range(PARTITIONS)), 0)
    found: dict[str, CheckpointSigned] = {}
    for batch in read_records(config, places):
        for message in batch:
            try:
                statement = decode(CheckpointSigned.TYPE, message.value)
            except (BadBody, UnknownType, orjson.JSONDecodeError):
                continue
            assert isinstance(statement, CheckpointSigned)  # noqa: S101
            found.setdefault(statement.note, statement)
    with connect(config) as connection, connection.transaction(), connection.cursor() as cursor:
        row = cursor.execute(QUERIES.has_checkpoints).fetchone()
        if row is not None and row[0]:
            return 0
        cursor.executemany(
            QUERIES.add_published_checkpoint,
            [
                (each.log, each.size, bytes.fromhex(each.root), each.signed_at, each.note)
                for each in sorted(found.values(), key=lambda each: (each.signed_at, each.log))
            ],
        )
    return len(found)


def publish_checkpoints(config: Settings) -> int:
    """Put what the table has onto an empty topic; returns how many."""
    sender = Sender(config, "/postavka/audit")
    count = 0
    with connect(config) as connection:
        rows = connection.execute(QUERIES.published_checkpoints)
        for log, size, root, signed_at, note in rows:
            count += 1
            statement = CheckpointSigned(log=log, size=size, root=bytes(root).hex(), signed_at=signed_at, note=note)
            sender.send(CHECKPOINTS.name, log, statement)
    sender.flush()
    return count
