"""Databases with the schemas of billing and of the books, made once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.recorder import EventRecorder
from services.payments.projection import SCHEMA as BOOKS
from tests.conftest import NewDatabase

BILLING = "billing"
EMPTY_STORE = """
SET session_replication_role = replica; -- events are guarded against this
DELETE FROM billing.stored_events; DELETE FROM billing.notification_tracking; DELETE FROM billing.claims;
DELETE FROM billing.imported_inputs; DELETE FROM billing.dead_letters; UPDATE billing.head SET position = 0;
UPDATE billing.relay SET position = 0, offsets = '{}';
"""
LOADED = ("statements", "odd_documents", "sent")
TABLES = (*LOADED, "reported", "booked", "parts", "invoices", "refunds", "sales", "documents", "orders")


@pytest.fixture(scope="session")
def money_database(new_database: NewDatabase) -> Iterator[str]:
    """URL of a database with both schemas."""
    with new_database() as url:
        yield url


@pytest.fixture
def settings(servers: Endpoints, money_database: str, tmp_path: Path) -> Settings:
    """Of a service on that database, emptied."""
    with psycopg.connect(money_database, autocommit=True) as connection:
        connection.execute(EMPTY_STORE)
        connection.execute("RESET session_replication_role")
        for table in (*TABLES, "marks", "unread"):
            connection.execute(SQL("TRUNCATE {}").format(Identifier(BOOKS, table)))
    return Settings(**{**servers.settings(database_url=money_database), "home": tmp_path})


OpenRecorder = Callable[[], EventRecorder]


@pytest.fixture
def open_recorder(settings: Settings, money_database: str) -> Iterator[OpenRecorder]:
    """Opens recorders on billing's empty store, each with a pool of its own, as two processes have."""
    opened: list[SchemaDatastore] = []

    def open_one() -> EventRecorder:
        opened.append(SchemaDatastore(money_database, BILLING))
        return EventRecorder(opened[-1])

    yield open_one
    for datastore in opened:
        datastore.close()
