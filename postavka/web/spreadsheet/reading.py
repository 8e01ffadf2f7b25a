"""Reads a file of rows that somebody has sent: XLSX, or CSV as Excel writes it. Columns go by their headings.

Whatever comes is bounded before it is unpacked: bytes, parts, bytes once unpacked, rows, columns, characters of a cell.
A formula counts as the value that was saved with it. Pure but for what it is given; it blocks, so call it in a thread.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postavka.kernel.address import load

LARGEST_FILE = 1_000_000
"""Bytes as they come."""
LARGEST_UNPACKED = 8_000_000
"""Bytes of a workbook's parts together."""
MOST_PARTS = 200
MOST_ROWS = 500
"""Rows below the headings that hold anything."""
MOST_LOOKED_AT = 20_000
"""Rows, empty ones among them."""
MOST_COLUMNS = 50
LONGEST_CELL = 2_000

_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"
_SEPARATORS = (";", "\t", ",")
_FOR_A_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class BadSpreadsheet(Exception):
    """The file can't be read at all; the text says why and what to do, in Russian."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its heading. Case, «ё», blanks and punctuation of a heading don't matter."""

    name: str
    heading: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row that holds something. `number` is the one that a spreadsheet program shows; an empty cell is an empty
    text."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a file. `unknown`: headings that no column has; what stands below them was left aside."""

    rows: Sequence[SheetRow]
    unknown: Sequence[str]


def read_sheet(data: bytes, columns: Sequence[Column]) -> Sheet:
    """The rows of a file. Raises `BadSpreadsheet`."""
    if not data:
        raise BadSpreadsheet("Файл пуст.")
    if len(data) > LARGEST_FILE:
        raise BadSpreadsheet(f"Файл больше {LARGEST_FILE // 1_000_000} МБ. Разделите его на несколько.")
    if data.startswith(_OLD_EXCEL):
        raise BadSpreadsheet("Это книга старого Excel (.xls). Сохраните её как .xlsx или .csv.")
    lines = _workbook(data) if data.startswith(_ZIP) else _csv(data, columns)
    return _sheet(lines, columns)


def _sheet(lines: Iterable[tuple[int, list[str]]], columns: Sequence[Column]) -> Sheet:
    places: dict[int, Column] = {}
    unknown: list[str] = []
    rows: list[SheetRow] = []
    has_headings = False
    for number, cells in lines:
        if not any(cells):
            continue
        if not has_headings:
            places, unknown = _headings(cells, columns)
            has_headings = True
            continue
        if len(rows) == MOST_ROWS:
            raise BadSpreadsheet(f"В файле больше {MOST_ROWS} строк. Разделите его на несколько.")
        found = {column.name: cells[place] for place, column in places.items() if place < len(cells)}
        for column in places.values():
            _check_cell(number, column, found.get(column.name, ""))
        if any(found.values()):
            rows.append(SheetRow(number, {each.name: found.get(each.name, "") for each in columns}))
    if not has_headings:
        raise BadSpreadsheet("Файл пуст: в нём нет даже заголовков столбцов.")
    if not rows:
        raise BadSpreadsheet("В файле только заголовки: заполните хотя бы одну строку под ними.")
    return Sheet(rows, unknown)


def _headings(cells: Sequence[str], columns: Sequence[Column]) -> tuple[dict[int, Column], list[str]]:
    known = {_plain(each.heading): each for each in columns}
    places: dict[int, Column] = {}
    unknown: list[str] = []
    for place, heading in enumerate(cells):
        column = known.get(_plain(heading))
        if column is None:
            if heading:
                unknown.append(heading[:100])
        elif column in places.values():
            raise BadSpreadsheet(f"Столбец «{column.heading}» стоит в файле дважды. Оставьте один.")
        else:
            places[place] = column
    missing = [f"«{each.heading}»" for each in columns if each.required and each not in places.values()]
    if missing:
        raise BadSpreadsheet(
            f"В первой строке нет заголовков: {', '.join(missing)}. Назовите столбцы так, как в образце."
        )
    return places, unknown


def _bounded(lines: Iterable[Sequence[Any]]) -> Iterator[tuple[int, Sequence[Any]]]:
    for number, cells in enumerate(lines, 1):
        if number > MOST_LOOKED_AT:
            raise BadSpreadsheet(f"В файле больше {MOST_LOOKED_AT} строк, хотя почти все пусты. Удалите пустые.")
        yield number, cells


def _check_cell(number: int, column: Column, text: str) -> None:
    if len(text) > LONGEST_CELL:
        raise BadSpreadsheet(f"Строка {number}, «{column.heading}»: больше {LONGEST_CELL} знаков в ячейке.")
    if _CONTROL.search(text):
        raise BadSpreadsheet(f"Строка {number}, «{column.heading}»: в ячейке есть служебный знак. Удалите его.")


def _plain(heading: str) -> str:
    return "".join(each for each in heading.casefold().replace("ё", "е") if each.isalnum())


def _csv(data: bytes, columns: Sequence[Column]) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file: UTF-8, or Windows-1251 as a Russian Excel saves it; the separator is the one that gives
    the most headings."""
    if b"\x00" in data:
        raise BadSpreadsheet("Это не книга Excel и не CSV. Сохраните таблицу как .xlsx или .csv.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("cp1251")
        except UnicodeDecodeError:
            raise BadSpreadsheet("Кодировка файла не UTF-8 и не Windows-1251. Сохраните его как .xlsx.") from None
    known = {_plain(each.heading) for each in columns}
    first = next((each for each in text.splitlines() if each.strip()), "")

    def fitting(separator: str) -> int:
        return sum(_plain(each) in known for each in first.split(separator))

    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(_SEPARATORS, key=fitting), strict=True)
    try:
        for number, cells in _bounded(lines):
            yield number, [_csv_text(each) for each in cells[:MOST_COLUMNS]]
    except csv.Error:
        raise BadSpreadsheet(
            f"Строку {lines.line_num} не разобрать: в ней слишком длинная ячейка или незакрытая кавычка."
        ) from None


def _csv_text(cell: str) -> str:
    """The text of a cell, without what keeps a spreadsheet from reading another value into it."""
    text = cell.strip()
    if (kept := _FOR_A_TEXT.fullmatch(text)) is not None:
        return kept[1].strip()
    return text[1:] if text[:1] == "'" else text


def _workbook(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet of a workbook."""
    _check_parts(data)
    load_workbook = load("openpyxl:load_workbook")  # only where a workbook has come: it takes a third of a second
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        lines = book.worksheets[0].iter_rows(max_col=MOST_COLUMNS, values_only=True)
        for number, cells in _bounded(lines):
            yield number, [_text(each) for each in cells]
    except BadSpreadsheet:
        raise
    except Exception:  # the library raises whatever the file makes it stumble over
        raise BadSpreadsheet("Книгу не открыть: она повреждена или это не .xlsx.") from None


def _check_parts(data: bytes) -> None:
    """What is declared is what is unpacked: `zipfile` reads no byte beyond it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            listed = parts.infolist()
            if len(listed) > MOST_PARTS or sum(each.file_size for each in listed) > LARGEST_UNPACKED:
                raise BadSpreadsheet("Книга слишком велика. Оставьте в ней один лист с заявками, без картинок.")
            if any(b"<!DOCTYPE" in parts.read(each) for each in listed if each.filename.endswith((".xml", ".rels"))):
                raise BadSpreadsheet("В книге есть то, чего в таблицах не бывает. Скопируйте строки в образец.")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        raise BadSpreadsheet("Книгу не открыть: она повреждена, закрыта паролем или это не .xlsx.") from None


def _text(value: Any) -> str:
    """A cell's value as a person would type it."""
    match value:
        case None:
            return ""
        case bool():
            return "да" if value else "нет"
        case float() if value.is_integer():
            return str(int(value))
        case datetime():
            return value.date().isoformat()
        case _:
            return str(value).strip()
