"""Sums, numbers, days and moments for people: one set of formats for pages, letters and commands."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from postavka.web import formats
from postavka.web.formats import NO_BREAK_SPACE as NB

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 15, 21, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("20160.00", f"20{NB}160,00{NB}₽"),
        (Decimal("-1234567.5"), f"-1{NB}234{NB}567,50{NB}₽"),
        (Decimal("-0.00"), f"0,00{NB}₽"),
        (0, f"0,00{NB}₽"),
        (None, "—"),
        ("many", "many"),
    ],
)
def test_money(amount: Decimal | str | int | None, text: str) -> None:
    assert formats.money(amount) == text


def test_a_day_is_moscows_and_looks_the_same_whatever_it_was_written_as() -> None:
    assert {formats.day(each) for each in (date(2026, 3, 16), "2026-03-16", AT)} == {"16.03.2026"}
    assert formats.day(None) == "—"


def test_a_moment_is_moscows() -> None:
    assert formats.at(AT) == formats.at("2026-03-15T21:30:05Z") == "16.03.2026 00:30"
    assert formats.at(AT, seconds=True) == "16.03.2026 00:30:05"
    assert formats.exact(AT) == "16.03.2026 00:30:05 по Москве"
    assert formats.at(None) == "—"
    assert formats.iso(AT) == "2026-03-15T21:30:05+00:00"


def test_how_long() -> None:
    assert formats.lasting(timedelta(seconds=59)) == "меньше минуты"
    assert formats.lasting(timedelta(days=2)).replace(NB, " ") == "2 дня"


def test_numbers_and_plurals() -> None:
    assert formats.whole(1_000_000) == f"1{NB}000{NB}000"
    forms = ("заявка", "заявки", "заявок")
    said = [formats.plural(each, *forms).partition(NB)[2] for each in (1, 2, 5, 11, 12, 21, 22, 25, 111, 0)]
    assert said == [
        "заявка", "заявки", "заявок", "заявок", "заявок", "заявка", "заявки", "заявок", "заявок", "заявок",
    ]  # fmt: skip
    assert formats.plural(1_234, *forms) == f"1{NB}234{NB}заявки"


def test_only_formats_and_documents_put_roubles_and_days_into_words() -> None:
    """Whoever formats a sum, a number or a date by hand formats it a little differently."""
    homes = {
        "postavka/web/formats.py",
        "postavka/domain/typesetting/russian.py",  # documents
        "services/billing/money.py",  # sentences that are recorded in events
        "services/billing/orders.py",
        "services/cabinet/renewals/calendar.py",  # escapes commas for iCalendar
        "services/notices/channels/email/message.py",  # names the month in a letter's last line
    }
    by_hand = {
        str(path.relative_to(ROOT))
        for folder in ("postavka", "services")
        for path in (ROOT / folder).rglob("*.py")
        if any(word in path.read_text("utf-8") for word in ('.replace(",", ', "babel.dates", "babel.numbers", "} ₽"))
    }
    assert by_hand == homes
