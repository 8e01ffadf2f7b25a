"""Streams of server-sent events: they end with the rights of their reader, and at the latest after an hour, say that
they are alive while nothing comes, and are bounded in number (`Live`)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from starlette.responses import StreamingResponse

from postavka.web.identity.principal import Principal
from postavka.web.live import LOOK_SECONDS
from postavka.web.state import Web, is_let_in
from postavka.web.throttle import TooMany

RETRY_MS = 2_000
LONGEST_SECONDS = 3_600
"""Then the client connects anew: rights are looked at again, and no stream outlives its session by much."""


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """What a look has found: events as they are sent. Where there are none, the next look is after a notification, or
    after so many seconds."""

    events: Sequence[bytes] = ()
    look_seconds: float = LOOK_SECONDS


def event_stream(
    parts: Web, principal: Principal, key: str, look: Callable[[], Awaitable[FoundEvents | None]]
) -> StreamingResponse:
    """What `look` finds, time after time, until it gives None; `key` is what notifications name. Raises `TooMany` at
    once, so that a refusal is an answer with a status and not a broken stream."""
    owner = f"{principal.owner}:{principal.id}"
    parts.live.check_room(owner)

    async def body() -> AsyncIterator[bytes]:
        until = time.monotonic() + LONGEST_SECONDS
        yield f"retry: {RETRY_MS}\n\n".encode()
        with ExitStack() as held:
            try:
                changed = held.enter_context(parts.live.subscription(key, owner))
            except TooMany:  # others came in between: the client tries again
                return
            while not parts.live.closing.is_set() and time.monotonic() < until and await is_let_in(parts, principal):
                found = await look()
                if found is None:
                    return
                for event in found.events:
                    yield event
                if not found.events and not await parts.live.wait(changed, found.look_seconds):
                    yield b": alive\n\n"

    return server_sent(body())


def server_sent(body: AsyncIterator[bytes]) -> StreamingResponse:
    """An answer that no proxy keeps or holds back."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body, media_type="text/event-stream", headers=headers)
