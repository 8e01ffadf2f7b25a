"""The order of a list of requests, and how a page of it goes on."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum

from psycopg.sql import SQL

from postavka.web import cursor


class ListOrder(StrEnum):
    """The order of a list. Where somebody waits, who has waited longest stands first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    DEAREST = "dearest"
    CHEAPEST = "cheapest"

    @property
    def by_sum(self) -> bool:
        """Whether it goes by the price, not by the time."""
        return self in (ListOrder.DEAREST, ListOrder.CHEAPEST)


SORTINGS = {
    ListOrder.NEWEST: (
        SQL("submitted_at DESC"),
        SQL("submitted_at <= %(at)s AND (submitted_at < %(at)s OR request_id > %(id)s)"),
    ),
    ListOrder.OLDEST: (
        SQL("submitted_at"),
        SQL("submitted_at >= %(at)s AND (submitted_at > %(at)s OR request_id > %(id)s)"),
    ),
    ListOrder.DEAREST: (
        SQL("coalesce(amount, 0) DESC"),
        SQL("(coalesce(amount, 0) < %(at)s OR coalesce(amount, 0) = %(at)s AND request_id > %(id)s)"),
    ),
    ListOrder.CHEAPEST: (
        SQL("coalesce(amount, 0)"),
        SQL("(coalesce(amount, 0) > %(at)s OR coalesce(amount, 0) = %(at)s AND request_id > %(id)s)"),
    ),
}
"""Each order in SQL, and what stands behind a cursor in it."""


def sum_of(text: str) -> Decimal:
    """The sum in a cursor. Raises `cursor.BadCursor`."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise cursor.BadCursor(text[:20]) from None
    if not found.is_finite():
        raise cursor.BadCursor(text[:20])
    return found
