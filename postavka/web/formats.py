"""Money, days and moments as a Russian reader writes them; moments are Moscow's, events keep UTC."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from babel.core import Locale
from babel.dates import format_date, format_timedelta
from babel.numbers import format_currency, format_decimal
from babel.plural import PluralRule

from postavka.domain.calendar import MOSCOW

RUSSIAN = Locale("ru", "RU")
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_PLURAL: PluralRule = RUSSIAN.plural_form


@lru_cache(1_000)
def money(amount: Decimal | str | int | None) -> str:
    """A sum in roubles: `32 400,00 ₽`, with spaces that don't break; a dash where there is none; what is no number
    stays as it is."""
    if amount is None or amount == "":
        return "—"
    try:
        return format_currency(Decimal(amount) + 0, "RUB", locale=RUSSIAN)  # no minus before nothing
    except (InvalidOperation, ValueError):
        return str(amount)


def whole(number: int) -> str:
    """A whole number in groups of three, `1 234`."""
    return format_decimal(number, locale=RUSSIAN)


def day(value: date | str | None) -> str:
    """A day as `23.11.2026`: of a moment the day in Moscow; of a text in ISO 8601 what stands there."""
    if not value:
        return "—"
    if isinstance(value, str):
        value = date.fromisoformat(value[:10])
    if isinstance(value, datetime):
        value = moscow(value)
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
    return f"{format_date(when.date(), pattern, locale=RUSSIAN).replace(' ', NO_BREAK_SPACE)}, {clock}"


def at(value: datetime | str | None, seconds: bool = False) -> str:
    """Day and time in Moscow: `23.11.2026 16:30`, with `seconds` `23.11.2026 16:30:18`."""
    if not value:
        return "—"
    when = moscow(value)
    return f"{when:%d.%m.%Y %H:%M:%S}" if seconds else f"{when:%d.%m.%Y %H:%M}"


def stamp(value: datetime | str | None) -> str:
    """Day and time in Moscow to the millisecond, for dense rows: `23.11. 16:30:18,123`; the year stands elsewhere."""
    if not value:
        return "—"
    when = moscow(value)
    return f"{when:%d.%m. %H:%M:%S},{when.microsecond // 1000:03}"


def exact(value: datetime | str | None) -> str:
    """`23.11.2026 16:30:18 по Москве`: for a title and for paper."""
    return f"{at(value, seconds=True)} по Москве" if value else ""


def iso(value: datetime | date | str) -> str:
    """A moment for programs, in `<time datetime=…>`: to the second, since HTML takes no more than three digits of its
    parts."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value.isoformat()


def lasting(time: timedelta) -> str:
    """How long something lasts, roughly: `меньше минуты`, `5 минут` (they don't break), `2 дня`."""
    return (
        "меньше минуты"
        if time < timedelta(minutes=1)
        else (format_timedelta(time, locale=RUSSIAN).replace(" ", NO_BREAK_SPACE))
    )


def plural(number: int, one: str, few: str, many: str) -> str:
    """`1 заявка`, `3 заявки`, `11 заявок`."""
    return f"{whole(number)}{NO_BREAK_SPACE}{ {'one': one, 'few': few}.get(_PLURAL(number), many) }"
