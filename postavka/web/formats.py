"""Money, days and moments as a Russian reader writes them; moments are Moscow's, events keep UTC."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from babel.core import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from babel.plural import PluralRule

from postavka.domain.calendar import MOSCOW

RUSSIAN = Locale("ru", "RU")
NBSP = "\u00a0"
_PLURAL: PluralRule = RUSSIAN.plural_form


def money(amount: Decimal | str | None) -> str:
    """`32 400,00 ₽`; a dash where there is none."""
    if amount is None or amount == "":
        return "—"
    try:
        return format_currency(Decimal(amount), "RUB", locale=RUSSIAN)
    except InvalidOperation:
        return str(amount)


def whole(number: int) -> str:
    """`1 234`"""
    return format_decimal(number, locale=RUSSIAN)


def day(value: date | str | None) -> str:
    """`23.11.2026`"""
    if not value:
        return "—"
    if isinstance(value, str):
        value = date.fromisoformat(value[:10])
    return f"{value:%d.%m.%Y}"


def moscow(value: datetime | str) -> datetime:
    """The moment in Moscow; RFC 3339 or a datetime with a zone."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(MOSCOW)


def moment(value: datetime | str | None, now: datetime | None = None) -> str:
    """`сегодня, 16:30`, `вчера, 9:05`, `3 нояб., 16:30`, `3 нояб. 2025, 16:30`."""
    if not value:
        return "—"
    when = moscow(value)
    today = moscow(now or datetime.now(MOSCOW)).date()
    clock = f"{when.hour}:{when.minute:02}"
    if when.date() == today:
        return f"сегодня, {clock}"
    if when.date() == today - timedelta(days=1):
        return f"вчера, {clock}"
    pattern = "d MMM" if when.year == today.year else "d MMM y"
    return f"{format_date(when.date(), pattern, locale=RUSSIAN).replace(' ', NBSP)}, {clock}"


def exact(value: datetime | str | None) -> str:
    """`23.11.2026 16:30:18 по Москве`: for a title and for paper."""
    return f"{moscow(value):%d.%m.%Y %H:%M:%S} по Москве" if value else ""


def plural(number: int, one: str, few: str, many: str) -> str:
    """`1 заявка`, `3 заявки`, `11 заявок`."""
    return f"{whole(number)}{NBSP}{ {'one': one, 'few': few}.get(_PLURAL(number), many) }"


def short(request_id: object) -> str:
    """The first eight digits of a request's id: enough to name it on a page and over the phone."""
    return str(request_id)[:8]
