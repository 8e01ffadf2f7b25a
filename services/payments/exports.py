"""A reconciliation as a workbook for the accountant, and as акт сверки for the other side to sign."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from postavka.domain.typesetting import roubles, sum_in_words, typeset
from postavka.web.formats import day
from services.payments.reconcile import TITLES, Account, PartyKind, Reconciliation

TEMPLATE = Path(__file__).parent / "templates" / "reconciliation.typ"
KINDS = {PartyKind.PARTNER: "партнёр", PartyKind.DISTRIBUTOR: "дистрибьютор"}
SUBJECTS = {
    PartyKind.PARTNER: "по прямым продажам электронных поставок",
    PartyKind.DISTRIBUTOR: "по электронным поставкам, оплату которых дистрибьютор подтвердил,",
}


@dataclass(frozen=True, slots=True)
class Ours:
    """The vendor, as the act names it."""

    name: str
    inn: str
    kpp: str | None


def pdf(result: Reconciliation, ours: Ours) -> bytes:
    """Акт сверки, one after another for every account. Raises `Untypeset`."""
    span = f"{day(result.first)} – {day(result.last)}"
    who = result.accounts[0].party.name if len(result.accounts) == 1 else "по всем контрагентам"
    data = {
        "title": f"Акт сверки взаимных расчетов, {span}, {who}",
        "vendor": {"name": ours.name, "inn": ours.inn, "kpp": ours.kpp},
        "first": day(result.first),
        "last": day(result.last),
        "accounts": [_shown(each, ours.name) for each in result.accounts],
    }
    return typeset(TEMPLATE, data, result.last)


def xlsx(result: Reconciliation) -> bytes:
    """The workbook of a month: balances, movements, what is open."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "remove_timezone": True}) as book:
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        sum_ = book.add_format({"num_format": "#,##0.00"})
        days = book.add_format({"num_format": "dd.mm.yyyy", "align": "left"})
        formats = {Decimal: sum_, date: days}
        span = f"{day(result.first)} – {day(result.last)}"
        _sheet(
            book,
            "Сальдо",
            ("Контрагент", "Вид", "ИНН", "Сальдо на начало", "Дебет", "Кредит", "Сальдо на конец", "Не закрыто"),
            (40, 14, 14, 16, 16, 16, 16, 12),
            [
                (a.party.name, KINDS[a.party.kind], a.party.inn, a.opening, a.debit, a.credit, a.closing, len(a.open))
                for a in result.accounts
            ],
            head,
            formats,
            f"Сверка {span}. Плюс: должны нам; минус: должны мы.",
        )
        _sheet(
            book,
            "Движения",
            ("Контрагент", "ИНН", "Дата", "Документ", "Дебет", "Кредит", "Заявка"),
            (40, 14, 12, 70, 16, 16, 38),
            [
                (a.party.name, a.party.inn, line.day, line.text, line.debit, line.credit, line.request_id)
                for a in result.accounts
                for line in a.movements
            ],
            head,
            formats,
        )
        unknown = [("—", "", TITLES[one.kind], one.day, one.text, one.amount) for one in result.unknown]
        _sheet(
            book,
            "Не закрыто",
            ("Контрагент", "ИНН", "Что", "Дата", "Документ", "Сумма"),
            (40, 14, 40, 12, 80, 16),
            [
                (a.party.name, a.party.inn, TITLES[one.kind], one.day, one.text, one.amount)
                for a in result.accounts
                for one in a.open
            ]
            + unknown,
            head,
            formats,
        )
    return file.getvalue()


def _sheet(
    book: Any,
    name: str,
    columns: tuple[str, ...],
    widths: tuple[int, ...],
    rows: list[tuple[Any, ...]],
    head: Any,
    formats: dict[type, Any],
    note: str | None = None,
) -> None:
    sheet = book.add_worksheet(name)
    top = 0
    if note:
        sheet.write_string(0, 0, note)
        top = 2
    for column, (title, width) in enumerate(zip(columns, widths, strict=True)):
        sheet.write_string(top, column, title, head)
        sheet.set_column(column, column, width)
    for number, row in enumerate(rows, top + 1):
        for column, value in enumerate(row):
            match value:
                case None:
                    continue
                case str():  # never a formula: a purpose may begin with "="
                    sheet.write_string(number, column, value)
                case date():
                    sheet.write_datetime(number, column, value, formats[date])
                case Decimal():
                    sheet.write_number(number, column, value, formats[Decimal])
                case _:
                    sheet.write(number, column, value)
    sheet.freeze_panes(top + 1, 0)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)  # as wide as a sheet, as long as it takes
    sheet.repeat_rows(top)
    if rows:
        sheet.autofilter(top, 0, top + len(rows), len(columns) - 1)


def _shown(account: Account, vendor: str) -> dict[str, Any]:
    party = account.party
    return {
        "party": {"name": party.name, "inn": party.inn, "kpp": party.kpp},
        "subject": SUBJECTS[party.kind],
        "opening": _sides(account.opening),
        "turnover": {"debit": roubles(account.debit), "credit": roubles(account.credit)},
        "closing": _sides(account.closing),
        "movements": [
            {
                "day": day(line.day),
                "text": line.text,
                "debit": roubles(line.debit) if line.debit else "",
                "credit": roubles(line.credit) if line.credit else "",
            }
            for line in account.movements
        ],
        "conclusion": _conclusion(account, vendor),
        "open": [
            {
                "what": TITLES[one.kind],
                "day": day(one.day),
                "text": one.text,
                "amount": "" if one.amount is None else roubles(one.amount),
            }
            for one in account.open
        ],
    }


def _conclusion(account: Account, vendor: str) -> str:
    balance = account.closing
    if balance == 0:
        return "задолженность отсутствует."
    in_whose_favour = vendor if balance > 0 else account.party.name
    amount = abs(balance)
    return f"задолженность в пользу {in_whose_favour} {roubles(amount)} руб. ({sum_in_words(amount)})."


def _sides(balance: Decimal) -> dict[str, str]:
    return {
        "debit": roubles(balance) if balance > 0 else "",
        "credit": roubles(-balance) if balance < 0 else "" if balance else "0,00",
    }
