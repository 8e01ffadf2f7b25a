"""The stream of one request's changes, for live pages and for the API alike."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from uuid import UUID

import orjson
from fastapi import Request
from starlette.responses import StreamingResponse

from postavka.web.identity.principal import Principal
from postavka.web.live import LOOK_SECONDS
from postavka.web.problem import not_found
from postavka.web.state import Web, is_let_in, web
from postavka.web.throttle import TooMany
from services.cabinet.requests import Requests, Row

RETRY_MS = 2_000
LONGEST_SECONDS = 3_600
"""Then the browser connects anew: rights are looked at again, and no stream outlives its session by much."""


async def stream(request: Request, request_id: UUID, principal: Principal, seen: str | None) -> StreamingResponse:
    """Server-sent events of a request; `seen` is the version that the client has. Raises 404 where there is no such
    request, `TooMany`."""
    parts = web(request)
    known = parts.recently.knows(principal.owner, request_id)
    if not known and await _look(parts, principal, request_id) is None:
        raise not_found()
    owner = f"{principal.owner}:{principal.id}"
    parts.live.check_room(owner)  # now, so that a refusal is an answer with a status and not a broken stream

    async def body() -> AsyncIterator[bytes]:
        last_version, until = seen, time.monotonic() + LONGEST_SECONDS
        yield f"retry: {RETRY_MS}\n\n".encode()
        try:
            subscription = parts.live.subscription(str(request_id), owner)
            changed = subscription.__enter__()
        except TooMany:  # others came in between: the browser tries again
            return
        try:
            while not parts.live.closing.is_set() and time.monotonic() < until:
                if not await is_let_in(parts, principal):
                    return
                row = await _look(parts, principal, request_id)
                if row is None and not parts.recently.knows(principal.owner, request_id):
                    return
                if row is not None and row.version != last_version:
                    last_version = row.version
                    yield _event(row)
                elif not await parts.live.wait(changed, LOOK_SECONDS if row else 1.0):
                    yield b": alive\n\n"
        finally:
            subscription.__exit__(None, None, None)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


def _event(row: Row) -> bytes:
    payload = {"status": row.status, "title": row.status_title, "version": row.version}
    return b"id: " + row.version.encode() + b"\nevent: changed\ndata: " + orjson.dumps(payload) + b"\n\n"


async def _look(parts: Web, principal: Principal, request_id: UUID) -> Row | None:
    async with parts.database.rows(principal) as rows:
        return await Requests(rows, principal).one(request_id)
