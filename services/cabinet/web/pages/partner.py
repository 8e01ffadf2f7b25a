"""Pages for the partner."""

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
NAVIGATION = (Entry("Заявки на приобретение", "/requests", frozenset((Role.PARTNER,)), 10),)


@router.get("/requests")
async def requests_page(
    request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)], after: str | None = None
) -> Response:
    """Section «Заявки на приобретение» (L4)."""
    async with web(request).database.rows(principal) as rows:
        found = await Requests(rows, principal).page(after=after)
    return page(request, "requests.html", found=found, title="Заявки на приобретение")
