"""The home of operations: what needs somebody, and how the stages did in a span of time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from postavka.web.rendering import page
from postavka.web.visitor import visitor_of
from services.ops.pages.badges import PATH, attention_of
from services.ops.pages.frame import STAGE_NAMES, Ops, duration, looked_up
from services.ops.rates import BARS, SPANS, USUAL, StageRate, rates

router = APIRouter(include_in_schema=False)


@router.get("/ops")
async def home_page(request: Request, principal: Ops, span: str = USUAL) -> Response:
    """What burns, with a link behind every number, and the rates and times of a span; without these where only what
    burns is fetched anew: they would be looked up, and noted as seen, for nobody."""
    chosen = span if span in SPANS else USUAL
    until = datetime.now(UTC)
    since = until - SPANS[chosen][1]

    def ask(connection: psycopg.Connection[Any]) -> list[StageRate]:
        return rates(connection, since, until)

    counting = asyncio.to_thread(attention_of(request.app).fresh)
    if request.headers.get("x-part") == "burning":
        attention, stages = await counting, list[StageRate]()
    else:
        attention, stages = await asyncio.gather(counting, looked_up(request, ask))
    visitor = visitor_of(request)
    visitor.badges = attention.badges
    visitor.shown.update(each.times.longest_request for each in stages if each.times is not None)
    groups = [(section, list(found)) for section, found in groupby(attention.concerns, attrgetter("section"))]
    return page(
        request,
        "ops_home.html",
        groups=groups,
        burning=sum(each.count for each in attention.concerns if each.burns),
        unwell=attention.unwell,
        stages=stages,
        highest=max((count for each in stages for count in each.counts), default=0),
        bar=duration((until - since).total_seconds() / BARS),
        span=chosen,
        spans=[(code, name) for code, (name, _) in SPANS.items()],
        since=since,
        seconds=(until - since).total_seconds(),
        duration=duration,
        names=STAGE_NAMES,
    )


@router.get(PATH)
async def badges(request: Request, principal: Ops) -> JSONResponse:
    """The counts of the menu, for pages that stay open: path of a section → how much waits there."""
    counts = await asyncio.to_thread(attention_of(request.app).badges)
    return JSONResponse(counts, headers={"Cache-Control": "no-store"})
