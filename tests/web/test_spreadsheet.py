"""Files of rows: what people send is read whichever way they save it, and what is made to do harm is refused early."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import Any

import openpyxl
import pytest

from postavka.web.spreadsheet.reading import (
    LARGEST_FILE,
    LONGEST_CELL,
    MOST_LOOKED_AT,
    MOST_ROWS,
    BadSpreadsheet,
    Column,
    read_sheet,
)
from postavka.web.spreadsheet.writing import MARK, SheetToWrite, csv_lines, workbook

COLUMNS = (Column("inn", "ИНН", required=True), Column("buyer", "Покупатель", required=True), Column("note", "Счёт №"))
HEADINGS = ("ИНН", "Покупатель", "Счёт №")
ROW = ("0012004313", "АО «Молочные реки»", "12-2026")


def xlsx(*rows: Sequence[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def read(data: bytes) -> list[tuple[int, tuple[str, ...]]]:
    return [(row.number, tuple(row.cells.values())) for row in read_sheet(data, COLUMNS).rows]


def packed(**parts: bytes) -> bytes:
    """An archive that begins as a workbook does."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name.replace("__", "/") + ".xml", content)
    return target.getvalue()


TEXT = "ИНН;Покупатель;Счёт №\r\n0012004313;АО «Молочные реки»;12-2026\r\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-8-sig"),
        TEXT.encode(),
        TEXT.encode("cp1251"),
        TEXT.replace(";", "\t").encode("cp1251"),
        TEXT.replace(";", ",").encode(),
        (MARK + csv_lines([HEADINGS, ROW])).encode(),
        xlsx(HEADINGS, ROW),
        workbook(SheetToWrite("Список", HEADINGS, (10, 10, 10), [ROW])),
    ],
    ids=["utf-8 with a mark", "utf-8", "cp1251", "tabs", "commas", "our own CSV", "XLSX", "our own XLSX"],
)
def test_however_it_is_saved_it_says_the_same(data: bytes):
    assert read(data) == [(2, ROW)]


def test_columns_go_by_their_headings_in_any_order_and_spelling():
    data = "счет№;  ПОКУПАТЕЛЬ * ;Инн.;Телефон\n1;ООО;77;+7\n".encode()
    assert read(data) == [(2, ("77", "ООО", "1"))]
    assert read_sheet(data, COLUMNS).unknown == ["Телефон"]


def test_numbers_and_days_are_read_as_they_are_seen_and_empty_rows_left_out():
    data = xlsx((), HEADINGS, (), (7707083893, True, date(2026, 3, 16)), (None, None, ""), (12.0, 1.5, None))
    assert read(data) == [(4, ("7707083893", "да", "2026-03-16")), (6, ("12", "1.5", ""))]


def test_a_formula_counts_as_the_value_that_was_saved_with_it():
    assert read(xlsx(HEADINGS, ("77", '=HYPERLINK("https://evil.example")', "1"))) == [(2, ("77", "", "1"))]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Файл пуст"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "старого Excel"),
        (b"%PDF-1.7\x00\x01", "не книга Excel и не CSV"),
        ("ИНН;Покупатель\n77;ООО\x00\n".encode(), "не CSV"),
        (b"\x98\xff", "Кодировка"),
        (b"PK\x03\x04 and nothing else", "повреждена"),
        (packed(a=b"<x/>"), "повреждена"),
        ("Покупатель;Счёт №\nООО;1\n".encode(), "нет заголовков: «ИНН»"),
        ("ИНН;Покупатель;инн\n77;ООО;78\n".encode(), "«ИНН» стоит в файле дважды"),
        ("ИНН;Покупатель\n".encode(), "только заголовки"),
        (b"\n\n;;\n", "нет даже заголовков"),
        ("ИНН;Покупатель\n77;ООО\x07\n".encode(), "Строка 2, «Покупатель»: в ячейке есть служебный знак"),
        (f"ИНН;Покупатель\n77;{'x' * (LONGEST_CELL + 1)}\n".encode(), f"больше {LONGEST_CELL} знаков"),
        (f"ИНН;Покупатель\n77;{'x' * 200_000}\n".encode(), "слишком длинная ячейка"),
        ('ИНН;Покупатель\n77;"ООО\n'.encode(), "незакрытая кавычка"),
        (b"\n".join(["ИНН;Покупатель".encode(), *[b"77;x"] * (MOST_ROWS + 1)]), f"больше {MOST_ROWS} строк"),
        ("ИНН;Покупатель\n77;x".encode() + b"\n" * (MOST_LOOKED_AT + 1), "Удалите пустые"),
        (b"x" * (LARGEST_FILE + 1), "Файл больше 1 МБ"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_answered_with_what_to_do(data: bytes, said: str):
    with pytest.raises(BadSpreadsheet, match=said):
        read_sheet(data, COLUMNS)


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = packed(xl__workbook=b"0" * 60_000_000)
    assert len(bomb) < LARGEST_FILE
    with pytest.raises(BadSpreadsheet, match="слишком велика"):
        read_sheet(bomb, COLUMNS)


def test_entities_are_refused():
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    with pytest.raises(BadSpreadsheet, match="чего в таблицах не бывает"):
        read_sheet(packed(xl__workbook=laughs), COLUMNS)


def test_a_lie_about_its_size_gets_a_workbook_nowhere():
    """The size is declared twice; both are made small, and what is there is more."""
    data = xlsx(HEADINGS, ("77", "x" * 1_000, ""))
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        size = parts.getinfo("xl/worksheets/sheet1.xml").file_size
    with pytest.raises(BadSpreadsheet):
        read_sheet(data.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little")), COLUMNS)


def test_a_row_at_the_far_end_of_a_sheet_is_not_waited_for():
    book = openpyxl.Workbook()
    book.active.append(HEADINGS)
    book.active["XFD1048576"] = "far"
    target = io.BytesIO()
    book.save(target)
    with pytest.raises(BadSpreadsheet, match="Удалите пустые"):
        read_sheet(target.getvalue(), COLUMNS)


def test_nothing_that_is_written_becomes_a_formula():
    evil = ("=1+1", "+1", "-1", "@x", '=HYPERLINK("https://evil.example")')
    book = openpyxl.load_workbook(io.BytesIO(workbook(SheetToWrite("Список", evil, (9,) * 5, [evil], to_fill=9))))
    assert [[(each.data_type, each.value) for each in row] for row in book.active.iter_rows()] == [
        [("s", text) for text in evil],
    ] * 2
    assert all(cell.startswith("'") for cell in csv_lines([evil]).strip().replace('"', "").split(";"))
