"""The yield of the servers without us: the same records through Kafka clients alone, the same rows into PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as RdPartition
from confluent_kafka.admin import AdminClient

from postavka.kernel.log.connection import for_aiokafka, for_librdkafka, for_producer
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.settings import PARTITIONS, Settings, database_url

BODY = b'{"%s"}' % (b"x" * 400)
"""About the size of an event of ours."""
HEADERS = [("ce_id", b"0" * 38), ("ce_type", b"Approved.v1"), ("ce_time", b"2026-01-01T00:00:00.000000Z")]
BATCH = 1_000
"""Rows of one transaction, as many as a stage decides at once."""
ONE_BY_ONE = 500


@dataclass(frozen=True, slots=True)
class Raw:
    """Rates are a second; times in milliseconds, sorted."""

    aiokafka_both_ways: float
    """Written and read side by side in one process."""
    librdkafka_written: float
    librdkafka_read: float
    kafka_latencies: list[float]
    rows_by_unnest: float
    """One statement a transaction of `BATCH`, two indexes, as our stores have."""
    rows_by_copy: float
    rows_one_by_one: float
    """An INSERT and a commit each."""
    commits: list[float]


def measure(config: Settings, records: int, rate: float, seconds: float) -> Raw:
    """All, one after another."""
    topic = f"bench-{uuid4().hex[:8]}"
    ensure_topics(config, [topic])
    try:
        both_ways = asyncio.run(_through(config, topic, records))
        written = _written(config, topic, records)
        read = _read(config, topic)
        latencies = asyncio.run(_latencies(config, topic, rate, seconds))
    finally:
        admin = AdminClient(for_librdkafka(config))
        for future in admin.delete_topics([topic]).values():
            future.result()
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        unnest = _into_table(connection, records, _by_unnest)
        copied = _into_table(connection, records, _by_copy)
        commits: list[float] = []
        one_by_one = _into_table(connection, ONE_BY_ONE, lambda *given: commits.extend(_one_by_one(*given)))
    return Raw(both_ways, written, read, latencies, unnest, copied, one_by_one, sorted(commits))


# Kafka


async def _consumer(config: Settings, topic: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(**for_aiokafka(config), fetch_max_wait_ms=20, max_poll_records=5_000)
    await consumer.start()
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    await consumer.seek_to_end(*places)
    return consumer


async def _through(config: Settings, topic: str, records: int) -> float:
    producer = AIOKafkaProducer(**for_aiokafka(config), acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    consumer = await _consumer(config, topic)

    async def write() -> None:
        for number in range(records):
            await producer.send(topic, BODY, key=b"%d" % number)
        await producer.flush()

    async def read() -> None:
        seen = 0
        while seen < records:
            seen += sum(map(len, (await consumer.getmany(timeout_ms=1_000)).values()))

    started = time.perf_counter()
    await asyncio.gather(write(), read())
    took = time.perf_counter() - started
    await producer.stop()
    await consumer.stop()
    return records / took


def _written(config: Settings, topic: str, records: int) -> float:
    """The rate of an idempotent producer, with headers, until the broker has all, in records a second."""
    producer = Producer(for_producer(config) | {"linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    producer.list_topics(topic, timeout=10)
    started = time.perf_counter()
    for number in range(records):
        producer.produce(topic, BODY, b"%d" % number, headers=HEADERS)
        if number % 1_000 == 0:
            producer.poll(0)
    producer.flush()
    return records / (time.perf_counter() - started)


def _read(config: Settings, topic: str) -> float:
    """The whole topic, in one process, up to lists of messages in Python."""
    ends = end_offsets(config, [(topic, number) for number in range(PARTITIONS)])
    started = time.perf_counter()
    with closing(Consumer(for_librdkafka(config) | {"group.id": "bench", "enable.auto.commit": False})) as consumer:
        consumer.assign([RdPartition(*place, 0) for place in ends])
        seen = 0
        while seen < sum(ends.values()):
            seen += len(consumer.consume(5_000, timeout=0.05))
    return seen / (time.perf_counter() - started)


async def _latencies(config: Settings, topic: str, rate: float, seconds: float) -> list[float]:
    """Milliseconds from `send` until the record is read, at a steady rate: one hop. Ours are two, with two commits."""
    producer = AIOKafkaProducer(**for_aiokafka(config), acks="all", enable_idempotence=True)
    await producer.start()
    consumer = await _consumer(config, topic)
    count = int(rate * seconds)
    sent: dict[bytes, float] = {}
    taken: list[float] = []

    async def write() -> None:
        started = time.perf_counter()
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            key = b"%d" % number
            sent[key] = time.perf_counter()
            await producer.send(topic, BODY, key=key)

    async def read() -> None:
        while len(taken) < count:
            for batch in (await consumer.getmany(timeout_ms=1_000)).values():
                now = time.perf_counter()
                taken.extend((now - sent[record.key]) * 1000 for record in batch if record.key in sent)

    await asyncio.gather(write(), read())
    await producer.stop()
    await consumer.stop()
    return sorted(taken)


# PostgreSQL

Filling = Callable[[psycopg.Connection, str, int], None]


def _into_table(connection: psycopg.Connection, rows: int, fill: Filling) -> float:
    """The rate of writing into a table, in rows a second."""
    table = f"bench_{uuid4().hex[:8]}"
    connection.execute(
        f"CREATE TABLE {table} (request uuid NOT NULL, version bigint NOT NULL, body bytea NOT NULL, "
        "id bigint PRIMARY KEY, UNIQUE (request, version))"
    )
    try:
        started = time.perf_counter()
        fill(connection, table, rows)
        return rows / (time.perf_counter() - started)
    finally:
        connection.execute(f"DROP TABLE {table}")


def _by_unnest(connection: psycopg.Connection, table: str, rows: int) -> None:
    insert = f"INSERT INTO {table} SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::bytea[], %b::bigint[])"  # noqa: S608
    for first in range(0, rows, BATCH):
        ids = list(range(first, min(first + BATCH, rows)))
        values = ([uuid4() for _ in ids], [1] * len(ids), [BODY] * len(ids), ids)
        connection.execute(insert, values, binary=True, prepare=True)


def _by_copy(connection: psycopg.Connection, table: str, rows: int) -> None:
    for first in range(0, rows, BATCH):
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["uuid", "int8", "bytea", "int8"])
            for number in range(first, min(first + BATCH, rows)):
                copy.write_row((uuid4(), 1, BODY, number))


def _one_by_one(connection: psycopg.Connection, table: str, rows: int) -> list[float]:
    """The times of single inserts, in milliseconds."""
    taken = []
    for number in range(rows):
        at = time.perf_counter()
        connection.execute(f"INSERT INTO {table} VALUES (%s, 1, %s, %s)", (uuid4(), BODY, number), prepare=True)  # noqa: S608
        taken.append((time.perf_counter() - at) * 1000)
    return taken
