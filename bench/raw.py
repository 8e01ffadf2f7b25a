"""What the machine gives without us: the same records through aiokafka alone, the same rows into PostgreSQL alone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from uuid import uuid4

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient

from postavka.log.connection import for_aiokafka, for_librdkafka
from postavka.log.topics import ensure_topics
from postavka.settings import PARTITIONS, Settings, database_url

BODY = b'{"%s"}' % (b"x" * 400)
"""About the size of an event of ours."""
BATCH = 1_000
"""Rows of one transaction, as many as a stage decides at once."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Rates are a second; times in milliseconds, sorted."""

    kafka_records: float
    kafka_latencies: list[float]
    postgres_rows: float
    postgres_commits: list[float]


def measure(config: Settings, records: int, rate: float, seconds: float) -> Raw:
    """All four, one after another."""
    topic = f"bench-{uuid4().hex[:8]}"
    ensure_topics(config, [topic])
    try:
        throughput = asyncio.run(_through(config, topic, records))
        latencies = asyncio.run(_latencies(config, topic, rate, seconds))
    finally:
        admin = AdminClient(for_librdkafka(config))
        for future in admin.delete_topics([topic]).values():
            future.result()
    rows, commits = _postgres(config, records)
    return Raw(throughput, latencies, rows, commits)


async def _consumer(config: Settings, topic: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(**for_aiokafka(config), fetch_max_wait_ms=20, max_poll_records=5_000)
    await consumer.start()
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    await consumer.seek_to_end(*places)
    return consumer


async def _through(config: Settings, topic: str, records: int) -> float:
    """Records a second, written and read side by side in one process."""
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


def _postgres(config: Settings, rows: int) -> tuple[float, list[float]]:
    """Rows a second in transactions of `BATCH` (one statement each), and milliseconds of a commit of one row."""
    table = f"bench_{uuid4().hex[:8]}"
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, request uuid NOT NULL, body bytea NOT NULL)")
        try:
            insert = f"INSERT INTO {table} SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::bytea[])"  # noqa: S608
            started = time.perf_counter()
            for first in range(0, rows, BATCH):
                ids = list(range(first, min(first + BATCH, rows)))
                connection.execute(insert, (ids, [uuid4() for _ in ids], [BODY] * len(ids)), binary=True, prepare=True)
            rate = rows / (time.perf_counter() - started)
            commits = []
            for number in range(rows, rows + 500):
                at = time.perf_counter()
                connection.execute(insert, ([number], [uuid4()], [BODY]), binary=True, prepare=True)
                commits.append((time.perf_counter() - at) * 1000)
        finally:
            connection.execute(f"DROP TABLE {table}")
    return rate, sorted(commits)
