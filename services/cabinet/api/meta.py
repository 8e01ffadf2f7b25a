"""The API about itself: who am I, its description, and what its errors mean."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from postavka.web.authorization import ANYBODY
from postavka.web.identity.principal import Principal
from services.cabinet.api.requests import READER

router = APIRouter(tags=["meta"])


class Me(BaseModel):
    """Who asks."""

    name: str = Field(description="Of the account")
    role: str = Field(description="`partner`, `distributor` …")
    partner_id: str | None = Field(description="Of a partner's account")
    distributor_id: str | None = Field(description="Of a distributor's account")
    scopes: list[str] = Field(description="Rights of the token")


@router.get("/me", operation_id="whoAmI", summary="Whom the token stands for")
async def who_am_i(principal: Annotated[Principal, READER]) -> Me:
    """Name, role, tenant and scopes."""
    return Me(
        name=principal.name,
        role=principal.role.value,
        partner_id=principal.partner_id,
        distributor_id=principal.distributor_id,
        scopes=sorted(scope.value for scope in principal.scopes),
    )


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request, visitor: Annotated[Principal | None, ANYBODY]) -> Response:
    """This API as OpenAPI 3.1."""
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(_description(), media_type="application/json", headers=headers)


@cache
def _description() -> bytes:
    """The description as `python -m services.cabinet.api.openapi` wrote it, without blanks; a test compares it with the
    routes."""
    return orjson.dumps(orjson.loads((Path(__file__).parent / "openapi.json").read_bytes()))
