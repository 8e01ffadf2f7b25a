"""Stage `renewal`: how long a service runs, when its user is reminded, and when it has run out (L19).
Topic `renewal.events`.

A service's term is told here and nowhere else: `Activated` tells the days of its one delivery. Days are Moscow's.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from events.model import Event, Id, Reason, Text, Value
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


class RenewalRequested(Event):
    """A request names the delivery whose service it prolongs. Told of the request that prolongs."""

    TYPE: ClassVar[str] = "RenewalRequested.v1"

    renews: UUID


class RenewalActivated(Event):
    """The delivery of a renewal is activated: its days go to the service that it names, which may refuse them and name
    another one. Told of the request that prolongs."""

    TYPE: ClassVar[str] = "RenewalActivated.v1"

    renews: UUID
    registration_number: Id
    activated_from: date
    activated_until: date


class ServiceRenewed(Event):
    """A renewal prolongs this service. The term is that of all its deliveries together: what is activated before the
    end is added to it, what is activated after the end starts it anew."""

    TYPE: ClassVar[str] = "ServiceRenewed.v1"

    renewal_id: UUID
    activated_from: date
    activated_until: date
    service_from: date
    service_until: date


class RenewalRefused(Event):
    """A renewal can't prolong what it names. It prolongs another service, or becomes one of its own. Told of what was
    named."""

    TYPE: ClassVar[str] = "RenewalRefused.v1"

    renewal_id: UUID
    reason: Reason
    renews: UUID | None
    """What it prolongs instead: that which this request, itself a renewal, names."""


class RenewalScheduled(Event):
    """A partner has planned to renew this service: the request `renewal_id` will be sent on `day`, in Moscow. Sent, it
    is a request like any other."""

    TYPE: ClassVar[str] = "RenewalScheduled.v1"

    renewal_id: UUID
    day: date
    planned_by: Id


class RenewalCancelled(Event):
    """A renewal that was planned will not be sent."""

    TYPE: ClassVar[str] = "RenewalCancelled.v1"

    renewal_id: UUID
    cancelled_by: Id | None
    """Who has taken it back; None: nobody, it could not be sent on its day."""
    reason: Text | None
    """Why it could not be sent."""
