"""The page of one request, for everybody who may see it: partner, distributor, operations, auditor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import NoMatchFound

from postavka.kernel.ids import new_id
from postavka.kernel.store.queries import load_queries
from postavka.web.authorization import SIGNED_IN, allowed
from postavka.web.fields import id_in
from postavka.web.frame import reference, show
from postavka.web.identity.principal import PROGRAM, Principal, Role
from postavka.web.problem import not_found, problem
from postavka.web.state import web
from postavka.web.upload import uploaded
from postavka.web.visitor import visitor_of
from services.cabinet import acts
from services.cabinet.client_check import check_row
from services.cabinet.pages.sent import is_just_sent
from services.cabinet.pages.too_late import unless_too_late
from services.cabinet.requests import Requests, Row
from services.cabinet.signing.signature_file import LONGEST_SIGNATURE, read_signature
from services.cabinet.view.documents import ShownDocument, shown_documents
from services.cabinet.view.form import is_request_id
from services.cabinet.view.lines import facts
from services.cabinet.view.moments import happenings
from services.cabinet.view.now import Viewer, now
from services.cabinet.view.steps import shown_steps
from services.cabinet.words import stage_of

QUERIES = load_queries("services.cabinet")

router = APIRouter(include_in_schema=False)
LONGEST_REASON = 1_000


@router.get("/requests/{request_id}")
async def request_page(request: Request, request_id: UUID, principal: Annotated[Principal, SIGNED_IN]) -> Response:
    """What we wait for, the steps, the timeline, facts and documents."""
    async with web(request).database.rows(principal) as rows:
        requests = Requests(rows, principal)
        row = await requests.one(request_id)
        renews = id_in(row.asked.get("renews")) if row else None
        renewed = await requests.one(renews) if renews else None
    if row is None:
        if principal.role is Role.PARTNER and is_just_sent(request, str(request_id)):
            return await _just_sent(request, principal, request_id)
        raise not_found()
    known = await reference(request)
    reader = Viewer.of(principal.role)
    groups = {stage: dict(group) for stage, group in row.groups.items()}
    documents = shown_documents(row, principal.tenant, reader)
    links = {each.id: _download(request, request_id, each) for each in documents}
    list_href, list_word = _list(principal)
    return await show(
        request,
        principal,
        "request.html",
        known=known,
        id=str(request_id),
        name=row.name,
        submitted_at=row.submitted_at,
        version=row.version,
        turn=now(groups, reader),
        steps=shown_steps(groups),
        happenings=happenings(row.moments(principal.tenant), await _names(request, principal, row)),
        facts=facts(row, known, with_partner=reader is not Viewer.PARTNER, renewed=renewed),
        reasons=row.approval.get("reasons", ()) if row.status == "rejected" else (),
        permission=row.permission_number,
        kit=row.shipping.get("kit"),
        documents=documents,
        links=links,
        invoice_href=next((links[each.id] for each in documents if each.kind == "invoice"), None),
        client_check=await check_row(web(request).register, row) if reader is Viewer.OFFICE else None,
        mine=reader is Viewer.PARTNER,
        answerable=reader is Viewer.DISTRIBUTOR and row.status == "awaiting-confirmation",
        withdrawable=reader is Viewer.PARTNER and row.can_withdraw,
        no_signature=request.query_params.get("no-signature", ""),
        activation_id=str(new_id()),
        decline_id=str(new_id()),
        waiting=bool(visitor_of(request).planned),
        copy_href=f"/requests/new/{row.asked.get('request_type')}?copy={request_id}",
        renew_href=f"/requests/new/{row.asked.get('request_type')}?copy={request_id}&renew=1" if row.term else None,
        live_href=f"/requests/{request_id}/events",
        self_href=f"/requests/{request_id}",
        list_href=list_href,
        list_word=list_word,
    )


@router.post("/requests/{request_id}/documents/{document_id}/signature")
async def signature(
    request: Request,
    request_id: UUID,
    document_id: str,
    principal: Annotated[Principal, allowed(Role.PARTNER, Role.DISTRIBUTOR)],
) -> Response:
    """A signed document comes back (L16): a detached CMS signature, DER, PEM or base64."""
    parts = web(request)
    async with unless_too_late():
        await acts.check_to_sign(parts, principal, request_id, document_id)  # before the file is looked at
        given = await uploaded(request, "signature", LONGEST_SIGNATURE)
        der = None if given is None else read_signature(given.data)
        if der is None:  # said at its field, with the form still open
            return RedirectResponse(f"/requests/{request_id}?{urlencode({'no-signature': document_id})}#papers", 303)
        await acts.sign(parts, principal, request_id, document_id, der, None)
    return RedirectResponse(f"/requests/{request_id}?done=signature", 303)


@router.post("/requests/{request_id}/documents/{document_id}/refusal")
async def refusal(
    request: Request,
    request_id: UUID,
    document_id: str,
    principal: Annotated[Principal, allowed(Role.PARTNER, Role.DISTRIBUTOR)],
) -> Response:
    """A document is not signed, and why (L16). The same form twice is one answer."""
    form = await request.form()
    reason, given = str(form.get("reason", "")).strip()[:LONGEST_REASON], str(form.get("decline_id", ""))
    if not reason:
        raise problem(422, "invalid", "Напишите, что не так с документом.")
    decline_id = given if is_request_id(given) else str(new_id())
    async with unless_too_late():
        await acts.refuse_to_sign(web(request), principal, request_id, document_id, decline_id, reason)
    return RedirectResponse(f"/requests/{request_id}?done=refusal", 303)


async def _just_sent(request: Request, principal: Principal, request_id: UUID) -> Response:
    return await show(
        request, principal, "pending.html",
        id=str(request_id), stage=stage_of("submitted"), self_href=str(request.url),
    )  # fmt: skip


async def _names(request: Request, principal: Principal, row: Row) -> Mapping[str, str]:
    """Names for the ids that events bear. A distributor learns the partner's, not its people's."""
    token = "Программа партнёра" if principal.role is Role.DISTRIBUTOR else "Программа"
    names = {"token": token, "user": "Пользователь"}
    actors = [each.who for each in row.moments(principal.tenant) if each.who]
    for program in (each for each in actors if each.startswith(PROGRAM)):
        names[program] = f"Программа «{program.removeprefix(PROGRAM)}»"
    for named in (row.approval.get("distributor"), row.approval.get("partner")):
        if named:
            names[named["id"]] = named["name"]
    people = {}
    if actors and row.partner_id is not None:
        async with web(request).database.accounts() as rows:
            found = await rows.execute(QUERIES.names, (actors, row.partner_id))
            people = dict(await found.fetchall())
    if principal.role is Role.DISTRIBUTOR:
        people = dict.fromkeys(people, row.partner or "Партнёр")
    return names | people


def _download(request: Request, request_id: UUID, paper: ShownDocument) -> str | None:
    """Where the document can be had; None where this installation keeps none."""
    try:
        return str(request.app.url_path_for("document", request_id=str(request_id), document_id=paper.id))
    except NoMatchFound:
        return None


def _list(principal: Principal) -> tuple[str, str]:
    match principal.role:
        case Role.PARTNER:
            return "/requests", "Заявки на приобретение"
        case Role.DISTRIBUTOR:
            return "/waiting", "Заявки партнёров"
        case _:
            return "/", "На главную"
