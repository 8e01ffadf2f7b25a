"""Events of many partitions in one order, that of their clocks: a cause before its effects."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from events.envelope import Envelope, EnvelopeError
from postavka.kernel.clock import COUNTER_BITS
from postavka.kernel.log.record import Record

Place = tuple[str, int]
Read = tuple[Record, Envelope]
LAST_CLOCK = 1 << 63
UNSORTED_MS = 10_000
"""Within a partition clocks rise nearly, since workers commit in another order than they decide: by less than this."""


def events_of(records: Iterable[Record]) -> Iterator[Read]:
    """Records with their envelopes; without those that are no events."""
    for record in records:
        try:
            yield record, Envelope.read(record.headers)
        except EnvelopeError:
            continue


def in_causal_order(batch: Iterable[Record]) -> list[Read]:
    """The events among these records, a cause before its effects."""
    return sorted(events_of(batch), key=lambda read: read[1].clock)


class OrderedEvents:
    """Holds events back until nothing can come that was before them."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, float, Read]] = []
        self._count = itertools.count()

    def add(self, read: Read, now: float = 0.0) -> None:
        """Take one in. `now`: when it came, in seconds of any clock."""
        heapq.heappush(self._heap, (read[1].clock, next(self._count), now, read))

    def up_to(self, clock: int) -> Iterator[Read]:
        """Give out those up to this clock, in order."""
        while self._heap and self._heap[0][0] <= clock:
            yield heapq.heappop(self._heap)[-1]

    def came_before(self, moment: float) -> Iterator[Read]:
        """Give out those that came before this moment, in order, and with them what came later and was earlier."""
        yield from self.up_to(max((clock for clock, _, came, _ in self._heap if came <= moment), default=-1))


def in_clock_order(
    batches: Iterable[Iterable[Record]], ends: Mapping[Place, int], wanted: Callable[[Envelope], bool]
) -> Iterator[Read]:
    """The wanted events of ranges, in order. `ends`: of those ranges that have records. What is held in memory is what
    one partition is behind another."""
    held = OrderedEvents()
    clocks = dict.fromkeys(ends, 0)
    for batch in batches:
        for record, envelope in events_of(batch):
            place = record.topic, record.partition
            clocks[place] = max(clocks[place], envelope.clock)
            if record.offset + 1 >= ends[place]:
                clocks[place] = LAST_CLOCK
            if wanted(envelope):
                held.add((record, envelope))
        yield from held.up_to(min(clocks.values(), default=0) - (UNSORTED_MS << COUNTER_BITS))
    yield from held.up_to(LAST_CLOCK)


def in_window(
    batches: Iterable[Iterable[Record]],
    seconds: float,
    wanted: Callable[[Envelope], bool],
    now: Callable[[], float] = time.monotonic,
) -> Iterator[Read]:
    """The wanted events as they come, each held back for so long that what was before it may still come. `batches`: an
    empty one now and then."""
    held = OrderedEvents()
    for batch in batches:
        came = now()
        for read in events_of(batch):
            if wanted(read[1]):
                held.add(read, came)
        yield from held.came_before(came - seconds)
