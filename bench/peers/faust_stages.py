"""The peer with one Faust agent a stage and one transaction an event: the way the tutorials show. `python -m
bench.peers.faust_stages STAGE` is one stage's worker; `measure` starts all five, drives requests through them and stops
them.

Every agent takes one record, reads what is known of the request, writes the events that follow in one transaction, and
sends them on. Nothing here is exactly once: a crash between commit and acknowledgement doubles events.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import faust
import orjson
import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from psycopg.types.json import Jsonb

from bench.cost import spent_by
from bench.peers.procedure import ANSWERS, EVENTS, EVENTS_OF, FACTS, INPUTS_OF, LAST, STAGES
from postavka.kernel.log.connection import bootstrap, for_librdkafka, for_producer
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.settings import PARTITIONS, Settings, database_url, environment, settings
from postavka.kernel.stage.faust_worker import _credentials

PREFIX = "peer-faust."
OUTSTANDING = 4_000
PATIENCE_SECONDS = 240.0
TABLE = """
CREATE SCHEMA IF NOT EXISTS peer_faust;
CREATE TABLE IF NOT EXISTS peer_faust.{stage} (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request uuid NOT NULL, version int NOT NULL, type text NOT NULL, body jsonb NOT NULL,
    UNIQUE (request, version)
)
"""


def worker(stage: str, config: Settings) -> faust.Worker:
    """The worker of one stage."""
    app = faust.App(
        f"peer-faust-{stage}",
        broker=[f"kafka://{server}" for server in bootstrap(config).split(",")],
        broker_credentials=_credentials(config),
        datadir=f"{tempfile.gettempdir()}/peer-faust-{stage}",
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=PARTITIONS,
        consumer_auto_offset_reset="earliest",
    )
    source = app.topic(*(PREFIX + name for name in INPUTS_OF[stage]), key_serializer="raw", value_serializer="json")
    own = app.topic(PREFIX + stage, key_serializer="raw", value_serializer="json")
    select = f"SELECT type FROM peer_faust.{stage} WHERE request = %s"  # noqa: S608
    insert = f"INSERT INTO peer_faust.{stage} (request, version, type, body) VALUES (%s, %s, %s, %s)"  # noqa: S608
    known: list[psycopg.AsyncConnection[Any]] = []

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def decide(stream: Any) -> None:
        async for key, message in stream.items():
            request = key.decode()
            taken_by, events = EVENTS_OF.get(message["type"], ("", ()))
            if taken_by != stage:
                continue
            if not known:
                known.append(await psycopg.AsyncConnection.connect(database_url(config), autocommit=True))
            bodies = [message | {"type": event} for event in events]
            async with known[0].transaction(), known[0].cursor() as cursor:
                rows = await cursor.execute(select, (request,))
                version = len(await rows.fetchall())
                for number, (event, body) in enumerate(zip(events, bodies, strict=True), version + 1):
                    await cursor.execute(insert, (request, number, event, Jsonb(body)))
            for body in bodies:
                await own.send(key=key, value=body)

    return faust.Worker(app, loglevel="WARN")


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one peer. `cpu_ms` a request is that of its own processes, without the servers."""

    requests_per_second: float
    events_per_second: float
    cpu_ms: float


def measure(config: Settings, requests: int) -> Measured:
    """So many requests through all five, from the first command to the last `Activated`."""
    ensure_topics(config, [PREFIX + name for name in {*STAGES, *(each for of in INPUTS_OF.values() for each in of)}])
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        for stage in STAGES:
            connection.execute(TABLE.format(stage=stage))
    with tempfile.TemporaryDirectory() as folder:
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.peers.faust_stages", stage],
                env={**os.environ, **environment(config)},
                stdout=subprocess.DEVNULL,
                stderr=(Path(folder) / stage).open("w"),
            )
            for stage in STAGES
        ]
        try:
            drive(config, 50)
            before = sum(spent_by(each.pid) for each in workers)
            started = time.perf_counter()
            drive(config, requests)
            took = time.perf_counter() - started
            spent = sum(spent_by(each.pid) for each in workers) - before
        except TimeoutError as late:
            said = "\n".join((Path(folder) / stage).read_text()[-500:] for stage in STAGES)
            raise TimeoutError(f"{late}\n{said}") from late
        finally:
            for each in workers:
                each.kill()
                each.wait()
    return Measured(requests / took, requests * EVENTS / took, spent * 1000 / requests)


def drive(config: Settings, requests: int, prefix: str = PREFIX) -> None:
    """Send commands, answer as distributor, department and partner, until all are activated. Topics begin with
    `prefix`."""
    producer = Producer(for_producer(config) | {"linger.ms": 2})
    consumer = Consumer(for_librdkafka(config) | {"group.id": "peer", "enable.auto.commit": False})
    ends = end_offsets(config, [(prefix + stage, number) for stage in STAGES for number in range(PARTITIONS)])
    consumer.assign([TopicPartition(*place, offset) for place, offset in ends.items()])
    ours = [str(uuid4()) for _ in range(requests)]
    waiting = set(ours)
    sent = 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while waiting:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(waiting)} of {requests} requests were not done in {PATIENCE_SECONDS:.0f} s")
        while sent < requests and sent - (requests - len(waiting)) < OUTSTANDING:
            body = orjson.dumps(FACTS | {"type": "SubmitRequest", "request": ours[sent]})
            producer.produce(prefix + "commands", body, ours[sent])
            sent += 1
        for message in consumer.consume(1_000, timeout=0.01):
            said = orjson.loads(message.value())
            if said["type"] == LAST:
                waiting.discard(said["request"])
            elif (answer := ANSWERS.get(said["type"])) is not None:
                producer.produce(prefix + answer[0], orjson.dumps(said | {"type": answer[1]}), message.key())
        producer.poll(0)
    consumer.close()


if __name__ == "__main__":
    worker(sys.argv[1], settings()).execute_from_commandline()
