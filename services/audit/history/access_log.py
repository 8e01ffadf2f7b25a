"""The access log, who looked at which request: written before the answer goes out, for every page, document, stream and
API call that shows one.

An ASGI middleware inside the one that finds out who asks. Which requests an answer shows is known after routing, from
typed ids: the one that its address names (however it is spelled there) where it was read and found, and those that the
route has put into `Visitor.shown`, whatever its method and status: a refused form shows a page too. What was not shown
(not found, not allowed) is not written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postavka.kernel.store.migration import require
from postavka.kernel.store.queries import load_queries
from postavka.web.database import Database
from postavka.web.visitor import Visitor
from services.audit.integrity.store import MIGRATIONS, SCHEMA

QUERIES = load_queries("services.audit")

NAMES_A_REQUEST = "request_id"
"""The parameter of a path that names a request, in every route."""
FOUND = frozenset((200, 304))
"""304 says that what is in the reader's hands still holds."""
LONGEST = 300
PAGE = 100


@cache
def prepare(conninfo: str) -> str:
    """Check that the auditor's schema is up to date, once a process. Raises `NotMigrated`."""
    require(conninfo, SCHEMA, MIGRATIONS)
    return conninfo


class AccessLog:
    """The writer of the access log. `conninfo` is for the schema, `database` for the rows."""

    def __init__(self, app: ASGIApp, database: Database, conninfo: str) -> None:
        self._app, self._database, self._conninfo = app, database, conninfo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found, noted = False, set[UUID]()

        async def noting(message: Message) -> None:
            nonlocal found
            if message["type"] == "http.response.start":
                found = scope["method"] in ("GET", "HEAD") and message["status"] in FOUND
            fresh = _shown(scope, found=found) - noted  # a stream shows more with every part of its body
            if fresh:
                await self._note(scope, fresh)
                noted.update(fresh)
            await send(message)

        await self._app(scope, receive, noting)

    async def _note(self, scope: Scope, requests: Set[UUID]) -> None:
        visitor = _visitor(scope)
        principal = visitor.principal if visitor is not None else None
        if visitor is None or principal is None:
            return
        await asyncio.to_thread(prepare, self._conninfo)
        async with self._database.accounts() as connection:
            await connection.execute(
                QUERIES.note_look,
                (
                    principal.actor or principal.name,
                    principal.role.value,
                    principal.tenant,
                    scope["path"][:LONGEST],
                    visitor.address[:LONGEST],
                    sorted(requests),
                ),
            )


def _shown(scope: Scope, *, found: bool) -> set[UUID]:
    """Requests that the answer shows. `found`: also the one that the path names; its route took the id, so that it is
    one."""
    visitor = _visitor(scope)
    shown = set(visitor.shown) if visitor is not None else set()
    named = scope.get("path_params", {}).get(NAMES_A_REQUEST) if found else None
    return shown if named is None else shown | {UUID(str(named))}


def _visitor(scope: Scope) -> Visitor | None:
    found: Any = scope.get("state", {}).get("visitor")
    return found if isinstance(found, Visitor) else None


@dataclass(frozen=True, slots=True)
class AccessLogEntry:
    """One row of the access log: who looked at what."""

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
) -> list[AccessLogEntry]:
    """Newest first, at most `PAGE`; of a request, of an actor."""
    with psycopg.connect(prepare(conninfo), row_factory=class_row(AccessLogEntry)) as connection:
        return connection.execute(
            QUERIES.looks, {"request": request, "actor": actor, "before": before, "page": PAGE}
        ).fetchall()
