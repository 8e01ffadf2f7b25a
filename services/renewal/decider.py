"""Renewal: how long does a service run, when is its user reminded, and when has it run out? (L19)

An activation starts the term. Time comes in as a message like any other: `ConsiderService` brings a day and the ladder
of reminders. It may come twice, late, or after weeks of nothing: each step of the ladder is told once for one end, and
of several that were passed only the nearest to the end. Days are Moscow's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from events.activation import Activated
from events.commands import ConsiderService
from events.model import Decision, Event, Unacceptable
from events.reference import Contract
from events.renewal import Reckoning, ReminderDue, ServiceLapsed, ServiceStarted
from services.renewal.ladder import Term, step_due

ZONE = "Europe/Moscow"
"""Whose days count."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside a message."""

    moment: datetime
    """The broker's time of the message."""
    today: date
    """The day in Moscow at that moment."""
    contract: Contract | None = None
    """The 1C:ITS contract of the service's registration number that is valid, or was last valid."""


@dataclass(frozen=True, slots=True)
class NotStarted:
    """No activation of this request has been read."""


@dataclass(frozen=True, slots=True)
class Running:
    """The service runs, as far as is known."""

    registration_number: str
    term: Term


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The last day of service is over."""

    registration_number: str
    term: Term


State = NotStarted | Running | Lapsed

INITIAL: State = NotStarted()


def contract_to_look_up(state: State, message: Activated | ConsiderService) -> str | None:
    """The registration number whose contract `decide` wants for this message; None where nothing is looked up."""
    match message, state:
        case ConsiderService(), Running():
            return state.registration_number
        case _:
            return None


def decide(state: State, message: Activated | ConsiderService, facts: Facts) -> Decision:
    """What follows from a message. The same one twice gives nothing the second time."""
    match message, state:
        case Activated(), NotStarted():
            return (_started(message),)
        case Activated(), (Running() | Lapsed()):
            return ()
        case ConsiderService(), _ if message.day > facts.today:
            return Unacceptable("day-ahead", f"{message.day} has not come: by the broker's time it is {facts.today}")
        case ConsiderService(), NotStarted():
            return Unacceptable("no-service", "no service of this request has started")
        case ConsiderService(), Running():
            return _considered(state, message, facts)
        case ConsiderService(), Lapsed():
            return ()
    raise AssertionError("unreachable")


def evolve(state: State, event: Event) -> State:
    """The state after one of this stage's own events."""
    match event, state:
        case ServiceStarted(), NotStarted():
            return Running(event.registration_number, Term(event.service_until, event.service_from))
        case ReminderDue(), Running():
            return replace(state, term=replace(state.term, reminded=event.days_before))
        case ServiceLapsed(), Running():
            return Lapsed(state.registration_number, state.term)
        case _:
            raise ValueError(f"{event.TYPE} can't follow {state!r}")


def _started(activated: Activated) -> ServiceStarted:
    return ServiceStarted(
        registration_number=activated.registration_number,
        service_from=activated.service_from,
        service_until=activated.service_until,
    )


def _considered(state: Running, asked: ConsiderService, facts: Facts) -> Decision:
    term, reckoning = state.term, Reckoning(day=asked.day, moment=facts.moment, zone=ZONE, ladder=asked.ladder)
    if asked.day > term.until:
        return (ServiceLapsed(service_until=term.until, reckoning=reckoning),)
    step = step_due(term, asked.day, asked.ladder)
    if step is None:
        return ()
    return (
        ReminderDue(
            service_until=term.until,
            days_before=step,
            days_left=(term.until - asked.day).days,
            contract=facts.contract,
            reckoning=reckoning,
        ),
    )
