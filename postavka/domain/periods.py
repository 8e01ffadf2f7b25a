"""Periods of service in whole months, day by day. Pure: deciders may use it."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta


def last_day(first: date, months: int) -> date:
    """The last day of so many months that begin on `first`: the day before the same day of the month; the last of the
    month where that month has no such day.
    """
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    longest = monthrange(year, month + 1)[1]
    if first.day > longest:
        return date(year, month + 1, longest)
    return date(year, month + 1, first.day) - timedelta(days=1)
