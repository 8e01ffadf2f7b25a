"""Rates and times of a span: positions of moments found by halving, times from cause to effect."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from services.ops.history import positions_at
from services.ops.rates import BARS, cause_of, rates, times_of
from tests.services.ops.test_history import START, event, write


def moment(second: float):
    return START + timedelta(seconds=second)


def test_positions_of_many_moments_are_those_of_a_walk_through_all(database: str) -> None:
    seconds = [1, 1, 2, 5, 5, 5, 9, 30]
    write(database, "request", *(event(uuid4(), second, "RequestSubmitted.v1") for second in seconds))
    moments = [moment(each) for each in (0, 1, 1.5, 2, 5, 8, 9, 29, 30, 99)]
    with psycopg.connect(database) as connection:
        found = positions_at(connection, "request", moments)
        assert positions_at(connection, "approval", moments) == [1] * len(moments), "an empty store"
    assert found == [1 + sum(moment(each) <= until for each in seconds) for until in moments]


def test_rates_count_the_span_and_time_what_events_have_led_to(database: str) -> None:
    requests = [uuid4() for _ in range(4)]
    write(database, "request", *(event(each, n, "RequestSubmitted.v1") for n, each in enumerate(requests)))
    causes = [f"/postavka/request#{each}/1" for each in requests[:3]]
    write(
        database,
        "approval",
        *(event(each, n + 0.5 * (n + 1), "Approved.v1", causes[n]) for n, each in enumerate(requests[:3])),
        event(requests[3], 40, "Approved.v1", "kafka:commands.requests/1/2"),
    )
    with psycopg.connect(database) as connection:
        found = {each.stage: each for each in rates(connection, moment(-30), moment(30))}
    assert len(found["approval"].counts) == BARS
    assert (found["request"].events, found["approval"].events) == (4, 3)
    assert found["request"].times is None
    times = found["approval"].times
    assert times is not None
    assert (times.events, times.median, times.longest, times.longest_request) == (3, 1.0, 1.5, requests[2])
    assert found["shipping"].events == 0


@pytest.mark.parametrize("causation", ["kafka:a/1/2", "", "/postavka/request#nothing/1", "/postavka/request#"])
def test_what_is_no_events_id_has_no_cause(causation: str) -> None:
    assert cause_of(causation) is None


def test_clocks_that_differ_take_no_less_than_nothing() -> None:
    request = UUID(int=1)
    found = times_of([(-2.0, request), (4.0, request)])
    assert found is not None
    assert (found.median, found.longest) == (4.0, 4.0)
    assert times_of([]) is None
