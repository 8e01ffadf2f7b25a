"""`/api/v1/events`: what happens to a tenant's requests, for programs without Kafka."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from postavka.web.authorization import allowed
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import MEDIA_TYPE, Problem, problem
from postavka.web.state import web
from services.feed.reading import CursorGone, read_page
from services.feed.stream import stream

router = APIRouter(tags=["events"])

TENANT = allowed(Role.PARTNER, Role.DISTRIBUTOR, scope=Scope.READ)
After = Annotated[
    str | None,
    Query(
        max_length=40,
        description="`next` of the page before, or `cursor` of an event: what stands behind it is told. Without it "
        "from the first event on; `end`: nothing but the place behind the newest one",
    ),
]
GONE: dict[int | str, dict[str, Any]] = {
    410: {
        "description": "The feed was restored from a copy, and this place is gone: read it from the beginning",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


class EventOut(BaseModel):
    """An event in the envelope that it has on Kafka (CloudEvents 1.0, JSON). What may be repeated has the same
    `source` and `id`."""

    specversion: str = Field(description="Of CloudEvents: `1.0`")
    id: str = Field(description="Unique within `source`; the two together name the event for ever")
    source: str = Field(description="The stage that wrote it: `/postavka/approval`")
    type: str = Field(description="Name and version: `Approved.v3`")
    subject: UUID = Field(description="The request that it belongs to")
    time: datetime = Field(description="When it happened, UTC")
    datacontenttype: str = Field(description="`application/json`")
    causationid: str | None = Field(None, description="`source#id` of what caused it, where that was an event")
    correlationid: str | None = Field(None, description="The same for all that one act of a person led to")
    cursor: str = Field(description="The place behind this event in your feed: send it as `after`")
    data: dict[str, Any] = Field(
        description="The fields of the type, as the published schemas have them, as far as you may see them"
    )


class EventPage(BaseModel):
    """A page of the feed, the earliest first."""

    items: list[EventOut] = Field(description="In order; of one request none stands before what caused it")
    next: str = Field(description="Send it as `after`, also when nothing has come: the next page begins here")
    more: bool = Field(description="There are further events now; false: you have all of them")


@router.get(
    "/events",
    operation_id="listEvents",
    summary="What happens to your requests, event by event",
    response_model_exclude_none=True,
    responses=GONE,
)
async def list_events(
    request: Request,
    principal: Annotated[Principal, TENANT],
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=500, description="events on a page")] = 100,
) -> EventPage:
    """A partner is told of its own requests, a distributor of the approved ones that name it, also of what was before.
    Nothing is left out behind a place that was answered."""
    async with web(request).database.rows(principal) as rows:
        try:
            page = await read_page(rows, principal, after, limit)
        except CursorGone:
            raise gone() from None
    return EventPage(items=[EventOut(**each) for each in page.events], next=page.next, more=page.more)


@router.get(
    "/events/stream",
    operation_id="streamEvents",
    summary="The same as it happens",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string", "format": "binary"}}},
            "description": "Server-sent events, named by their type",
        },
        **GONE,
    },
)
async def stream_events(
    request: Request,
    principal: Annotated[Principal, TENANT],
    after: After = None,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> StreamingResponse:
    """The data is an event as `listEvents` answers it; its `cursor` is the event's id, so that `Last-Event-ID`
    resumes."""
    try:
        return await stream(request, principal, last_event_id or after)
    except CursorGone:
        raise gone() from None


def gone() -> Problem:
    """The problem that a place in the feed does not exist any more."""
    return problem(410, "gone", "Лента восстановлена из копии. Прочитайте её с начала: id событий те же.")
