"""Periods of service in whole months, day by day. Pure: deciders may use it."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
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


def whole_months(first: date, last: date) -> int | None:
    """How many months begin on `first` and end on `last`, where `last_day` gave it; None for days that are no whole
    months."""
    months = (last.year - first.year) * 12 + last.month - first.month
    return next((each for each in (months, months + 1) if each > 0 and last_day(first, each) == last), None)


def term_of(periods: Iterable[tuple[date, date]]) -> tuple[date, date]:
    """The term of deliveries, each with its first and last day as activated: one that was activated before the end of
    those before it, or on the day after, is added to them; one that was activated later starts anew. The last of such
    terms, whatever the order in which the deliveries are given."""
    ordered = sorted(periods)
    first, last = ordered[0]
    for begins, ends in ordered[1:]:
        following = last + timedelta(days=1)
        if begins > following:
            first, last = begins, ends
        else:
            months = whole_months(begins, ends)
            last = last_day(following, months) if months else last + (ends - begins) + timedelta(days=1)
    return first, last
