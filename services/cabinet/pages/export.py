"""Lists as files: XLSX and CSV, with the filters of the page (L4, L18)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response, StreamingResponse

from postavka.domain.reference.store import Snapshot
from postavka.web import formats
from postavka.web.attachment import named
from postavka.web.authorization import allowed
from postavka.web.frame import reference
from postavka.web.identity.principal import Principal, Role
from postavka.web.spreadsheet.files import saved_workbook
from postavka.web.spreadsheet.writing import CSV, MARK, SheetToWrite, csv_lines
from postavka.web.state import web
from services.cabinet.pages.distributor import ANSWERED, WAITING, wanted_of
from services.cabinet.pages.partner import wanted
from services.cabinet.requests import LARGEST_PAGE, Filter, Requests
from services.cabinet.view.lines import line
from services.cabinet.view.lists import GROUPS, SOLD_GROUPS, Filters

router = APIRouter(include_in_schema=False)
MOST_ROWS = 100_000
"""Of a workbook, which is made in memory; one that had to end there says so. CSV is sent as it is read, to the end."""
CUT = "Здесь первые {} строк. Остальные выгружаются по частям: с отбором."
HEADINGS = (
    "Заявка", "Отправлена (Москва)", "Стадия", "Покупатель", "ИНН", "Товар", "Рег. номер поставки", "Дистрибьютор",
    "Сумма, ₽", "Номер разрешения", "Комплект", "Продана", "Сервис до", "Номер заявки",
)  # fmt: skip
WIDTHS = (38, 18, 22, 36, 14, 36, 16, 36, 12, 30, 16, 12, 12, 14)


@dataclass(frozen=True, slots=True)
class ListToExport:
    """A list as files. `name`: of its page, and of the files; `wanted`: what is listed, by the query of the address."""

    name: str
    role: Role
    wanted: Callable[[QueryParams], Filter]


LISTS = (
    ListToExport("requests", Role.PARTNER, lambda query: wanted(Filters.of(query), GROUPS)),
    ListToExport("sold", Role.PARTNER, lambda query: wanted(Filters.of(query, SOLD_GROUPS), SOLD_GROUPS)),
    ListToExport("waiting", Role.DISTRIBUTOR, lambda query: wanted_of(Filters.of(query), WAITING)),
    ListToExport("answered", Role.DISTRIBUTOR, lambda query: wanted_of(Filters.of(query), ANSWERED)),
)


def _headings(principal: Principal) -> Sequence[str]:
    """The other party of the sale stands in one column: who reads knows itself."""
    if principal.role is Role.DISTRIBUTOR:
        return tuple("Партнёр" if each == "Дистрибьютор" else each for each in HEADINGS)
    return HEADINGS


async def _rows(request: Request, principal: Principal, filter_: Filter) -> AsyncIterator[list[Sequence[Any]]]:
    """Page by page, each in a transaction of its own: nobody holds one while a slow client reads."""
    known = await reference(request)
    after: str | None = None
    while True:
        async with web(request).database.rows(principal) as rows:
            found = await Requests(rows, principal).page(filter_, after, LARGEST_PAGE)
        to_distributor = principal.role is Role.DISTRIBUTOR
        yield [_cells(each, known, to_distributor=to_distributor) for each in found.rows]
        after = found.next
        if after is None:
            return


def _cells(row: Any, known: Snapshot, *, to_distributor: bool) -> Sequence[Any]:
    shown = line(row, known)
    return (
        shown.id, shown.submitted_at, shown.stage.word, shown.buyer, shown.inn, shown.product, shown.registration,
        shown.partner if to_distributor else shown.distributor or "Напрямую",
        Decimal(row.amount) if row.amount else None, shown.permission, shown.kit, shown.shipped_on, shown.service_until,
        row.number or "",
    )  # fmt: skip


async def _csv(request: Request, principal: Principal, filter_: Filter, name: str) -> Response:
    """A file as Excel in Russian reads it: semicolons, UTF-8 with a mark."""
    found = _rows(request, principal, filter_)

    async def body() -> AsyncIterator[str]:
        yield MARK + csv_lines([_headings(principal)])
        async for rows in found:
            yield csv_lines(rows)

    return StreamingResponse(body(), media_type=CSV, headers=named(f"{name}.csv"))


async def _xlsx(request: Request, principal: Principal, filter_: Filter, name: str) -> Response:
    rows: list[Sequence[Any]] = []
    async for found in _rows(request, principal, filter_):
        rows += found
        if len(rows) > MOST_ROWS:
            rows[MOST_ROWS:] = [(CUT.format(formats.whole(MOST_ROWS)),)]
            break
    return await saved_workbook(f"{name}.xlsx", SheetToWrite("Список", _headings(principal), WIDTHS, rows))


FILES = {"xlsx": _xlsx, "csv": _csv}


def _add_route(listed: ListToExport, kind: str) -> None:
    reader, file = allowed(listed.role), FILES[kind]

    async def export(request: Request, principal: Principal = reader) -> Response:
        return await file(request, principal, listed.wanted(request.query_params), listed.name)

    router.add_api_route(f"/{listed.name}/export.{kind}", export, name=f"{listed.name}_{kind}")


for each in LISTS:
    for ending in FILES:
        _add_route(each, ending)
