"""Documents of a request, for people: the PDF to read, the exact bytes to sign (L14-L16)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.web.authorization import SIGNED_IN
from postavka.web.identity.principal import Principal
from postavka.web.state import web
from services.cabinet.acts import find
from services.cabinet.api.documents import DocumentId, download

router = APIRouter(include_in_schema=False)


@router.get("/requests/{request_id}/documents/{document_id}", name="document")
async def document(
    request: Request,
    request_id: UUID,
    document_id: DocumentId,
    principal: Annotated[Principal, SIGNED_IN],
    form: Literal["pdf", "original"] | None = None,
) -> Response:
    """The PDF where there is one, else what was issued; `?form=original` for what a signature must cover."""
    parts = web(request)
    row = await find(parts, principal, request_id)
    wanted = form or ("pdf" if "rendered_sha256" in (row.documents.get(document_id) or {}) else "original")
    return await download(parts, row, document_id, wanted)
