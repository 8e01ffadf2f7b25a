"""Time as a process could use it: what it spent waiting for a processor does not count.

A service from which the processor is taken does not hang, however long it takes, and a restart would only make it
begin again. Linux says of each thread how long it was ready to run and had no processor; where it doesn't (another
system, a kernel without these figures), all time counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

THREADS = Path("/proc/self/task")


def processor_waits() -> dict[str, float]:
    """Thread → seconds for which it has waited for a processor, since it began."""
    found = {}
    for thread in os.listdir(THREADS) if THREADS.exists() else ():
        try:
            with open(f"{THREADS}/{thread}/schedstat", "rb", buffering=0) as file:
                _, waited, _ = file.read().split()
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        found[thread] = int(waited) / 1e9
    return found


class UsableTime:
    """Seconds of a monotonic clock, without those in which this process had to wait. `look` often: between two looks
    the thread that waited longest is what the process waited."""

    def __init__(self, waits: Callable[[], Mapping[str, float]] = processor_waits) -> None:
        self._waits = waits
        self._looked, self._waited = time.monotonic(), waits()
        self._lost = 0.0

    def look(self) -> None:
        """Take off what was spent waiting since the last look."""
        now, waited = time.monotonic(), self._waits()
        longest = max((value - self._waited.get(thread, 0.0) for thread, value in waited.items()), default=0.0)
        self._lost += min(max(0.0, longest), now - self._looked)
        self._looked, self._waited = now, waited

    def now(self) -> float:
        """The time of the last look and what has passed since."""
        return time.monotonic() - self._lost
