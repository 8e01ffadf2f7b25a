"""The partner's lists: «Заявки на приобретение» (L4) and «Проданные поставки» (L18), and what is done from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from postavka.domain.reference.store import Snapshot
from postavka.kernel.ids import new_id
from postavka.web.authorization import allowed
from postavka.web.frame import reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.planned.ask import ask_first
from postavka.web.saved_views import saved_views
from postavka.web.state import web
from services.cabinet import acts
from services.cabinet.drafts import drafts_of
from services.cabinet.later import (
    ACTIVATE,
    LONGEST_REASON,
    WITHDRAW,
    question_of_activation,
    question_of_withdrawal,
)
from services.cabinet.renewals.pages import badges_of
from services.cabinet.requests import DIRECT, Filter, Page, Requests
from services.cabinet.view.columns import COLUMNS, OF_REQUESTS, OF_SOLD, ListColumns
from services.cabinet.view.form import is_request_id
from services.cabinet.view.lines import line
from services.cabinet.view.lists import (
    DELIVERIES,
    GROUPS,
    ORDERS,
    REQUESTS,
    SOLD_GROUPS,
    Filters,
    found_in_words,
    stages_of,
    tabs,
)

router = APIRouter(include_in_schema=False)
NAVIGATION = (
    Entry("Заявки на приобретение", "/requests", frozenset((Role.PARTNER,)), 10),
    Entry("Проданные поставки", "/sold", frozenset((Role.PARTNER,)), 20),
)


@router.get("/requests")
async def requests_page(
    request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)], after: str | None = None
) -> Response:
    """Section «Заявки на приобретение» (L4)."""
    is_whole = after is None and not Filters.of(request.query_params, GROUPS).any
    kept = await drafts_of(web(request), principal) if is_whole else None
    return await _list(
        request, principal, "requests", GROUPS, OF_REQUESTS, REQUESTS, after, stages=stages_of(), drafts=kept
    )


@router.get("/sold")
async def sold_page(
    request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)], after: str | None = None
) -> Response:
    """Section «Проданные поставки» (L18)."""
    return await _list(
        request, principal, "sold", SOLD_GROUPS, OF_SOLD, DELIVERIES, after, try_id=lambda: str(new_id())
    )


@router.post("/requests/{request_id}/withdraw")
async def withdraw(
    request: Request, request_id: UUID, principal: Annotated[Principal, allowed(Role.PARTNER)]
) -> Response:
    """Take it back, after a question, while that is still possible: shipping has the last word."""
    reason = str((await request.form()).get("reason", "")).strip()[:LONGEST_REASON]
    path = f"/requests/{request_id}"
    row = await acts.find(web(request), principal, request_id)
    if not row.can_withdraw:
        return RedirectResponse(path, 303)
    return await ask_first(
        request,
        principal,
        question_of_withdrawal(row),
        kind=WITHDRAW.name,
        fields={"request_id": str(request_id), "reason": reason or None},
        subjects=[str(request_id)],
        back=path,
    )


@router.post("/sold/{request_id}/activate")
async def activate(
    request: Request, request_id: UUID, principal: Annotated[Principal, allowed(Role.PARTNER)]
) -> Response:
    """The partner activates for the user (L19), after a question. The same try twice is one."""
    given = str((await request.form()).get("activation_id", ""))
    path = f"/requests/{request_id}"
    row = await acts.find(web(request), principal, request_id)
    if row.status != "shipped":
        return RedirectResponse(path, 303)
    return await ask_first(
        request,
        principal,
        question_of_activation(row),
        kind=ACTIVATE.name,
        fields={"request_id": str(request_id), "activation_id": given if is_request_id(given) else str(new_id())},
        subjects=[str(request_id)],
        back=path,
    )


async def _list(
    request: Request,
    principal: Principal,
    name: str,
    groups: Mapping[str, tuple[str, tuple[str, ...]]],
    columns: ListColumns,
    words: tuple[str, str, str],
    after: str | None,
    **own: Any,
) -> Response:
    """The list of this name, of its address and its template; `own`: what only its template needs."""
    path, filters = f"/{name}", Filters.of(request.query_params, groups, columns)
    async with web(request).database.rows(principal) as rows:
        requests = Requests(rows, principal)
        found, totals = await requests.page_and_totals(wanted(filters, groups), after)
        counts = await requests.counts()
        badges = await badges_of(rows, principal, counts)
    known = await reference(request)
    return await show(
        request,
        principal,
        f"{name}.html",
        known=known,
        rows=[line(each, known) for each in found.rows],
        products=known.products,
        filters=filters,
        tabs=tabs(path, filters, groups, counts),
        badges=badges,
        export_xlsx=f"{path}/export.xlsx{filters.query()}",
        export_csv=f"{path}/export.csv{filters.query()}",
        parties=distributors_of(known),
        contacts=contacts_of(known, principal),
        orders=ORDERS,
        views=await saved_views(request, principal, path + filters.query()),
        **places(path, filters, found, after, found_in_words(totals, words), columns),
        **own,
    )


def wanted(filters: Filters, groups: Mapping[str, tuple[str, tuple[str, ...]]]) -> Filter:
    """The filter of the query."""
    return replace(filters.wanted(filters.statuses(groups)), distributor=filters.party or None)


def distributors_of(known: Snapshot) -> list[tuple[str, str]]:
    """The distributors to filter by, as value and name."""
    named = sorted(((each.id, each.name) for each in known.distributors.values()), key=lambda each: each[1])
    return [(DIRECT, "Напрямую"), *named]


def contacts_of(known: Snapshot, principal: Principal) -> list[tuple[str, str]]:
    """The partner's contact persons (L5) to filter by, as value and name."""
    entry = known.partners.get(principal.partner_id or "")
    return (
        sorted(((code, each.name) for code, each in entry.contacts.items()), key=lambda each: each[1]) if entry else []
    )


def places(
    path: str, filters: Filters, found: Page, after: str | None, how_many: str, columns: ListColumns
) -> dict[str, Any]:
    """Where the list goes on, how much is in it, and its columns."""
    return {
        "next_href": path + filters.query(after=found.next) if found.next else None,
        "columns": columns,
        "column_words": COLUMNS,
        "shown_columns": columns.shown(filters.columns),
        "first_href": path + filters.query() if after else None,
        "shown": how_many if found.next is None and after is None else f"{how_many}, на странице {len(found.rows)}",
    }
