"""The live stream of events, the past below it, and one event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
import psycopg
from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from postavka.web.fields import moment_in
from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.server_sent import server_sent
from postavka.web.state import is_let_in, web
from postavka.web.visitor import visitor_of
from services.ops import history
from services.ops.live_feed import TOPICS, EventFilter, Feed, is_uuid
from services.ops.pages.frame import PAGE, Ops, Wanted, looked_up, trace_url

router = APIRouter(prefix="/ops", include_in_schema=False)
BEAT_SECONDS = 0.25
START_SECONDS, LOOK_SECONDS = 10.0, 0.02
"""The first viewer of the stream waits at most so long for its reader."""
QUIET_BEATS = 60
"""After so many beats without news the stream says that it is alive."""
GOOD_BEATS = 8
"""So often it is asked whether the viewer may still look: a closed account sees at most two seconds more."""
LONGEST_BEATS = 14_400
"""An hour; then the browser connects anew, and rights are looked at again."""
ROWS_KEPT = 400
"""Rows of the live stream that a page keeps (`static/ops/stream.js`); older ones are in the past, below."""


@router.get("/stream")
async def stream_page(request: Request, principal: Ops, wanted: Wanted, until: str = "", before: str = "") -> Response:
    """The past, newest first, and above it what comes."""
    moment = moment_in(until)
    found = await looked_up(request, lambda rows: history.page_of(rows, wanted, before, moment, PAGE))
    visitor_of(request).shown.update(event.request for event in found.events)
    query = _as_query(wanted)
    older = urlencode({**query, "before": found.before}) if found.before else ""
    template = "ops_stream_rows.html" if request.headers.get("x-part") == "rows" else "ops_stream.html"
    return page(
        request,
        template,
        found=found,
        wanted=wanted,
        until=until,
        older=older,
        live=not before and moment is None,
        live_query=urlencode(query),
        stages=[topic.writer for topic in TOPICS],
        types=sorted({message.TYPE.partition(".")[0] for topic in TOPICS for message in topic.carries}),
    )


@router.get("/stream/events")
async def stream_events(
    request: Request,
    principal: Ops,
    wanted: Wanted,
    after: int | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Beats of the live stream as server-sent events: at most `live_feed.SHOWN` events in each, the others
    counted."""
    parts = web(request)
    feed = feed_of(request)
    shown = visitor_of(request).shown
    seen = last_event_id if last_event_id is not None and last_event_id.isdecimal() else None
    subscription = parts.live.subscription("ops-stream", f"{principal.owner}:{principal.id}")
    subscription.__enter__()
    try:
        feed.now()
        await _until(lambda: feed.reading or feed.trouble is not None, START_SECONDS)
        start = int(seen) if seen is not None else after if after is not None else feed.now()
    except BaseException:
        subscription.__exit__(None, None, None)
        raise

    async def body() -> AsyncIterator[bytes]:
        last, quiet = start, 0
        try:
            # Whoever pauses before the first news must know its place.
            nothing = {"events": [], "more": 0, "counts": {}, "missed": 0, "trouble": feed.trouble}
            yield b"retry: 1000\nid: %d\nevent: beat\ndata: " % start + orjson.dumps(nothing) + b"\n\n"
            for number in range(LONGEST_BEATS):
                if parts.live.closing.is_set():
                    return
                if number % GOOD_BEATS == 0 and not await is_let_in(parts, principal):
                    return
                beat = await asyncio.to_thread(feed.view, last, wanted)
                quiet = 0 if beat.counts else quiet + 1
                shown.update(UUID(each.request) for each in beat.events if is_uuid(each.request))
                if beat.counts or beat.missed or feed.trouble:
                    payload = {
                        "events": [each.shown() for each in beat.events],
                        "more": beat.more,
                        "counts": beat.counts,
                        "missed": beat.missed,
                        "trouble": feed.trouble,
                    }
                    yield b"id: %d\nevent: beat\ndata: " % beat.last + orjson.dumps(payload) + b"\n\n"
                elif quiet % QUIET_BEATS == 0:
                    yield b"id: %d\n: alive\n\n" % beat.last
                last = beat.last
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            subscription.__exit__(None, None, None)

    return server_sent(body())


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Look until it holds, at most so long."""
    for _ in range(round(seconds / LOOK_SECONDS)):
        if holds():
            return
        await asyncio.sleep(LOOK_SECONDS)


def feed_of(request: Request) -> Feed:
    """The one feed of this process."""
    state = request.app.state
    if not hasattr(state, "ops_feed"):
        state.ops_feed = Feed(web(request).kernel)
    feed: Feed = state.ops_feed
    return feed


@router.get("/events/{stage}/{position}")
async def event_page(request: Request, principal: Ops, stage: str, position: int) -> Response:
    """The page of one event: body, where it lies, its cause and what it led to."""

    def ask(connection: psycopg.Connection[Any]) -> Any:
        event = history.one(connection, stage, position)
        return event and (event, history.of_request(connection, event.request))

    found = await looked_up(request, ask)
    if found is None:
        raise not_found()
    event, whole = found
    visitor_of(request).shown.add(event.request)
    cause, effects = history.cause_and_effects(whole, event)
    template = "ops_event_body.html" if request.headers.get("x-part") == "body" else "ops_event.html"
    return page(request, template, event=event, cause=cause, effects=effects, trace_url=trace_url(event.trace))


def _as_query(wanted: EventFilter) -> dict[str, str]:
    return {"request_id" if name == "request" else name: value for name, value in asdict(wanted).items() if value}
