"""The books as tables: their live projection, and how they are built anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import psycopg
from psycopg.sql import SQL, Composed, Identifier

from events.topics import APPROVAL_EVENTS, BANK_PAYMENTS, BILLING_EVENTS, SHIPPING_EVENTS
from postavka.kernel.projection.copy_format import field, line
from postavka.kernel.projection.read_model import Copied, ReadModel
from postavka.kernel.projection.table_projection import ProjectionDefinition, TableFold, TableProjection
from postavka.kernel.settings import Settings
from postavka.kernel.store.migration import MigrationSet, require
from postavka.kernel.store.queries import load_queries
from services.payments.ledger import ENTRIES, LedgerRows
from services.payments.tables import FIRST_STANDS, TABLES

QUERIES = load_queries("services.payments")

SCHEMA = "payments"
MIGRATIONS = MigrationSet("services.payments", "services.payments")
TOPICS = (BANK_PAYMENTS.name, APPROVAL_EVENTS.name, BILLING_EVENTS.name, SHIPPING_EVENTS.name)


class WrittenRows(LedgerRows):
    """Entries, and how they get into the tables."""

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Insert rows, or complete those that are there."""
        for table, rows in self.rows.items():
            connection.execute(_UPSERT[table], (orjson.dumps(list(rows.values())).decode(),))

    def copied(self) -> Iterator[Copied]:
        """All rows, for empty tables."""
        for table, rows in self.rows.items():
            columns = tuple(TABLES[table][1])
            lines = (line([field(row.get(column)) for column in columns]) for row in rows.values())
            yield Copied(table, columns, lines)


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date. Raises `NotMigrated`."""
    require(conninfo, SCHEMA, MIGRATIONS)


DEFINITION = ProjectionDefinition(
    schema=SCHEMA,
    topics=TOPICS,
    tables=tuple(TABLES),
    takes=frozenset(ENTRIES),
    entries=WrittenRows,
    prepare=prepare,
    outside=frozenset((BANK_PAYMENTS.name,)),
)


class Books(TableProjection):
    """The `postavka.kernel.projection.worker.Projection` of the ledger."""

    def __init__(self, config: Settings, schema: str | None = None) -> None:
        super().__init__(config, DEFINITION, schema)


MODEL = ReadModel(
    address="services.payments.projection:MODEL",
    schema=SCHEMA,
    # An invoice, a payment and an order may be named in the partitions of several requests.
    tables={table: key for table, (key, _) in TABLES.items()} | {"marks": (), "unread": ()},
    topics=lambda config: TOPICS,
    prepare=prepare,
    fold=lambda config: TableFold(DEFINITION),
    live=lambda config, schema, marks: Books(config, schema),
)


def _upsert(table: str) -> Composed:
    """Insert rows given as a JSON array, or complete those that are there."""
    keys, columns = TABLES[table]
    others = [column for column in columns if column not in keys]
    order = ("{0}.{1}", "excluded.{1}") if table in FIRST_STANDS else ("excluded.{1}", "{0}.{1}")
    changes = SQL(", ").join(
        SQL(f"{{1}} = coalesce({order[0]}, {order[1]})").format(Identifier(table), Identifier(column))
        for column in others
    )
    return QUERIES.upsert.format(
        table=Identifier(table),
        columns=SQL(", ").join(map(Identifier, columns)),
        typed=SQL(", ").join(SQL("{} " + kind).format(Identifier(column)) for column, kind in columns.items()),
        keys=SQL(", ").join(map(Identifier, keys)),
        changes=changes,
    )


_UPSERT = {table: _upsert(table) for table in TABLES}
