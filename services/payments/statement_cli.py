"""`postavka statement`: bank statements in, and which were taken."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from postavka.kernel.blobs.store import name_of
from postavka.kernel.cli_options import JsonArray
from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url
from postavka.web.formats import at, day
from services.payments import work_list
from services.payments.cli import user
from services.payments.file import read_file
from services.payments.loader import Loader, StatementReport
from services.payments.selection import take
from services.payments.settings import payments_settings
from services.payments.statement import BrokenStatement, parse, problem_lines

statement = App(name="statement", help="Bank statements in the form 1CClientBankExchange (L17, direct sales).")


class NotLoaded(UserError):
    """A statement that can't be taken; the message has every mistake with its line."""


@statement.command
def load(*files: Path, by: str | None = None, again: bool = False, dry_run: bool = False, json: bool = False) -> None:
    """Take statements: payments that came, and money that went back. The same statement twice changes nothing.

    A broken file is refused as a whole, with every mistake and its line; files before it stay loaded. One odd document
    waits for a person (`postavka payments unmatched`), and the others are taken.

    Parameters
    ----------
    files
        Files in Windows-1251, DOS or UTF-8; the form's version 1.01, 1.02 or 1.03.
    by
        Who loads them; the user of this machine if left out.
    again
        Send what was sent before as well: after Kafka has lost records.
    dry_run
        Only read the files and say what is in them.
    json
        Print the reports as one JSON array.
    """
    if not files:
        raise NotLoaded("name at least one file")
    config = None if dry_run else connected()
    ours = payments_settings().bank_accounts
    reports = []
    loader = Loader(config, ours) if config else None
    for file in files:
        try:
            data = read_file(file, follow_links=True)
            if loader is None:
                _say_what_is_in(file, data, ours)
                continue
            report = loader.load(data, file.name, "cli", by or user(), again)
        except OSError as away:
            raise NotLoaded(f"{file}: {away.strerror}") from None
        except BrokenStatement as broken:
            raise NotLoaded(f"{file.name}: выписка не принята, ничего из неё не загружено.\n{broken}") from None
        reports.append(report)
        if not json:
            _print(report)
    if json:
        print_json([report.as_json() for report in reports])


@statement.command(name="list")
def list_(*, limit: int = 50, json: JsonArray = False) -> None:
    """Statements that were taken, newest first.

    Parameters
    ----------
    limit
        At most so many.
    """
    with work_list.connect(database_url(connected())) as connection:
        rows = work_list.statements(connection, limit)
    if json:
        print_json(rows)
        return
    shown = table("Statements", "loaded", "by", "way", "file", "days", "payments", "sum")
    for row in rows:
        days = f"{day(row['first_day'])}–{day(row['last_day'])}"
        came = row["report"]["came"]
        when = at(row["loaded_at"])
        shown.add_row(when, row["loaded_by"], row["way"], row["name"], days, str(came["count"]), came["amount"])
    console.print(shown)


def _print(report: StatementReport) -> None:
    for line in report.lines():
        console.print(line, highlight=False, markup=False)


def _say_what_is_in(file: Path, data: bytes, ours: frozenset[str]) -> None:
    read = parse(data, ours)
    taken = take(read, name_of(data))
    console.print(
        f"{file.name}: {read.version}, {read.encoding}, {day(read.first)} – {day(read.last)}; "
        f"{len(read.documents)} documents, {taken.came.count} payments on {taken.came.amount}, "
        f"{taken.went_back.count} returns on {taken.went_back.amount}, {len(taken.odd)} odd documents",
        highlight=False,
        markup=False,
    )
    for line in problem_lines([problem for each in taken.odd for problem in each.problems]):
        console.print(line, highlight=False, markup=False)
