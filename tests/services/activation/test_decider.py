"""Activation: registration number and 1C:ITS contract count here; a refusal can be tried again (L2, L19)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.activation import Activated, ActivationHeld, ActivationRefused, Activator, DeliveryRegistered
from events.commands import ActivateDelivery
from events.model import Channel
from events.reference import Contract
from events.shipping import Kit, ShipmentIssued
from postavka.domain.periods import last_day
from postavka.kernel.testing.specification import Specification
from services.activation import decider
from services.activation.decider import (
    MOST_HELD,
    MOST_WRONG_CODES,
    REMEMBERED_TRIES,
    Facts,
    registration_to_look_up,
)
from tests.services.histories import CLIENT, PRODUCT, TODAY, again, merged, run

given = Specification(decider).given

REQUEST = UUID("0190f3a0-0000-7000-8000-000000000001")
NUMBER = "12345678"
CODE = "ABCD-EFGH-JKLM-NPQR"
CONTRACT = Contract(number="ITS-1", valid_from=date(2026, 1, 1), valid_until=date(2026, 12, 31))
ACTIVE = Facts(TODAY, registration_known=True, contract=CONTRACT)
NOTHING_LOOKED_UP = Facts(TODAY)

SHIPPED = ShipmentIssued(
    channel=Channel.DIRECT,
    partner_id="p-1",
    distributor_id=None,
    kit=Kit(number="157964077793", code=CODE, name=PRODUCT.name),
    product=PRODUCT,
    client=CLIENT,
    registration_number=NUMBER,
    shipped_on=TODAY,
)
REGISTERED = DeliveryRegistered(
    partner_id="p-1",
    registration_number=NUMBER,
    kit_number="157964077793",
    code=CODE,
    product_id=PRODUCT.id,
    months=PRODUCT.months,
)


def by_partner(number: str = "a-1", partner: str | None = "p-1") -> ActivateDelivery:
    """The partner activates for the user."""
    return ActivateDelivery(
        request_id=REQUEST, activation_id=number, activated_by=Activator.PARTNER, actor="ivanova", partner_id=partner
    )


def by_user(number: str = "a-1", code: str | None = CODE) -> ActivateDelivery:
    """The user activates with the code of the kit."""
    return ActivateDelivery(
        request_id=REQUEST, activation_id=number, activated_by=Activator.USER, actor="petrov", code=code
    )


def held(asked: ActivateDelivery) -> ActivationHeld:
    return ActivationHeld(**asked.model_dump(exclude={"request_id"}))


def activated(asked: ActivateDelivery, contract: Contract = CONTRACT) -> Activated:
    return Activated(
        activation_id=asked.activation_id,
        activated_by=asked.activated_by,
        actor=asked.actor,
        registration_number=NUMBER,
        contract=contract,
        service_from=TODAY,
        service_until=date(2027, 2, 28),
    )


def refused(asked: ActivateDelivery, code: str) -> ActivationRefused:
    """With the sentence that belongs to the code."""
    reason = {
        "not-shipped": decider.NOT_SHIPPED,
        "wrong-code": decider.WRONG_CODE,
        "too-many-attempts": decider.TOO_MANY_CODES,
        "already-activated": decider.ALREADY_ACTIVE,
    }[code]
    return ActivationRefused(
        activation_id=asked.activation_id, activated_by=asked.activated_by, actor=asked.actor, reason=reason
    )


def refusal(decision: Any) -> str:
    """The code of the only event, a refusal."""
    (event,) = decision
    assert isinstance(event, ActivationRefused), event
    assert event.reason.message
    return event.reason.code


# A delivery becomes known


def test_a_shipment_makes_a_delivery_that_can_be_activated():
    given().when(SHIPPED, NOTHING_LOOKED_UP).then(REGISTERED)


def test_a_shipment_told_twice_is_registered_once():
    given(REGISTERED).when(SHIPPED, NOTHING_LOOKED_UP).then_nothing()
    given(REGISTERED, activated(by_partner())).when(SHIPPED, NOTHING_LOOKED_UP).then_nothing()


# Activation


@pytest.mark.parametrize("asked", [by_partner(), by_user()], ids=["partner", "user"])
def test_the_partner_or_the_user_activates(asked: ActivateDelivery):  # L19
    given(REGISTERED).when(asked, ACTIVE).then(activated(asked))


@pytest.mark.parametrize("typed", ["abcd-efgh-jklm-npqr", "ABCDEFGHJKLMNPQR", " abcd efgh jklm npqr "])
def test_a_code_is_taken_as_people_type_it(typed: str):
    given(REGISTERED).when(by_user(code=typed), ACTIVE).then(activated(by_user()))


def test_the_service_runs_for_its_months_from_today():
    (event,) = given(REGISTERED).when(by_partner(), ACTIVE).decision
    assert (event.service_from, event.service_until) == (date(2026, 3, 1), date(2027, 2, 28))


@pytest.mark.parametrize(
    ("first", "months", "last"),
    [
        (date(2026, 3, 1), 12, date(2027, 2, 28)),
        (date(2027, 3, 1), 12, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2026, 12, 15), 1, date(2027, 1, 14)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
    ],
)
def test_the_last_day_of_a_period(first: date, months: int, last: date):
    assert last_day(first, months) == last


@for_all(st.dates(date(2020, 1, 1), date(2099, 1, 1)), st.integers(1, 120))
def test_a_period_is_as_long_as_its_months(first: date, months: int):
    days = (last_day(first, months) - first).days + 1
    assert months * 28 <= days <= months * 31
    assert abs(days - months * 30.44) < 4


# What is in the way (L2): here, and only here


def test_a_registration_number_that_nobody_knows():
    assert refusal(given(REGISTERED).when(by_partner(), Facts(TODAY)).decision) == "unknown-registration"


def test_no_contract():
    facts = Facts(TODAY, registration_known=True)
    assert refusal(given(REGISTERED).when(by_user(), facts).decision) == "no-contract"


@pytest.mark.parametrize(
    ("day", "runs"),
    [
        (date(2025, 12, 31), False),
        (date(2026, 1, 1), True),
        (date(2026, 12, 31), True),
        (date(2027, 1, 1), False),
    ],
)
def test_a_contract_counts_on_its_first_and_last_day_and_not_beside_them(day: date, runs: bool):
    decision = given(REGISTERED).when(by_partner(), Facts(day, True, CONTRACT)).decision
    assert isinstance(decision[0], Activated) if runs else refusal(decision) == "contract-not-active"


def test_after_a_refusal_it_can_be_tried_again_when_what_was_missing_is_there():
    first = given(REGISTERED).when(by_partner("a-1"), Facts(TODAY, registration_known=True)).decision
    given(REGISTERED, *first).when(by_partner("a-2"), ACTIVE).then(activated(by_partner("a-2")))


def test_the_same_try_again_gives_nothing_even_if_it_could_succeed_now():
    first = given(REGISTERED).when(by_partner("a-1"), Facts(TODAY)).decision
    given(REGISTERED, *first).when(by_partner("a-1"), ACTIVE).then_nothing()


# Who may


def test_another_partner_learns_only_that_there_is_nothing_for_it():
    stranger = by_partner(partner="p-2")
    given(REGISTERED).when(stranger, ACTIVE).then(refused(stranger, "not-shipped"))
    given(REGISTERED, activated(by_partner("a-0"))).when(stranger, ACTIVE).then(refused(stranger, "not-shipped"))
    nobody = by_partner(partner=None)
    given(REGISTERED).when(nobody, ACTIVE).then(refused(nobody, "not-shipped"))


@pytest.mark.parametrize("code", [None, "-", "ABCD-EFGH-JKLM-NPQS", "ABCD"])
def test_a_wrong_code(code: str | None):
    asked = by_user(code=code)
    given(REGISTERED).when(asked, ACTIVE).then(refused(asked, "wrong-code"))
    given(REGISTERED, activated(by_partner("a-0"))).when(asked, ACTIVE).then(refused(asked, "wrong-code"))


def test_a_code_of_hyphens_only_is_nobodys():
    nameless = REGISTERED.model_copy(update={"code": "--"})
    given(nameless).when(by_user(code="--"), ACTIVE).then(refused(by_user(code="--"), "wrong-code"))


def wrong(count: int, start: int = 0) -> list[ActivationRefused]:
    return [refused(by_user(f"w-{start + each}", "WRONG"), "wrong-code") for each in range(count)]


def test_after_so_many_wrong_codes_even_the_right_one_is_not_taken_but_the_partner_can():
    last = by_user("a-1")
    given(REGISTERED, *wrong(MOST_WRONG_CODES - 1)).when(last, ACTIVE).then(activated(last))
    given(REGISTERED, *wrong(MOST_WRONG_CODES)).when(last, ACTIVE).then(refused(last, "too-many-attempts"))
    closed = [*wrong(MOST_WRONG_CODES), refused(last, "too-many-attempts")]
    given(REGISTERED, *closed).when(by_user("a-2"), ACTIVE).then(refused(by_user("a-2"), "too-many-attempts"))
    given(REGISTERED, *closed).when(by_partner("a-3"), ACTIVE).then(activated(by_partner("a-3")))


def test_wrong_codes_count_in_a_row():
    no_contract = given(REGISTERED).when(by_user("n-1"), Facts(TODAY, registration_known=True)).decision
    history = [*wrong(MOST_WRONG_CODES - 1), *no_contract, *wrong(MOST_WRONG_CODES - 1, start=50)]
    given(REGISTERED, *history).when(by_user("a-1"), ACTIVE).then(activated(by_user("a-1")))


def test_a_partners_refusal_does_not_open_the_door_to_guessing_again():
    no_contract = given(REGISTERED).when(by_partner("n-1"), Facts(TODAY, registration_known=True)).decision
    history = [*wrong(MOST_WRONG_CODES), *no_contract]
    given(REGISTERED, *history).when(by_user("a-1"), ACTIVE).then(refused(by_user("a-1"), "too-many-attempts"))


def test_what_is_active_is_not_activated_again():
    for asked in (by_partner("a-2"), by_user("a-2")):
        given(REGISTERED, activated(by_partner())).when(asked, ACTIVE).then(refused(asked, "already-activated"))
    given(REGISTERED, activated(by_partner())).when(by_partner(), ACTIVE).then_nothing()


# Before the shipment


def test_an_activation_before_the_shipment_is_held():
    for asked in (by_partner(), by_user()):
        given().when(asked, NOTHING_LOOKED_UP).then(held(asked))
        given(held(asked)).when(asked, NOTHING_LOOKED_UP).then_nothing()


def test_what_was_held_is_taken_up_with_the_shipment_in_the_order_it_came():
    stranger, user, partner = by_partner("a-1", "p-2"), by_user("a-2"), by_partner("a-3")
    given(held(stranger), held(user), held(partner)).when(SHIPPED, ACTIVE).then(
        REGISTERED, refused(stranger, "not-shipped"), activated(user), refused(partner, "already-activated")
    )


def test_what_was_held_is_refused_when_the_contract_is_missing_and_can_be_tried_again():
    decision = given(held(by_user())).when(SHIPPED, Facts(TODAY, registration_known=True)).decision
    assert [event.TYPE for event in decision] == [REGISTERED.TYPE, ActivationRefused.TYPE]
    given(held(by_user()), *decision).when(by_user("a-2"), ACTIVE).then(activated(by_user("a-2")))


def test_more_than_so_many_are_not_held():
    full = [held(by_partner(f"h-{each}")) for each in range(MOST_HELD)]
    asked = by_partner("a-1")
    given(*full[1:]).when(asked, NOTHING_LOOKED_UP).then(held(asked))
    too_many = refused(asked, "not-shipped")
    given(*full).when(asked, NOTHING_LOOKED_UP).then(too_many)
    given(*full, too_many).when(asked, NOTHING_LOOKED_UP).then_nothing()


def test_tries_are_remembered_up_to_a_bound():
    history = [refused(by_partner(f"t-{each}", "p-2"), "not-shipped") for each in range(REMEMBERED_TRIES)]
    given(REGISTERED, *history).when(by_partner("t-0", "p-2"), ACTIVE).then_nothing()
    assert len(given(REGISTERED, *history, *wrong(5)).state.tries) == REMEMBERED_TRIES


# What has to be looked up


def test_facts_are_asked_for_only_where_they_count():
    unknown, holding = given().state, given(held(by_user())).state
    ready, active = given(REGISTERED).state, given(REGISTERED, activated(by_partner())).state
    assert registration_to_look_up(unknown, by_user()) is None
    assert registration_to_look_up(unknown, SHIPPED) is None
    assert registration_to_look_up(holding, SHIPPED) == NUMBER
    assert registration_to_look_up(ready, by_user("a-2")) == NUMBER
    assert registration_to_look_up(ready, SHIPPED) is None
    assert registration_to_look_up(active, by_user("a-2")) is None


@pytest.mark.parametrize(
    "history",
    [
        (activated(by_user()),),
        (REGISTERED, REGISTERED),
        (REGISTERED, held(by_user())),
        (REGISTERED, activated(by_user()), activated(by_user())),
    ],
)
def test_a_history_that_can_not_be_is_refused(history: Any):
    with pytest.raises(ValueError, match="can't follow"):
        given(*history)


# Any order

WISHES = [by_partner("a-1"), by_user("a-2"), by_partner("a-3", "p-2"), by_user("a-4", "WRONG"), by_user("a-5")]


@for_all(merged([[SHIPPED], WISHES]), st.booleans())
def test_in_whatever_order_shipment_and_wishes_come_it_is_activated_once_and_every_wish_answered(
    history: list[Any], contract: bool
):
    facts = ACTIVE if contract else Facts(TODAY, registration_known=True)
    events, unacceptable = run(decider, history, facts)
    assert unacceptable == []
    answers = [each for each in events if isinstance(each, Activated | ActivationRefused)]
    assert sorted(each.activation_id for each in answers) == sorted(each.activation_id for each in WISHES)
    succeeded = [each.activation_id for each in answers if isinstance(each, Activated)]
    assert succeeded == (["a-1"] if contract else [])
    assert sum(isinstance(each, DeliveryRegistered) for each in events) == 1


@for_all(merged([[SHIPPED], WISHES]))
def test_told_twice_in_a_row_nothing_more_follows(history: list[Any]):
    assert again(decider, history, ACTIVE) == []


@for_all(st.lists(st.sampled_from(["WRONG", "WORSE", CODE]), max_size=30), st.integers(0, 40))
def test_no_number_of_tries_gets_past_a_missing_contract(codes: list[str], days: int):
    """Ended the day before the first of so many days."""
    over = Contract(number="ITS-1", valid_from=date(2025, 1, 1), valid_until=TODAY - timedelta(days=1))
    facts = Facts(TODAY + timedelta(days=days), True, over)
    events, _ = run(decider, [SHIPPED, *(by_user(f"u-{number}", code) for number, code in enumerate(codes))], facts)
    assert not any(isinstance(each, Activated) for each in events)
