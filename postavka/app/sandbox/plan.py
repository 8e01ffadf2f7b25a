"""What is sold and renewed in a sandbox: the same for the same numbers, so that a run that was killed goes on. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid5

NAMESPACE = UUID("5a9d6f4e-0c1b-4f0e-9d57-8f6a3c2b1e70")
SPREAD = 7919
"""A prime: services that follow one another end on days far apart."""


@dataclass(frozen=True, slots=True)
class SoldService:
    """A service as it was sold, and the day on which a renewal of it is activated; None: nobody renews it."""

    request_id: UUID
    first: date
    last: date
    renewal_id: UUID
    renewed_on: date | None


def year_later(first: date) -> date:
    """The last day of a year of service that begins on `first`."""
    if (first.month, first.day) == (2, 29):
        return date(first.year + 1, 2, 28)
    return first.replace(year=first.year + 1) - timedelta(days=1)


def sold_services(count: int, begins: date, until: date) -> Iterator[SoldService]:
    """So many services whose last days lie between both days and a little behind. Of five, two are renewed before they
    end, one after it, two never."""
    span = (until - begins).days + 30
    for number in range(count):
        last = begins + timedelta(days=number * SPREAD % span)
        following = last + timedelta(days=1)
        years_day = 28 if (following.month, following.day) == (2, 29) else following.day
        renewed_on = {
            0: last - timedelta(days=number % 41),
            1: last - timedelta(days=number % 13),
            2: last + timedelta(days=2 + number % 19),
        }.get(number % 5)
        if renewed_on is not None and not begins < renewed_on <= until:
            renewed_on = None
        yield SoldService(
            uuid5(NAMESPACE, str(number)),
            following.replace(year=following.year - 1, day=years_day),
            last,
            uuid5(NAMESPACE, f"renewal of {number}"),
            renewed_on,
        )
