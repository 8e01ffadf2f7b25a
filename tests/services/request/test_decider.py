"""Request: sent once however often it is told, taken back by nobody but its partner (L11, L20)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.commands import SubmitRequest, WithdrawRequest
from events.request import PROCEDURE, REQUEST_TYPE, RequestSubmitted, RequestWithdrawn
from postavka.kernel.testing.specification import Specification
from services.request import decider

REQUEST = UUID("0190f3a0-0000-7000-8000-000000000001")
given = Specification(decider).given


def submit(**changes: Any) -> SubmitRequest:
    """A partner presses «Отправить»."""
    fields: dict[str, Any] = {
        "request_id": REQUEST,
        "partner_id": "p-1",
        "submitted_by": "ivanova",
        "request_type": REQUEST_TYPE,
        "contact_id": "c-1",
        "distributor_id": "d-1",
        "base_delivery_id": "upp-13",
        "registration_number": "12345678",
        "product_id": "its-12",
        "inn": "7707083893",
        "buyer": "АО «Завод»",
        "kpp": "773601001",
        "comment": "срочно",
        "client_email": "buh@zavod.example",
        "client_phone": "+7 495 000-00-00",
    }
    return SubmitRequest(**fields | changes)


def submitted(**changes: Any) -> RequestSubmitted:
    """What is recorded of it: every field as it was typed, and the procedure in force."""
    return RequestSubmitted(procedure=PROCEDURE, **submit(**changes).model_dump(exclude={"request_id"}))


def withdraw(partner: str = "p-1", reason: str | None = None) -> WithdrawRequest:
    return WithdrawRequest(request_id=REQUEST, partner_id=partner, withdrawn_by="ivanova", reason=reason)


WITHDRAWN = RequestWithdrawn(withdrawn_by="ivanova")


def test_what_was_sent_is_recorded_as_typed_with_the_procedure_in_force():  # L11, L20
    given().when(submit()).then(submitted())
    assert submitted().procedure == "its-electronic-2020"


def test_nothing_but_the_partner_is_required():  # L12: approval says what is missing (L13)
    bare = SubmitRequest(request_id=REQUEST, partner_id="p-1", submitted_by="ivanova")
    decision = given().when(bare).decision
    assert [event.TYPE for event in decision] == [RequestSubmitted.TYPE]


def test_blanks_and_mistakes_are_kept_as_typed():
    given().when(submit(inn=" 77 ", buyer="")).then(submitted(inn=" 77 ", buyer=""))


def test_a_double_click_makes_one_request():  # L11
    given(submitted()).when(submit()).then_nothing()


def test_told_again_after_it_was_taken_back_it_stays_taken_back():
    given(submitted(), WITHDRAWN).when(submit()).then_nothing()


@pytest.mark.parametrize(
    "changes", [{name: "другое"} for name in submit().model_dump() if name not in ("request_id", "request_type")]
)
def test_an_id_used_again_for_other_content_is_not_taken(changes: dict[str, str]):
    given(submitted()).when(submit(**changes)).then_unacceptable("request-id-reused")
    given(submitted(), WITHDRAWN).when(submit(**changes)).then_unacceptable("request-id-reused")


def test_its_partner_takes_it_back_with_a_reason_or_without():
    given(submitted()).when(withdraw()).then(WITHDRAWN)
    given(submitted()).when(withdraw(reason="передумали")).then(
        RequestWithdrawn(withdrawn_by="ivanova", reason="передумали")
    )


def test_taken_back_twice_is_once():
    given(submitted(), WITHDRAWN).when(withdraw()).then_nothing()
    given(submitted(), WITHDRAWN).when(withdraw(reason="и ещё раз")).then_nothing()


def test_a_stranger_learns_nothing_about_a_request():
    """The same answer whether the request exists, is taken back, or never was."""
    answers = [
        given().when(withdraw()),
        given(submitted()).when(withdraw("p-2")),
        given(submitted(), WITHDRAWN).when(withdraw("p-2")),
    ]
    for answer in answers:
        answer.then_unacceptable("no-such-request")
    assert len({answer.decision for answer in answers}) == 1


@pytest.mark.parametrize(
    ("before", "event"), [((), WITHDRAWN), ((submitted(),), submitted()), ((submitted(), WITHDRAWN), WITHDRAWN)]
)
def test_a_history_that_can_not_be_is_refused(before: Any, event: Any):
    with pytest.raises(ValueError, match="can't follow"):
        given(*before, event)


COMMANDS = st.sampled_from([submit(), submit(comment="другое"), withdraw(), withdraw("p-2"), withdraw(reason="нет")])


@for_all(st.lists(COMMANDS, max_size=12))
def test_whatever_is_sent_in_whatever_order_there_is_one_request_and_at_most_one_withdrawal(commands: list[Any]):
    state, types, owner = decider.INITIAL, [], None
    for command in commands:
        decision = decider.decide(state, command, None)
        for event in decision if isinstance(decision, tuple) else ():
            owner = owner or event
            types.append(event.TYPE)
            state = decider.evolve(state, event)
    sent = [each for each in commands if isinstance(each, SubmitRequest)]
    assert types.count(RequestSubmitted.TYPE) == min(1, len(sent))
    own = [each for each in commands[commands.index(sent[0]) :] if isinstance(each, WithdrawRequest)] if sent else []
    assert types.count(RequestWithdrawn.TYPE) == min(1, sum(each.partner_id == "p-1" for each in own))
    assert owner is None or owner == decider._submitted(sent[0]), "the first one counts"
