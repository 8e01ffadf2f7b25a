"""A toy stage's own database, store and topics for each test that asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import make_conninfo

from postavka.log.connection import for_librdkafka
from postavka.log.topics import ensure_topics
from postavka.runtime.embedded import Endpoints
from postavka.settings import Settings
from postavka.store.datastore import SchemaDatastore
from postavka.store.migration import migrate
from postavka.store.recorder import EventRecorder
from tests.kernel.toys import SCHEMA, config

OpenRecorder = Callable[..., EventRecorder]
MakeTopics = Callable[..., None]


@pytest.fixture
def settings(servers: Endpoints, database: str) -> Settings:
    """Of one service: the broker of the run, the database of the test."""
    return config(servers.kafka_bootstrap, database)


@pytest.fixture
def open_recorder(database: str) -> Iterator[OpenRecorder]:
    """Opens recorders on the toy's store, each with a pool of its own, as two processes have."""
    migrate(database, SCHEMA, "postavka.store")
    opened: list[SchemaDatastore] = []

    def open_one(options: str = "") -> EventRecorder:
        opened.append(SchemaDatastore(make_conninfo(database, options=options), SCHEMA))
        return EventRecorder(opened[-1])

    yield open_one
    for datastore in opened:
        datastore.close()


@pytest.fixture
def recorder(open_recorder: OpenRecorder) -> EventRecorder:
    """The toy's store, empty."""
    return open_recorder()


@pytest.fixture
def make_topics(settings: Settings) -> Iterator[MakeTopics]:
    """Makes topics that are gone after the test."""
    made: list[str] = []

    def make(*names: str) -> None:
        made.extend(names)
        ensure_topics(settings, names)

    yield make
    if made:
        for future in AdminClient(for_librdkafka(settings)).delete_topics(made).values():
            future.exception()
