"""The store of a stage and the log in memory, for property tests that run whole stages thousands of times.

The store keeps what PostgreSQL's keeps: versions of a request, claimed values and marks, all of a batch or nothing.
`tests/kernel/store/test_recorder.py` holds the real one to the same promises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from events.envelope import Envelope
from events.model import Message
from events.registry import decode, encode
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.outbox.relay import envelope_of
from postavka.kernel.stage.definition import Input, Stage
from postavka.kernel.stage.runner import StageRunner
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import Batch, DeadLetter, RecordedEvent, TrackingConflict

NOON = datetime(2026, 3, 16, 12, 0, tzinfo=UTC)


class MemoryStore:
    """What `EventRecorder` promises a `StageRunner`."""

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []
        self.claims: dict[tuple[str, str], UUID] = {}
        self.dead_letters: list[DeadLetter] = []
        self._marks: dict[str, Checkpoint] = defaultdict(Checkpoint)
        self._versions: dict[UUID, list[RecordedEvent]] = defaultdict(list)

    def marks(self, names: Sequence[str]) -> dict[str, Checkpoint]:
        return {name: self._marks[name] for name in names}

    def load(self, originators: Iterable[UUID]) -> dict[UUID, list[RecordedEvent]]:
        return {each: list(self._versions[each]) for each in originators if each in self._versions}

    def find_claims(self, kind: str, values: Iterable[str]) -> dict[str, UUID]:
        return {value: self.claims[kind, value] for value in values if (kind, value) in self.claims}

    def highest_claim(self, kind: str, low: str, high: str) -> str | None:
        return max((value for known, value in self.claims if known == kind and low <= value < high), default=None)

    def refuse_again(self, letter: DeadLetter) -> None: ...

    def append(self, batch: Batch) -> int:
        before = len(self.events)
        if any(self._marks[name] != expected for name, (expected, _) in batch.moved.items()):
            raise TrackingConflict("another worker has moved a mark")
        claimed = [(claim.kind, claim.value) for claim in batch.claims]
        if len(set(claimed)) < len(claimed) or self.claims.keys() & set(claimed):
            raise IntegrityError(f"claimed already: {claimed}")
        known = {each: len(self._versions[each]) for each in {event.originator_id for event in batch.events}}
        for event in batch.events:
            known[event.originator_id] += 1
            if event.version != known[event.originator_id]:
                raise IntegrityError(f"{event.originator_id} has moved on")
        for position, event in enumerate(batch.events, before + 1):
            placed = event._replace(position=position)
            self.events.append(placed)
            self._versions[event.originator_id].append(placed)
        self.claims |= {(claim.kind, claim.value): claim.originator_id for claim in batch.claims}
        self.dead_letters += batch.dead_letters
        self._marks |= {name: after for name, (_, after) in batch.moved.items()}
        return before


@dataclass
class Log:
    """Topics of one partition each."""

    topics: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def send(self, topic: str, subject: str, message: Message) -> None:
        """What an outside sender writes."""
        number = len(self.topics[topic])
        self.write(topic, Envelope(f"{topic}-{number}", "/test", message.TYPE, subject, NOON), encode(message))

    def write(self, topic: str, envelope: Envelope, body: bytes) -> None:
        records = self.topics[topic]
        key, headers = envelope.subject.encode(), tuple(envelope.headers())
        records.append(Record(topic, 0, len(records), 0, key, body, headers))


class Worker:
    """A stage at work on the log: reads what it is told to, and publishes what it decides."""

    def __init__(self, stage: Stage, inputs: Sequence[Input], log: Log, store: MemoryStore | None = None) -> None:
        self.stage, self.inputs, self.log = stage, inputs, log
        self.store = store or MemoryStore()
        self._published = len(self.store.events)
        self.runner = self._start()

    def _start(self) -> StageRunner:
        return StageRunner(self.stage, self.store, self.inputs, 50)  # type: ignore[arg-type]

    def restart(self) -> None:
        """A new process: nothing in memory, reading goes on from the marks."""
        self.runner = self._start()

    def behind(self, topic: str) -> int:
        """How many records of a topic are not handled."""
        mark = self.store.marks([partition_name(topic, 0)])[partition_name(topic, 0)]
        return len(self.log.topics[topic]) - 1 - mark.offset

    def read(self, topics: Sequence[str], most: int) -> None:
        """Handle up to `most` records of each of these topics, as one batch."""
        records: list[Record] = []
        for topic in topics:
            start = len(self.log.topics[topic]) - self.behind(topic)
            records += self.log.topics[topic][start : start + most]
        if records:
            self.runner.handle(records)

    def publish(self) -> None:
        """What the relay does."""
        for event in self.store.events[self._published :]:
            self.log.write(self.stage.topic, envelope_of(event, self.stage.source), event.body)
        self._published = len(self.store.events)

    def told(self) -> list[Any]:
        """All events, decoded."""
        return [decode(event.type, event.body) for event in self.store.events]
