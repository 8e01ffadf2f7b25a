"""A new request: its type (L4), the form (L5-L12), «Заполнить из ФНС» (L10) and «Отправить» (L11).

The form's buttons all send it here; which one says what happens. Whatever happens, nothing typed is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from events.checks import INN_WEIGHTS, REGISTRATION_NUMBER_PATTERN
from postavka.domain.calendar import today
from postavka.domain.reference.store import Snapshot
from postavka.domain.request_rules import LONGEST, REQUIRED, shortcoming
from postavka.domain.tax_register import NotAnswering
from postavka.domain.wording import REQUEST_TYPES
from postavka.kernel.ids import new_id
from postavka.web.authorization import allowed
from postavka.web.frame import reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.planned.ask import ask_first
from postavka.web.problem import not_found
from postavka.web.sign_in.return_to import back_to
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet import acts, drafts
from services.cabinet.client_check import CheckedClient, ClientInDoubt
from services.cabinet.pages.sent import sent_mark
from services.cabinet.renewals.renew import renewal_of
from services.cabinet.requests import Requests, Row
from services.cabinet.twins import Twin, twins
from services.cabinet.view.form import (
    INN_WRONG,
    LABELS,
    REGISTRATION_WRONG,
    Choices,
    Typed,
    choices,
    is_request_id,
    mistakes,
    own_contact,
)
from services.cabinet.view.found import NOBODY, NOT_ANSWERING, Found, fill, note

router = APIRouter(include_in_schema=False)


@router.get("/requests/new")
async def types_page(request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)]) -> Response:
    """The page behind the button «Новая»: the choice of type (L4)."""
    return await show(request, principal, "request_type.html", types=REQUEST_TYPES)


@router.get("/requests/new/{request_type}")
async def form_page(
    request: Request,
    request_type: str,
    principal: Annotated[Principal, allowed(Role.PARTNER)],
    copy: UUID | None = None,
    renew: bool = False,
    draft: UUID | None = None,
) -> Response:
    """The form, empty, with a draft, or with the content of an earlier request, whose service the new one may prolong
    (`renew`)."""
    if request_type not in REQUEST_TYPES:
        raise not_found()
    known = await reference(request)
    lists = choices(known, principal.partner_id or "")
    if draft is not None:
        kept = await drafts.find(web(request), principal, draft)
        if kept is None:
            raise not_found()
        return await _form(request, principal, known, lists, replace(kept.typed, request_type=request_type))
    if copy is None:
        typed = Typed(request_id=str(new_id()), request_type=request_type, contact_id=own_contact(lists, principal))
        return await _form(request, principal, known, lists, typed, fresh=True)
    row = await _row(request, principal, copy)
    if row is None:
        raise not_found()
    visitor_of(request).shown.add(copy)
    typed = renewal_of(row) if renew else Typed.of(row.asked).renewed()
    typed = replace(typed, request_type=request_type, filled=typed.inn)
    if not renew and row.term:  # of a renewal that was refused, say, the copy is one as well
        typed = replace(typed, renews="")
    errors = mistakes(typed, known, principal.partner_id or "") if row.status == "rejected" else {}
    return await _form(
        request, principal, known, lists, typed, errors=errors, lead="Что исправить в заявке, которая не согласована:"
    )


@router.post("/requests/drafts/{request_id}/remove")
async def remove_draft(
    request: Request, request_id: UUID, principal: Annotated[Principal, allowed(Role.PARTNER)]
) -> Response:
    """Remove a draft, after a question."""
    draft = await drafts.find(web(request), principal, request_id)
    if draft is None:
        raise not_found()
    return await ask_first(
        request,
        principal,
        drafts.question_of_removal(draft),
        kind=drafts.REMOVE.name,
        fields={"request_id": str(request_id)},
        subjects=[str(request_id)],
        back="/requests",
    )


@router.post("/requests/new/{request_type}")
async def form_sent(
    request: Request, request_type: str, principal: Annotated[Principal, allowed(Role.PARTNER)]
) -> Response:
    """One of the form's buttons was pressed."""
    if request_type not in REQUEST_TYPES:
        raise not_found()
    given = await request.form()
    pressed = str(given.get("do", "send"))
    typed = replace(Typed.of(given), request_type=request_type)
    if not is_request_id(typed.request_id):
        typed = typed.renewed()
    if not is_request_id(typed.renews):
        typed = replace(typed, renews="")
    known = await reference(request)
    lists = choices(known, principal.partner_id or "")
    typed = typed.of_its_inn()
    if pressed in ("draft", "keep"):
        await drafts.keep(web(request), principal, typed)
        return Response(status_code=204) if pressed == "keep" else back_to("/requests", done="draft")
    if pressed in ("send", "as-typed", "another"):
        sure = pressed != "send" and given.get("asked") == typed.as_asked()
        seen = str(given.get("twins", "")) if pressed != "send" else None
        return await _send(request, principal, known, lists, typed, sure=sure, seen_twins=seen)
    found: Found | None = None
    errors: dict[str, str] = {}
    match pressed:
        case "lookup":
            typed, found, errors = await _look_up(request, typed)
        case "branch":
            typed, found, errors = await _look_up(request, replace(typed, kpp=str(given.get("branch", typed.kpp))))
        case "all-bases":
            typed = replace(typed, product_id="")
        case "all-products":
            typed = replace(typed, base_delivery_id="")
    return await _form(request, principal, known, lists, typed, errors=errors, found=found)


async def _send(
    request: Request,
    principal: Principal,
    known: Snapshot,
    lists: Choices,
    typed: Typed,
    *,
    sure: bool,
    seen_twins: str | None,
) -> Response:
    """Send the request, «Отправить»: once, however often it is pressed (L11). Asks first where the tax register knows
    another client under this INN, unless the partner is `sure`; where it doesn't answer, the request goes out
    unchecked. Asks as well where the same is asked for already or runs, unless the partner has just seen that
    (`seen_twins`)."""
    if await _row(request, principal, UUID(typed.request_id)) is not None:
        return RedirectResponse(f"/requests/{typed.request_id}?done=already", 303)
    errors = mistakes(typed, known, principal.partner_id or "")
    if errors:
        return await _form(request, principal, known, lists, typed, errors=errors, status=422)
    async with web(request).database.rows(principal) as rows:
        found = await twins(Requests(rows, principal), typed, today())
    if found and seen_twins != (ids := " ".join(str(each.request_id) for each in found)):
        return await _form(
            request, principal, known, lists, typed, twins_found=found, twins_ids=ids, sure=sure, status=409
        )
    try:
        await acts.submit(web(request), principal, UUID(typed.request_id), typed.command(), as_typed=sure)
    except ClientInDoubt as doubt:
        seen = seen_twins or ""
        return await _form(request, principal, known, lists, typed, doubt=doubt.checked, twins_ids=seen, status=422)
    await drafts.forget(web(request), principal, UUID(typed.request_id))
    return RedirectResponse(f"/requests/{typed.request_id}?sent={sent_mark(request, typed.request_id)}", 303)


async def _look_up(request: Request, typed: Typed) -> tuple[Typed, Found | None, dict[str, str]]:
    """«Заполнить из ФНС» (L10)."""
    typed = replace(typed, inn="".join(typed.inn.replace("-", "").split())).of_its_inn()
    if problem := shortcoming("inn", typed.inn):
        return typed, None, {"inn": problem}
    try:
        company = await web(request).register.find(typed.inn)
    except NotAnswering:
        return typed, NOT_ANSWERING, {}
    if company is None:
        return typed, NOBODY, {}
    return fill(typed, company), note(company), {}


async def _row(request: Request, principal: Principal, request_id: UUID) -> Row | None:
    async with web(request).database.rows(principal) as rows:
        return await Requests(rows, principal).one(request_id)


async def _form(
    request: Request,
    principal: Principal,
    known: Snapshot,
    lists: Choices,
    typed: Typed,
    *,
    errors: dict[str, str] | None = None,
    found: Found | None = None,
    doubt: CheckedClient | None = None,
    twins_found: Sequence[Twin] = (),
    twins_ids: str = "",
    sure: bool = False,
    fresh: bool = False,
    status: int = 200,
    lead: str = "Заявка не отправлена. Исправьте:",
) -> Response:
    products = lists.products_for(typed.base_delivery_id)
    fits = not typed.product_id or typed.product_id in {each.value for each in products}
    return await show(
        request,
        principal,
        "request_form.html",
        status,
        known=known,
        typed=typed,
        errors=errors or {},
        labels=LABELS,
        required=REQUIRED,
        longest=LONGEST,
        inn_weights=INN_WEIGHTS,
        inn_wrong=INN_WRONG,
        registration_pattern=REGISTRATION_NUMBER_PATTERN,
        registration_wrong=REGISTRATION_WRONG,
        lists=lists,
        bases=lists.bases_for(typed.product_id if fits else ""),
        products=products,
        chosen=next((each for each in lists.products if each.value == typed.product_id), None),
        found=found,
        doubt=doubt,
        twins=twins_found,
        twins_ids=twins_ids,
        sure=sure,
        fresh=fresh,
        lead=lead,
        form_path=f"/requests/new/{typed.request_type}",
        type_word=REQUEST_TYPES[typed.request_type],
    )
