"""Hybrid logical clock: one 64-bit number, milliseconds since 1970 in the upper 48 bits, a counter in the lower 16.

It follows the wall clock, never goes back in one process, and is always later than what was seen: an event's clock is
later than its cause's, whatever the wall clocks of two machines say. Sorting events by it gives a causal order.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

COUNTER_BITS = 16


class Clock:
    """The hybrid logical clock of one process; not safe for use by several threads at once."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._last = 0

    def tick(self, *seen: int) -> int:
        """The next reading of the clock: later than every earlier one and than all of `seen`."""
        self._last = max(self._now_ms() << COUNTER_BITS, self._last + 1, max(seen, default=0) + 1)
        return self._last


def wall_time(clock: int) -> datetime:
    """The wall-clock part of a reading, UTC, to the millisecond."""
    return datetime.fromtimestamp((clock >> COUNTER_BITS) / 1000, UTC)
