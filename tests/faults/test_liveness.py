"""Connections that answer nothing and are never closed: whoever waits on one is noticed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from psycopg.conninfo import make_conninfo
from psycopg_pool import PoolTimeout

from events.topics import MANUFACTURING_KITS, MANUFACTURING_ORDERS
from postavka.kernel.log.connection import for_aiokafka
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.process import liveness
from postavka.kernel.projection.worker import LiveProjection
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import EventRecorder
from postavka.web.database import Database
from services.desk.orders import Orders
from tests.faults.proxy import Proxy
from tests.system.conftest import wait_until

SCHEMA = "toy"


@pytest.fixture
def proxy(servers: Endpoints) -> Iterator[Proxy]:
    """Before PostgreSQL."""
    port = urlsplit(servers.database_url).port
    assert port is not None
    made = Proxy(port)
    yield made
    made.close()


def test_a_relay_whose_connection_answers_nothing_falls_silent(servers: Endpoints, database: str, proxy: Proxy):
    """In the old days nobody saw it: a relay that waits for its lock has nothing to publish."""
    migrate(database, SCHEMA, EVENT_STORE)
    topic = f"test-{uuid4().hex[:8]}.events"
    config = Settings(**servers.settings(database_url=make_conninfo(database, port=proxy.port)))
    ensure_topics(config, [topic])
    datastore = SchemaDatastore(database_url(config), SCHEMA)
    relay = Relay(config, EventRecorder(datastore), topic, "/toy", {})
    relay.name = f"relay {topic}"
    beats: list[float] = []

    def beat() -> float:
        return liveness._pulse._due[relay.name][0]

    relay.start()
    try:
        wait_until(lambda: relay.active, "it is at work")
        before = beat()
        wait_until(lambda: beat() > before, "it beats")
        proxy.lose()

        def still() -> bool:
            beats.append(beat())
            time.sleep(0.5)
            return len(beats) > 5 and len(set(beats[-5:])) == 1

        wait_until(still, "it has fallen silent")
        assert liveness._pulse.silent(time.monotonic()) is None, "a while is forgiven"
        assert liveness._pulse.silent(time.monotonic() + 1) is None
        liveness._pulse._looked = None
        assert liveness._pulse.silent(beat() + 1) == relay.name
    finally:
        proxy.forget_lost()
        relay.stop()
        relay.join(60)
        datastore.close()
    assert relay.name not in liveness._pulse._due


async def test_a_desk_that_does_not_read_what_lies_there_is_ended(servers: Endpoints, database: str, tmp_path: Path):
    config = Settings(**servers.settings(database_url=database, stall_seconds=0.1, home=tmp_path))
    ensure_topics(config, [MANUFACTURING_ORDERS.name, MANUFACTURING_KITS.name])
    sender = Sender(config, "/test")
    sender.send_raw(MANUFACTURING_ORDERS.name, b"key", b"{}")
    sender.flush()
    desk = LiveProjection(Orders(config), config)
    desk.consumer = idle = AIOKafkaConsumer(**for_aiokafka(config), auto_offset_reset="earliest")
    await idle.start()
    idle.assign([TopicPartition(MANUFACTURING_ORDERS.name, number) for number in range(12)])
    try:
        with pytest.raises(RuntimeError, match="no progress: manufacturing"):
            await desk._watch()
    finally:
        await idle.stop()


async def test_the_pool_of_the_web_application_gives_up_connections_that_answer_nothing(
    servers: Endpoints, database: str, proxy: Proxy
):
    pool = Database(make_conninfo(database, port=proxy.port), 2)
    await pool.pool.open()
    try:
        async with pool.accounts() as rows:
            await rows.execute("SELECT 1")
        proxy.lose()
        proxy.heal()
        deadline = time.monotonic() + 170
        found = False
        while not found:
            assert time.monotonic() < deadline, "the pool has run dry"
            try:
                async with pool.accounts() as rows:
                    await rows.execute("SELECT 1")
                found = True
            except PoolTimeout:
                continue
    finally:
        proxy.forget_lost()
        await pool.close()
