"""The hybrid logical clock goes forward, and is later than what was seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from postavka.kernel.clock import COUNTER_BITS, Clock, wall_time


@given(st.lists(st.tuples(st.integers(0, 2**46), st.lists(st.integers(0, 2**62), max_size=3)), min_size=1))
def test_a_clock_goes_forward_and_is_later_than_what_was_seen(steps: list[tuple[int, list[int]]]) -> None:
    walls = iter([wall for wall, _ in steps])
    clock = Clock(lambda: next(walls))
    last = 0
    for wall, seen in steps:
        reading = clock.tick(*seen)
        assert reading > last
        assert all(reading > each for each in seen)
        assert reading >= wall << COUNTER_BITS
        assert reading == max([wall << COUNTER_BITS, last + 1, *(each + 1 for each in seen)]), (
            "and no later than needed"
        )
        last = reading


@given(st.integers(0, 2**40))
def test_a_reading_tells_the_wall_clock(milliseconds: int) -> None:
    reading = Clock(lambda: milliseconds).tick()
    assert wall_time(reading) == datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_a_chain_of_causes_over_machines_with_wrong_clocks_sorts_in_order() -> None:
    machines = [Clock(lambda: 5_000), Clock(lambda: 10), Clock(lambda: 90_000), Clock(lambda: 1)]
    chain = [0]
    for number in range(40):
        chain.append(machines[number % 4].tick(chain[-1]))
    assert chain == sorted(set(chain))


def test_a_clock_reads_the_time_of_day() -> None:
    before = datetime.now(UTC)
    reading = wall_time(Clock().tick())
    assert before - timedelta(milliseconds=1) <= reading <= datetime.now(UTC)
