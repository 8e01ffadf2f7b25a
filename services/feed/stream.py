"""The feed of one tenant as server-sent events: what is there, then what comes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import orjson
from fastapi import Request
from starlette.responses import StreamingResponse

from postavka.web.identity.principal import Principal
from postavka.web.live import LOOK_SECONDS
from postavka.web.state import Web, is_let_in, web
from postavka.web.throttle import TooMany
from services.feed.projection import key_of
from services.feed.reading import BEGINNING, CursorGone, Event, FeedPage, read_page

RETRY_MS = 2_000
LONGEST_SECONDS = 3_600
"""Then the client connects anew, and goes on where it was."""
AT_ONCE = 200


async def stream(request: Request, principal: Principal, after: str | None) -> StreamingResponse:
    """Server-sent events behind this place, each with the place behind it as its id. Raises `BadCursor`, `CursorGone`,
    `TooMany` before anything is answered."""
    parts = web(request)
    first = await _look(parts, principal, after)
    owner = f"{principal.owner}:{principal.id}"
    parts.live.check_room(owner)  # now, so that a refusal is an answer with a status and not a broken stream

    async def body() -> AsyncIterator[bytes]:
        page, until = first, time.monotonic() + LONGEST_SECONDS
        yield f"retry: {RETRY_MS}\n\n".encode()
        party, tenant = principal.role.value, principal.partner_id or principal.distributor_id or ""
        try:
            subscription = parts.live.subscription(key_of(party, tenant), owner)
            changed = subscription.__enter__()
        except TooMany:  # others came in between: the client tries again
            return
        try:
            while not parts.live.closing.is_set() and time.monotonic() < until:
                if not await is_let_in(parts, principal):
                    return
                for event in page.events:
                    yield _written(event)
                if not page.events and not await parts.live.wait(changed, LOOK_SECONDS):
                    yield b": alive\n\n"
                page = await _look(parts, principal, page.next)
        except CursorGone:  # put back meanwhile: the client is told so when it connects again
            return
        finally:
            subscription.__exit__(None, None, None)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


def _written(event: Event) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        event["cursor"].encode(), event["type"].encode(), orjson.dumps(event)
    )  # fmt: skip


async def _look(parts: Web, principal: Principal, after: str | None) -> FeedPage:
    async with parts.database.rows(principal) as rows:
        return await read_page(rows, principal, after or BEGINNING, AT_ONCE)
