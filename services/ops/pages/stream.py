"""The live stream of events, the past below it, and one event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
import psycopg
from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from postavka.web.fields import moment_field, moment_in
from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.server_sent import server_sent
from postavka.web.state import is_let_in, web
from postavka.web.visitor import visitor_of
from services.ops import history
from services.ops.live_feed import TOPICS, EventFilter, Feed, FeedRequest, is_uuid, request_name, requests_of
from services.ops.pages.frame import STAGE_NAMES, Ops, Wanted, duration, looked_up, trace_url
from services.ops.rates import BARS, SPANS, USUAL, counts_of

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
PAST_ROWS = 60
"""Rows of the past on a page, more than two screens of them: with a hundred, page and bars took 60.5 kB."""
ROWS_KEPT = 400
"""Rows of the live stream that a page keeps (`static/ops/stream.js`); older ones are in the past, below."""


@router.get("/stream")
async def stream_page(
    request: Request,
    principal: Ops,
    wanted: Wanted,
    since: str = "",
    until: str = "",
    before: str = "",
    span: str = "",
) -> Response:
    """The past, newest first, and above it what comes: all of it, of a span up to now, or between two moments (Moscow).
    Bars say how much there was of the stage when; where no time is named they are a part that is fetched by itself."""
    now = datetime.now(UTC)
    span = span if span in SPANS else ""
    first = now - SPANS[span][1] if span else _kept_within(moment_in(since), now)
    last = None if span else _kept_within(moment_in(until), now)
    part = request.headers.get("x-part")
    drawn_from, drawn_to = first or (last or now) - SPANS[USUAL][1], last or now
    draws = part == "when" or (part is None and (first or last) is not None)

    def ask(rows: psycopg.Connection[Any]) -> tuple[history.HistoryPage, Mapping[str, FeedRequest], list[int]]:
        bars = counts_of(rows, drawn_from, drawn_to, wanted.stage) if draws and drawn_from < drawn_to else []
        if part == "when":
            return history.HistoryPage((), ""), {}, bars
        found = history.page_of(rows, wanted, before, last, PAST_ROWS, first)
        return found, requests_of(rows, {str(event.request) for event in found.events}), bars

    found, known, bars = await looked_up(request, ask)
    visitor_of(request).shown.update(event.request for event in found.events)
    query = _as_query(wanted)
    between = {name: value for name, value in (("since", since), ("until", until), ("span", span)) if value}
    older = urlencode({**query, **between, "before": found.before}) if found.before else ""
    return page(
        request,
        {"rows": "ops_stream_rows.html", "when": "ops_stream_when.html"}.get(part or "", "ops_stream.html"),
        found=found,
        names={each: request_name(str(each), known.get(str(each))) for each in (one.request for one in found.events)},
        wanted=wanted,
        stage_names=STAGE_NAMES,
        since=moment_field(first) if first else "",
        until=until if last else "",
        span=span,
        spans=[(code, name, urlencode({**query, "span": code})) for code, (name, _) in SPANS.items()],
        bars=_bars(bars, drawn_from, drawn_to, query),
        bar=duration((drawn_to - drawn_from).total_seconds() / BARS),
        drawn=(drawn_from, drawn_to),
        older=older,
        live=not before and last is None,
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
                        "events": [each.shown(beat.names[each.request]) for each in beat.events],
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
    return page(
        request,
        template,
        event=event,
        stage_names=STAGE_NAMES,
        cause=cause,
        effects=effects,
        trace_url=trace_url(event.trace),
    )


def _kept_within(moment: datetime | None, now: datetime) -> datetime | None:
    """The moment, no earlier than any event can be and not far ahead: years 1 and 9999 can't be reckoned with."""
    return moment and max(datetime(2000, 1, 1, tzinfo=UTC), min(moment, now + timedelta(days=1)))


def _bars(counts: list[int], since: datetime, until: datetime, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """The bars of the histogram: height in per cent of the highest, and the address of the part that each stands for,
    from minute to minute."""
    step, top = (until - since) / BARS, max(counts, default=0)
    drawn = []
    for number, count in enumerate(counts):
        first, last = since + step * number, since + step * (number + 1) + timedelta(minutes=1)
        between = {"since": moment_field(first), "until": moment_field(last)}
        drawn.append(
            {
                "count": count,
                "height": round(100 * count / top) if top else 0,
                "at": first,
                "query": urlencode({**query, **between}),
            }
        )
    return drawn


def _as_query(wanted: EventFilter) -> dict[str, str]:
    return {"request_id" if name == "request" else name: value for name, value in asdict(wanted).items() if value}
