"""Documents to sign, many at once (L16): what waits, and signatures in one call."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.web.authorization import allowed
from postavka.web.idempotency import IdempotencyKey, once
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import Problem
from postavka.web.state import web
from services.cabinet import acts
from services.cabinet.api.bodies import Signatures
from services.cabinet.api.documents import Signer
from services.cabinet.api.models import documents_of
from services.cabinet.api.signing_models import SignatureResult, SignatureResults, WaitingDocument, WaitingDocuments
from services.cabinet.requests import Requests

router = APIRouter(tags=["documents"])
MOST_LISTED = 200


@router.get("/documents/waiting", operation_id="listToSign", summary="Documents that wait for your signature (L16)")
async def list_to_sign(
    request: Request, principal: Annotated[Principal, allowed(Role.PARTNER, Role.DISTRIBUTOR, scope=Scope.READ)]
) -> WaitingDocuments:
    """Of the 200 requests that have waited for the longest. `downloadDocument` gives the bytes of each."""
    tenant = principal.tenant
    async with web(request).database.rows(principal) as rows:
        found = await Requests(rows, principal).to_sign(tenant or "", MOST_LISTED)
    return WaitingDocuments(
        items=[
            WaitingDocument(request_id=row.request_id, document=each)
            for row in found
            for each in documents_of(row, tenant)
            if each.yours_to_sign
        ]
    )


@router.post(
    "/signatures",
    operation_id="signDocuments",
    status_code=200,
    response_model=SignatureResults,
    summary="Return many signed documents (L16)",
)
async def sign_documents(
    request: Request, principal: Signer, body: Signatures, idempotency_key: IdempotencyKey = None
) -> Response:
    """One result for each, in the same order; one that can't be taken doesn't stop the others. What verification says
    of it is on the timeline of its request."""

    async def act(_: str) -> tuple[int, SignatureResults]:
        results = []
        for each in body.signatures:
            try:
                await acts.sign(web(request), principal, each.request_id, each.document_id, each.signature, each.title)
                result = SignatureResult(
                    request_id=each.request_id, document_id=each.document_id, result="accepted",
                    message="Подпись отправлена на проверку.",
                )  # fmt: skip
            except Problem as refused:
                result = SignatureResult(
                    request_id=each.request_id, document_id=each.document_id,
                    result="not-found" if refused.status == 404 else "not-waiting",
                    message=refused.detail or refused.title,
                )  # fmt: skip
            results.append(result)
        return 200, SignatureResults(results=results)

    return await once(request, principal, idempotency_key, act)
