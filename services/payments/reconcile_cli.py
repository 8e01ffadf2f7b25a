"""`postavka reconcile`: what is open at the end of a month, per partner and distributor; акт сверки."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from postavka.domain.calendar import today
from postavka.domain.vendor import vendor
from postavka.kernel.address import load
from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url
from postavka.web.formats import day, money
from services.payments import work_list
from services.payments.projection import prepare
from services.payments.reconcile import (
    TITLES,
    PartyKind,
    Reconciliation,
    UnknownParty,
    month_of,
    summary,
)
from services.payments.reconcile import reconcile as reconciled

EXPORTS = "services.payments.exports"
"""Imported when it is needed: the image of stages sets no documents, and is without its package."""


def reconcile(
    *,
    month: str | None = None,
    partner: str | None = None,
    distributor: str | None = None,
    json: bool = False,
    xlsx: Path | None = None,
    pdf: Path | None = None,
) -> None:
    """Compare invoices, payments, confirmations and signed documents of a month; print what is open, per partner (its
    direct sales) and distributor.

    Parameters
    ----------
    month
        YYYY-MM; the present month if left out. Everything is as of its last day.
    partner
        Only this partner.
    distributor
        Only this distributor.
    json
        Print everything as one JSON document.
    xlsx
        Write a workbook there: balances, movements, what is open.
    pdf
        Write акт сверки there, one for each account.
    """
    first, last = _month(month)
    conninfo = database_url(connected())
    prepare(conninfo)
    with work_list.connect(conninfo) as connection:
        try:
            result = reconciled(connection, first, last, partner, distributor)
        except UnknownParty as unknown:
            raise UserError(str(unknown)) from None
    for file, make in ((xlsx, _xlsx), (pdf, _pdf)):
        if file is not None:
            file.write_bytes(make(result))
    if json:
        print_json(result.as_json())
        return
    _print(result)
    for file in filter(None, (xlsx, pdf)):
        console.print(f"written: {file}", highlight=False)


def _month(text: str | None) -> tuple[date, date]:
    try:
        return month_of(text or f"{today():%Y-%m}")
    except ValueError:
        raise UserError(f"{text!r} is no month: write it like 2026-11") from None


def _xlsx(result: Reconciliation) -> bytes:
    made: bytes = load(f"{EXPORTS}:xlsx")(result)
    return made


def _pdf(result: Reconciliation) -> bytes:
    ours = vendor()
    if not result.accounts:
        raise UserError("there is no account to write an act about")
    made: bytes = load(f"{EXPORTS}:pdf")(result, load(f"{EXPORTS}:Ours")(ours.name, ours.inn, ours.kpp))
    return made


def _print(result: Reconciliation) -> None:
    span = f"{day(result.first)} – {day(result.last)}"
    shown = table(
        f"Сверка {span}", "контрагент", "", "сальдо на начало", "дебет", "кредит", "сальдо на конец", "открыто"
    )
    for column in shown.columns[2:]:
        column.justify = "right"
    for account in result.accounts:
        kind = "партнёр" if account.party.kind is PartyKind.PARTNER else "дистрибьютор"
        sums = (account.opening, account.debit, account.credit, account.closing)
        shown.add_row(account.party.name, kind, *map(money, sums), str(len(account.open)))
    console.print(shown)
    for account in result.accounts:
        if account.open:
            console.print(f"\n[bold]{account.party.name}[/]", highlight=False)
            for one in account.open:
                amount = "" if one.amount is None else f"  {money(one.amount)}"
                console.print(f"  {day(one.day)}  {TITLES[one.kind]}: {one.text}{amount}", highlight=False)
    if result.unknown:
        console.print("\n[bold]Плательщик не найден среди партнёров и дистрибьюторов[/]")
        for one in result.unknown:
            console.print(f"  {day(one.day)}  {one.text}  {money(one.amount or 0)}", highlight=False)
    console.print()
    for kind_, (count, total) in summary(result.accounts).items():
        console.print(f"{TITLES[kind_]}: {count}" + (f" на {money(total)}" if total else ""), highlight=False)
