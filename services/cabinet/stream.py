"""The stream of one request's changes, for live pages and for the API alike."""

from __future__ import annotations

from uuid import UUID

import orjson
from fastapi import Request
from starlette.responses import StreamingResponse

from postavka.web.identity.principal import Principal
from postavka.web.problem import not_found
from postavka.web.server_sent import FoundEvents, event_stream
from postavka.web.state import Web, web
from services.cabinet.requests import Requests, Row

SOON_SECONDS = 1.0
"""A request that was just sent and is not in the cabinet yet is looked for again so soon."""


async def stream(request: Request, request_id: UUID, principal: Principal, seen: str | None) -> StreamingResponse:
    """Server-sent events of a request; `seen` is the version that the client has. Raises 404 where there is no such
    request, `TooMany`."""
    parts = web(request)
    known = parts.recently.knows(principal.owner, request_id)
    if not known and await _look(parts, principal, request_id) is None:
        raise not_found()
    last_version = seen

    async def look() -> FoundEvents | None:
        nonlocal last_version
        row = await _look(parts, principal, request_id)
        if row is None:
            return FoundEvents(look_seconds=SOON_SECONDS) if parts.recently.knows(principal.owner, request_id) else None
        if row.version == last_version:
            return FoundEvents()
        last_version = row.version
        return FoundEvents((_event(row),))

    return event_stream(parts, principal, str(request_id), look)


def _event(row: Row) -> bytes:
    payload = {"status": row.status, "title": row.status_title, "version": row.version}
    return b"id: " + row.version.encode() + b"\nevent: changed\ndata: " + orjson.dumps(payload) + b"\n\n"


async def _look(parts: Web, principal: Principal, request_id: UUID) -> Row | None:
    async with parts.database.rows(principal) as rows:
        return await Requests(rows, principal).one(request_id)
