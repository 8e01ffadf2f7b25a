"""Services and their ends as a table with an index by day: the live projection of renewal's events, and how it is built
anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import psycopg

from events import renewal
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
COLUMNS = ("request_id", "until", "known_since", "reminded", "lapsed")


class ServiceRows:
    """What a batch of events says of services, in the order of the topic. Pure."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}

    def take(self, type_name: str, fields: dict[str, Any], subject: str, time: str, trace: str | None) -> bool:
        """One event, in its newest version; False if it says nothing here."""
        row = self._rows.get(subject, {"request_id": subject, "begins": False, "lapsed": False})
        match type_name:
            case renewal.ServiceStarted.TYPE:
                row |= {"begins": True, "until": fields["service_until"], "known_since": fields["service_from"]}
            case renewal.ReminderDue.TYPE:
                row |= {"reminded": fields["days_before"]}
            case renewal.ServiceLapsed.TYPE:
                row |= {"lapsed": True}
            case _:
                return False
        self._rows[subject] = row
        return True

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Writes into the table; the same again changes nothing but that a day may be told again."""
        rows = {"rows": orjson.dumps(list(self._rows.values())).decode()}
        connection.execute(QUERIES.write, rows)
        connection.execute(QUERIES.go_on, rows)

    def copied(self) -> Iterator[Copied]:
        """All rows, for an empty table."""
        rows = self._rows.values()
        yield Copied("services", COLUMNS, (line([field(row.get(name)) for name in COLUMNS]) for row in rows))


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date. Raises `NotMigrated`."""
    require(conninfo, SCHEMA, MIGRATIONS)


DEFINITION = ProjectionDefinition(
    schema=SCHEMA,
    topics=(RENEWAL_EVENTS.name,),
    tables=("services",),
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
