"""The page of streams and services."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.domain.wording import MAIL_TROUBLES
from postavka.web.rendering import page
from postavka.web.state import web
from services.ops.lag import Probe
from services.ops.pages.frame import Ops, duration, size

router = APIRouter(prefix="/ops", include_in_schema=False)
SAID = {
    "worker": "работник",
    "assigned_partitions": "разделов",
    "seconds_since_batch": "секунд с последней партии",
    "relay": "издатель",
    "mail": "почта",
    "mail_trouble": "почта:",
    "oddities": "странных записей",
    "revocation_lists_unreadable": "не читаются списки отзыва:",
    "revocation_lists_not_understood": "непонятны списки отзыва:",
    "revocation_lists_ended": "кончились списки отзыва:",
}
"""What services say of themselves beside the columns of the page, and how it is shown."""
STATES = {"active": "работает", "standby": "в запасе", **MAIL_TROUBLES}


SAID_AGE_SECONDS = 5.0


@router.get("/streams")
async def streams_page(request: Request, principal: Ops) -> Response:
    """The page of topics, readers and services."""
    probe = await probe_of(request)
    found = await asyncio.to_thread(probe.look)
    age = duration(probe.age) if probe.age > SAID_AGE_SECONDS else None
    return page(
        request, "ops_streams.html", found=found, age=age, duration=duration, size=size, said=SAID, states=STATES
    )


async def probe_of(request: Request) -> Probe:
    """The one probe of this process; it has looked once, so that the next look has rates."""
    state = request.app.state
    if not hasattr(state, "ops_probe"):
        probe = Probe(web(request).kernel)
        await asyncio.to_thread(probe.look)
        await asyncio.sleep(0.5)
        state.ops_probe = probe
    found: Probe = state.ops_probe
    return found
