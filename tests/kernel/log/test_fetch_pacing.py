"""How eagerly a consumer fetches: at once after a pause, and in turns while records flow."""

from __future__ import annotations

from typing import Any

import pytest

from postavka.kernel.log import fetch_pacing as module
from postavka.kernel.log.fetch_pacing import LONGEST_MS, SHORTEST_MS, Pace


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(module, "time", stopped)
    return stopped


class Fetcher:
    """Stands for aiokafka's: counts how often it was asked what to fetch."""

    def __init__(self) -> None:
        self.asked = 0
        self._records: dict[str, Any] = {}

    def _get_actions_per_node(self, assignment: Any) -> Any:
        self.asked += 1
        return ["a fetch"], {"a": "reset"}, 10.0, True, ["resumed"]


class Consumer:
    def __init__(self) -> None:
        self._fetcher = Fetcher()


def test_while_records_flow_nothing_is_asked_of_the_broker_before_its_time(clock: Clock):
    consumer, pace = Consumer(), Pace(60)
    pace.fetched(consumer, brought_records=True)
    requests, resets, timeout, invalid, resumed = consumer._fetcher._get_actions_per_node(None)
    assert (requests, resets, invalid, resumed) == ([], {}, False, [])
    assert timeout == pytest.approx(0.06)
    assert consumer._fetcher.asked == 0
    clock.now += 0.061
    assert consumer._fetcher._get_actions_per_node(None) == (["a fetch"], {"a": "reset"}, 10.0, True, ["resumed"])


def waits(consumer: Consumer, *assignments: object) -> list[int]:
    found = []
    for assignment in assignments:
        assert consumer._fetcher._get_actions_per_node(assignment)[0] == ["a fetch"]
        found.append(consumer._fetcher._fetch_max_wait_ms)  # type: ignore[attr-defined]
    return found


def test_after_a_fetch_that_brought_nothing_the_next_one_goes_out_at_once_and_lies_at_the_broker_for_longer():
    consumer, pace = Consumer(), Pace(10_000)
    pace.fetched(consumer, brought_records=False)
    assert waits(consumer, *["all"] * 5) == [SHORTEST_MS, 1_000, 2_000, LONGEST_MS, LONGEST_MS]
    assert consumer._fetcher._fetch_min_bytes == 1


def test_a_fetch_returns_soon_where_something_may_have_been_left_out_of_it(clock: Clock):
    consumer, pace = Consumer(), Pace(10)
    pace.fetched(consumer, brought_records=False)
    assert waits(consumer, *["all"] * 4)[-1] == LONGEST_MS
    pace.fetched(consumer, brought_records=True)
    clock.now += 1
    assert waits(consumer, "all", "all") == [SHORTEST_MS, 1_000]
    assert waits(consumer, "another assignment", "another assignment") == [SHORTEST_MS, 1_000]
    consumer._fetcher._records["a partition"] = "in hand"
    assert waits(consumer, "another assignment") == [SHORTEST_MS]


def test_a_long_batch_makes_the_next_wait_longer_up_to_a_bound():
    consumer, pace = Consumer(), Pace(10, 1_000, times=4)
    pace.handled(0.1)
    pace.fetched(consumer, brought_records=True)
    assert consumer._fetcher._get_actions_per_node(None)[2] == pytest.approx(0.4)
    pace.handled(60)
    pace.fetched(consumer, brought_records=True)
    assert consumer._fetcher._get_actions_per_node(None)[2] == pytest.approx(1.0)
