"""The read model's table: load rows, write groups, move marks. One place that knows its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from events.topics import STAGE_TOPICS
from postavka.kernel.projection.checkpoints import move_marks, read_marks
from postavka.kernel.store.arrays import Texts, Uuids
from postavka.kernel.store.migration import MigrationSet, require
from postavka.kernel.store.queries import load_queries
from postavka.web import identity
from services.cabinet.fold import STAGES, Row

QUERIES = load_queries("services.cabinet")

__all__ = ["copy_rows", "load_rows", "move_marks", "read_marks", "write_groups"]

SCHEMA = "cabinet"
MIGRATIONS = MigrationSet("services.cabinet", "services.cabinet")
TOPICS = tuple(topic.name for topic in STAGE_TOPICS)
STAGE_OF = {topic.name: topic.writer for topic in STAGE_TOPICS}
CHANGES_CHANNEL = "cabinet_changes"
"""NOTIFY: which requests have just changed, ids with blanks between them."""
IDS_IN_A_NOTICE = 200
"""A notification takes less than 8,000 bytes."""
COLUMNS = SQL(", ").join(Identifier(stage) for stage in STAGES)


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date, and that of the accounts: row-level security is defined there. Raises
    `NotMigrated`."""
    require(conninfo, "accounts", identity.MIGRATIONS)
    require(conninfo, SCHEMA, MIGRATIONS)


def tell_changed(connection: psycopg.Connection[Any], changed: Iterable[UUID]) -> None:
    """Tell who listens (open pages) when this transaction commits."""
    ids = [str(each) for each in changed]
    for start in range(0, len(ids), IDS_IN_A_NOTICE):
        notice = " ".join(ids[start : start + IDS_IN_A_NOTICE])
        connection.execute(QUERIES.notify_changed, (CHANGES_CHANNEL, notice))


def load_rows(
    connection: psycopg.Connection[Any], request_ids: Iterable[UUID], table: str = "requests"
) -> dict[UUID, Row]:
    """Rows of these requests; one that does not exist is left out."""
    cursor = connection.cursor(row_factory=tuple_row).execute(
        QUERIES.load_rows.format(COLUMNS, Identifier(table)),
        (Uuids(request_ids),),
    )
    return {
        request_id: {stage: group for stage, group in zip(STAGES, groups, strict=True) if group is not None}
        for request_id, *groups in cursor
    }


def write_groups(
    connection: psycopg.Connection[Any], changed: Mapping[UUID, Mapping[str, Any]], table: str = "requests"
) -> None:
    """Write the changed groups of these requests; the other groups of a row stay as they are."""
    if not changed:
        return
    ids = Uuids(changed)
    groups = [
        Texts(orjson.dumps(changed[each][stage]).decode() if stage in changed[each] else None for each in ids)
        for stage in STAGES
    ]
    names = [Identifier(stage) for stage in STAGES]
    connection.execute(
        QUERIES.write_groups.format(
            table=Identifier(table),
            columns=COLUMNS,
            values=SQL(", ").join(SQL("u.{}::jsonb").format(name) for name in names),
            arrays=SQL(", ").join([SQL("%b::text[]")] * len(names)),
            kept=SQL(", ").join(
                SQL("{0} = coalesce(excluded.{0}, {1}.{0})").format(name, Identifier(table)) for name in names
            ),
        ),
        (ids, *groups),
    )


def copy_rows(connection: psycopg.Connection[Any], rows: Mapping[UUID, Row], table: str) -> None:
    """Fill a table that is not in use yet, by COPY."""
    with (
        connection.cursor() as cursor,
        cursor.copy(QUERIES.copy_rows.format(Identifier(table), COLUMNS)) as copy,
    ):
        for request_id, row in rows.items():
            copy.write_row((request_id, *(_json(row.get(stage)) for stage in STAGES)))


def _json(group: Any) -> str | None:
    return None if group is None else orjson.dumps(group).decode()
