"""The queues of money as files, XLSX and CSV, as they are filtered: one line each, whatever it is that waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.web.formats import day, whole
from postavka.web.spreadsheet.files import saved_csv, saved_workbook
from postavka.web.spreadsheet.writing import SheetToWrite
from postavka.web.visitor import visitor_of
from services.payments import work_list
from services.payments.pages import Reader, asked
from services.payments.queue_filters import QueueFilters
from services.payments.work_list import Row

router = APIRouter(prefix="/ops/money", include_in_schema=False)
IN_A_FILE = 10_000
"""Rows of each kind at most; a file that had to end there says so."""
HEADINGS = (
    "Что", "День", "Сумма, ₽", "Кто", "ИНН", "Счёт", "Документ", "Назначение", "Почему здесь", "Номер в системе",
    "Заявка",
)  # fmt: skip
WIDTHS = (26, 12, 16, 36, 14, 16, 24, 60, 50, 30, 38)
Cells = Sequence[Any]


def unmatched(books: psycopg.Connection[Row], only: QueueFilters) -> list[Cells]:
    """The lines of «Не разнесено», the oldest of each kind first."""
    return [
        *(
            (
                "Поступление без счёта", day(row["received_on"]), row["left_over"], row["payer_name"], row["payer_inn"],
                "", row["number"], row["purpose"], row["reason"], row["payment_id"], None,
            )
            for row in work_list.payments_alone(books, IN_A_FILE, only)
        ),
        *(
            (
                "Возврат без счёта", day(row["paid_on"]), row["amount"], row["payee_name"], row["payee_inn"],
                "", row["number"], row["purpose"], row["reason"], row["return_id"], None,
            )
            for row in work_list.unmatched_returns(books, IN_A_FILE, only)
        ),
        *(
            (
                "Документ выписки", day(row["seen_at"]), row["amount"], "", "",
                "", f"{row['statement_name'] or 'Выписка'}, строка {row['line']}", "", "; ".join(row["problems"]),
                row["id"], None,
            )
            for row in work_list.waiting_documents(books, IN_A_FILE, only)
        ),
    ]  # fmt: skip


def to_return(books: psycopg.Connection[Row], only: QueueFilters) -> list[Cells]:
    """The lines of «К возврату и долги»."""
    return [
        *(
            (
                "Переплата" if row["cause"] == "overpaid" else "К возврату", "", row["amount"], row["payee_name"],
                row["payee_inn"], row["invoice"], "", row["purpose"], "", row["payment_id"], row["request_id"],
            )
            for row in work_list.to_return(books, IN_A_FILE, only)
        ),
        *(
            (
                "Долг", day(row["issued_on"]), row["due"], row["partner_name"], row["payer_inn"], row["number"],
                "", "", "Оплата ушла назад после изготовления", "", row["request_id"],
            )
            for row in work_list.debts(books, IN_A_FILE, only)
        ),
    ]  # fmt: skip


def _add_routes(path: str, name: str, lines_of: Callable[[psycopg.Connection[Row], QueueFilters], list[Cells]]) -> None:
    async def lines(request: Request) -> list[Cells]:
        only = QueueFilters.of(request.query_params)
        found = await asked(request, lambda books: lines_of(books, only))
        visitor_of(request).shown.update(each[-1] for each in found if each[-1] is not None)
        if any(sum(each[0] == kind for each in found) >= IN_A_FILE for kind in {each[0] for each in found}):
            found.append((f"Здесь первые {whole(IN_A_FILE)} строк. Остальные выгружаются по частям: с отбором.",))
        return found

    async def xlsx(request: Request, principal: Reader) -> Response:
        return await saved_workbook(f"{name}.xlsx", SheetToWrite("Деньги", HEADINGS, WIDTHS, await lines(request)))

    async def csv(request: Request, principal: Reader) -> Response:
        return saved_csv(f"{name}.csv", [HEADINGS, *await lines(request)])

    router.add_api_route(f"{path}/export.xlsx", xlsx, name=f"{name}_xlsx")
    router.add_api_route(f"{path}/export.csv", csv, name=f"{name}_csv")


_add_routes("", "unmatched", unmatched)
_add_routes("/refunds", "refunds", to_return)
