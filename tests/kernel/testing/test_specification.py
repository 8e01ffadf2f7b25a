"""The form of a decider's cases: its own example runs, and what does not hold is told."""

from __future__ import annotations

import doctest

import pytest

from events.request import RequestWithdrawn
from postavka.kernel.testing import specification
from postavka.kernel.testing.specification import Specification
from services.request import decider
from tests.services.request.test_decider import WITHDRAWN, submit, submitted, withdraw

given = Specification(decider).given


def test_the_example_runs() -> None:
    done = doctest.testmod(specification)
    assert (done.failed, done.attempted > 5) == (0, True)


def test_other_events_than_those_that_follow_fail() -> None:
    for expected in ((), (WITHDRAWN, WITHDRAWN), (RequestWithdrawn(withdrawn_by="petrov"),)):
        with pytest.raises(AssertionError, match=r"RequestWithdrawn.* instead of"):
            given(submitted()).when(withdraw()).then(*expected)


def test_a_complaint_is_no_event_and_an_event_no_complaint() -> None:
    with pytest.raises(AssertionError, match=r"no-such-request.* instead of \[\]"):
        given().when(withdraw()).then_nothing()
    with pytest.raises(AssertionError, match="'no-such-request' instead of 'another'"):
        given().when(withdraw()).then_unacceptable("another")
    with pytest.raises(AssertionError, match=r"RequestSubmitted.* instead of 'another'"):
        given().when(submit()).then_unacceptable("another")


def test_a_history_that_can_not_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"RequestWithdrawn\.v1 can't follow"):
        given(WITHDRAWN)
