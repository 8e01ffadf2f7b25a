"""What was not renewed, by partner and month, and what is coming by month: a page, and a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.domain.calendar import today
from postavka.domain.reference.store import Snapshot
from postavka.web.authorization import allowed
from postavka.web.formats import money, whole
from postavka.web.frame import reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.problem import not_found
from postavka.web.spreadsheet.files import saved_workbook
from postavka.web.spreadsheet.writing import SheetToWrite
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet.renewals.ending import Ending, Endings, Period
from services.cabinet.view.lines import line

router = APIRouter(include_in_schema=False)
PATH = "/renewals"
NAVIGATION = (Entry("Продления", PATH, frozenset((Role.DISTRIBUTOR, Role.OPS)), 45, "calendar"),)
MONTHS_BACK, MONTHS_AHEAD = 3, 12
MOST_ROWS = 100_000
CUT = "Здесь первые {} строк месяца."
HEADINGS = (
    "Последний день", "Партнёр", "Клиент", "ИНН", "Товар", "Рег. номер поставки", "Дистрибьютор", "Продан за, ₽",
    "Заявка",
)  # fmt: skip
WIDTHS = (16, 36, 36, 14, 36, 18, 36, 14, 38)
NAMES = (
    "январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь",
)  # fmt: skip
Reader = Annotated[Principal, allowed(Role.PARTNER, Role.DISTRIBUTOR, Role.OPS)]


def not_renewed_in(month: str) -> Period:
    """The days of a month, `2026-11`, that are over: whose service ended then, and nothing has prolonged it. Raises 404
    for what is no month, or one to come."""
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        raise not_found() from None
    if first > today():
        raise not_found()
    return Period(first, min(_next(first), today()) - timedelta(days=1))


async def not_renewed(request: Request, principal: Principal, period: Period) -> AsyncIterator[list[Ending]]:
    """The services that ended then and that nothing is to prolong, page by page, each in a transaction of its own."""
    after: str | None = None
    while after != "":
        async with web(request).database.rows(principal) as rows:
            found, after = await Endings(rows, principal).between(period, after, is_open=True)
        yield found


@router.get(PATH)
async def months_page(
    request: Request, principal: Annotated[Principal, allowed(Role.DISTRIBUTOR, Role.OPS)]
) -> Response:
    """What ends by month and partner: three months back and a year ahead."""
    now = today().replace(day=1)
    since, until = now, now
    for _ in range(MONTHS_BACK):
        since = (since - timedelta(days=1)).replace(day=1)
    for _ in range(MONTHS_AHEAD + 1):
        until = _next(until)
    async with web(request).database.rows(principal) as rows:
        found = await Endings(rows, principal).by_month(Period(since, until - timedelta(days=1)))
    known = await reference(request)
    months: dict[str, list[Any]] = {}
    for each in found:
        partner = known.partners.get(each.partner_id)
        name = partner.partner.name if partner else each.partner_id
        months.setdefault(each.month, []).append(
            (name, each.ends, each.ends - each.open, each.open, money(each.amount))
        )
    return await show(
        request,
        principal,
        "renewals.html",
        known=known,
        months=[
            {
                "name": _name(month),
                "partners": partners,
                "total": sum(each[3] for each in partners),
                "file": f"{PATH}/not-renewed.xlsx?month={month}" if month <= f"{now:%Y-%m}" else None,
            }
            for month, partners in months.items()
        ],
    )


@router.get(f"{PATH}/not-renewed.xlsx")
async def not_renewed_xlsx(request: Request, principal: Reader, month: str = "") -> Response:
    """What ended in a month and was not renewed: a partner's own, a distributor's, of operations all."""
    period, known = not_renewed_in(month), await reference(request)
    rows: list[tuple[Any, ...]] = []
    async for found in not_renewed(request, principal, period):
        visitor_of(request).shown.update(each.row.request_id for each in found)
        rows += [_cells(each, known) for each in found]
        if len(rows) > MOST_ROWS:
            rows[MOST_ROWS:] = [(CUT.format(whole(MOST_ROWS)),)]
            break
    return await saved_workbook(f"not-renewed-{month}.xlsx", SheetToWrite("Не продлены", HEADINGS, WIDTHS, rows))


def recent_reports() -> list[tuple[str, str]]:
    """The months whose services a partner has just looked at: their names, and where their files are."""
    first, found = today().replace(day=1), []
    for _ in range(MONTHS_BACK):
        found.append((_name(f"{first:%Y-%m}"), f"{PATH}/not-renewed.xlsx?month={first:%Y-%m}"))
        first = (first - timedelta(days=1)).replace(day=1)
    return found


def _name(month: str) -> str:
    return f"{NAMES[int(month[5:]) - 1]} {month[:4]}"


def _cells(each: Ending, known: Snapshot) -> tuple[Any, ...]:
    shown = line(each.row, known)
    return (
        f"{each.last_day:%d.%m.%Y}", shown.partner, shown.buyer, shown.inn, shown.product, shown.registration,
        shown.distributor or "Напрямую", Decimal(each.row.amount) if each.row.amount else None, shown.id,
    )  # fmt: skip


def _next(first: date) -> date:
    """The first day of the month after."""
    return (first + timedelta(days=31)).replace(day=1)
