"""Keeps many requests that came at once, from their verdict to what has become of them. Personal data lies there as it
lies on the log: under a person's key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from postavka.kernel.store.queries import load_queries
from postavka.web.database import Connection
from postavka.web.identity.principal import Principal
from postavka.web.personal import reveal
from postavka.web.state import Web
from services.cabinet.bulk.rows import BulkRow
from services.cabinet.sealed import sealed
from services.cabinet.view.form import Typed

QUERIES = load_queries("services.cabinet")
KEEP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Bulk:
    """What came at once. `name`: of the file; empty for a call of the API."""

    bulk_id: UUID
    name: str
    actor: str
    created_at: datetime
    rows: Sequence[BulkRow]


async def keep(parts: Web, principal: Principal, bulk_id: UUID, name: str, rows: Sequence[BulkRow]) -> None:
    """Keep them; the same id again changes nothing."""
    written = await asyncio.to_thread(_written, parts, rows)
    async with parts.database.rows(principal) as connection:
        values = (bulk_id, name, principal.partner_id, principal.actor, Jsonb(written))
        await connection.execute(QUERIES.keep_bulk, values)


async def find(parts: Web, principal: Principal, bulk_id: UUID) -> Bulk | None:
    """What this partner has sent; None where there is nothing, or it is another's."""
    async with parts.database.rows(principal) as connection:
        found = await connection.execute(QUERIES.bulk, (bulk_id, principal.partner_id))
        row = await found.fetchone()
    if row is None:
        return None
    name, actor, created_at, rows = row
    return Bulk(bulk_id, name, actor, created_at, [_row(each) for each in await asyncio.to_thread(reveal, rows)])


async def write(parts: Web, principal: Principal, bulk: Bulk) -> None:
    """Write what has become of the rows."""
    written = await asyncio.to_thread(_written, parts, bulk.rows)
    async with parts.database.rows(principal) as connection:
        await connection.execute(QUERIES.set_bulk_rows, (Jsonb(written), bulk.bulk_id, principal.partner_id))


async def sweep(rows: Connection) -> None:
    """Remove what has been kept for so long."""
    await rows.execute(QUERIES.expire_bulk, (KEEP,))


def _written(parts: Web, rows: Sequence[BulkRow]) -> list[dict[str, Any]]:
    return [{**asdict(each), "typed": sealed(parts, each.typed)} for each in rows]


def _row(written: Mapping[str, Any]) -> BulkRow:
    row = BulkRow(**{**written, "typed": Typed(**written["typed"])})
    return replace(row, errors=dict(row.errors))
