"""The watchdog: who stands still is told, who waits for a turn is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postavka.kernel.process.progress import Progress


def test_lag_without_progress_for_longer_than_the_patience_is_told() -> None:
    progress = Progress(20.0)
    ends, handled = {("t", 3): 10}, {("t", 3): 4}
    assert progress.see(100.0, ends, handled) is None
    assert progress.see(120.0, ends, handled) is None
    told = progress.see(120.5, ends, handled)
    assert told is not None
    assert told.startswith("t/3 stands at offset 4 of 9")


def test_any_progress_begins_the_patience_anew() -> None:
    progress = Progress(20.0)
    for second in range(0, 300, 15):
        assert progress.see(float(second), {("t", 0): 1_000}, {("t", 0): second}) is None


def test_a_partition_that_caught_up_is_forgotten() -> None:
    progress = Progress(20.0)
    progress.see(0.0, {("t", 0): 10}, {("t", 0): 4})
    assert progress.see(10.0, {("t", 0): 10}, {("t", 0): 9}) is None
    assert progress.see(30.0, {("t", 0): 11}, {("t", 0): 9}) is None, "the lag is new"
    assert progress.see(51.0, {("t", 0): 11}, {("t", 0): 9}) is not None


def test_one_partition_that_stands_is_told_beside_others_that_go_on() -> None:
    progress = Progress(20.0)
    for second in (0, 10, 20):
        progress.see(float(second), {("t", 0): 1_000, ("t", 1): 5}, {("t", 0): second})
    told = progress.see(21.0, {("t", 0): 1_000, ("t", 1): 5}, {("t", 0): 21})
    assert told is not None
    assert told.startswith("t/1 stands at offset -1 of 4"), "nothing of it was ever handled"


def by_turns() -> Progress:
    return Progress(20.0, turns=10, many=500)


def test_with_much_to_read_one_may_wait_for_its_turn_while_others_go_on() -> None:
    progress = by_turns()
    ends = {("t", 0): 1_000, ("t", 1): 5}
    for second in range(0, 200, 10):
        assert progress.see(float(second), ends, {("t", 0): second, ("t", 1): 3}) is None
        assert progress.standstill(float(second)) == 0.0
    told = progress.see(200.5, ends, {("t", 0): 200, ("t", 1): 3})
    assert told is not None, "but not for ever"
    assert told.startswith("t/1")


def test_with_little_to_read_there_are_no_turns() -> None:
    progress = by_turns()
    ends = {("t", 0): 400, ("t", 1): 5}
    for second in (0, 10, 20):
        assert progress.see(float(second), ends, {("t", 0): second, ("t", 1): 3}) is None
    assert progress.standstill(20.0) == 20.0
    assert progress.see(20.5, ends, {("t", 0): 21, ("t", 1): 3}) is not None


def test_when_none_goes_on_turns_do_not_count() -> None:
    progress = by_turns()
    ends = {("t", 0): 1_000, ("t", 1): 5}
    assert progress.see(0.0, ends, {("t", 0): 1}) is None
    assert progress.see(20.5, ends, {("t", 0): 1}) is not None


def test_partitions_that_come_and_go_are_no_progress() -> None:
    progress = by_turns()
    ends = {("t", 0): 1_000, ("t", 1): 1_000}
    for second in (0, 5, 10, 15, 20):
        there = {("t", 0): 7} if second % 2 else {("t", 0): 7, ("t", 1): 7}
        assert progress.see(float(second), ends, there) is None
    assert progress.see(20.5, ends, {("t", 0): 7}) is not None


def test_time_while_a_server_was_away_does_not_count() -> None:
    progress = Progress(20.0)
    progress.see(0.0, {("t", 0): 10}, {})
    progress.forgive()
    assert progress.see(100.0, {("t", 0): 10}, {}) is None
    assert progress.see(121.0, {("t", 0): 10}, {}) is not None


def test_an_empty_partition_has_no_lag() -> None:
    progress = Progress(20.0)
    assert progress.see(0.0, {("t", 0): 0}, {}) is None
    assert progress.see(100.0, {("t", 0): 0}, {}) is None


@given(st.dictionaries(st.tuples(st.just("t"), st.integers(0, 11)), st.tuples(st.integers(0, 50), st.integers(-1, 49))))
def test_lag_is_what_is_not_handled(seen: dict[tuple[str, int], tuple[int, int]]) -> None:
    ends = {place: end for place, (end, _) in seen.items()}
    handled = {place: reached for place, (_, reached) in seen.items()}
    assert Progress.lag(ends, handled) == sum(len(range(reached + 1, end)) for end, reached in seen.values())
    assert Progress.lag(ends, {}) == sum(ends.values())
