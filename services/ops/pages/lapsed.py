"""Services that ended unanswered: neither renewed nor on their way to it (L19)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.web.frame import reference
from postavka.web.rendering import page
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet.renewals.ending import Endings, ended_lately
from services.cabinet.view.lines import line
from services.ops.pages.frame import PAGE, Ops

router = APIRouter(prefix="/ops", include_in_schema=False)


@router.get("/lapsed")
async def lapsed_page(request: Request, principal: Ops, after: str | None = None) -> Response:
    """Those of the last 90 days that nothing is to prolong, the first that ended first."""
    known = await reference(request)
    async with web(request).database.rows(principal) as rows:
        found, going = await Endings(rows, principal).between(ended_lately(), after, PAGE, is_open=True)
    visitor_of(request).shown.update(each.row.request_id for each in found)
    return page(
        request,
        "ops_lapsed.html",
        services=[(each.last_day, line(each.row, known)) for each in found],
        first_href="/ops/lapsed" if after else None,
        next_href=f"/ops/lapsed?after={going}" if going else None,
    )
