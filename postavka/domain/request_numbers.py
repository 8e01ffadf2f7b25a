"""Numbers of requests as people say and write them: `2026-000255`. Pure: whatever folds events may use it.

A request's number is the position of its `RequestSubmitted` in the store of the stage `request`, behind the year
(Moscow) in which it was sent. The store gives positions one by one under the lock of its commit, whatever workers there
are, and every event bears its own: so each request that was ever sent has its number by the event with which it began.
No two have the same. There are gaps, for a withdrawal has a position as well (docs/adr).
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

WIDTH = 6
MOSCOW = ZoneInfo("Europe/Moscow")
_TYPED = re.compile(r"(?:№|N|#)?\s*(20\d\d)\s?[-\u2010-\u2015\u2212/]\s?(\d{1,6}|[1-9]\d{6,11})", re.IGNORECASE)


def number_of(position: int, sent_at: datetime) -> str:
    """The number of the request whose `RequestSubmitted` has this position and was recorded at this moment."""
    return f"{sent_at.astimezone(MOSCOW).year}-{position:0{WIDTH}d}"


def canonical(typed: str) -> str | None:
    """The number that a person has typed: `№ 2026-255` is `2026-000255`. None: it is no such number. (An invoice has a
    digit more: `2026-0000255`.)"""
    found = _TYPED.fullmatch(typed.strip())
    return None if found is None else f"{found[1]}-{int(found[2]):0{WIDTH}d}"


def position_of(number: str) -> int:
    """The position that a number in its one form names."""
    return int(number.partition("-")[2])
