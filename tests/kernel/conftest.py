"""A toy stage's own database, store and topics for each test that asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import make_conninfo

from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import EventRecorder
from tests.conftest import NewDatabase
from tests.kernel.toys import SCHEMA, unique_name

OpenRecorder = Callable[..., EventRecorder]
MakeTopics = Callable[..., None]


EMPTY = """
SET session_replication_role = replica; -- events are guarded against this
DELETE FROM stored_events; DELETE FROM notification_tracking; DELETE FROM claims; DELETE FROM imported_inputs;
DELETE FROM incomplete_inputs;
DELETE FROM dead_letters; UPDATE head SET position = 0; UPDATE relay SET position = 0, offsets = '{}';
DROP SCHEMA IF EXISTS backup CASCADE;
"""


@pytest.fixture(scope="session")
def store(new_database: NewDatabase) -> Iterator[str]:
    """URL of a database with the toy's schema. Made once: that takes longer than most tests of the kernel."""
    with new_database() as url:
        migrate(url, SCHEMA, EVENT_STORE)
        yield url


@pytest.fixture
def settings(servers: Endpoints, store: str) -> Settings:
    """Of one service of the toy."""
    return Settings(**servers.settings(database_url=store))


@pytest.fixture
def open_recorder(store: str) -> Iterator[OpenRecorder]:
    """Opens recorders on the toy's empty store, each with a pool of its own, as two processes have."""
    with psycopg.connect(store, options=f"-c search_path={SCHEMA}") as connection:
        connection.execute(EMPTY)
    opened: list[SchemaDatastore] = []

    def open_one(options: str = "") -> EventRecorder:
        opened.append(SchemaDatastore(make_conninfo(store, options=options), SCHEMA))
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
        admin = AdminClient(for_librdkafka(settings))  # held: a client that is collected never keeps its promises
        for future in admin.delete_topics(made).values():
            future.exception(60)


@pytest.fixture
def topic(make_topics: MakeTopics) -> str:
    """An empty one."""
    name = unique_name()
    make_topics(name)
    return name
