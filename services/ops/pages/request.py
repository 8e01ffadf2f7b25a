"""A request's path, and search."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from events.ops import Awaited
from postavka.web.personal import reveal
from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet.client_check import check_row
from services.cabinet.requests import Filter as ListFilter
from services.cabinet.requests import Requests, Row
from services.cabinet.unchecked import unchecked_clients
from services.ops import dead_letters, reminders
from services.ops import queues as waits
from services.ops.pages.frame import STAGE_NAMES, Ops, duration, looked_up, trace_url
from services.ops.request import look_at
from services.ops.settings import ops_settings
from services.ops.wait_spans import Sign

router = APIRouter(prefix="/ops", include_in_schema=False)
SIGNS = {
    Sign.REFUSAL: "Отказы",
    Sign.RETRY: "Непринятое и повторы",
    Sign.DOCUMENT: "Документы",
    Sign.LETTER: "Письма",
    Sign.REMINDER: "Напоминания",
}
"""Rows of the picture, and of one of them (`TITLES`)."""
TITLES = {
    Sign.REFUSAL: "отказ",
    Sign.RETRY: "непринятое",
    Sign.DOCUMENT: "документ",
    Sign.LETTER: "письмо",
    Sign.REMINDER: "напоминание",
}


@router.get("/requests/{request_id}")
async def request_page(
    request: Request, request_id: UUID, principal: Ops, told: str = "", reminded: str = ""
) -> Response:
    """The page of a request with its chart: who had to act and for how long, what happened beside it, every event."""
    limits = ops_settings()

    def ask(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
        found = look_at(connection, request_id, limits, reveal)
        return found, dead_letters.letters(web(request).conninfo, request_id=request_id)

    account, put_aside = await looked_up(request, ask)
    if account is None:
        raise not_found()
    events = [step.event for step in account.steps]
    async with web(request).database.rows(principal) as rows:
        row = await Requests(rows, principal).one(request_id)
    return page(
        request,
        "ops_request.html",
        client_check=await check_row(web(request).register, row) if row is not None else None,
        unchecked=await unchecked_clients(web(request), request_id),
        request_id=request_id,
        row=row,
        chart=account.chart,
        going=account.chart is not None and any(each.until is None for each in account.chart.waits),
        signs=SIGNS,
        titles=TITLES,
        delta=lambda seconds: timedelta(seconds=seconds),
        steps=account.steps,
        stage_names=STAGE_NAMES,
        stages=list(dict.fromkeys(event.stage for event in events)),
        items=account.waits,
        letters=put_aside,
        told=told,
        reminded=reminded,
        recipient=lambda item: _recipient(item, row),
        kinds=waits.KINDS,
        duration=duration,
        trace_url=next((url for event in events if (url := trace_url(event.trace))), None),
    )


def _recipient(item: waits.WaitingRequest, row: Row | None) -> str:
    """Who gets the reminder, by name where the cabinet knows one."""
    who, whom = reminders.awaited(item)
    match who:
        case Awaited.DISTRIBUTOR:
            return f"дистрибьютор {(row and row.distributor) or whom}"
        case Awaited.PARTNER:
            return f"партнёр {(row and row.partner) or whom}"
        case _:
            return "производство"


@router.get("/search")
async def search(request: Request, principal: Ops, q: str = "") -> Response:
    """The one box to search by: a request's id or its beginning, INN, permission number, registration number, kit,
    invoice, client."""
    async with web(request).database.rows(principal) as rows:
        found = (await Requests(rows, principal).page(ListFilter(search=q), None, 30)).rows if q.strip() else []
    if len(found) == 1:
        return RedirectResponse(f"/ops/requests/{found[0].request_id}", 303)
    visitor_of(request).shown.update(row.request_id for row in found)
    return page(request, "ops_search.html", q=q, found=found)
