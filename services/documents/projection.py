"""Documents as tables: the live projection of shipping's events, and how it is built anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, LiteralString

import orjson
import psycopg
from psycopg.sql import SQL, Identifier

from events import shipping
from events.topics import SHIPPING_EVENTS
from postavka.kernel.projection.copy_format import field, line
from postavka.kernel.projection.read_model import Copied, ReadModel
from postavka.kernel.projection.table_projection import ProjectionDefinition, TableFold, TableProjection
from postavka.kernel.settings import Settings
from postavka.kernel.store.migration import MigrationSet, require
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import READ_ONLY, open_session
from postavka.web import identity

QUERIES = load_queries("services.documents")

SCHEMA = "papers"
MIGRATIONS = MigrationSet("services.papers", "services.documents")
Row = dict[str, Any]

ISSUED = (
    *("kind", "number", "issued_on", "issued_at", "recorded_at", "recipient_id", "partner_id", "distributor_id"),
    *("signer_inn", "delivery", "form", "sha256", "trace"),
)
LATER = (
    *("rendering_form", "rendering_sha256", "dispatched_at", "dispatch_id", "tracking"),
    *("signed_at", "signed_form", "signed_sha256", "signature_sha256", "certificate_serial", "certificate_subject"),
)
"""Columns that events after `DocumentIssued` fill."""


TAKES = frozenset(
    each.TYPE
    for each in (
        *(shipping.ShippingOpened, shipping.ShippingClosed, shipping.InvoiceNoted, shipping.DocumentIssued),
        *(shipping.DocumentRendered, shipping.DocumentDispatched, shipping.DocumentSigned),
        *(shipping.SignatureRefused, shipping.DocumentDeclined),
    )
)


class DocumentFold:
    """The rows of a batch of events, by table. Pure."""

    def __init__(self) -> None:
        self.sales: dict[str, Row] = {}
        self.closed: dict[str, str] = {}
        self.invoices: dict[str, Row] = {}
        self.issued: dict[tuple[str, str], Row] = {}
        self.later: dict[tuple[str, str], Row] = {}
        self.answers: list[Row] = []

    def take(self, type_name: str, fields: Row, request_id: str, time: str, trace: str | None = None) -> bool:
        """Take one event, in its newest version; False if it says nothing here. `trace`: its `traceparent`."""
        match type_name:  # TAKES has them all
            case shipping.ShippingOpened.TYPE:
                distributor = fields["distributor"]
                self.sales[request_id] = {
                    "request_id": request_id,
                    "partner_id": fields["partner"]["id"],
                    "distributor_id": distributor["id"] if distributor else None,
                    "facts": fields,
                }
            case shipping.ShippingClosed.TYPE:
                self.closed[request_id] = time
            case shipping.InvoiceNoted.TYPE:
                self.invoices[request_id] = {"request_id": request_id} | {
                    name: fields[name] for name in ("amount", "vat_rate")
                }
            case shipping.DocumentIssued.TYPE:
                act = fields["kind"] == shipping.DocumentKind.ACT.value
                row = {name: fields.get(name) for name in ISSUED} | {"recorded_at": time, "trace": trace}
                row["distributor_id" if act else "partner_id"] = fields["recipient_id"]
                self.issued[request_id, fields["document_id"]] = row
            case shipping.DocumentRendered.TYPE:
                self._set(request_id, fields, rendering_form=fields["form"], rendering_sha256=fields["sha256"])
            case shipping.DocumentDispatched.TYPE:
                says = {name: fields[name] for name in ("dispatch_id", "tracking")}
                self._set(request_id, fields, dispatched_at=time, **says)
            case shipping.DocumentSigned.TYPE:
                says = {name: fields[name] for name in ("signed_at", "signature_sha256")}
                says |= {name: fields[name] for name in ("certificate_serial", "certificate_subject")}
                self._set(request_id, fields, signed_form=fields["form"], signed_sha256=fields["covers_sha256"], **says)
            case shipping.SignatureRefused.TYPE:
                reason = fields["reason"]
                self._answer(request_id, fields, time, "refused", fields["signature_sha256"], reason)
            case shipping.DocumentDeclined.TYPE:
                reason = {"code": None, "message": fields["reason"]}
                self._answer(request_id, fields, time, "declined", fields["decline_id"], reason)
            case _:
                return False
        return True

    def _set(self, request_id: str, fields: Row, **values: Any) -> None:
        known = {name: value for name, value in values.items() if value is not None}
        self.later.setdefault((request_id, fields["document_id"]), {}).update(known)

    def _answer(self, request_id: str, fields: Row, time: str, kind: str, id: str, reason: Mapping[str, Any]) -> None:
        row = {"request_id": request_id, "document_id": fields["document_id"], "kind": kind, "id": id, "at": time}
        self.answers.append(row | {"code": reason["code"], "reason": reason["message"]})

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Write the rows into the tables; the same again changes nothing."""
        _insert(connection, "sales", ("request_id",), ("partner_id", "distributor_id", "facts"), self.sales.values())
        _insert(connection, "invoices", ("request_id",), ("amount", "vat_rate"), self.invoices.values())
        keyed = [{"request_id": key[0], "document_id": key[1], **row} for key, row in self.issued.items()]
        _insert(connection, "documents", ("request_id", "document_id"), ISSUED, keyed)
        changed = [{"request_id": key[0], "document_id": key[1], **row} for key, row in self.later.items()]
        if changed:
            assignments = SQL(", ").join(SQL("{0} = coalesce(r.{0}, d.{0})").format(Identifier(name)) for name in LATER)
            connection.execute(QUERIES.update_documents.format(assignments), (orjson.dumps(changed).decode(),))
        if self.closed:
            closed = [{"request_id": request_id, "closed_at": at} for request_id, at in self.closed.items()]
            connection.execute(QUERIES.close_sales, (orjson.dumps(closed).decode(),))
        _insert(
            connection, "answers", ("request_id", "document_id", "kind", "id"), ("code", "reason", "at"), self.answers
        )

    def copied(self) -> Iterator[Copied]:
        """All rows, for empty tables."""
        sales = [row | {"closed_at": self.closed.get(request)} for request, row in self.sales.items()]
        yield _copied("sales", ("request_id", "partner_id", "distributor_id", "facts", "closed_at"), sales)
        yield _copied("invoices", ("request_id", "amount", "vat_rate"), self.invoices.values())
        documents = (
            {"request_id": key[0], "document_id": key[1], **row, **self.later.get(key, {})}
            for key, row in self.issued.items()
        )
        yield _copied("documents", ("request_id", "document_id", *ISSUED, *LATER), documents)
        keys = ("request_id", "document_id", "kind", "id")
        first = {tuple(answer[key] for key in keys): answer for answer in reversed(self.answers)}
        yield _copied("answers", (*keys, "code", "reason", "at"), first.values())


def _copied(table: str, columns: Sequence[str], rows: Iterable[Row]) -> Copied:
    return Copied(table, columns, (line([field(row.get(column)) for column in columns]) for row in rows))


def _insert(
    connection: psycopg.Connection[Any],
    table: LiteralString,
    keys: Sequence[LiteralString],
    columns: Sequence[LiteralString],
    rows: Any,
) -> None:
    rows = list(rows)
    if not rows:
        return
    names = SQL(", ").join(map(Identifier, (*keys, *columns)))
    connection.execute(
        QUERIES.add_rows.format(Identifier(table), names, SQL(", ").join(map(Identifier, keys))),
        (orjson.dumps(rows).decode(),),
    )


def connect(conninfo: str, *, readonly: bool = False) -> psycopg.Connection[Any]:
    """A connection to the schema, in autocommit."""
    parameters = {"search_path": f"{SCHEMA},public", "jit": "off", **(READ_ONLY if readonly else {})}
    return open_session(conninfo, parameters, application_name="postavka-papers")


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date, and that of the accounts, whose row-level security it takes part in. Raises
    `NotMigrated`."""
    require(conninfo, "accounts", identity.MIGRATIONS)
    require(conninfo, SCHEMA, MIGRATIONS)


DEFINITION = ProjectionDefinition(
    schema=SCHEMA,
    topics=(SHIPPING_EVENTS.name,),
    tables=("sales", "invoices", "documents", "answers"),
    takes=TAKES,
    entries=DocumentFold,
    prepare=prepare,
    outside=frozenset(),
)


class Documents(TableProjection):
    """The `postavka.kernel.projection.worker.Projection` of documents."""

    def __init__(self, config: Settings, schema: str | None = None) -> None:
        super().__init__(config, DEFINITION, schema)


MODEL = ReadModel(
    address="services.documents.projection:MODEL",
    schema=SCHEMA,
    tables=dict.fromkeys((*DEFINITION.tables, "marks", "unread"), ()),
    topics=lambda config: DEFINITION.topics,
    prepare=prepare,
    fold=lambda config: TableFold(DEFINITION),
    live=lambda config, schema, marks: Documents(config, schema),
)
