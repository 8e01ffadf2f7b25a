"""Writes rows as XLSX and CSV so that no program takes a text for anything else: nothing typed by anybody becomes a
formula or a link, and no number loses its zeros."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import xlsxwriter

from postavka.web import formats

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"
MARK = "\ufeff"
"""Begins a CSV file, so that Excel reads UTF-8."""
A4 = 9
"""Of a workbook's paper sizes."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TAKEN_FOR_ANOTHER = re.compile(r"0\d+|\d{12,}|\d+[eE]\d+|\d{1,4}[-./]\d{1,4}", re.ASCII)
"""Texts that a spreadsheet would turn into another value: an INN without its zero, a long number as 5,00101E+11 or with
its last digits lost, a kit's `12E3` as 12000, `12-2026` as a month."""


@dataclass(frozen=True, slots=True)
class SheetToWrite:
    """A sheet. `to_fill`: of a form, whose cells hold texts as typed, down to that row. `choices`: by column, what
    its cells are chosen from: a range, or the words themselves."""

    name: str
    headings: Sequence[str]
    widths: Sequence[int]
    rows: Iterable[Sequence[Any]] = ()
    to_fill: int = 0
    choices: Mapping[int, str | list[str]] = field(default_factory=dict)


def workbook(*sheets: SheetToWrite) -> bytes:
    """The workbook with these sheets. Texts stay texts, sums numbers, moments Moscow's. Blocks."""
    target = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "remove_timezone": True}
    with xlsxwriter.Workbook(target, options) as book:
        for each in sheets:
            _write(book, each)
    return target.getvalue()


def _write(book: Any, told: SheetToWrite) -> None:
    sheet = book.add_worksheet(told.name)
    head = book.add_format({"bold": True, "bottom": 1})
    at = book.add_format({"num_format": "dd.mm.yyyy hh:mm"})
    sum_ = book.add_format({"num_format": "#,##0.00"})
    typed = book.add_format({"num_format": "@"}) if told.to_fill else None
    for column, (heading, width) in enumerate(zip(told.headings, told.widths, strict=True)):
        sheet.set_column(column, column, width, typed)
        sheet.write_string(0, column, heading, head)
    for number, row in enumerate(told.rows, 1):
        for column, cell in enumerate(row):
            match cell:
                case datetime():
                    sheet.write_datetime(number, column, formats.moscow(cell).replace(tzinfo=None), at)
                case Decimal():
                    sheet.write_number(number, column, float(cell), sum_)
                case None | "":
                    pass
                case _:
                    sheet.write_string(number, column, str(cell), typed)
    for column, source in told.choices.items():
        sheet.data_validation(
            1, column, told.to_fill, column, {"validate": "list", "source": source, "error_type": "warning"}
        )
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 0)  # as wide as a sheet, as long as it takes
    sheet.repeat_rows(0)


def csv_cell(cell: Any) -> str:
    """The cell's text as a Russian Excel reads it."""
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


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    """Lines of a CSV file as Excel in Russian reads it, with semicolons; the file begins with `MARK`."""
    target = io.StringIO()
    csv.writer(target, delimiter=";").writerows([csv_cell(each) for each in row] for row in rows)
    return target.getvalue()
