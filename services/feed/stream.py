"""The feed of one tenant as server-sent events: what is there, then what comes."""

from __future__ import annotations

import orjson
from fastapi import Request
from starlette.responses import StreamingResponse

from postavka.web.identity.principal import Principal
from postavka.web.server_sent import FoundEvents, event_stream
from postavka.web.state import Web, web
from services.feed.projection import key_of
from services.feed.reading import BEGINNING, CursorGone, Event, FeedPage, read_page

AT_ONCE = 200


async def stream(request: Request, principal: Principal, after: str | None) -> StreamingResponse:
    """Server-sent events behind this place, each with the place behind it as its id. Raises `BadCursor`, `CursorGone`,
    `TooMany` before anything is answered."""
    parts = web(request)
    place = (await _look(parts, principal, after or BEGINNING, 0)).next

    async def look() -> FoundEvents | None:
        nonlocal place
        try:
            page = await _look(parts, principal, place, AT_ONCE)
        except CursorGone:  # put back meanwhile: the client is told so when it connects again
            return None
        place = page.next
        return FoundEvents([_written(event) for event in page.events])

    return event_stream(parts, principal, key_of(principal.role.value, principal.tenant or ""), look)


def _written(event: Event) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        event["cursor"].encode(), event["type"].encode(), orjson.dumps(event)
    )  # fmt: skip


async def _look(parts: Web, principal: Principal, after: str, most: int) -> FeedPage:
    async with parts.database.rows(principal) as rows:
        return await read_page(rows, principal, after, most)
