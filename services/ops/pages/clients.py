"""Clients that were not checked against the tax register when their requests were sent: the list, and «Проверен»."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet.unchecked import MOST, set_checked, unchecked_clients
from services.ops.pages.frame import Ops, parties

router = APIRouter(prefix="/ops", include_in_schema=False)


@router.get("/clients")
async def clients_page(request: Request, principal: Ops) -> Response:
    """Those that nobody has checked, the oldest first."""
    found = await unchecked_clients(web(request))
    visitor_of(request).shown.update(each.request_id for each in found)
    return page(request, "ops_clients.html", clients=found, most=MOST, parties=await parties(request))


@router.post("/clients/{request_id}")
async def checked(request: Request, request_id: UUID, principal: Ops) -> Response:
    """Somebody has checked this client: it leaves the list."""
    if not await set_checked(web(request), request_id, principal.actor):
        raise not_found()
    return RedirectResponse(f"/ops/requests/{request_id}?told=client-checked", 303)
