"""A distributor's answers in a file: what waits, to be filled in, and the verdict on each row that comes back (L17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from postavka.web.fields import id_in, ids_in
from postavka.web.spreadsheet.reading import MOST_ROWS, Column, Sheet
from postavka.web.spreadsheet.writing import SheetToWrite
from services.cabinet.acts import awaits_answer
from services.cabinet.later import LONGEST_NOTE
from services.cabinet.requests import Row
from services.cabinet.view.lines import product_of

YES, NO = "да", "нет"
WORDS = {
    **dict.fromkeys((YES, "подтвердить", "подтверждаем", "подтверждено", "готовы", "+", "1", "yes"), True),
    **dict.fromkeys((NO, "отказать", "отказ", "отказываем", "не готовы", "-", "0", "no"), False),
}
"""How people write an answer."""
COLUMNS = (
    Column("request_id", "Заявка", required=True),
    Column("answer", "Ответ", required=True),
    Column("note", "Примечание"),
    Column("number", "Номер"),
    Column("partner", "Партнёр"),
    Column("buyer", "Покупатель"),
    Column("inn", "ИНН"),
    Column("product", "Товар"),
    Column("amount", "Сумма, ₽"),
)
"""Of these the last six are for people, and read by nobody."""
WIDTHS = (40, 10, 40, 16, 36, 40, 14, 36, 14)


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One row of the file. `row`: its request, where there is one for this distributor; `wrong`: why it counts for
    nothing."""

    number: int
    named: str
    accepted: bool
    note: str
    row: Row | None
    wrong: str = ""


def form_sheet(rows: Sequence[Row]) -> SheetToWrite:
    """What waits for an answer, as a sheet to be filled in."""
    return SheetToWrite("Ответы", [each.heading for each in COLUMNS], WIDTHS, [_cells(each) for each in rows],
        to_fill=MOST_ROWS, choices={1: [YES, NO]})  # fmt: skip


def named_in(sheet: Sheet) -> list[UUID]:
    """The requests that a file names."""
    return ids_in(each.cells["request_id"] for each in sheet.rows)


def verdicts(sheet: Sheet, found: Mapping[UUID, Row]) -> list[AnswerRow]:
    """What each row would come to; one without an answer is left out."""
    first: dict[UUID, int] = {}
    made = []
    for each in sheet.rows:
        named, answer, note = (each.cells[name] for name in ("request_id", "answer", "note"))
        if not answer:
            continue
        row = found.get(id_in(named) or UUID(int=0))
        accepted = WORDS.get(" ".join(answer.casefold().split()))
        wrong = _wrong(row, accepted, answer, note)
        if row is not None and not wrong:
            before = first.setdefault(row.request_id, each.number)
            wrong = "" if before == each.number else f"На эту заявку уже отвечает строка {before}."
        made.append(AnswerRow(each.number, named, bool(accepted), note, row, wrong))
    return made


def _wrong(row: Row | None, accepted: bool | None, answer: str, note: str) -> str:
    if row is None:
        return "Такой заявки среди ваших нет."
    if not awaits_answer(row):
        return f"Ответа уже не ждёт. Заявка сейчас: {row.status_title}."
    if accepted is None:
        return f"Ответ «{answer[:40]}» непонятен: напишите «да» или «нет»."
    if not accepted and not note:
        return "Отказ без причины: напишите её в «Примечании», её увидит партнёр."
    if len(note) > LONGEST_NOTE:
        return f"Примечание длиннее {LONGEST_NOTE} знаков."
    return ""


def _cells(row: Row) -> list[Any]:
    amount = Decimal(row.amount) if row.amount else None
    return [str(row.request_id), "", "", row.number, row.partner, row.buyer, row.inn, product_of(row), amount]
