"""A log of its own for each test: a store with events, its topic, and a service that follows and signs it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from psycopg.sql import SQL, Identifier

from events.request import RequestWithdrawn
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.outbox.relay import envelope_of, read_events
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import Batch, EventRecorder, RecordedEvent
from services.audit.integrity.copies import TamperFinding
from services.audit.integrity.signer import Signer
from services.audit.integrity.tampering import verify_checkpoints
from services.audit.settings import AuditSettings
from tests.conftest import NewDatabase
from tests.kernel.keys import forget_keys
from tests.kernel.toys import NOON


@dataclass
class Log:
    """A stage's log under examination."""

    name: str
    config: Settings
    audit: AuditSettings
    recorder: EventRecorder

    @property
    def stage(self) -> str:
        return self.name.removesuffix(".events")

    def add(self, count: int) -> None:
        """Decide events and publish them, as stage and relay do."""
        head = self.recorder.head()
        events = [
            RecordedEvent(
                UUID(int=(head + number) % 7),
                head + number + 1,
                RequestWithdrawn.TYPE,
                b'{"withdrawn_by":"anna","reason":"%d"}' % (head + number + 1),
                NOON,
                head + number + 1,
                "/cli#c-1",
                "act-1",
                f"commands.requests/0/{head + number}",
            )
            for number in range(count)
        ]
        self.recorder.append(Batch(events=events))
        self.publish(head)

    def publish(self, after: int = 0, topic: str | None = None) -> None:
        """Put the store's events behind a position on a topic."""
        producer = Producer(for_librdkafka(self.config) | {"partitioner": "murmur2_random", "linger.ms": 1})
        with self.sql() as connection:
            connection.execute(SQL("SET search_path TO {}").format(Identifier(self.stage)))
            for event in read_events(connection, after):
                self.produce(producer, event, topic)
        producer.flush(30)

    def produce(self, producer: Producer, event: RecordedEvent, topic: str | None = None, **changes: Any) -> None:
        """One event as its relay writes it."""
        record = {
            "key": str(event.originator_id).encode(),
            "value": event.body,
            "headers": envelope_of(event, f"/postavka/{self.stage}").headers(),
        } | changes
        producer.produce(topic or self.name, **record)

    def sign(self) -> None:
        """Follow to the end of the topic and sign."""
        with self.follower() as follower:
            self.grow(follower, self.recorder.head())
            follower.sign()

    def grow(self, follower: Signer, size: int) -> None:
        """Let the service follow until the tree has so many events."""
        deadline = time.monotonic() + 60
        while follower.logs[self.name].tree.size < size:
            assert time.monotonic() < deadline, f"{follower.logs[self.name].tree.size} of {size} events"
            follower.step(0.2)

    def follower(self) -> _Running:
        """The service on this log, closed at the end."""
        return _Running(Signer(self.config, self.audit, [self.name], tables=()))

    def findings(self, **options: Any) -> list[TamperFinding]:
        """What the comparison finds."""
        return verify_checkpoints(self.config, self.audit, logs=[self.name], **options)

    def sql(self) -> psycopg.Connection[Any]:
        """As the superuser that a tamperer may be."""
        assert self.config.database_url is not None
        return psycopg.connect(self.config.database_url.get_secret_value(), autocommit=True)

    def tamper(self, statement: str, *parameters: object) -> None:
        """Change the store past its guard."""
        with self.sql() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(SQL("SET search_path TO {}").format(Identifier(self.stage)))
            connection.execute(statement, parameters)


class _Running:
    def __init__(self, follower: Signer) -> None:
        self._follower = follower

    def __enter__(self) -> Signer:
        assert self._follower.try_to_start()
        return self._follower

    def __exit__(self, *exc: object) -> None:
        self._follower.close()


@pytest.fixture(scope="session")
def audited(new_database: NewDatabase) -> Iterator[str]:
    """URL of a database for the logs of these tests."""
    with new_database() as url:
        yield url


@pytest.fixture
def log(servers: Endpoints, audited: str, tmp_path: Path) -> Iterator[Log]:
    """An empty log with its topic, its schema and a key."""
    stage = f"toy{uuid4().hex[:10]}"
    config = Settings(**servers.settings(database_url=audited, home=tmp_path))
    forget_keys(audited)
    migrate(audited, stage, EVENT_STORE)
    ensure_topics(config, [f"{stage}.events", "audit.checkpoints"])
    datastore = SchemaDatastore(audited, stage)
    yield Log(f"{stage}.events", config, AuditSettings(), EventRecorder(datastore))
    datastore.close()
    admin = AdminClient(for_librdkafka(config))
    for future in admin.delete_topics([f"{stage}.events"]).values():
        future.exception(60)
