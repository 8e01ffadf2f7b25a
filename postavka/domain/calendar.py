"""The day in Moscow: documents, invoices and contracts go by it; events go by UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from postavka.kernel.errors import UserError

MOSCOW = ZoneInfo("Europe/Moscow")


def today() -> date:
    """Today's date in Moscow."""
    return datetime.now(MOSCOW).date()


def parse_since(text: str) -> datetime:
    """`15m`, `2h`, `3d` ago; a date or a time; `0`: the beginning. Raises `UserError` with what is possible."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    if text == "0":
        return datetime(2000, 1, 1, tzinfo=UTC)
    if text[:-1].isdigit() and text[-1] in units:
        return datetime.now(UTC) - timedelta(**{units[text[-1]]: int(text[:-1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text!r}: write 15m, 2h, 3d, 2026-11-24 or 2026-11-24T15:30") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=MOSCOW)
