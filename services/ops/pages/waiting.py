"""The pages of the queues: what waits, for whom and since when; reminders."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet.unchecked import unchecked_clients
from services.ops import queues as waits
from services.ops import reminders
from services.ops.pages.frame import PAGE, Ops, done, duration, looked_up
from services.ops.settings import ops_settings

router = APIRouter(prefix="/ops", include_in_schema=False)
TREND_DAYS = 14


@router.get("/waiting")
async def waiting_page(request: Request, principal: Ops, what: str = "", overdue: bool = False) -> Response:
    """Queues with their limits, the trend, and the requests of one queue."""
    limits = ops_settings()
    chosen = what if what in waits.KINDS else None

    def ask(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
        queues = waits.queues(connection, limits)
        items = waits.waiting(connection, limits, chosen, overdue or chosen is None, PAGE)
        return queues, items, waits.trend(connection, TREND_DAYS)

    queues, items, days = await looked_up(request, ask)
    visitor_of(request).shown.update(item.request_id for item in items)
    return page(
        request,
        "ops_waiting.html",
        queues=queues,
        items=items,
        trend=_bars(days),
        days=[each for each in reversed(days) if each[1] == chosen],
        what=chosen,
        overdue=overdue,
        kinds=waits.KINDS,
        duration=duration,
        short=PAGE,
        clients=await unchecked_clients(web(request)),
    )


@router.post("/waiting/{request_id}/reminder")
async def remind(
    request: Request,
    request_id: UUID,
    principal: Ops,
    what: Annotated[str, Form()],
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Remind whoever must act."""
    limits = ops_settings()
    items = await looked_up(request, lambda rows: waits.of_request(rows, limits, request_id))
    item = next((each for each in items if each.waits_for == what), None)
    if item is None:
        raise not_found()
    try:
        await done(request, lambda url: reminders.remind(url, item, principal.actor, note or None))
        outcome = "reminded"
    except reminders.JustReminded:
        outcome = "just-reminded"
    except reminders.NobodyToRemind:
        outcome = "nobody"
    return RedirectResponse(f"/ops/requests/{request_id}?{urlencode({'told': outcome})}", 303)


def _bars(days: list[tuple[Any, ...]]) -> dict[str, list[dict[str, Any]]]:
    """The trend of each kind, as bars: height in per cent of the highest."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for each, kind, count, late, _ in days:
        by_kind.setdefault(kind, []).append({"day": each, "waiting": count, "overdue": late})
    for bars in by_kind.values():
        top = max(1, *(bar["waiting"] for bar in bars))
        for bar in bars:
            bar["height"] = round(100 * bar["waiting"] / top)
    return by_kind
