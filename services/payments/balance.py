"""«Взаиморасчёты»: a partner's or distributor's own balance, and its акт сверки for any days."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.domain.calendar import today
from postavka.domain.vendor import vendor
from postavka.web.attachment import attachment
from postavka.web.authorization import allowed
from postavka.web.formats import day
from postavka.web.frame import show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.problem import not_found
from postavka.web.spreadsheet.files import saved_csv, saved_workbook
from postavka.web.spreadsheet.writing import SheetToWrite
from services.payments.exports import Ours, pdf
from services.payments.pages import asked
from services.payments.reconcile import TITLES, Account, Reconciliation, UnknownParty, reconcile

router = APIRouter(include_in_schema=False)
TENANTS = (Role.PARTNER, Role.DISTRIBUTOR)
Tenant = Annotated[Principal, allowed(*TENANTS)]
HEADINGS = ("Дата", "Документ", "Поставлено, ₽", "Оплачено, ₽", "Сальдо, ₽", "Заявка")
WIDTHS = (12, 50, 16, 16, 16, 38)
NAVIGATION = (Entry("Взаиморасчёты", "/balance", frozenset(TENANTS), 30),)


@router.get("/balance")
async def balance_page(request: Request, principal: Tenant, since: str = "", until: str = "") -> Response:
    """The reader's own account: balance, movements of the chosen days, what is open."""
    first, last = days(since, until)
    result = await _own(request, principal, first, last)
    return await show(
        request, principal, "balance.html",
        account=result.accounts[0] if result else None, titles=TITLES, first=first, last=last,
    )  # fmt: skip


@router.get("/balance/act.pdf")
async def act(request: Request, principal: Tenant, since: str = "", until: str = "") -> Response:
    """Акт сверки of the reader's own account, for the chosen days."""
    first, last = days(since, until)
    result = await _own(request, principal, first, last)
    if result is None:
        raise not_found()
    ours = vendor()
    data = await asyncio.to_thread(pdf, result, Ours(ours.name, ours.inn, ours.kpp))
    return attachment(data, "application/pdf", f"akt-sverki-{first}-{last}.pdf")


@router.get("/balance/movements.xlsx")
async def movements_xlsx(request: Request, principal: Tenant, since: str = "", until: str = "") -> Response:
    """The movements of the chosen days as XLSX."""
    rows = await _movements(request, principal, since, until)
    return await saved_workbook("movements.xlsx", SheetToWrite("Движения", HEADINGS, WIDTHS, rows))


@router.get("/balance/movements.csv")
async def movements_csv(request: Request, principal: Tenant, since: str = "", until: str = "") -> Response:
    """The movements of the chosen days as CSV."""
    rows = await _movements(request, principal, since, until)
    return saved_csv("movements.csv", [HEADINGS, *rows])


async def _movements(request: Request, principal: Principal, since: str, until: str) -> list[Sequence[object]]:
    first, last = days(since, until)
    result = await _own(request, principal, first, last)
    if result is None:
        raise not_found()
    return rows_of(result.accounts[0], first, last)


def rows_of(account: Account, first: date, last: date) -> list[Sequence[object]]:
    """The rows of a file: the balance before the first day, each movement, and the balance after the last; sums in
    roubles. A positive balance is owed to us."""
    return [
        (day(first), "Сальдо на начало", None, None, account.opening, None),
        *(
            (day(each.day), each.text, each.debit or None, each.credit or None, None, each.request_id)
            for each in account.movements
        ),
        (day(last), "Сальдо на конец", account.debit, account.credit, account.closing, None),
    ]


def days(since: str, until: str) -> tuple[date, date]:
    """The days that an address names, both included; without them, or where they are none, this month up to today.
    What is named the wrong way round is turned."""
    last = _day(until) or today()
    first = _day(since) or last.replace(day=1)
    return min(first, last), max(first, last)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


async def _own(request: Request, principal: Principal, first: date, last: date) -> Reconciliation | None:
    """The account of who asks, and nobody else's; None while it has had no sale."""
    try:
        return await asked(
            request, lambda books: reconcile(books, first, last, principal.partner_id, principal.distributor_id)
        )
    except UnknownParty:
        return None
