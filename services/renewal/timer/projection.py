"""Services and their ends as a table with an index by day: the live projection of renewal's events, and how it is built
anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import psycopg

from events import renewal
from events.commands import ProlongService, RefuseRenewal
from events.topics import RENEWAL_EVENTS
from postavka.kernel.projection.copy_format import field, line
from postavka.kernel.projection.read_model import Copied, ReadModel
from postavka.kernel.projection.table_projection import ProjectionDefinition, TableFold, TableProjection
from postavka.kernel.settings import Settings
from postavka.kernel.store.migration import MigrationSet, require
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("services.renewal.timer")

SCHEMA = "timer"
MIGRATIONS = MigrationSet("services.renewal.timer", "services.renewal.timer")
DAYS = ("registration_number", "activated_from", "activated_until")
COLUMNS = ("request_id", "until", "known_since", "reminded", "lapsed")
CARRIED = ("request_id", "told_by", "type", "body")


class ServiceRows:
    """What a batch of events says of services, in the order of the topic. Pure."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self.carried: dict[tuple[str, str, str], dict[str, Any]] = {}
        """Commands for other services, by whom they are for, who tells them, and their type."""

    def take(self, type_name: str, fields: dict[str, Any], subject: str, time: str, trace: str | None) -> bool:
        """One event, in its newest version; False if it says nothing here."""
        same = {"request_id": subject, "begins": False, "lapsed": False}
        begins = {"request_id": subject, "begins": True, "lapsed": False, "until": fields.get("service_until")}
        row = self._rows.get(subject, same)
        match type_name:
            case renewal.ServiceStarted.TYPE:
                row = begins | {"known_since": fields["service_from"]}
            case renewal.ServiceRenewed.TYPE:
                row = begins | {"known_since": fields["activated_from"]}
            case renewal.ReminderDue.TYPE:
                row |= {"reminded": fields["days_before"]}
            case renewal.ServiceLapsed.TYPE:
                row |= {"lapsed": True}
            case renewal.RenewalActivated.TYPE:
                row |= {"lapsed": True}  # what it has is another request's
                days = {name: fields[name] for name in DAYS}
                self._carry(fields["renews"], subject, ProlongService.TYPE, renewal_id=subject, **days)
            case renewal.RenewalRefused.TYPE:
                self._carry(
                    fields["renewal_id"], subject, RefuseRenewal.TYPE, refused_by=subject, renews=fields["renews"]
                )
                return True
            case _:
                return False
        self._rows[subject] = row
        return True

    def _carry(self, to: str, by: str, type_name: str, **body: Any) -> None:
        row = {"request_id": to, "told_by": by, "type": type_name, "body": {"request_id": to, **body}}
        self.carried.setdefault((to, by, type_name), row)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Writes into the table; the same again changes nothing but that a day may be told again."""
        rows = {"rows": orjson.dumps(list(self._rows.values())).decode()}
        connection.execute(QUERIES.write, rows)
        connection.execute(QUERIES.go_on, rows)
        if self.carried:
            connection.execute(QUERIES.carry, (orjson.dumps(list(self.carried.values())).decode(),))

    def copied(self) -> Iterator[Copied]:
        """All rows, for empty tables."""
        for table, columns, rows in (("services", COLUMNS, self._rows), ("carried", CARRIED, self.carried)):
            lines = (line([field(row.get(name)) for name in columns]) for row in rows.values())
            yield Copied(table, columns, lines)


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date. Raises `NotMigrated`."""
    require(conninfo, SCHEMA, MIGRATIONS)


DEFINITION = ProjectionDefinition(
    schema=SCHEMA,
    topics=(RENEWAL_EVENTS.name,),
    tables=("services", "carried"),
    takes=frozenset(each.TYPE for each in RENEWAL_EVENTS.carries),
    entries=ServiceRows,
    prepare=prepare,
    outside=frozenset(),
)


class Services(TableProjection):
    """The live projection of renewal's events."""

    def __init__(self, config: Settings, schema: str | None = None) -> None:
        super().__init__(config, DEFINITION, schema)


MODEL = ReadModel(
    address="services.renewal.timer.projection:MODEL",
    schema=SCHEMA,
    tables=dict.fromkeys((*DEFINITION.tables, "marks", "unread"), ()),
    topics=lambda config: DEFINITION.topics,
    prepare=prepare,
    fold=lambda config: TableFold(DEFINITION),
    live=lambda config, schema, marks: Services(config, schema),
)
