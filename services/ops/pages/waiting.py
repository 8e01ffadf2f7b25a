"""The pages of the queues: what waits, for whom and since when; reminders."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from postavka.web.planned.ask import ask_first
from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.sign_in.return_to import back_to, own_path
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet.unchecked import unchecked_clients
from services.ops import queues as waits
from services.ops import reminders
from services.ops.later import REMIND, question_of_reminders
from services.ops.pages.frame import PAGE, Ops, done, duration, looked_up, parties
from services.ops.settings import ops_settings

router = APIRouter(prefix="/ops", include_in_schema=False)
TREND_DAYS = 14


@router.get("/waiting")
async def waiting_page(
    request: Request,
    principal: Ops,
    what: str = "",
    overdue: bool = False,
    told: str = "",
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """Queues with their limits, the trend, and the requests of one queue, behind as many as are skipped."""
    limits = ops_settings()
    chosen = what if what in waits.KINDS else None

    def ask(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
        queues = waits.queues(connection, limits)
        items = waits.waiting(connection, limits, chosen, overdue or chosen is None, PAGE, skip=skip)
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
        told=told,
        can_be_reminded=can_be_reminded,
        overdue=overdue,
        kinds=waits.KINDS,
        parties=await parties(request),
        duration=duration,
        first_href=_part(what, overdue, 0) if skip else None,
        next_href=_part(what, overdue, skip + PAGE) if len(items) == PAGE else None,
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
    return RedirectResponse(f"/ops/requests/{request_id}?{urlencode({'told': outcome, 'reminded': what})}", 303)


@router.post("/waiting/reminders")
async def remind_many(request: Request, principal: Ops) -> Response:
    """Remind all of those who were ticked, after a question that says how many."""
    form = await request.form()
    back = own_path(str(form.get("back", "/ops/waiting")))
    ticked = {text for each in form.getlist("item")[:PAGE] if (text := str(each))}
    limits = ops_settings()

    def ask(connection: psycopg.Connection[Any]) -> list[waits.WaitingRequest]:
        return [
            each for each in waits.all_waiting(connection, limits) if _mark(each) in ticked and can_be_reminded(each)
        ]

    items = await looked_up(request, ask)
    if not items:
        return back_to(back, told="nothing-chosen")
    note = str(form.get("note", "")).strip()[:500] or None
    return await ask_first(
        request,
        principal,
        question_of_reminders(items),
        kind=REMIND.name,
        fields={"items": [[str(each.request_id), each.waits_for] for each in items], "note": note},
        subjects=[_mark(each) for each in items],
        back=back,
    )


def _part(what: str, overdue: bool, skip: int) -> str:
    """The address of a part of a queue."""
    given = {"what": what, "overdue": "1" if overdue else "", "skip": str(skip or "")}
    return "/ops/waiting?" + urlencode({name: value for name, value in given.items() if value}) + "#work"


def can_be_reminded(item: waits.WaitingRequest) -> bool:
    """Does it wait for somebody else than us?"""
    return item.waits_for not in ("approval", "order")


def _mark(item: waits.WaitingRequest) -> str:
    return f"{item.request_id}:{item.waits_for}"


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
