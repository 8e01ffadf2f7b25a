"""Sessions have their parameters behind a pooler as well."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from postavka.kernel.outbox.relay import Relay
from postavka.kernel.privacy.vault import Vault
from postavka.kernel.projection import blue_green
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.recorder import Batch, EventRecorder
from postavka.kernel.store.session import READ_ONLY, KeptSession, open_session
from postavka.web.database import Database
from services.audit.reading import reading
from tests.kernel.conftest import MakeTopics, OpenRecorder
from tests.kernel.polling import on_topic, until
from tests.kernel.store.pooler import pooler
from tests.kernel.toys import SCHEMA, event, unique_name
from tests.paths import PROJECT


@pytest.fixture(scope="module")
def pooled(store: str) -> Iterator[str]:
    """The toy's database through PgBouncer in session mode."""
    with pooler(store) as url:
        yield url


def test_a_pooler_takes_no_connection_with_options(pooled: str) -> None:
    """Why parameters are set afterwards. When this fails, it has learned to."""
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        psycopg.connect(pooled, options=f"-c search_path={SCHEMA}")


def test_nobody_connects_with_options() -> None:
    found = []
    for folder in ("postavka", "services", "bench"):
        for file in (PROJECT / folder).rglob("*.py"):
            found += [f"{file.relative_to(PROJECT)}:{line}" for line in with_options(file)]
    assert found == []


def with_options(file: Path) -> Iterator[int]:
    """Lines with a text as `-c search_path=…`."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lstrip().startswith("-c "):
            yield node.lineno


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_session_has_its_parameters_whatever_is_rolled_back(pooled: str, autocommit: bool) -> None:
    path = {"search_path": f"{SCHEMA},public", "statement_timeout": "15000"}
    with open_session(pooled, path, autocommit=autocommit) as session:
        session.rollback()
        assert session.execute("SHOW search_path").fetchone() == (f"{SCHEMA},public",)
        assert session.execute("SHOW statement_timeout").fetchone() == ("15s",)
        assert session.autocommit == autocommit
    with psycopg.connect(pooled) as next_one:  # the pooler gives it the same server connection
        assert next_one.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_session_that_only_reads_can_not_write(pooled: str) -> None:
    with open_session(pooled, READ_ONLY) as session, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        session.execute("CREATE TABLE public.written ()")


def test_a_kept_session_has_them_when_it_is_opened_anew(pooled: str) -> None:
    kept = KeptSession(pooled, {"search_path": SCHEMA})
    for _ in range(2):
        with kept as session:
            assert session.execute("SHOW search_path").fetchone() == (SCHEMA,)
            session.close()
    kept.close()


def test_a_stage_works_behind_a_pooler(
    pooled: str, settings: Settings, open_recorder: OpenRecorder, make_topics: MakeTopics
) -> None:
    topic = f"{unique_name()}.events"
    make_topics(topic)
    open_recorder()  # empties the store
    datastore = SchemaDatastore(pooled, SCHEMA)
    recorder = EventRecorder(datastore)
    relay = Relay(settings, recorder, topic, "/postavka/toy", {})
    relay.start()
    try:
        recorder.append(Batch(events=[event(uuid4(), 1)]))
        relay.wake()
        until(lambda: on_topic(settings, topic), "the event is published")
        with datastore.get_connection() as connection:
            assert connection.execute("SHOW jit").fetchone() == {"jit": "off"}
    finally:
        relay.stop()
        relay.join(30)
        datastore.close()
    assert relay.failed is None


def test_so_do_pages_keys_projections_and_the_auditor(pooled: str, servers: Endpoints) -> None:
    async def shown() -> object:
        database = Database(pooled, 2)
        await database.pool.open()
        async with database.accounts() as rows:
            found = await (await rows.execute("SHOW statement_timeout")).fetchone()
        await database.close()
        return found

    assert asyncio.run(shown()) == ("15s",)
    assert Vault(pooled, bytes(32)).find("nobody@firm.example") == []
    with blue_green.connect(pooled, SCHEMA, "other") as writing:
        assert writing.execute("SHOW search_path").fetchone() == (f"{SCHEMA},other,public",)
    with reading(Settings(**servers.settings(database_url=pooled))) as audit:
        assert audit.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            audit.execute("CREATE TABLE public.written ()")


def test_the_auditor_reads_where_a_server_is_asked_for_that_can_write(store: str, servers: Endpoints) -> None:
    """libpq takes a server for a replica when the session itself asks to be read-only as it begins."""
    url = make_conninfo(store, target_session_attrs="primary")
    with reading(Settings(**servers.settings(database_url=url))) as audit:
        assert audit.execute("SHOW transaction_read_only").fetchone() == ("on",)
