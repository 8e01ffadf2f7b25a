"""Actors: pieces of the product's own code that run until they reach for a server, and stand there until the scheduler
lets them go on. An actor is a greenlet; what it does between two servers nobody else can see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process of this actor has ended by force."""


class Violation(AssertionError):
    """An invariant does not hold."""


class Actor(greenlet):
    """One thread of a process. `ready`: whether going on leads anywhere; None: it does."""

    def __init__(
        self, name: str, process: Any, hub: greenlet, work: Callable[[], None], ended: Callable[[BaseException], None]
    ) -> None:
        """`hub` is where others are chosen from; `ended` is called with what `work` has raised."""
        super().__init__(self._run, hub)
        self.name, self.process = name, process
        self.session: Any = None
        """Its own session of PostgreSQL, if it has opened one."""
        self.killed = False
        self.ready: Callable[[], bool] | None = None
        self._work, self._ended = work, ended

    def _run(self) -> None:
        try:
            self._work()
        except Killed:
            return
        except Exception as error:
            self._ended(error)

    def kill(self) -> None:
        """Let it end where it stands."""
        self.killed = True
        if self:  # has begun, and has not ended
            self.throw(Killed())
        # It may be known for longer, as who wrote a record, and must not keep its world.
        self.process = self.session = self.ready = None
        del self._work, self._ended


def pause(ready: Callable[[], bool] | None = None) -> None:
    """Let others go first. Outside of actors nothing happens."""
    me = getcurrent()
    if not isinstance(me, Actor):
        return
    if me.killed:
        raise Killed
    me.ready = ready
    me.parent.switch()
    if me.killed:
        raise Killed


class Clock:
    """Seconds that pass by steps alone."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Wakeup:
    """An event of `threading`, by that clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._set = clock, False

    def set(self) -> None:
        self._set = True

    def clear(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> bool:
        until = self._clock.now + seconds
        pause(lambda: self._set or self._clock.now >= until)
        return self._set
