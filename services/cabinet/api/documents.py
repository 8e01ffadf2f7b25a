"""Documents of a request: list, download, return signed (L14-L16)."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from postavka.domain.document_forms.upd import file_name
from postavka.domain.wording import document_name
from postavka.kernel.blobs import BlobMissing, BlobsAway
from postavka.web.authorization import allowed
from postavka.web.idempotency import IdempotencyKey, id_from, once
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import not_found, problem
from postavka.web.state import Web, web
from services.cabinet import acts
from services.cabinet.api.bodies import Refusal, Signature
from services.cabinet.api.models import Accepted, DocumentList, documents_of
from services.cabinet.api.requests import READER
from services.cabinet.requests import Row

router = APIRouter(tags=["documents"])
PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""A file's name that every client takes as it stands."""
MEDIA_TYPES = {"pdf": "application/pdf", "xml": "application/xml", "json": "application/json"}
BYTES = {"type": "string", "format": "binary"}
"""In the API's description: generated clients then give the body and not nothing."""
SHAPES: dict[str, dict[str, Any]] = {"pdf": BYTES, "xml": BYTES, "json": BYTES | {"type": ["string", "object"]}}
"""Of `MEDIA_TYPES`: whoever reads JSON as JSON gets an object, but what a signature covers are its bytes."""
Signer = Annotated[Principal, allowed(Role.PARTNER, Role.DISTRIBUTOR, scope=Scope.SIGN)]
DocumentId = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


@router.get("/requests/{request_id}/documents", operation_id="listDocuments", summary="Documents of a request")
async def list_documents(request: Request, request_id: UUID, principal: Annotated[Principal, READER]) -> DocumentList:
    """`yours_to_sign`: you must sign it and send it back."""
    row = await acts.find(web(request), principal, request_id)
    return DocumentList(items=documents_of(row, principal.tenant))


@router.get(
    "/requests/{request_id}/documents/{document_id}/files/{form}",
    operation_id="downloadDocument",
    summary="The bytes of a document",
    response_class=Response,
    responses={
        200: {
            "content": {MEDIA_TYPES[each]: {"schema": SHAPES[each]} for each in MEDIA_TYPES},
            "description": "The document",
        },
        304: {"description": "You have it: `If-None-Match` named its `ETag`"},
    },
)
async def download_document(
    request: Request,
    request_id: UUID,
    document_id: DocumentId,
    form: Literal["original", "pdf"],
    principal: Annotated[Principal, READER],
) -> Response:
    """`original`: the exact bytes issued, which a signature must cover; `pdf`: to read and print."""
    parts = web(request)
    return await download(parts, await acts.find(parts, principal, request_id), document_id, form)


@router.post(
    "/requests/{request_id}/documents/{document_id}/signature",
    operation_id="signDocument",
    status_code=202,
    response_model=Accepted,
    summary="Return a signed document (L16)",
)
async def sign_document(
    request: Request,
    request_id: UUID,
    document_id: DocumentId,
    principal: Signer,
    body: Signature,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The signature is verified against the exact bytes issued; a refusal, with its reason, is on the timeline."""

    async def act(_: str) -> tuple[int, Accepted]:
        await acts.sign(web(request), principal, request_id, document_id, body.signature, body.title)
        return 202, Accepted(request_id=request_id, message="Подпись отправлена на проверку.")

    return await once(request, principal, idempotency_key, act)


@router.post(
    "/requests/{request_id}/documents/{document_id}/refusal",
    operation_id="refuseDocument",
    status_code=202,
    response_model=Accepted,
    summary="Refuse to sign a document, and say why (L16)",
)
async def refuse_document(
    request: Request,
    request_id: UUID,
    document_id: DocumentId,
    principal: Signer,
    body: Refusal,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """It ends nothing: the two sides talk, and a signature that comes later counts."""

    async def act(key: str) -> tuple[int, Accepted]:
        decline_id = str(id_from(principal, f"refuse {request_id} {document_id}", key))
        await acts.refuse_to_sign(web(request), principal, request_id, document_id, decline_id, body.reason)
        return 202, Accepted(request_id=request_id, message="Отказ от подписания отправлен.")

    return await once(request, principal, idempotency_key, act)


async def download(parts: Web, row: Row, document_id: str, form: Literal["original", "pdf"]) -> Response:
    """The bytes of a document of this row, as an attachment. Raises 404, 503."""
    document = row.documents.get(document_id) or {}
    sha256 = document.get("sha256" if form == "original" else "rendered_sha256")
    if not sha256:
        raise not_found()
    try:
        data = await asyncio.to_thread(parts.blobs.get, sha256)
    except BlobMissing:
        raise problem(503, "unavailable", "Документ ещё готовится. Повторите через минуту.") from None
    except BlobsAway:
        raise problem(503, "unavailable", "Хранилище документов не отвечает. Повторите через минуту.") from None
    xml = str(document.get("form", "")).startswith("fns.")
    extension = "pdf" if form == "pdf" else "xml" if xml else "json"
    name = f"{document_name(document['kind'])} {document['number']}.{extension}"
    if extension == "xml":
        with suppress(ValueError):
            name = file_name(data)
    plain = name if PLAIN_NAME.fullmatch(name) else f"document.{extension}"
    return Response(
        data,
        media_type=MEDIA_TYPES[extension],
        headers={
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
            "ETag": f'"{sha256}"',
        },
    )
