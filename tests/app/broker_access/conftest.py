"""Distributors of a test's own on the run's broker, and clients as they have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient

from events.topics import confirmations_of, notices_of
from postavka.app.broker_access.distributors import Distributors
from postavka.app.one_box.launcher import SAMPLE
from postavka.domain.reference.file import ReferenceFile, read_file
from postavka.domain.reference.store import load
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from tests.conftest import NewDatabase

MakeDistributor = Callable[[], str]


@pytest.fixture(scope="session")
def sample() -> ReferenceFile:
    return read_file(SAMPLE)


@pytest.fixture(scope="session")
def reference_url(servers: Endpoints, new_database: NewDatabase) -> Iterator[str]:
    """An own database, for reference data."""
    if servers.kafka_outside_bootstrap is None:
        pytest.skip("users are made in a broker of our own, not in yours")
    with new_database() as url:
        yield url


@pytest.fixture
def admin_settings(servers: Endpoints, reference_url: str) -> Settings:
    """Of an administrator."""
    return Settings(**servers.settings(database_url=reference_url))


@pytest.fixture
def access(servers: Endpoints, admin_settings: Settings) -> Iterator[Distributors]:
    """What `postavka distributor` works with."""
    with Distributors(admin_settings, servers.kafka_outside_bootstrap or "", "SASL_PLAINTEXT") as known:
        yield known


@pytest.fixture
def make_distributor(
    admin_settings: Settings, reference_url: str, sample: ReferenceFile, access: Distributors
) -> Iterator[MakeDistributor]:
    """Distributors of the reference data that the broker does not know yet; gone after the test."""
    made: list[str] = []

    def make() -> str:
        made.append(f"d{uuid4().hex[:10]}")
        rows = tuple(sample.distributors[0].model_copy(update={"id": each}) for each in made)
        load(reference_url, sample.model_copy(update={"distributors": rows}), "test")
        return made[-1]

    yield make
    for each in made:
        if access.users(each):
            access.revoke(each)
    admin = AdminClient(for_librdkafka(admin_settings))  # held: a client that is collected never keeps its promises
    topics = [topic for each in made for topic in (confirmations_of(each), notices_of(each))]
    for future in admin.delete_topics(topics).values() if topics else ():
        future.exception(60)
