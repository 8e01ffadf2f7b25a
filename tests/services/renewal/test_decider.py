"""Renewal: a term starts with its activation, each step of the ladder is told once, and the end is told (L19)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.activation import Activated, Activator
from events.commands import CancelRenewal, ConsiderService, ProlongService, RefuseRenewal, ScheduleRenewal
from events.model import Event, Reason, Unacceptable
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
from events.request import PROCEDURE, RequestSubmitted, RequestWithdrawn
from events.topics import RENEWAL_EVENTS
from events.versions import spoken
from postavka.domain.periods import last_day
from postavka.kernel.testing.specification import Specification
from services.renewal import decider
from services.renewal.decider import Facts, contract_to_look_up
from services.renewal.ladder import Term, is_due, step_due
from services.renewal.stage import inputs
from services.renewal.state import Lapsed, NotStarted, Renewal, Running, State

given = Specification(decider).given

REQUEST = UUID("0190f3a0-0000-7000-8000-000000000001")
NUMBER = "12345678"
CONTRACT = Contract(number="ITS-1", valid_from=date(2026, 1, 1), valid_until=date(2026, 12, 31))
ENDED = Contract(number="ITS-0", valid_from=date(2025, 1, 1), valid_until=date(2025, 12, 31))
LADDER = (60, 30, 14, 7, 1)
FROM, UNTIL = date(2026, 1, 1), date(2026, 12, 31)


def activated(first: date = FROM, last: date = UNTIL) -> Activated:
    return Activated(
        activation_id="a-1",
        activated_by=Activator.USER,
        actor="petrov",
        registration_number=NUMBER,
        contract=CONTRACT,
        service_from=first,
        service_until=last,
    )


def started(first: date = FROM, last: date = UNTIL) -> ServiceStarted:
    return ServiceStarted(registration_number=NUMBER, service_from=first, service_until=last)


def on(day: date, ladder: tuple[int, ...] = LADDER) -> ConsiderService:
    return ConsiderService(request_id=REQUEST, day=day, ladder=ladder)


def facts(day: date, contract: Contract | None = CONTRACT) -> Facts:
    """The broker has the command at noon of this day, UTC."""
    return Facts(datetime(day.year, day.month, day.day, 12, tzinfo=UTC), day, contract)


def reckoned(day: date, ladder: tuple[int, ...] = LADDER) -> Reckoning:
    return Reckoning(day=day, moment=facts(day).moment, zone="Europe/Moscow", ladder=ladder)


def reminder(day: date, step: int, until: date = UNTIL, contract: Contract | None = CONTRACT) -> ReminderDue:
    return ReminderDue(
        service_until=until, days_before=step, days_left=(until - day).days, contract=contract, reckoning=reckoned(day)
    )


def lapsed(day: date, until: date = UNTIL) -> ServiceLapsed:
    return ServiceLapsed(service_until=until, reckoning=reckoned(day))


def before(days: int, until: date = UNTIL) -> date:
    return until - timedelta(days=days)


# The term


def test_an_activation_starts_the_term_for_its_days() -> None:
    given().when(activated(), facts(FROM)).then(started())


def test_the_same_activation_again_gives_nothing() -> None:
    given(started()).when(activated(), facts(FROM)).then_nothing()
    given(started(), lapsed(date(2027, 1, 1))).when(activated(), facts(FROM)).then_nothing()


def test_a_service_activated_late_runs_from_its_activation() -> None:
    """Sold in January, activated in May: the term that was bought is not shortened (L19)."""
    first = date(2026, 5, 15)
    given().when(activated(first, last_day(first, 12)), facts(first)).then(started(first, date(2027, 5, 14)))


# The ladder


@pytest.mark.parametrize("step", LADDER)
def test_a_reminder_comes_on_the_day_of_each_step(step: int) -> None:
    day = before(step)
    given(started()).when(on(day), facts(day)).then(reminder(day, step))


@pytest.mark.parametrize("step", LADDER)
def test_none_comes_the_day_before_its_step(step: int) -> None:
    passed = [reminder(before(each), each) for each in LADDER if each > step]
    day = before(step + 1)
    given(started(), *passed).when(on(day), facts(day)).then_nothing()


@pytest.mark.parametrize("step", LADDER)
def test_a_doubled_or_late_day_tells_no_step_again(step: int) -> None:
    told = [reminder(before(each), each) for each in LADDER if each >= step]
    given(started(), *told).when(on(before(step)), facts(before(step))).then_nothing()
    late = before(step) + timedelta(days=2)
    given(started(), *told).when(on(before(step)), facts(late)).then_nothing()


def test_after_a_week_away_the_one_step_that_matters_is_told() -> None:
    """The steps 14 and 7 have passed unseen: with 5 days left it is the one of 7."""
    told = [reminder(before(60), 60), reminder(before(30), 30)]
    day = before(5)
    given(started(), *told).when(on(day), facts(day)).then(reminder(day, 7))
    given(started(), *told, reminder(day, 7)).when(on(before(4)), facts(before(4))).then_nothing()
    given(started(), *told, reminder(day, 7)).when(on(before(1)), facts(before(1))).then(reminder(before(1), 1))


def test_a_service_that_ran_long_before_the_first_look_is_reminded_once() -> None:
    """As on the first day of the release that brought the reminders."""
    day = before(2)
    given(started()).when(on(day), facts(day)).then(reminder(day, 7))


def test_the_last_day_still_belongs_to_the_service() -> None:
    given(started(), reminder(before(1), 1)).when(on(UNTIL), facts(UNTIL)).then_nothing()
    given(started()).when(on(UNTIL), facts(UNTIL)).then(reminder(UNTIL, 1))


def test_nobody_is_reminded_of_the_end_of_what_was_bought_a_moment_ago() -> None:
    """A month's service has no step 60 or 30; 14 is its first."""
    first, last = date(2026, 2, 1), date(2026, 2, 28)
    day = date(2026, 2, 2)
    given(started(first, last)).when(on(day), facts(day)).then_nothing()
    day = before(14, last)
    given(started(first, last)).when(on(day), facts(day)).then(reminder(day, 14, last))


def test_another_ladder_is_another_rule_and_is_recorded() -> None:
    day = before(10)
    given(started()).when(on(day, (10,)), facts(day)).then(
        ReminderDue(
            service_until=UNTIL, days_before=10, days_left=10, contract=CONTRACT, reckoning=reckoned(day, (10,))
        )
    )
    given(started()).when(on(day, ()), facts(day)).then_nothing()


@pytest.mark.parametrize("contract", [ENDED, None])
def test_a_reminder_says_that_the_contract_has_ended(contract: Contract | None) -> None:
    """Without a contract the renewal could be bought and not be activated: who reminds must know."""
    day = before(30)
    given(started()).when(on(day), facts(day, contract)).then(reminder(day, 30, contract=contract))


def test_over_the_year_end_days_are_counted_on() -> None:
    until = date(2027, 1, 10)
    day = date(2026, 12, 27)
    given(started(date(2026, 1, 11), until)).when(on(day), facts(day)).then(reminder(day, 14, until))


@pytest.mark.parametrize(
    ("until", "day"), [(date(2028, 3, 1), date(2028, 2, 29)), (date(2027, 3, 1), date(2027, 2, 28))]
)
def test_the_day_before_the_first_of_march_is_the_last_of_february(until: date, day: date) -> None:
    told = [reminder(before(each, until), each, until) for each in LADDER[:-1]]
    given(started(date(2026, 3, 2), until), *told).when(on(day), facts(day)).then(reminder(day, 1, until))


def test_a_service_from_the_29th_of_february_ends_on_the_28th() -> None:
    first = date(2028, 2, 29)
    last = last_day(first, 12)
    assert last == date(2029, 2, 28)
    day = date(2029, 3, 1)
    given(started(first, last)).when(on(day), facts(day)).then(lapsed(day, last))


# The end


def test_the_day_after_the_last_the_service_has_lapsed() -> None:
    day = date(2027, 1, 1)
    given(started()).when(on(day), facts(day)).then(lapsed(day))


def test_a_service_that_ended_long_ago_lapses_without_a_reminder() -> None:
    day = date(2029, 6, 1)
    given(started()).when(on(day), facts(day)).then(lapsed(day))


def test_after_the_end_no_day_gives_anything() -> None:
    day = date(2027, 1, 1)
    given(started(), lapsed(day)).when(on(day), facts(day)).then_nothing()
    given(started(), lapsed(day)).when(on(UNTIL), facts(day)).then_nothing()


# What makes no sense


def test_a_day_that_has_not_come_by_the_brokers_time_is_refused() -> None:
    day = before(60)
    given(started()).when(on(day), facts(day - timedelta(days=1))).then_unacceptable("day-ahead")
    given(started()).when(on(date(2099, 1, 1)), facts(day)).then_unacceptable("day-ahead")


def test_a_service_that_has_not_started_is_not_considered() -> None:
    given().when(on(FROM), facts(FROM)).then_unacceptable("no-service")


def test_a_contract_is_looked_up_only_for_a_running_service() -> None:
    running = decider.evolve(decider.INITIAL, started())
    assert contract_to_look_up(running, on(FROM)) == NUMBER
    assert contract_to_look_up(running, activated()) is None
    assert contract_to_look_up(decider.INITIAL, on(FROM)) is None
    assert contract_to_look_up(decider.evolve(running, lapsed(date(2027, 1, 1))), on(FROM)) is None


# Renewals

OTHER, THIRD = UUID("0190f3a0-0000-7000-8000-000000000002"), UUID("0190f3a0-0000-7000-8000-000000000003")
NEXT_FROM, NEXT_UNTIL = date(2026, 12, 20), date(2027, 12, 19)
"""A renewal that is activated twelve days before the end."""
PROLONGED = date(2027, 12, 31)


def submitted(renews: UUID | str | None = OTHER) -> RequestSubmitted:
    nothing = dict.fromkeys(("request_type", "contact_id", "distributor_id", "base_delivery_id", "product_id"))
    nothing |= dict.fromkeys(("registration_number", "inn", "buyer", "kpp"))
    named = None if renews is None else str(renews)
    return RequestSubmitted(procedure=PROCEDURE, partner_id="p-1", submitted_by="anna", renews=named, **nothing)


def of_renewal(first: date = NEXT_FROM, last: date = NEXT_UNTIL, renews: UUID = OTHER) -> RenewalActivated:
    return RenewalActivated(renews=renews, registration_number=NUMBER, activated_from=first, activated_until=last)


def prolong(
    first: date = NEXT_FROM, last: date = NEXT_UNTIL, renewal: UUID = OTHER, number: str = NUMBER
) -> ProlongService:
    return ProlongService(
        request_id=REQUEST, renewal_id=renewal, registration_number=number, activated_from=first, activated_until=last
    )


def renewed(
    until: date = PROLONGED, first: date = NEXT_FROM, last: date = NEXT_UNTIL, of: date = FROM, renewal: UUID = OTHER
) -> ServiceRenewed:
    return ServiceRenewed(
        renewal_id=renewal, activated_from=first, activated_until=last, service_from=of, service_until=until
    )


def refused(reason: Reason, renewal: UUID = OTHER, instead: UUID | None = None) -> RenewalRefused:
    return RenewalRefused(renewal_id=renewal, reason=reason, renews=instead)


def refuse(by: UUID = OTHER, instead: UUID | None = None) -> RefuseRenewal:
    return RefuseRenewal(request_id=REQUEST, refused_by=by, renews=instead)


def schedule(renewal: UUID = OTHER) -> ScheduleRenewal:
    return ScheduleRenewal(request_id=REQUEST, renewal_id=renewal, day=before(20), planned_by="anna")


SCHEDULED = RenewalScheduled(renewal_id=OTHER, day=before(20), planned_by="anna")
CANCEL = CancelRenewal(request_id=REQUEST, renewal_id=OTHER, cancelled_by="boris")
CANCELLED = RenewalCancelled(renewal_id=OTHER, cancelled_by="boris", reason=None)
REQUESTED = RenewalRequested(renews=OTHER)
NOW = facts(NEXT_FROM)


def test_an_ordinary_request_says_nothing_here() -> None:
    given().when(submitted(None), NOW).then_nothing()
    given(started()).when(submitted(None), NOW).then_nothing()


@pytest.mark.parametrize("typed", ["", "  ", "17", "яя" * 500])
def test_what_is_no_id_names_nothing(typed: str) -> None:
    given().when(submitted(typed), NOW).then_nothing()


def test_an_id_may_be_written_in_any_way() -> None:
    given().when(submitted(f" {str(OTHER).upper()} "), NOW).then(REQUESTED)


def test_a_renewal_gives_its_days_to_the_service_it_names() -> None:
    given().when(submitted(), NOW).then(REQUESTED)
    given(REQUESTED).when(activated(NEXT_FROM, NEXT_UNTIL), NOW).then(of_renewal())
    given(REQUESTED, of_renewal()).when(activated(NEXT_FROM, NEXT_UNTIL), NOW).then_nothing()
    given(REQUESTED, of_renewal()).when(on(NEXT_UNTIL), facts(NEXT_UNTIL)).then_nothing()


def test_the_request_may_be_read_after_its_activation() -> None:
    """They come on two topics, between which there is no order."""
    given(started(NEXT_FROM, NEXT_UNTIL)).when(submitted(), NOW).then(REQUESTED, of_renewal())


@pytest.mark.parametrize("history", [(started(),), (started(), lapsed(date(2027, 1, 1)))])
def test_a_plan_is_recorded_once_and_taken_back_once(history: tuple[Event, ...]) -> None:
    """Whatever is told again, as by a timer that was made anew: a plan that was taken back does not come back."""
    given(*history).when(schedule(), NOW).then(SCHEDULED)
    given(*history, SCHEDULED).when(schedule(), NOW).then_nothing()
    given(*history, SCHEDULED).when(CANCEL, NOW).then(CANCELLED)
    given(*history, SCHEDULED, CANCELLED).when(CANCEL, NOW).then_nothing()
    given(*history, SCHEDULED, CANCELLED).when(schedule(), NOW).then_nothing()
    given(*history).when(CANCEL, NOW).then_nothing()


def test_a_plan_that_could_not_be_sent_says_why() -> None:
    unsent = CancelRenewal(request_id=REQUEST, renewal_id=OTHER, reason="Товар больше не продаётся.")
    why = RenewalCancelled(renewal_id=OTHER, cancelled_by=None, reason="Товар больше не продаётся.")
    given(started(), SCHEDULED).when(unsent, NOW).then(why)


def test_a_plan_changes_neither_the_term_nor_its_reminders() -> None:
    """Until a renewal is activated, the service ends as before; and another plan may follow."""
    day = before(7)
    given(started(), SCHEDULED).when(on(day), facts(day)).then(reminder(day, 7))
    given(started(), SCHEDULED, CANCELLED).when(schedule(THIRD), NOW).then(
        RenewalScheduled(renewal_id=THIRD, day=before(20), planned_by="anna")
    )
    given(started(), SCHEDULED).when(prolong(), NOW).then(renewed())


def test_before_the_end_a_renewal_is_added() -> None:
    given(started()).when(prolong(), NOW).then(renewed())


def test_on_the_day_after_the_end_it_is_still_one_term() -> None:
    first, last = date(2027, 1, 1), date(2027, 12, 31)
    given(started()).when(prolong(first, last), NOW).then(renewed(last, first, last))


def test_after_the_end_the_term_starts_anew() -> None:
    first = date(2027, 3, 1)
    last = last_day(first, 12)
    over = lapsed(date(2027, 1, 1))
    given(started(), over).when(prolong(first, last), NOW).then(renewed(last, first, last, of=first))


def test_two_renewals_in_a_row_are_one_term_in_whatever_order_they_come() -> None:
    later, earlier = (NEXT_FROM + timedelta(days=2), date(2027, 6, 21)), (NEXT_FROM, NEXT_UNTIL)
    until = last_day(date(2027, 1, 1), 12 + 6)
    given(started(), renewed()).when(prolong(*later, renewal=THIRD), NOW).then(renewed(until, *later, renewal=THIRD))
    first_told = renewed(date(2027, 6, 30), *later, renewal=THIRD)
    given(started(), first_told).when(prolong(*earlier), NOW).then(renewed(until, *earlier))


def test_a_service_of_the_29th_of_february_is_prolonged_by_whole_years() -> None:
    first = date(2028, 2, 29)
    own = started(first, last_day(first, 12))
    following = date(2029, 2, 1)
    last = last_day(following, 12)
    given(own).when(prolong(following, last), NOW).then(renewed(date(2030, 2, 28), following, last, of=first))


def test_a_renewed_service_is_reminded_of_its_new_end() -> None:
    told = reminder(before(14), 14)
    day = before(60, PROLONGED)
    given(started(), told, renewed()).when(on(UNTIL), facts(UNTIL)).then_nothing()
    given(started(), told, renewed()).when(on(day), facts(day)).then(reminder(day, 60, PROLONGED))


def test_a_renewal_that_was_withdrawn_changes_nothing() -> None:
    """Nothing is told here of a withdrawal: only what is activated prolongs a service; until then it is reminded."""
    day = before(7)
    assert all(RequestWithdrawn not in feed.takes for feed in inputs())
    given(started()).when(on(day), facts(day)).then(reminder(day, 7))


def test_a_renewal_that_came_late_revives_a_lapsed_service() -> None:
    given(started(), lapsed(date(2027, 1, 1))).when(prolong(), NOW).then(renewed())
    day = before(1, PROLONGED)
    given(started(), lapsed(date(2027, 1, 1)), renewed()).when(on(day), facts(day)).then(reminder(day, 1, PROLONGED))


def test_days_before_the_term_do_not_revive_it() -> None:
    """Of a delivery that ran out long before this one began: the end stays where it is."""
    first, last = date(2020, 1, 1), date(2020, 12, 31)
    old = renewed(UNTIL, first, last)
    over = lapsed(date(2027, 1, 1))
    given(started(), over).when(prolong(first, last), NOW).then(old)
    given(started(), over, old).when(on(date(2027, 1, 2)), facts(date(2027, 1, 2))).then_nothing()


@pytest.mark.parametrize("days", [(NEXT_FROM, NEXT_UNTIL), (date(2026, 12, 20), date(2027, 1, 2))])
def test_the_same_renewal_again_gives_nothing(days: tuple[date, date]) -> None:
    given(started(), renewed()).when(prolong(*days), NOW).then_nothing()


def test_whoever_has_sold_it_the_registration_number_must_be_the_same() -> None:
    """Else one partner could silence what another one's client is reminded of."""
    given(started()).when(prolong(number="99999999"), NOW).then(refused(decider.OTHER_NUMBER))
    given(started(), refused(decider.OTHER_NUMBER)).when(prolong(number="99999999"), NOW).then_nothing()
    over = lapsed(date(2027, 1, 1))
    given(started(), over).when(prolong(number="99999999"), NOW).then(refused(decider.OTHER_NUMBER))
    given(started(), over, refused(decider.OTHER_NUMBER)).when(prolong(), NOW).then_nothing()


def test_what_has_not_started_can_not_be_prolonged() -> None:
    given().when(prolong(), NOW).then(refused(decider.NOT_STARTED))
    given(refused(decider.NOT_STARTED)).when(activated(), NOW).then(started())
    given(refused(decider.NOT_STARTED)).when(submitted(), NOW).then(REQUESTED)


def test_a_renewal_of_a_renewal_is_sent_on_to_what_that_one_names() -> None:
    sent_on = refused(decider.A_RENEWAL, THIRD, OTHER)
    given(REQUESTED, of_renewal()).when(prolong(renewal=THIRD), NOW).then(sent_on)
    given(REQUESTED, of_renewal(), sent_on).when(prolong(renewal=THIRD), NOW).then_nothing()
    given(REQUESTED, of_renewal()).when(refuse(instead=THIRD), NOW).then(of_renewal(renews=THIRD))
    given(REQUESTED, of_renewal(), of_renewal(renews=THIRD)).when(refuse(instead=THIRD), NOW).then_nothing()


@pytest.mark.parametrize("instead", [REQUEST, OTHER, THIRD])
def test_a_renewal_that_is_sent_in_a_circle_becomes_a_service(instead: UUID) -> None:
    """To itself, or to what has refused it before."""
    sent_on = REQUESTED, of_renewal(), of_renewal(renews=THIRD)
    given(*sent_on).when(refuse(THIRD, instead), NOW).then(started(NEXT_FROM, NEXT_UNTIL))


def test_a_refused_renewal_is_reminded_like_any_other_service() -> None:
    alone = started(NEXT_FROM, NEXT_UNTIL)
    given(REQUESTED, of_renewal()).when(refuse(), NOW).then(alone)
    day = before(30, NEXT_UNTIL)
    given(REQUESTED, of_renewal(), alone).when(on(day), facts(day)).then(reminder(day, 30, NEXT_UNTIL))
    given(REQUESTED, of_renewal(), alone).when(refuse(), NOW).then_nothing()


def test_a_service_with_renewals_stays_one_whatever_it_named_itself() -> None:
    given(started(), renewed()).when(submitted(), NOW).then_nothing()
    given(started(), lapsed(date(2027, 1, 1))).when(submitted(), NOW).then_nothing()


# All of it

DAY = before(7)
AFTER = date(2027, 1, 1)
STATES: dict[type, tuple[Event, ...]] = {
    NotStarted: (),
    Renewal: (REQUESTED, of_renewal(FROM, UNTIL)),
    Running: (started(),),
    Lapsed: (started(), lapsed(AFTER)),
}
"""A history that leads to each state."""
MESSAGES = {
    RequestSubmitted: submitted(),
    Activated: activated(),
    ConsiderService: on(DAY),
    ProlongService: prolong(renewal=THIRD),
    RefuseRenewal: refuse(),
    ScheduleRenewal: schedule(),
    CancelRenewal: CANCEL,
}
DECIDED: dict[tuple[type, type], Any] = {
    (NotStarted, RequestSubmitted): [REQUESTED],
    (NotStarted, Activated): [started()],
    (NotStarted, ConsiderService): "no-service",
    (NotStarted, ProlongService): [refused(decider.NOT_STARTED, THIRD)],
    (NotStarted, RefuseRenewal): "no-service",
    (NotStarted, ScheduleRenewal): "no-service",
    (NotStarted, CancelRenewal): "no-service",
    (Renewal, RequestSubmitted): [],
    (Renewal, Activated): [],
    (Renewal, ConsiderService): [],
    (Renewal, ProlongService): [refused(decider.A_RENEWAL, THIRD, OTHER)],
    (Renewal, RefuseRenewal): [started()],
    (Renewal, ScheduleRenewal): [],
    (Renewal, CancelRenewal): [],
    (Running, RequestSubmitted): [REQUESTED, of_renewal(FROM, UNTIL)],
    (Running, Activated): [],
    (Running, ConsiderService): [reminder(DAY, 7)],
    (Running, ProlongService): [renewed(renewal=THIRD)],
    (Running, RefuseRenewal): [],
    (Running, ScheduleRenewal): [SCHEDULED],
    (Running, CancelRenewal): [],
    (Lapsed, RequestSubmitted): [],
    (Lapsed, Activated): [],
    (Lapsed, ConsiderService): [],
    (Lapsed, ProlongService): [renewed(renewal=THIRD)],
    (Lapsed, RefuseRenewal): [],
    (Lapsed, ScheduleRenewal): [SCHEDULED],
    (Lapsed, CancelRenewal): [],
}
EVENTS: dict[type[Event], Event] = {
    ServiceStarted: started(),
    ReminderDue: reminder(DAY, 7),
    ServiceLapsed: lapsed(AFTER),
    RenewalRequested: REQUESTED,
    RenewalActivated: of_renewal(),
    RenewalRefused: refused(decider.OTHER_NUMBER),
    ServiceRenewed: renewed(),
    RenewalScheduled: SCHEDULED,
    RenewalCancelled: CANCELLED,
}
FOLLOWS = {
    (NotStarted, ServiceStarted): Running,
    (NotStarted, RenewalRequested): Renewal,
    (NotStarted, RenewalRefused): NotStarted,
    (Renewal, ServiceStarted): Running,
    (Renewal, RenewalActivated): Renewal,
    (Renewal, RenewalRefused): Renewal,
    (Running, ReminderDue): Running,
    (Running, ServiceLapsed): Lapsed,
    (Running, RenewalRequested): Renewal,
    (Running, RenewalRefused): Running,
    (Running, ServiceRenewed): Running,
    (Running, RenewalScheduled): Running,
    (Running, RenewalCancelled): Running,
    (Lapsed, RenewalRefused): Lapsed,
    (Lapsed, ServiceRenewed): Running,
    (Lapsed, RenewalScheduled): Lapsed,
    (Lapsed, RenewalCancelled): Lapsed,
}
"""What may follow a state, and where it leads; everything else raises."""


def lived(state: type) -> State:
    """That state, after its history."""
    known = decider.INITIAL
    for event in STATES[state]:
        known = decider.evolve(known, event)
    assert type(known) is state
    return known


def test_every_pair_of_state_and_message_is_decided_on_purpose() -> None:
    """The pairs are those of the code: a new state, or a type that the stage begins to take, is missing here."""
    taken = {message for feed in inputs() for message in feed.takes}
    assert taken == set(get_args(decider.Message))
    assert set(product(get_args(State), taken)) == DECIDED.keys()
    for (state, message), expected in DECIDED.items():
        decision = decider.decide(lived(state), MESSAGES[message], facts(DAY))  # type: ignore[arg-type]
        decided = decision.code if isinstance(decision, Unacceptable) else list(decision)
        assert decided == expected, (state, message)


def test_requests_that_renew_nothing_are_written_as_the_version_that_is_not_read_here() -> None:
    feed = next(each for each in inputs() if RequestSubmitted in each.takes)
    assert {spoken(submitted(None))[0]} == feed.silent
    assert spoken(submitted(OTHER))[0] not in feed.silent


def test_a_renewal_that_is_not_activated_has_asked_nobody() -> None:
    given(REQUESTED).when(refuse(), NOW).then_unacceptable("no-service")


@pytest.mark.parametrize(("state", "event"), list(product(get_args(State), RENEWAL_EVENTS.carries)))
def test_every_pair_of_state_and_event_is_lived_through_or_refused(state: type, event: type[Event]) -> None:
    if (state, event) in FOLLOWS:
        assert type(decider.evolve(lived(state), EVENTS[event])) is FOLLOWS[state, event]
    else:
        with pytest.raises(ValueError, match="can't follow"):
            decider.evolve(lived(state), EVENTS[event])


DAYS = st.integers(-400, 30).map(lambda days: UNTIL + timedelta(days=days))


@for_all(st.lists(DAYS, max_size=40))
def test_in_whatever_order_days_come_each_step_is_told_once_and_nothing_after_the_end(days: list[date]) -> None:
    state, told = decider.evolve(decider.INITIAL, started()), list[Event]()
    for day in days:
        decision = decider.decide(state, on(day), facts(max(days)))
        assert not isinstance(decision, Unacceptable)
        for event in decision:
            told.append(event)
            state = decider.evolve(state, event)
    steps = [event.days_before for event in told if isinstance(event, ReminderDue)]
    assert steps == sorted(set(steps), reverse=True)
    assert [isinstance(event, ServiceLapsed) for event in told[:-1]].count(True) == 0
    assert (bool(days) and max(days) > UNTIL) == any(isinstance(event, ServiceLapsed) for event in told)


@for_all(
    st.dates(date(2020, 1, 1), date(2040, 1, 1)),
    st.integers(1, 36),
    st.lists(st.integers(1, 120), max_size=6),
    st.integers(1, 20),
)
def test_days_told_without_a_gap_give_every_step_on_its_own_day(
    first: date, months: int, ladder: list[int], gap: int
) -> None:
    """And with gaps the nearest one, as counted plainly here, day by day."""
    until, told = last_day(first, months), dict[date, int]()
    term, plain = Term(until, first), dict[date, int]()
    wanted = [step for step in set(ladder) if until - timedelta(days=step) > first]
    for number in range(0, (until - first).days + 1, gap):
        day = first + timedelta(days=number)
        step = step_due(term, day, ladder)
        assert is_due(term, day, ladder) == (step is not None)
        if step is not None:
            told[day], term = step, Term(until, first, step)
        passed = [each for each in wanted if until - timedelta(days=each) <= day]
        if passed and (not plain or min(passed) < min(plain.values())):
            plain[day] = min(passed)
    assert told == plain
