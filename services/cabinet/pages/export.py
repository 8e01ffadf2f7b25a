"""Lists as files: XLSX and CSV, with the filters of the page (L4, L18)."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import xlsxwriter
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from postavka.domain.reference.store import Snapshot
from postavka.web import formats
from postavka.web.authorization import allowed
from postavka.web.frame import reference
from postavka.web.identity.principal import Principal, Role
from postavka.web.state import web
from services.cabinet.pages.partner import wanted
from services.cabinet.requests import LARGEST_PAGE, Filter, Requests
from services.cabinet.view.lines import line
from services.cabinet.view.lists import GROUPS, SOLD_GROUPS, Filters

router = APIRouter(include_in_schema=False)
MOST_ROWS = 100_000
"""Of a workbook, which is made in memory; one that had to end there says so. CSV is sent as it is read, to the end."""
CUT = "Здесь первые {} строк. Остальные выгружаются по частям: с отбором."
A4 = 9
"""Of a workbook's paper sizes."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HEADINGS = (
    "Заявка", "Отправлена (Москва)", "Стадия", "Покупатель", "ИНН", "Товар", "Рег. номер поставки", "Дистрибьютор",
    "Сумма, ₽", "Номер разрешения", "Комплект", "Продана", "Сервис до",
)  # fmt: skip
WIDTHS = (38, 18, 22, 36, 14, 36, 16, 36, 12, 30, 16, 12, 12)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TAKEN_FOR_ANOTHER = re.compile(r"0\d+|\d{12,}|\d+[eE]\d+|\d{1,4}[-./]\d{1,4}", re.ASCII)
"""Texts that a spreadsheet would turn into another value: an INN without its zero, a long number as 5,00101E+11 or with
its last digits lost, a kit's `12E3` as 12000, `12-2026` as a month."""


@router.get("/requests/export.xlsx")
async def requests_xlsx(request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)]) -> Response:
    """«Заявки на приобретение» as XLSX."""
    return await _xlsx(request, principal, wanted(Filters.of(request.query_params), GROUPS), "requests")


@router.get("/requests/export.csv")
async def requests_csv(request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)]) -> Response:
    """Answer «Заявки на приобретение» as CSV."""
    return await _csv(request, principal, wanted(Filters.of(request.query_params), GROUPS), "requests")


@router.get("/sold/export.csv")
async def sold_csv(request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)]) -> Response:
    """Answer «Проданные поставки» as CSV."""
    filters = Filters.of(request.query_params, SOLD_GROUPS)
    return await _csv(request, principal, wanted(filters, SOLD_GROUPS), "sold")


@router.get("/sold/export.xlsx")
async def sold_xlsx(request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)]) -> Response:
    """«Проданные поставки» as XLSX."""
    filters = Filters.of(request.query_params, SOLD_GROUPS)
    return await _xlsx(request, principal, wanted(filters, SOLD_GROUPS), "sold")


async def _rows(request: Request, principal: Principal, filter_: Filter) -> AsyncIterator[list[Sequence[Any]]]:
    """Page by page, each in a transaction of its own: nobody holds one while a slow client reads."""
    known = await reference(request)
    after: str | None = None
    while True:
        async with web(request).database.rows(principal) as rows:
            found = await Requests(rows, principal).page(filter_, after, LARGEST_PAGE)
        yield [_cells(each, known) for each in found.rows]
        after = found.next
        if after is None:
            return


def _cells(row: Any, known: Snapshot) -> Sequence[Any]:
    shown = line(row, known)
    return (
        shown.id, shown.submitted_at, shown.stage.word, shown.buyer, shown.inn, shown.product, shown.registration,
        shown.distributor or "Напрямую", Decimal(row.amount) if row.amount else None, shown.permission, shown.kit,
        shown.shipped_on, shown.service_until,
    )  # fmt: skip


async def _csv(request: Request, principal: Principal, filter_: Filter, name: str) -> Response:
    """A file as Excel in Russian reads it: semicolons, UTF-8 with a mark."""
    found = _rows(request, principal, filter_)

    async def body() -> AsyncIterator[str]:
        yield "\ufeff" + _csv_lines([HEADINGS])
        async for rows in found:
            yield _csv_lines([[_csv_cell(each) for each in row] for row in rows])

    return StreamingResponse(body(), media_type="text/csv; charset=utf-8", headers=_named(f"{name}.csv"))


async def _xlsx(request: Request, principal: Principal, filter_: Filter, name: str) -> Response:
    rows: list[Sequence[Any]] = []
    async for found in _rows(request, principal, filter_):
        rows += found
        if len(rows) > MOST_ROWS:
            rows[MOST_ROWS:] = [(CUT.format(formats.whole(MOST_ROWS)),)]
            break
    body = await asyncio.to_thread(_workbook, rows)
    return Response(body, media_type=XLSX, headers=_named(f"{name}.xlsx"))


def _workbook(rows: Iterable[Sequence[Any]]) -> bytes:
    target = io.BytesIO()
    # Nothing typed by anybody becomes a formula or a link.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "remove_timezone": True}
    with xlsxwriter.Workbook(target, options) as book:
        sheet = book.add_worksheet("Список")
        head = book.add_format({"bold": True, "bottom": 1})
        at = book.add_format({"num_format": "dd.mm.yyyy hh:mm"})
        sum_ = book.add_format({"num_format": "#,##0.00"})
        for column, (heading, width) in enumerate(zip(HEADINGS, WIDTHS, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, heading, head)
        for number, row in enumerate(rows, 1):
            for column, cell in enumerate(row):
                match cell:
                    case datetime():
                        sheet.write_datetime(number, column, formats.moscow(cell).replace(tzinfo=None), at)
                    case Decimal():
                        sheet.write_number(number, column, float(cell), sum_)
                    case None | "":
                        pass
                    case _:
                        sheet.write_string(number, column, str(cell))
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.set_paper(A4)
        sheet.fit_to_pages(1, 0)  # as wide as a sheet, as long as it takes
        sheet.repeat_rows(0)
    return target.getvalue()


def _csv_cell(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case datetime():
            return formats.at(cell)
        case Decimal():
            return f"{cell:.2f}".replace(".", ",")
        case _:
            text = str(cell)
            if _TAKEN_FOR_ANOTHER.fullmatch(text):
                return f'="{text}"'  # a formula whose value is this very text: the one form that Excel leaves alone
            return f"'{text}" if text.startswith(_FORMULA) else text


def _csv_lines(rows: Iterable[Iterable[str]]) -> str:
    target = io.StringIO()
    csv.writer(target, delimiter=";").writerows(rows)
    return target.getvalue()


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
