"""Pages of planned commands: all of one's own, one of them, and «Отменить»."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from postavka.web.authorization import allowed
from postavka.web.frame import show
from postavka.web.identity.principal import Principal, Role
from postavka.web.planned import store
from postavka.web.problem import not_found
from postavka.web.sign_in.return_to import back_to, own_path
from postavka.web.state import web

router = APIRouter(include_in_schema=False)
Planner = Annotated[Principal, allowed(Role.PARTNER, Role.DISTRIBUTOR, Role.OPS)]


@router.get("/planned")
async def planned_page(request: Request, principal: Planner) -> Response:
    """What waits to be sent, and what has become of the rest."""
    async with web(request).database.rows(principal) as rows:
        found = await store.of_owner(rows, principal)
    return await show(request, principal, "planned.html", found=found)


@router.get("/planned/{plan_id}")
async def plan_page(request: Request, plan_id: UUID, principal: Planner) -> Response:
    """One of them; the bar's script asks for it when its seconds are over."""
    async with web(request).database.rows(principal) as rows:
        found = await store.one(rows, principal, plan_id)
    if found is None:
        raise not_found()
    return await show(request, principal, "planned.html", found=[found])


@router.post("/planned/{plan_id}/undo")
async def undo(request: Request, plan_id: UUID, principal: Planner) -> Response:
    """Never send it, while it has not been sent."""
    back = own_path(str((await request.form()).get("back", "/planned")))
    async with web(request).database.rows(principal) as rows:
        if await store.one(rows, principal, plan_id) is None:
            raise not_found()
        is_undone = await store.undo(rows, principal, plan_id)
    if is_undone:
        return RedirectResponse(back, 303)
    return back_to(back, done="too-late")
