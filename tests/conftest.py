"""Servers for the tests: real ones, started once a run, on ports of their own, gone at the end.

With `KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` set, those are used instead and nothing is started.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from postavka.app.migrations import migrate_all
from postavka.kernel.runtime.embedded import EmbeddedServers, Endpoints
from postavka.kernel.runtime.progress import Spoken
from tests.paths import JARS, TESTS

if TYPE_CHECKING:
    from tests.system.conftest import System

# What helpers of tests assert is told as fully as what tests do.
pytest.register_assert_rewrite(*(f"tests.{each.name}" for each in TESTS.iterdir() if each.is_dir()))

# How long one example takes says how busy the machine is, and nothing of the product.
hypothesis.settings.register_profile("postavka", deadline=None)
hypothesis.settings.load_profile("postavka")

# Homes of tests are new, and nobody gives them keys: they are made, as `postavka up` does on one machine.
os.environ.setdefault("POSTAVKA_MAKE_KEYS", "true")

STANDS = {"system": "whole", "servers": "servers", "s3": "servers", "browser": "whole"}
"""What a test needs that takes long to start, by the fixture that starts it."""
WHOLE = {"system", "browser", "faults"}
"""Folders whose tests work with the whole, or start servers themselves."""
ORDER = ("quick", "servers", "whole")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests are marked by what they need (`quick`: no server and no browser), and run in this order: what is cheap says
    first what is wrong. Nobody marks by hand; `load` is what keeps the whole busy long afterwards, and comes last."""
    for item in items:
        item.add_marker(needs(item))
    items.sort(key=lambda item: (ORDER.index(needs(item)), item.get_closest_marker("load") is not None))


def needs(item: pytest.Item) -> str:
    """`quick`, `servers` or `whole`: by its folder, what marks it (a parameter may) or the fixtures it asks for."""
    if item.path.relative_to(TESTS).parts[0] in WHOLE:
        return "whole"
    stands = {STANDS[name] for name in getattr(item, "fixturenames", ()) if name in STANDS}
    stands |= {mark.name for mark in item.iter_markers()}
    return next((each for each in reversed(ORDER) if each in stands), "quick")


NewDatabase = Callable[[], AbstractContextManager[str]]
"""Gives the URL of a database, which is gone at the end."""

MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line with a figure, for the end of the run."""
    return request.config.stash.setdefault(MEASURED, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Figures that tests have measured."""
    if lines := config.stash.get(MEASURED, []):
        terminalreporter.section("measured in this run")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Endpoints]:
    """Kafka and PostgreSQL for the whole run. Tests make topics and databases of their own in them."""
    kafka, database = os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), os.environ.get("DATABASE_URL")
    if kafka and database:
        yield Endpoints(kafka, database)
        return
    home = Path(tempfile.mkdtemp(prefix="postavka-tests-"))
    request.config.postavka_home = home  # type: ignore[attr-defined]  # for tests that look at the servers themselves
    try:
        with EmbeddedServers(home, JARS) as embedded:
            yield embedded.start(Spoken())
            embedded.close()
            embedded.remove_data()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def own_copy(servers: Endpoints, template: str = "template1") -> Iterator[str]:
    """URL of a new database, gone afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    yield make_conninfo(servers.database_url, dbname=name)
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(scope="session")
def new_database(servers: Endpoints) -> Iterator[NewDatabase]:
    """Makes databases as `postavka migrate` leaves them: copies of one, since they are many."""
    with own_copy(servers) as url:
        migrate_all(url)
        name = str(conninfo_to_dict(url)["dbname"])
        yield lambda: own_copy(servers, name)


@pytest.fixture
def database(new_database: NewDatabase) -> Iterator[str]:
    """URL of a database of this test's own, with every schema and nothing in it."""
    with new_database() as url:
        yield url


@pytest.fixture(scope="module")
def own_database(new_database: NewDatabase) -> Iterator[str]:
    """The same for all tests of a module."""
    with new_database() as url:
        yield url


@pytest.fixture
def bare_database(servers: Endpoints) -> Iterator[str]:
    """URL of a database that nobody has prepared."""
    with own_copy(servers) as url:
        yield url


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Everything, started once for all tests that need the whole: servers and services of its own."""
    from tests.system.collector import collector
    from tests.system.conftest import System  # itself needs this module
    from tests.system.own_whole import own_whole

    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.skip("the whole runs on servers that it starts itself, and is broken there: not on yours")
    with collector() as traces, pytest.MonkeyPatch.context() as environment:
        environment.setenv("POSTAVKA_TRACING_OTLP", traces.url)
        environment.setenv("POSTAVKA_WEB_UNDO_SECONDS", "0.3")  # nobody undoes anything at these pages
        with ExitStack() as whole:
            with pytest.MonkeyPatch.context() as of_services:  # tests of this process have their own
                of_services.setenv("POSTAVKA_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
                launch = whole.enter_context(own_whole("system"))
            yield System(launch, traces)
