"""Renewal: how long does a service run, when is its user reminded, and when has it run out? (L19)

An activation starts the term. Time comes in as a message like any other: `ConsiderService` brings a day and the ladder
of reminders. It may come twice, late, or after weeks of nothing: each step of the ladder is told once for one end, and
of several that were passed only the nearest to the end. Days are Moscow's.

A request that names another one prolongs its service and has none of its own. Its days come there as `ProlongService`,
and are taken if they are for the same registration number, whoever has sold them. Refused, the renewal is told what to
name instead, or becomes a service of its own (`RefuseRenewal`): nothing that was activated is without its reminders,
whatever a request names.

A renewal that is planned changes nothing here until it is activated: that it was planned, and taken back, is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from events.activation import Activated
from events.commands import CancelRenewal, ConsiderService, ProlongService, RefuseRenewal, ScheduleRenewal
from events.model import Decision, Event, Reason, Unacceptable
from events.reference import Contract
from events.renewal import (
    Reckoning,
    ReminderDue,
    RenewalActivated,
    RenewalCancelled,
    RenewalRefused,
    RenewalRequested,
    RenewalScheduled,
    ServiceLapsed,
    ServiceRenewed,
    ServiceStarted,
)
from events.request import RequestSubmitted
from services.renewal.ladder import step_due
from services.renewal.state import INITIAL, Activation, Lapsed, NotStarted, Renewal, Running, State

__all__ = ["INITIAL", "Facts", "Message", "State", "contract_to_look_up", "decide", "evolve"]

ZONE = "Europe/Moscow"
"""Whose days count."""

Message = (
    RequestSubmitted | Activated | ConsiderService | ProlongService | RefuseRenewal | ScheduleRenewal | CancelRenewal
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside a message."""

    moment: datetime
    """The broker's time of the message."""
    today: date
    """The day in Moscow at that moment."""
    contract: Contract | None = None
    """The 1C:ITS contract of the service's registration number that is valid, or was last valid."""


NO_SERVICE = Unacceptable("no-service", "no service of this request has started")
NOT_STARTED = Reason(
    code="no-service", message="Продлевать нечего: поставка, которую называет заявка, не активирована."
)
OTHER_NUMBER = Reason(
    code="other-registration",
    message="Поставка, которую называет заявка, продана для другого регистрационного номера.",
)
A_RENEWAL = Reason(code="a-renewal", message="Поставка, которую называет заявка, сама продлевает другую.")


def contract_to_look_up(state: State, message: Message) -> str | None:
    """The registration number whose contract `decide` wants for this message; None where nothing is looked up."""
    match message, state:
        case ConsiderService(), Running():
            return state.own.registration_number
        case _:
            return None


def decide(state: State, message: Message, facts: Facts) -> Decision:
    """What follows from a message. The same one twice gives nothing the second time."""
    match message:
        case RequestSubmitted():
            return _requested(state, message)
        case Activated():
            return _activated(state, message)
        case ConsiderService() if message.day > facts.today:
            return Unacceptable("day-ahead", f"{message.day} has not come: by the broker's time it is {facts.today}")
        case ConsiderService():
            return _considered(state, message, facts)
        case ProlongService():
            return () if message.renewal_id in state.answered else _prolonged(state, message)
        case RefuseRenewal():
            return _refused(state, message)
        case ScheduleRenewal():
            return _scheduled(state, message)
        case CancelRenewal():
            return _cancelled(state, message)


def _requested(state: State, submitted: RequestSubmitted) -> Decision:
    """What a request names may become known after its activation, which comes on another topic."""
    renews = _named(submitted)
    if renews is None:
        return ()
    requested = RenewalRequested(renews=renews)
    match state:
        case NotStarted():
            return (requested,)
        case Running() if not state.prolonged:
            return requested, _of_renewal(renews, state.own)
        case Running() | Lapsed() | Renewal():
            return ()


def _named(submitted: RequestSubmitted) -> UUID | None:
    """What is no id names nothing, like a field that is left out."""
    try:
        return UUID((submitted.renews or "").strip())
    except ValueError:
        return None


def _activated(state: State, activated: Activated) -> Decision:
    own = Activation(activated.registration_number, activated.service_from, activated.service_until)
    match state:
        case NotStarted():
            return (_started(own),)
        case Renewal(own=None):
            return (_of_renewal(state.of, own),)
        case Renewal() | Running() | Lapsed():
            return ()


def _considered(state: State, asked: ConsiderService, facts: Facts) -> Decision:
    match state:
        case NotStarted():
            return NO_SERVICE
        case Renewal() | Lapsed():
            return ()
        case Running():
            return _due(state, asked, facts)


def _due(state: Running, asked: ConsiderService, facts: Facts) -> Decision:
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


def _prolonged(state: State, asked: ProlongService) -> Decision:
    match state:
        case NotStarted():
            return (RenewalRefused(renewal_id=asked.renewal_id, reason=NOT_STARTED, renews=None),)
        case Renewal():
            return (RenewalRefused(renewal_id=asked.renewal_id, reason=A_RENEWAL, renews=state.of),)
        case Running():
            return (_taken(state, asked),)
        case Lapsed():
            return (_taken(state.service, asked),)


def _taken(state: Running, asked: ProlongService) -> ServiceRenewed | RenewalRefused:
    if asked.registration_number != state.own.registration_number:
        return RenewalRefused(renewal_id=asked.renewal_id, reason=OTHER_NUMBER, renews=None)
    days = asked.activated_from, asked.activated_until
    first, last = replace(state, prolonged=(*state.prolonged, days)).days
    return ServiceRenewed(
        renewal_id=asked.renewal_id,
        activated_from=asked.activated_from,
        activated_until=asked.activated_until,
        service_from=first,
        service_until=last,
    )


def _refused(state: State, told: RefuseRenewal) -> Decision:
    """Who is sent in a circle runs alone."""
    match state:
        case Renewal(own=Activation() as own) if told.refused_by == state.of:
            asked_before = (told.request_id, state.of, *state.refused_by)
            if told.renews is None or told.renews in asked_before:
                return (_started(own),)
            return (_of_renewal(told.renews, own),)
        case NotStarted():
            return NO_SERVICE
        case Renewal(own=None):
            return NO_SERVICE
        case Renewal() | Running() | Lapsed():
            return ()


def _scheduled(state: State, asked: ScheduleRenewal) -> Decision:
    match state:
        case NotStarted():
            return NO_SERVICE
        case Renewal():
            return ()
        case (Running() as service) | Lapsed(service):
            if asked.renewal_id in service.scheduled:
                return ()
            return (RenewalScheduled(renewal_id=asked.renewal_id, day=asked.day, planned_by=asked.planned_by),)


def _cancelled(state: State, asked: CancelRenewal) -> Decision:
    match state:
        case NotStarted():
            return NO_SERVICE
        case Renewal():
            return ()
        case (Running() as service) | Lapsed(service):
            if asked.renewal_id not in service.scheduled or asked.renewal_id in service.cancelled:
                return ()
            return (
                RenewalCancelled(renewal_id=asked.renewal_id, cancelled_by=asked.cancelled_by, reason=asked.reason),
            )


def _started(own: Activation) -> ServiceStarted:
    return ServiceStarted(registration_number=own.registration_number, service_from=own.first, service_until=own.last)


def _of_renewal(renews: UUID, own: Activation) -> RenewalActivated:
    return RenewalActivated(
        renews=renews,
        registration_number=own.registration_number,
        activated_from=own.first,
        activated_until=own.last,
    )


def evolve(state: State, event: Event) -> State:
    """The state after one of this stage's own events."""
    match event, state:
        case ServiceStarted(), (NotStarted() | Renewal()):
            own = Activation(event.registration_number, event.service_from, event.service_until)
            return Running(own, answered=state.answered)
        case RenewalRequested(), NotStarted():
            return Renewal(event.renews, answered=state.answered)
        case RenewalRequested(), Running():
            return Renewal(event.renews, state.own, answered=state.answered)
        case RenewalActivated(), Renewal():
            own = Activation(event.registration_number, event.activated_from, event.activated_until)
            refused_by = state.refused_by if event.renews == state.of else (*state.refused_by, state.of)
            return replace(state, of=event.renews, own=own, refused_by=refused_by)
        case RenewalRefused(), (NotStarted() | Renewal() | Running()):
            return replace(state, answered=(*state.answered, event.renewal_id))
        case RenewalRefused(), Lapsed():
            return Lapsed(replace(state.service, answered=(*state.answered, event.renewal_id)))
        case ServiceRenewed(), Running():
            return _renewed(state, event)
        case ServiceRenewed(), Lapsed():
            service = _renewed(state.service, event)
            return Lapsed(service) if event.service_until == state.service.days[1] else service
        case ReminderDue(), Running():
            return replace(state, reminded=event.days_before)
        case ServiceLapsed(), Running():
            return Lapsed(state)
        case RenewalScheduled() | RenewalCancelled(), Running():
            return _planned(state, event)
        case RenewalScheduled() | RenewalCancelled(), Lapsed():
            return Lapsed(_planned(state.service, event))
        case _:
            raise ValueError(f"{event.TYPE} can't follow {state!r}")


def _planned(service: Running, event: RenewalScheduled | RenewalCancelled) -> Running:
    if isinstance(event, RenewalScheduled):
        return replace(service, scheduled=(*service.scheduled, event.renewal_id))
    return replace(service, cancelled=(*service.cancelled, event.renewal_id))


def _renewed(service: Running, event: ServiceRenewed) -> Running:
    """Reminders of the former end do not count for another one."""
    return replace(
        service,
        prolonged=(*service.prolonged, (event.activated_from, event.activated_until)),
        reminded=service.reminded if event.service_until == service.days[1] else None,
        answered=(*service.answered, event.renewal_id),
    )
