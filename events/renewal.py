"""Stage `renewal`: how long a service runs, when its user is reminded, and when it has run out (L19).
Topic `renewal.events`.

A service's term is told here and nowhere else: `Activated` tells the days of its one delivery. Days are Moscow's.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar

from events.model import Event, Id, Value
from events.reference import Contract


class Reckoning(Value):
    """The rule by which a day was found due, and the moment at which it was."""

    day: date
    """In `zone`."""
    moment: datetime
    """The broker's time of the command that brought the day."""
    zone: Id
    ladder: tuple[int, ...]
    """Days before the end of a service at which a reminder is due, the most first."""


class ServiceStarted(Event):
    """The delivery is activated and its service runs. Both days belong to its term."""

    TYPE: ClassVar[str] = "ServiceStarted.v1"

    registration_number: Id
    service_from: date
    service_until: date


class ReminderDue(Event):
    """A step of the ladder is reached. Each is told once for one end; of several that are due at once, the nearest
    to the end."""

    TYPE: ClassVar[str] = "ReminderDue.v1"

    service_until: date
    days_before: int
    """The step of the ladder."""
    days_left: int
    """From the day in `reckoning` to the last day of service; 0 on that day."""
    contract: Contract | None
    """The user's 1C:ITS contract that is valid on that day, or was last valid; None: there is none."""
    reckoning: Reckoning


class ServiceLapsed(Event):
    """The last day of service is over, and nothing has prolonged it."""

    TYPE: ClassVar[str] = "ServiceLapsed.v1"

    service_until: date
    reckoning: Reckoning
