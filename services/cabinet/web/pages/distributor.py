"""Pages for the distributor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.accounts.principal import Principal, Role
from services.cabinet.web.access import allowed
from services.cabinet.web.app_state import web
from services.cabinet.web.navigation import Entry
from services.cabinet.web.rendering import page
from services.cabinet.web.requests import Requests

router = APIRouter(include_in_schema=False)
NAVIGATION = (Entry("Ждут подтверждения", "/waiting", frozenset((Role.DISTRIBUTOR,)), 10),)


@router.get("/waiting")
async def waiting_page(
    request: Request, principal: Annotated[Principal, allowed(Role.DISTRIBUTOR)], after: str | None = None
) -> Response:
    """What waits for this distributor's word (L17)."""
    async with web(request).database.rows(principal) as rows:
        found = await Requests(rows, principal).waiting(after)
    return page(request, "requests.html", found=found, title="Ждут подтверждения")
