"""States of requests: folded from the store, and the latest of them remembered.

What is remembered belongs to one worker alone and may be behind the store, which is the arbiter.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.registry import decode
from postavka.kernel.latest_used import LatestUsed
from postavka.kernel.stage.definition import Stage
from postavka.kernel.store.recorder import EventRecorder, RecordedEvent


@dataclass(slots=True)
class RequestState:
    """A decider's state with the version and clock of its last event."""

    state: Any
    version: int = 0
    clock: int = 0


class RequestStates:
    """The states of one stage's requests; `size` of them are remembered."""

    def __init__(self, stage: Stage, recorder: EventRecorder, size: int) -> None:
        self._stage = stage
        self._recorder = recorder
        self._remembered = LatestUsed[UUID, RequestState](size)

    def read(
        self, subjects: Iterable[UUID], fresh: bool = False, new: Container[UUID] = ()
    ) -> dict[UUID, RequestState]:
        """State of these requests, from memory or the store; `fresh` reads the store, which is not asked of those
        that are `new`."""
        wanted = set(subjects)
        found: dict[UUID, RequestState] = {}
        if not fresh:
            for subject in wanted:
                known = self._remembered.get(subject)
                if known is not None:
                    self._remembered.move_to_end(subject)
                    found[subject] = RequestState(known.state, known.version, known.clock)
        missing = set()
        for subject in wanted - found.keys():
            if subject in new:
                found[subject] = RequestState(self._stage.initial)
            else:
                missing.add(subject)
        if missing:
            stored = self._recorder.load(missing)
            for subject in missing:
                found[subject] = self.fold(stored.get(subject, ()))
        return found

    def __contains__(self, subject: UUID) -> bool:
        return subject in self._remembered

    def fold(self, stored: Iterable[RecordedEvent]) -> RequestState:
        """The state that these events of one request lead to."""
        folded = RequestState(self._stage.initial)
        for event in stored:
            folded.state = self._stage.evolve(folded.state, decode(event.type, event.body))
            folded.version = event.version
            folded.clock = event.clock
        return folded

    def remember(self, states: Mapping[UUID, RequestState]) -> None:
        """Keep these states; the least recently used make room."""
        self._remembered.keep(states)

    def forget(self) -> None:
        """Remember none any more: another worker may have written since."""
        self._remembered.clear()
