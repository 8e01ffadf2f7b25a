"""Given what has happened, when this message comes, then that follows: the one form of every decider's case."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from events.model import Event, Unacceptable


@dataclass(frozen=True, slots=True)
class Specification:
    """Cases of one decider: a module with `INITIAL`, `decide(state, message, facts)` and `evolve(state, event)`."""

    decider: ModuleType

    def given(self, *events: Event) -> _Given:
        """The stage's own events of the request so far; none: nothing is known of it yet."""
        state = self.decider.INITIAL
        for event in events:
            state = self.decider.evolve(state, event)
        return _Given(self.decider, state)


@dataclass(frozen=True, slots=True)
class _Given:
    decider: ModuleType
    state: Any

    def when(self, message: Any, facts: Any = None) -> _Then:
        """The message arrives, and the stage knows `facts` beside it."""
        decision = self.decider.decide(self.state, message, facts)
        if not isinstance(decision, Unacceptable):
            state = self.state
            for event in decision:
                state = self.decider.evolve(state, event)  # whatever is decided can be lived through
        return _Then(decision)


@dataclass(frozen=True, slots=True)
class _Then:
    decision: Any

    def then(self, *events: Event) -> None:
        """Exactly these events, in this order."""
        assert not isinstance(self.decision, Unacceptable), self.decision
        assert list(self.decision) == list(events)

    def then_nothing(self) -> None:
        """No event, and no complaint: it has been dealt with before, or there is nothing to do."""
        assert not isinstance(self.decision, Unacceptable), self.decision
        assert list(self.decision) == []

    def then_unacceptable(self, code: str) -> None:
        """It goes to the dead letters with this code."""
        assert isinstance(self.decision, Unacceptable), self.decision
        assert self.decision.code == code
