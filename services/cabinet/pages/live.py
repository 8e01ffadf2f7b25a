"""Live pages: server-sent events that say when a request has changed (L13)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from postavka.web.authorization import SIGNED_IN
from postavka.web.identity.principal import Principal
from services.cabinet.stream import stream

router = APIRouter(include_in_schema=False)


@router.get("/requests/{request_id}/events")
async def events(
    request: Request,
    request_id: UUID,
    principal: Annotated[Principal, SIGNED_IN],
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The stream of changes of one request: `changed` with `{"status": …, "title": …, "version": …}` now (unless the
    browser has it) and at each change. The id is the row's version, so that `Last-Event-ID` tells what the browser has
    seen."""
    return await stream(request, request_id, principal, last_event_id)
