"""Which step of the ladder of reminders a service has come to. Pure: the stage decides by it, the timer asks by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Term:
    """How long a service runs, as it is known now."""

    until: date
    """The last day of service."""
    known_since: date
    """The day on which the delivery was activated that led to this end."""
    reminded: int | None = None
    """The nearest step to this end that was told; None: none yet."""


def step_due(term: Term, day: date, ladder: Iterable[int]) -> int | None:
    """The step that is due on this day, in days before the end; None: none. Of several that were passed, the nearest
    to the end counts and the others are never told. Steps that lie at or before the day on which this end came to be
    known are none: nobody is reminded of the end of what was bought a moment ago."""
    left = (term.until - day).days
    passed = (
        step
        for step in ladder
        if step >= left
        and term.until - timedelta(days=step) > term.known_since
        and (term.reminded is None or step < term.reminded)
    )
    return min(passed, default=None) if left >= 0 else None


def is_due(term: Term, day: date, ladder: Iterable[int]) -> bool:
    """Is there a reminder to give on this day, or has the service run out?"""
    return day > term.until or step_due(term, day, ladder) is not None
