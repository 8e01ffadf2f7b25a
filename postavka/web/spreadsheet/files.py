"""Sheets on their way: as files that a form brings, and as files to be saved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import Request
from starlette.responses import Response

from postavka.web.attachment import attachment
from postavka.web.spreadsheet.reading import LARGEST_FILE, BadSpreadsheet, Column, Sheet, read_sheet
from postavka.web.spreadsheet.writing import CSV, MARK, XLSX, SheetToWrite, csv_lines, workbook
from postavka.web.upload import uploaded


async def sheet_sent(request: Request, columns: Sequence[Column]) -> tuple[str, Sheet]:
    """The name and the rows of the file in the form's field `file`. Raises `BadSpreadsheet`, also where none is."""
    given = await uploaded(request, "file", LARGEST_FILE)
    if given is None:
        raise BadSpreadsheet("Выберите файл.")
    return given.name, await asyncio.to_thread(read_sheet, given.data, columns)


async def saved_workbook(name: str, *sheets: SheetToWrite) -> Response:
    """These sheets as a workbook, to be saved under this name."""
    return attachment(await asyncio.to_thread(workbook, *sheets), XLSX, name)


def saved_csv(name: str, rows: Iterable[Iterable[Any]]) -> Response:
    """These rows, the headings among them, as a CSV file to be saved under this name."""
    return attachment(MARK + csv_lines(rows), CSV, name)
