"""The reader of a document's section: it makes the document, or what a person has to look at. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from services.payments.statement import values
from services.payments.statement.lines import shown
from services.payments.statement.model import Direction, OddDocument, PaymentDocument, Side
from services.payments.statement.sections import LONGEST_TEXT, PURPOSES, SIDES, Section

LONGEST = 100
"""Characters of a number or an account."""


def document_of(section: Section, accounts: Collection[str]) -> PaymentDocument | OddDocument:
    """Read one document of a statement of these accounts of ours."""
    number = section.get("Номер").replace("\t", " ")
    if not number or len(number) > LONGEST:
        section.wrong(section.line_of("Номер"), "номер слишком длинный." if number else "у документа нет номера.")
    issued_on = _day(section, "Дата")
    if not section.get("Дата"):
        section.wrong(section.line, "нет даты «Дата».")
    amount = values.amount_of(section.get("Сумма"))
    if not section.get("Сумма"):
        section.wrong(section.line, "нет суммы «Сумма».")
    elif amount is None or amount < 0:
        section.wrong(section.line_of("Сумма"), f"Сумма {shown(section.get('Сумма'))}: нужна сумма вида 12500.00.")
    elif amount == 0:
        section.wrong(section.line_of("Сумма"), "сумма документа — ноль.")
    payer, payee = (_side(section, who, accounts) for who in SIDES)
    came, went = _day(section, "ДатаПоступило"), _day(section, "ДатаСписано")
    direction = _direction(payer, payee, accounts)
    if direction is None:
        section.wrong(section.line, "ни плательщик, ни получатель — не счёт этой выписки.")
    if issued_on is None or amount is None or direction is None or section.problems:
        day = came if direction is Direction.INCOMING else went
        return OddDocument(
            section.line,
            section.last_line,
            section.kind,
            tuple(section.problems),
            amount=None if section.is_unsure else amount,
            accounts=("", "") if section.is_unsure else (payer.account, payee.account),
            has_moved=day is not None,
        )
    ours, theirs = (came, went) if direction is Direction.INCOMING else (went, came)
    return PaymentDocument(
        section.line,
        section.last_line,
        section.kind,
        number,
        issued_on,
        amount,
        payer,
        payee,
        _purpose(section),
        direction,
        moved_on=ours,
        other_day=theirs,
    )


def _direction(payer: Side, payee: Side, accounts: Collection[str]) -> Direction | None:
    match payer.account in accounts, payee.account in accounts:
        case True, True:
            return Direction.INTERNAL
        case True, False:
            return Direction.OUTGOING
        case False, True:
            return Direction.INCOMING
        case _:
            return None


def _side(section: Section, who: str, accounts: Collection[str]) -> Side:
    """The payer or the payee in a section. Where a correspondent bank stands between, its account is given as well:
    ours goes first."""
    given = [each for key in ("Счет", "РасчСчет") if (each := values.account_of(section.get(who + key)))]
    account = next((each for each in given if each in accounts), given[0] if given else "")
    if len(account) > LONGEST:
        section.wrong(section.line_of(f"{who}Счет", f"{who}РасчСчет"), f"{who}Счет {shown(account)}: слишком длинный.")
    names = (section.get(f"{who}1"), section.get(who))
    return Side(
        account,
        values.inn_of(section.get(f"{who}ИНН"), *names),
        values.kpp_of(section.get(f"{who}КПП")),
        values.name_of(next(filter(None, names), "")),
        section.get(f"{who}БИК").replace("\t", " ")[:LONGEST],
    )


def _day(section: Section, key: str) -> date | None:
    value = section.get(key)
    day = values.day_of(value)
    if value and day is None:
        section.wrong(section.line_of(key), f"{key} {shown(value)}: нужна дата вида 31.12.2026.")
    return day


def _purpose(section: Section) -> str:
    """Whole, or in numbered parts: banks write either, and some both, of which the longer is the fuller."""
    whole, parts = section.get(PURPOSES[0]), " ".join(filter(None, (section.get(each) for each in PURPOSES[1:])))
    return (whole if len(whole) >= len(parts) else parts)[:LONGEST_TEXT]
