"""A distributor's answers in a file: read as people write them, judged row by row."""

from __future__ import annotations

import io
from uuid import UUID, uuid4

import openpyxl
import pytest

from postavka.web.spreadsheet.reading import BadSpreadsheet, read_sheet
from postavka.web.spreadsheet.writing import workbook
from services.cabinet.answer_rows import COLUMNS, AnswerRow, form_sheet, named_in, verdicts
from services.cabinet.requests import Row


def row(status: str = "awaiting-confirmation", **billing: str) -> Row:
    approval = {"partner": {"id": "p", "name": "ООО «Партнёр»"}, "product": {"name": "x", "price": "100.00"}}
    return Row(uuid4(), status, None, "p", "d", {"approval": approval, "billing": billing})


def judged(found: list[Row], *lines: str) -> list[AnswerRow]:
    sheet = read_sheet("\n".join(("Заявка;Ответ;Примечание", *lines)).encode(), COLUMNS)
    return verdicts(sheet, {each.request_id: each for each in found})


@pytest.mark.parametrize(
    ("said", "accepted"), [("Да", True), (" ГОТОВЫ ", True), ("+", True), ("нет", False), ("Отказать", False)]
)
def test_an_answer_is_read_as_people_write_it(said: str, accepted: bool):
    one = row()
    (found,) = judged([one], f"{one.request_id};{said};лимит исчерпан")
    assert (found.row, found.accepted, found.wrong) == (one, accepted, "")


def test_each_row_gets_its_own_verdict_and_one_without_an_answer_none():
    one, two, gone, answered = row(), row(), row("withdrawn"), row(confirmed_at="2026-03-16T09:30:00Z")
    found = judged(
        [one, two, gone, answered],
        f"{one.request_id};да;",
        f"{two.request_id};;",
        f"{two.request_id};нет;",
        f"{one.request_id};нет;передумали",
        f"{gone.request_id};да;",
        f"{answered.request_id};да;",
        f"{uuid4()};да;",
        "12;да;",
        f"{two.request_id};может быть;",
        f"{two.request_id};да;{'x' * 501}",
    )
    assert [(each.number, each.wrong[:24]) for each in found] == [
        (2, ""),
        (4, "Отказ без причины: напиш"),
        (5, "На эту заявку уже отвеча"),
        (6, "Ответа уже не ждёт. Заяв"),
        (7, "Ответа уже не ждёт. Заяв"),
        (8, "Такой заявки среди ваших"),
        (9, "Такой заявки среди ваших"),
        (10, "Ответ «может быть» непон"),
        (11, "Примечание длиннее 500 з"),
    ]


def test_our_own_form_comes_back_as_it_was_filled_in():
    one, two = row(), row()
    book = openpyxl.load_workbook(io.BytesIO(workbook(form_sheet([one, two]))))
    book.active["B2"], book.active["B3"], book.active["C3"] = "да", "нет", "лимит"
    target = io.BytesIO()
    book.save(target)
    sheet = read_sheet(target.getvalue(), COLUMNS)
    assert named_in(sheet) == [one.request_id, two.request_id]
    found = verdicts(sheet, {each.request_id: each for each in (one, two)})
    assert [(each.accepted, each.note, each.wrong) for each in found] == [(True, "", ""), (False, "лимит", "")]


def test_a_file_without_its_columns_says_which():
    with pytest.raises(BadSpreadsheet, match="«Ответ»"):
        read_sheet(f"Заявка\n{UUID(int=1)}\n".encode(), COLUMNS)
