"""Who looked at which request: written before the answer goes out, for every page, document and API call that names
one.

An ASGI middleware inside the one that finds out who asks. What was not shown (not found, not allowed) is not written.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postavka.kernel.store.migration import migrate
from postavka.web.database import Database
from services.audit.store import MIGRATIONS, SCHEMA

NAMES_A_REQUEST = re.compile(r"/requests/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:/|$)")
LONGEST = 300
PAGE = 100


@cache
def prepare(conninfo: str) -> str:
    """Bring the auditor's schema up to date, once a process."""
    migrate(conninfo, SCHEMA, MIGRATIONS)
    return conninfo


class Looked:
    """Writes who looked. `conninfo` is for the schema, `database` for the rows."""

    def __init__(self, app: ASGIApp, database: Database, conninfo: str) -> None:
        self._app, self._database, self._conninfo = app, database, conninfo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = NAMES_A_REQUEST.search(scope.get("path", "")) if scope["type"] == "http" else None
        if found is None or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                await self._note(scope, UUID(found[1]))
            await send(message)

        await self._app(scope, receive, noting)

    async def _note(self, scope: Scope, request: UUID) -> None:
        visitor: Any = scope.get("state", {}).get("visitor")
        principal = visitor.principal if visitor is not None else None
        if principal is None:
            return
        await asyncio.to_thread(prepare, self._conninfo)
        async with self._database.accounts() as connection:
            await connection.execute(
                "INSERT INTO audit.looked (actor, role, organisation, request_id, what, address) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    principal.actor or principal.name,
                    principal.role.value,
                    principal.partner_id or principal.distributor_id,
                    request,
                    scope["path"][:LONGEST],
                    visitor.address[:LONGEST],
                ),
            )


@dataclass(frozen=True, slots=True)
class Look:
    """One row."""

    id: int
    at: datetime
    actor: str
    role: str
    organisation: str | None
    request_id: UUID
    what: str
    address: str


def looks(
    conninfo: str, request: UUID | None = None, actor: str | None = None, before: int | None = None
) -> list[Look]:
    """Newest first, at most `PAGE`; of a request, of an actor."""
    with psycopg.connect(prepare(conninfo), row_factory=class_row(Look)) as connection:
        return connection.execute(
            "SELECT id, at, actor, role, organisation, request_id, what, address FROM audit.looked "
            "WHERE (%(request)s::uuid IS NULL OR request_id = %(request)s) "
            "AND (%(actor)s::text IS NULL OR actor = %(actor)s) AND (%(before)s::bigint IS NULL OR id < %(before)s) "
            "ORDER BY id DESC LIMIT %(page)s",
            {"request": request, "actor": actor, "before": before, "page": PAGE},
        ).fetchall()
