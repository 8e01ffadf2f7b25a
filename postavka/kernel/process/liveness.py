"""Does anything in this process still move? If not, it ends, and its supervisor starts it anew.

The watchdogs of services ask servers how far things have come (`postavka.kernel.process.progress`). A question can
itself hang:
on a connection that was never closed and answers nothing (a load balancer that has forgotten it, a server that hangs).
So a thread that asks nobody looks at what must never stand for long: a start, a loop, a relay. Each says `beat` when it
has moved, with how long it may be silent; `rest` when it need not move any more.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from postavka.kernel.process import systemd
from postavka.kernel.process.logs import logger

log = logger(__name__)

LOOK_SECONDS = 1.0
STOPPED_SECONDS = 5.0
"""A look that comes so much later than it should: this very process was stopped, nothing in it could move."""
START_SECONDS = 600.0
"""From one step of a start to the next."""
SILENT_SECONDS = 120.0
"""What a loop may take at most for one turn: longer than any patience with a server that is within it. So long does a
connection that answers nothing and is never closed hold up a relay."""
QUESTION_SECONDS = 120.0
"""Four times the longest time-out of a question asked with `question`."""
START = "the start"


@dataclass(slots=True)
class Heartbeats:
    """Pure: who has beaten when, and who has been silent for too long. Times in seconds of a monotonic clock."""

    _due: dict[str, tuple[float, float]] = field(default_factory=dict)
    _looked: float | None = None

    def beat(self, name: str, now: float, within: float) -> None:
        """It has moved, and must again within so many seconds."""
        self._due[name] = (now + within, within)

    def rest(self, name: str) -> None:
        """It need not move any more."""
        self._due.pop(name, None)

    def silent(self, now: float) -> str | None:
        """Who has not beaten in time. After this process was stopped as a whole everybody has their time once more."""
        looked, self._looked = self._looked, now
        if looked is not None and now - looked > STOPPED_SECONDS:
            self._due = {name: (now + within, within) for name, (_, within) in list(self._due.items())}
        return next((name for name, (due, _) in list(self._due.items()) if now > due), None)


_pulse = Heartbeats()


def beat(name: str, within: float = SILENT_SECONDS) -> None:
    """Note, from any thread, a heartbeat: what is called `name` has moved."""
    _pulse.beat(name, time.monotonic(), within)


def rest(name: str) -> None:
    """Note, from any thread, that `name` need not move any more. When the start rests, systemd hears: ready."""
    _pulse.rest(name)
    if name == START:
        systemd.notify(systemd.READY)


@contextmanager
def question(what: str, within: float = QUESTION_SECONDS) -> Iterator[None]:
    """A question to a server whose own time-out is not to be trusted: that of librdkafka goes by the wall clock, and
    when somebody puts it back by a day the answer is waited for for a day."""
    name = f"{what} ({threading.get_ident()})"
    beat(name, within)
    try:
        yield
    finally:
        rest(name)


def watch(end: Callable[[int], object] = os._exit) -> None:
    """Begin to look, once a process; the start is under way. `end` is called with the exit status."""
    beat(START, START_SECONDS)
    threading.Thread(target=_watch, args=(end,), name="heart", daemon=True).start()


def _watch(end: Callable[[int], object]) -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        if (name := _pulse.silent(time.monotonic())) is not None:
            log.error("no progress: silent for too long, the process ends", what=name)
            end(1)
            return
        systemd.notify(systemd.ALIVE)
