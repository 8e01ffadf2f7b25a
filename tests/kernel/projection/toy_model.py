"""A read model of one topic, described as the real ones are; the processes of a rebuild find it here. The topic is
named by the environment, so that each test has its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import orjson
import psycopg

from events.shipping import InvoiceNoted
from postavka.kernel.projection.copy_format import field, line
from postavka.kernel.projection.read_model import Copied, ReadModel
from postavka.kernel.projection.table_projection import ProjectionDefinition, TableFold, TableProjection
from postavka.kernel.settings import Settings
from postavka.kernel.store.checkpoint import Checkpoint

TOPIC = "POSTAVKA_TOY_TOPIC"
SCHEMA = "toys"
TYPE = InvoiceNoted.TYPE


class Sums:
    """How much each invoice was noted with, and each request's last amount. An invoice may be noted in the partitions
    of several requests."""

    def __init__(self) -> None:
        self.invoices: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, str] = {}

    def take(self, type_name: str, fields: dict[str, Any], subject: str, time: str, trace: str | None) -> bool:
        if "poison" in fields:
            raise SystemExit("a share that ends badly")
        known = self.invoices.setdefault(fields["number"], {})
        known.update({name: value for name, value in fields.items() if value is not None})
        self.requests[subject] = fields["last"] or self.requests.get(subject, "")
        return True

    def write(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(
            "INSERT INTO invoices AS i SELECT number, left_amount, right_amount "
            "FROM jsonb_populate_recordset(NULL::invoices, %s) ON CONFLICT (number) DO UPDATE SET "
            "left_amount = coalesce(excluded.left_amount, i.left_amount), "
            "right_amount = coalesce(excluded.right_amount, i.right_amount)",
            (orjson.dumps(list(self.invoices.values())).decode(),),
        )
        rows = [{"id": request, "last": last} for request, last in self.requests.items()]
        connection.execute(
            "INSERT INTO requests AS r SELECT id, last FROM jsonb_populate_recordset(NULL::requests, %s) "
            "ON CONFLICT (id) DO UPDATE SET last = excluded.last",
            (orjson.dumps(rows).decode(),),
        )

    def copied(self) -> Iterator[Copied]:
        columns = ("number", "left_amount", "right_amount")
        invoices = (line([field(row.get(name)) for name in columns]) for row in self.invoices.values())
        yield Copied("invoices", columns, invoices)
        yield Copied("requests", ("id", "last"), (line(map(field, row)) for row in self.requests.items()))


def prepare(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "CREATE SCHEMA IF NOT EXISTS toys; "
            "CREATE TABLE IF NOT EXISTS toys.invoices (number text PRIMARY KEY, left_amount int, right_amount int); "
            "CREATE TABLE IF NOT EXISTS toys.requests (id text PRIMARY KEY, last text); "
            'CREATE TABLE IF NOT EXISTS toys.marks (name text PRIMARY KEY, "offset" bigint, position bigint); '
            'CREATE TABLE IF NOT EXISTS toys.unread (topic text, partition int, "offset" bigint, type text, '
            'reason text, PRIMARY KEY (topic, partition, "offset"));'
        )


def how() -> ProjectionDefinition:
    return ProjectionDefinition(
        schema=SCHEMA,
        topics=(os.environ[TOPIC],),
        tables=("invoices", "requests"),
        takes=frozenset({TYPE}),
        entries=Sums,
        prepare=prepare,
        outside=frozenset(),
    )


def live(config: Settings, schema: str | None = None) -> TableProjection:
    return TableProjection(config, how(), schema)


def _reached(connection: psycopg.Connection[Any]) -> dict[str, Checkpoint]:
    rows = connection.execute('SELECT name, "offset", position FROM toys.kept_elsewhere').fetchall()
    return {name: Checkpoint(offset, position) for name, offset, position in rows}


def _model(name: str, **others: Any) -> ReadModel:
    return ReadModel(
        address=f"tests.kernel.projection.toy_model:{name}",
        schema=SCHEMA,
        tables={"invoices": ("number",), "requests": (), "marks": (), "unread": ()},
        topics=lambda config: how().topics,
        prepare=prepare,
        fold=lambda config: TableFold(how()),
        live=lambda config, schema, marks: live(config, schema),
        **others,
    )


MODEL = _model("MODEL")
TOGETHER = _model("TOGETHER", together=lambda topic: True)
ONLY_SO_FAR = _model("ONLY_SO_FAR", reached=_reached)
