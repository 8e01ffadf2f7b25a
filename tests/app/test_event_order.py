"""The order of `postavka log tail`: that of the clocks, whatever partition an event lies in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from events.envelope import Envelope
from postavka.app.event_order import UNSORTED_MS, in_clock_order, in_window
from postavka.kernel.clock import COUNTER_BITS
from postavka.kernel.log.record import Record

MINUTE_MS = 60_000


def event(ms: int, partition: int, offset: int, type_name: str = "Approved.v3") -> Record:
    clock = ms << COUNTER_BITS
    headers = Envelope("x/1", "/postavka/approval", type_name, "x", datetime.now(UTC), clock).headers()
    return Record("approval.events", partition, offset, ms, b"x", b"{}", tuple(headers))


def times(read: Iterator[tuple[Record, Envelope]]) -> list[int]:
    return [envelope.clock >> COUNTER_BITS for _, envelope in read]


def everything(_: Envelope) -> bool:
    return True


def test_partitions_that_come_one_after_another_are_merged() -> None:
    late = [event(each * MINUTE_MS, 0, each) for each in range(1, 6)]
    early = [event(each * MINUTE_MS - 1, 1, each) for each in range(1, 6)]
    ends = {("approval.events", 0): 6, ("approval.events", 1): 6}
    found = times(in_clock_order([late[:3], early[:2], late[3:], early[2:]], ends, everything))
    assert found == sorted(found)
    assert len(found) == 10


def test_an_event_is_given_out_as_soon_as_none_can_stand_before_it() -> None:
    given: list[int] = []

    def batches() -> Iterator[list[Record]]:
        yield [event(MINUTE_MS, 0, 0)]
        yield [event(2 * MINUTE_MS, 1, 0)]
        given.append(len(found))
        yield [event(MINUTE_MS - UNSORTED_MS // 2, 0, 1)]  # a worker that was slow to commit

    found: list[int] = []
    ends = {("approval.events", 0): 3, ("approval.events", 1): 1}
    for _, envelope in in_clock_order(batches(), ends, everything):
        found.append(envelope.clock >> COUNTER_BITS)
    assert found == sorted(found)
    assert len(found) == 3


def test_what_ends_with_a_marker_comes_all_the_same() -> None:
    assert times(in_clock_order([[event(1, 0, 0)]], {("approval.events", 0): 2}, everything)) == [1]


def test_what_is_no_event_and_what_is_not_wanted_stays_out() -> None:
    noise = Record("approval.events", 0, 0, 0, None, b"?", ())
    batch = [noise, event(1, 0, 1), event(2, 0, 2, "Rejected.v1")]
    ends = {("approval.events", 0): 3}
    assert times(in_clock_order([batch], ends, lambda envelope: envelope.type == "Rejected.v1")) == [2]


def test_following_holds_an_event_back_for_the_window() -> None:
    seconds = iter([0.0, 1.9, 2.0, 2.1, 4.5])
    batches = [[event(10, 0, 0)], [event(5, 1, 0)], [], [event(20, 0, 1)], []]
    read = in_window(batches, 2.0, everything, lambda: next(seconds))
    assert times(read) == [5, 10, 20]
