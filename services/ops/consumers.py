"""The consumers of the log: where each keeps how far it has come, and what each has still to send outward.

Which topics a service reads is said by the contract (`events/topics.py`): a partition that a reader has never marked
counts from its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient
from psycopg.sql import SQL, Identifier

from events.topics import ALL_TOPICS, STAGE_TOPICS, Party
from postavka.kernel.settings import PARTITIONS
from postavka.kernel.store.queries import load_queries
from services.ops.store import NOT_THERE

QUERIES = load_queries("services.ops")

Place = tuple[str, int]

GROUP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Marks:
    """A table of marks: the column with `topic/partition`, and the offset of the last record handled, as SQL."""

    table: str
    name: str
    offset: SQL


STORE = Marks("notification_tracking", "application_name", SQL("notification_id"))
PROJECTION = Marks("marks", "name", SQL('"offset"'))
FOLLOWED = Marks("followed", "name", SQL('"offset" - 1'))


@dataclass(frozen=True, slots=True)
class LogConsumer:
    """A service that reads topics. `marks`: in its schema, which is called like it; or `group`: on Kafka. `party`: what
    the contract calls it. `outbox`: what waits to be sent outward, counted by SQL."""

    name: str
    marks: Marks | None = None
    group: str | None = None
    party: Party | None = None
    outbox: SQL | None = None

    @property
    def topics(self) -> Sequence[str]:
        """The topics that it reads, as the contract has them: `{distributor}` stands for any distributor."""
        return [topic.name for topic in ALL_TOPICS if (self.party or self.name) in topic.readers]


READERS: tuple[LogConsumer, ...] = (
    *(LogConsumer(topic.writer, STORE) for topic in STAGE_TOPICS),
    LogConsumer("desk", group="manufacturing-desk", party=Party.MANUFACTURING),
    LogConsumer("cabinet", PROJECTION),
    LogConsumer(
        "papers",
        PROJECTION,
        outbox=SQL(
            "SELECT count(*) FROM papers.documents d JOIN papers.sales s USING (request_id) "
            "LEFT JOIN papers.work w USING (request_id, document_id) WHERE d.rendering_sha256 IS NULL "
            "OR d.dispatched_at IS NULL AND (d.delivery <> 'post' OR w.posted_at IS NOT NULL) "
            "AND (s.closed_at IS NULL OR w.message IS NOT NULL)"
        ),
    ),
    LogConsumer("payments", PROJECTION),
    LogConsumer("timer", PROJECTION, outbox=SQL("SELECT count(*) FROM timer.carried WHERE NOT sent")),
    LogConsumer("notices", STORE, outbox=SQL("SELECT count(*) FROM notices.mail WHERE status IN ('due', 'sending')")),
    LogConsumer("feed", PROJECTION),
    LogConsumer("webhooks", outbox=SQL("SELECT count(*) FROM webhooks.deliveries WHERE status = 'due'")),
    LogConsumer("ops", outbox=SQL("SELECT count(*) FROM ops.corrections WHERE sent_at IS NULL")),
    LogConsumer("audit", FOLLOWED, outbox=SQL("SELECT count(*) FROM audit.checkpoints WHERE NOT told")),
)
"""Everybody who keeps a place of its own. `web` reads the newest events for live pages and keeps none; `ops` reads
tables, and publishes."""


def reached(connection: psycopg.Connection[Any], admin: AdminClient, reader: LogConsumer) -> dict[Place, int] | None:
    """Offset of the last record that a reader has handled, by partition; None when it was never here."""
    if reader.marks is not None:
        return _marks(connection, reader.name, reader.marks)
    return _group(admin, reader) if reader.group is not None else {}


def lag(reader: LogConsumer, handled: Mapping[Place, int], ends: Mapping[Place, int]) -> int:
    """Records on its topics that a reader has not handled. `ends`: the next offset of every partition there is."""
    return sum(max(0, end - 1 - handled.get(place, -1)) for place, end in ends.items() if _reads(reader, place[0]))


def unsent(connection: psycopg.Connection[Any], reader: LogConsumer) -> int | None:
    """How much waits to be sent outward; None for who sends nothing beside events, or has no table yet."""
    if reader.outbox is None:
        return None
    try:
        row = connection.execute(reader.outbox).fetchone()
    except NOT_THERE:
        return None
    return int(row[0]) if row else 0


def relay_delay(connection: psycopg.Connection[Any], schema: str) -> int | None:
    """Events not relayed yet, by the checkpoint, which is up to a second old; None for what has no event store."""
    if not _there(connection, f"{schema}.relay"):
        return None
    found = connection.execute(QUERIES.relay_delay.format(Identifier(schema))).fetchone()
    assert found is not None  # noqa: S101
    return max(0, int(found[0]))


def _reads(reader: LogConsumer, topic: str) -> bool:
    return any(_fits(pattern, topic) for pattern in reader.topics)


def _fits(pattern: str, topic: str) -> bool:
    head, braces, tail = pattern.partition("{distributor}")
    return topic == pattern if not braces else topic.startswith(head) and topic.endswith(tail)


def _marks(connection: psycopg.Connection[Any], schema: str, marks: Marks) -> dict[Place, int] | None:
    if not _there(connection, f"{schema}.{marks.table}"):
        return None
    rows = connection.execute(
        QUERIES.checkpoints.format(Identifier(marks.name), marks.offset, Identifier(schema), Identifier(marks.table))
    ).fetchall()
    return dict(_places(rows))


def _places(rows: Iterable[tuple[str, int]]) -> Iterable[tuple[Place, int]]:
    for name, offset in rows:
        topic, _, partition = name.rpartition("/")
        if partition.isdigit() and int(partition) < PARTITIONS:
            yield (topic, int(partition)), offset


def _group(admin: AdminClient, reader: LogConsumer) -> dict[Place, int] | None:
    """The offsets of a reader that keeps its place on Kafka. None also where that may not be asked: it is another's
    reader then."""
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(reader.group)], request_timeout=GROUP_SECONDS
    )
    try:
        committed = asked[reader.group].result(GROUP_SECONDS).topic_partitions or ()
    except KafkaException:
        return None
    return {(each.topic, each.partition): each.offset - 1 for each in committed if each.offset >= 0} or None


def _there(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute(QUERIES.table_there, (table,)).fetchone()
    return row is not None and row[0] is not None
