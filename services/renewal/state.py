"""What is known of one request's service, as its own events have it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from postavka.domain.periods import term_of
from services.renewal.ladder import Term


@dataclass(frozen=True, slots=True)
class Activation:
    """Days for which a delivery was activated, and for whose registration number."""

    registration_number: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class NotStarted:
    """No activation of this request has been read. `answered` in every state: renewals whose days were taken or refused
    here, so that the same one again gives nothing."""

    answered: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewal:
    """The request prolongs another one's service, and has none of its own."""

    of: UUID
    own: Activation | None = None
    """None while it is not activated."""
    refused_by: tuple[UUID, ...] = ()
    """What it named before and was refused by: it is not asked again."""
    answered: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """The service runs, as far as is known."""

    own: Activation
    prolonged: tuple[tuple[date, date], ...] = ()
    """Days of the renewals' deliveries as they were activated."""
    reminded: int | None = None
    """The step nearest to this end of which there was a reminder; None: there was none yet."""
    answered: tuple[UUID, ...] = ()
    scheduled: tuple[UUID, ...] = ()
    """Renewals that were planned, under the ids of the requests that they are to become."""
    cancelled: tuple[UUID, ...] = ()
    """Those of them that will not be sent."""

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day of the term."""
        return term_of(((self.own.first, self.own.last), *self.prolonged))

    @property
    def term(self) -> Term:
        """The term as the ladder sees it."""
        known_since = max(first for first, _ in ((self.own.first, self.own.last), *self.prolonged))
        return Term(self.days[1], known_since, self.reminded)


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The last day of service is over."""

    service: Running

    @property
    def answered(self) -> tuple[UUID, ...]:
        """The renewals that were answered while it ran."""
        return self.service.answered


State = NotStarted | Renewal | Running | Lapsed

INITIAL: State = NotStarted()
