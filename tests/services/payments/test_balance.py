"""The days of a balance, as an address names them, and its file."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from postavka.web.spreadsheet.writing import csv_lines
from services.payments import balance
from services.payments.reconcile import Account, Movement, PartyKind, ReconciledParty


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("", "", (date(2026, 11, 1), date(2026, 11, 30))),
        ("2026-09-15", "", (date(2026, 9, 15), date(2026, 11, 30))),
        ("", "2026-03-10", (date(2026, 3, 1), date(2026, 3, 10))),
        ("2026-03-10", "2026-01-02", (date(2026, 1, 2), date(2026, 3, 10))),
        ("вчера", "2026-13-01", (date(2026, 11, 1), date(2026, 11, 30))),
    ],
)
def test_any_days_and_this_month_where_none_are_named(
    monkeypatch: pytest.MonkeyPatch, since: str, until: str, days: tuple[date, date]
):
    monkeypatch.setattr(balance, "today", lambda: date(2026, 11, 30))
    assert balance.days(since, until) == days


def test_the_file_begins_and_ends_with_the_balance():
    party = ReconciledParty(PartyKind.PARTNER, "lukomor", "ООО «Лукоморье-Софт»", "7707083893", None)
    account = Account(party, Decimal("100.00"))
    account.movements = [
        Movement(date(2026, 11, 2), "=Акт 7", Decimal("20160.00"), Decimal(0), "3f2a91c0"),
        Movement(date(2026, 11, 3), "Оплата 12", Decimal(0), Decimal("20200.50"), "3f2a91c0"),
    ]
    rows = balance.rows_of(account, date(2026, 11, 1), date(2026, 11, 30))
    assert csv_lines(rows).splitlines() == [
        "01.11.2026;Сальдо на начало;;;100,00;",
        "02.11.2026;'=Акт 7;20160,00;;;3f2a91c0",
        "03.11.2026;Оплата 12;;20200,50;;3f2a91c0",
        "30.11.2026;Сальдо на конец;20160,00;20200,50;59,50;",
    ]
    assert {len(each) for each in rows} == {len(balance.HEADINGS)} == {len(balance.WIDTHS)}
