"""The live projection of the books: every event once, rows and marks in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg
from psycopg.sql import SQL, Composed, Identifier

from events.commands import BankPayment
from events.envelope import header_map
from events.registry import BadBody, UnknownType, read_fields
from events.topics import APPROVAL_EVENTS, BANK_PAYMENTS, BILLING_EVENTS, SHIPPING_EVENTS
from postavka.log.record import Record, partition_name
from postavka.projection.marks import move_marks, read_marks
from postavka.settings import Settings, database_url
from postavka.store.mark import Mark, MarksMoved
from postavka.store.migration import migrate
from services.payments.books import FIRST_STANDS, TABLES, Entries

SCHEMA = "payments"
TOPICS = (BANK_PAYMENTS.name, APPROVAL_EVENTS.name, BILLING_EVENTS.name, SHIPPING_EVENTS.name)
WITHOUT_HEADER = BankPayment.TYPE.partition(".")[0] + ".v1"
"""What a payment without a header is read as: outside senders may leave it out."""


class Books:
    """See `postavka.projection.live.Projection`."""

    name = "payments"
    topics = TOPICS

    def __init__(self, config: Settings) -> None:
        self._conninfo = database_url(config)
        prepare(self._conninfo)
        self._connection: psycopg.Connection[Any] | None = None
        self._marks: dict[str, Mark] = {}

    def marks(self, names: Sequence[str]) -> dict[str, int]:
        """Read the marks."""
        fresh = read_marks(self._connect(), names)
        self._marks.update(fresh)
        return {name: mark.offset for name, mark in fresh.items()}

    def project(self, records: Sequence[Record]) -> int:
        """Write the records down. Everything or nothing is written."""
        marks = dict(self._marks)
        entries = Entries()
        unread: list[tuple[str, int, int, str, str]] = []
        counted = 0
        for record in records:
            headers = header_map(record.headers)
            if not _advance(marks, record, headers):
                continue
            type_name = headers.get("ce_type", WITHOUT_HEADER.encode()).decode("utf-8", "replace")
            try:
                newest, fields = read_fields(type_name, record.value)
                subject, time = headers.get("ce_subject", b"").decode(), headers.get("ce_time", b"").decode()
                counted += entries.take(newest, fields, subject, time)
            except (KeyError, ValueError, TypeError, AttributeError, UnknownType, BadBody) as wrong:
                unread.append((record.topic, record.partition, record.offset, type_name, str(wrong)[:500]))
        moved = {
            name: (self._marks.get(name, Mark()), mark) for name, mark in marks.items() if self._marks.get(name) != mark
        }
        if not moved:
            return 0
        connection = self._connect()
        try:
            with connection.transaction():
                for table, rows in entries.rows.items():
                    connection.execute(_UPSERT[table], (orjson.dumps(list(rows.values())).decode(),))
                for each in unread:
                    connection.execute("INSERT INTO unread VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", each)
                move_marks(connection, moved)
        except (psycopg.Error, MarksMoved):
            self._connection = None
            connection.close()
            raise
        self._marks = marks
        return counted

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._conninfo,
                autocommit=True,
                options=f"-c search_path={SCHEMA},public -c jit=off",
                application_name="postavka-payments",
            )
        return self._connection


def prepare(conninfo: str) -> None:
    """Bring the schema up to date."""
    migrate(conninfo, SCHEMA, "services.payments")


def _advance(marks: dict[str, Mark], record: Record, headers: Mapping[str, bytes]) -> bool:
    """Move the partition's mark over a record; False if it was written down before."""
    name = partition_name(record.topic, record.partition)
    mark = marks.get(name, Mark())
    if record.offset <= mark.offset:
        return False
    position = mark.position
    if record.topic != BANK_PAYMENTS.name:
        try:
            position = int(headers["ce_position"])
        except (KeyError, ValueError):
            marks[name] = Mark(record.offset, mark.position)
            return False  # not written by the stage's relay
    seen = record.topic != BANK_PAYMENTS.name and position <= mark.position
    marks[name] = Mark(record.offset, max(position, mark.position))
    return not seen  # a late duplicate of a replaced relay is one


def _upsert(table: str) -> Composed:
    """Insert rows given as a JSON array, or complete those that are there."""
    keys, columns = TABLES[table]
    others = [column for column in columns if column not in keys]
    order = ("{0}.{1}", "excluded.{1}") if table in FIRST_STANDS else ("excluded.{1}", "{0}.{1}")
    changes = SQL(", ").join(
        SQL(f"{{1}} = coalesce({order[0]}, {order[1]})").format(Identifier(table), Identifier(column))
        for column in others
    )
    return SQL(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_to_recordset(%s::jsonb) AS r({typed}) "
        "ON CONFLICT ({keys}) DO UPDATE SET {changes}"
    ).format(
        table=Identifier(table),
        columns=SQL(", ").join(map(Identifier, columns)),
        typed=SQL(", ").join(SQL("{} " + kind).format(Identifier(column)) for column, kind in columns.items()),
        keys=SQL(", ").join(map(Identifier, keys)),
        changes=changes,
    )


_UPSERT = {table: _upsert(table) for table in TABLES}
