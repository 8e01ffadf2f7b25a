"""Documents of a request, for people: the PDF to read, the exact bytes to sign (L14-L16)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.domain.typesetting import Untypeset
from postavka.kernel.blobs import BlobMissing, BlobsAway
from postavka.web.authorization import SIGNED_IN
from postavka.web.identity.principal import Principal
from postavka.web.problem import not_found, problem
from postavka.web.state import web
from services.cabinet.acts import find
from services.cabinet.api.documents import DocumentId, download
from services.cabinet.preview import preview_of

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


@router.get("/requests/{request_id}/documents/{document_id}/preview.png", name="preview")
async def preview(
    request: Request, request_id: UUID, document_id: DocumentId, principal: Annotated[Principal, SIGNED_IN]
) -> Response:
    """A picture of the document, to be looked at on its page. The browser keeps it and asks whether it may still show
    it: a document never changes, rights do."""
    parts = web(request)
    row = await find(parts, principal, request_id)
    document = row.documents.get(document_id) or {}
    try:
        picture = await preview_of(parts, dict(document))
    except (BlobMissing, BlobsAway, Untypeset):
        raise problem(503, "unavailable", "Картинки документа пока нет. Повторите через минуту.") from None
    if picture is None:
        raise not_found()
    headers = {"ETag": f'"{document["rendered_sha256"]}-picture"', "Cache-Control": "private, no-cache"}
    return Response(picture, media_type="image/png", headers=headers)
