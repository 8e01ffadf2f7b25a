"""The specification, the one form in which a decider's case is written down: given what has happened, when this message
comes, then that follows.

A decider is a module (here a class, to be short) with `INITIAL`, `decide(state, message, facts)` and
`evolve(state, event)`; without I/O, so that its cases need no server:

>>> from events.model import Command, Event, Unacceptable
>>> class Switched(Event):
...     TYPE = "Switched.v1"
...     on: bool
>>> class Switch(Command):
...     TYPE = "Switch.v1"
...     on: bool
>>> class decider:
...     INITIAL = False
...     @staticmethod
...     def decide(is_on, message, facts):
...         if message.on and facts == "power cut":
...             return Unacceptable("no-power", "there is no power")
...         return () if message.on == is_on else (Switched(on=message.on),)
...     @staticmethod
...     def evolve(is_on, event):
...         return event.on

>>> given = Specification(decider).given
>>> given().when(Switch(on=True)).then(Switched(on=True))
>>> given(Switched(on=True)).when(Switch(on=True)).then_nothing()
>>> given().when(Switch(on=True), "power cut").then_unacceptable("no-power")

What does not hold fails the test, and says what was decided:

>>> given().when(Switch(on=True)).then_nothing()
Traceback (most recent call last):
AssertionError: decided [Switched(on=True)] instead of []
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from events.model import Decision, Event, Unacceptable


class Decider(Protocol):
    """What a stage decides with: usually a module. It does no I/O."""

    INITIAL: Any
    """The state of a request of which nothing is known yet."""
    decide: Callable[[Any, Any, Any], Decision]
    """What follows from a message, given the state and the facts that the stage knows beside it."""
    evolve: Callable[[Any, Any], Any]
    """The state after one of the stage's own events."""


@dataclass(frozen=True, slots=True)
class Specification:
    """The cases of one decider."""

    decider: Decider

    def given(self, *events: Event) -> _Given:
        """The stage's own events of the request so far; none: nothing is known of it yet."""
        state = self.decider.INITIAL
        for event in events:
            state = self.decider.evolve(state, event)
        return _Given(self.decider, state)


@dataclass(frozen=True, slots=True)
class _Given:
    decider: Decider
    state: Any

    def when(self, message: Any, facts: Any = None) -> _Then:
        """The message arrives, and the stage knows `facts` beside it. Whatever is decided can be lived through: a
        decision that `evolve` does not take raises what `evolve` raises."""
        decision = self.decider.decide(self.state, message, facts)
        if not isinstance(decision, Unacceptable):
            state = self.state
            for event in decision:
                state = self.decider.evolve(state, event)
        return _Then(decision)


@dataclass(frozen=True, slots=True)
class _Then:
    decision: Decision

    def then(self, *events: Event) -> None:
        """Exactly these events follow, in this order."""
        self._expect(list(events))

    def then_nothing(self) -> None:
        """No event follows, and no complaint: it has been dealt with before, or there is nothing to do."""
        self._expect([])

    def then_unacceptable(self, code: str) -> None:
        """The message goes to the dead letters with this code."""
        decided = self.decision.code if isinstance(self.decision, Unacceptable) else self.decision
        if decided != code:
            raise AssertionError(f"decided {decided!r} instead of {code!r}")

    def _expect(self, events: list[Event]) -> None:
        decided = self.decision if isinstance(self.decision, Unacceptable) else list(self.decision)
        if decided != events:
            raise AssertionError(f"decided {decided!r} instead of {events!r}")
