"""The pages about the API's errors: where the `type` of a problem leads."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.web.authorization import ANYBODY
from postavka.web.identity.principal import Principal
from postavka.web.problem import CODES, EXPLANATIONS
from postavka.web.rendering import page

router = APIRouter(include_in_schema=False)


@router.get("/api/problems")
async def problems(request: Request, _: Annotated[Principal | None, ANYBODY]) -> Response:
    """The page that explains each error code in a paragraph."""
    return page(request, "problems.html", problems=[(code, CODES[code], EXPLANATIONS[code]) for code in CODES])
