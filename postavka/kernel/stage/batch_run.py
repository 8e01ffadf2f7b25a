"""One try at a batch: from records to messages, to decisions, to one `append` of events, marks and dead letters.

For every record: skip what was handled (offset) or seen (position); skip by header what is not for this stage; decode;
find the request; decide on its state; collect the events. What can't be taken goes to the dead letters in the same
transaction. No Kafka in here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import IntegrityError, InterfaceError, OperationalError

from events.envelope import Envelope
from events.model import Decision, Event, Message, Unacceptable
from events.registry import MESSAGES, decode
from events.upcasting import newest_version
from events.versions import CONTRACT, ContractUnfinished, written
from postavka.kernel.clock import Clock
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.process import tracing
from postavka.kernel.process.logs import logger
from postavka.kernel.projection.event_reader import (
    EventReader,
    Unreadable,
    envelope_of,
    message_of,
    request_of,
    type_of,
    without_nul,
)
from postavka.kernel.stage.definition import Incoming, Input, Stage
from postavka.kernel.stage.request_states import RequestState, RequestStates
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import Batch, Claim, DeadLetter, EventRecorder, RecordedEvent

log = logger(__name__)

LONGEST_REASON = 2_000


@dataclass(slots=True)
class BatchOutcome:
    """The result of one batch."""

    events: list[RecordedEvent] = field(default_factory=list)
    first_position: int = 0
    handled: int = 0
    """Records that led to a decision."""
    skipped: int = 0
    """Records of types that are not for this stage."""
    duplicates: int = 0
    """Records seen before, by offset or by position."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    redone: int = 0
    """How often the batch had to be decided anew."""
    waits: list[float] = field(default_factory=list)
    """Seconds from each cause that is an event to what follows from it, by their clocks (`ce_time`)."""


class StageWorker:
    """A worker of one stage: what it works with, and what it remembers. That belongs to it alone; the database is the
    arbiter."""

    def __init__(
        self,
        stage: Stage,
        recorder: EventRecorder,
        inputs: Sequence[Input],
        cache_size: int,
        finished: int = CONTRACT,
    ) -> None:
        """`finished`: the contract up to which new versions of events are written (`events/versions.py`)."""
        self.finished = finished
        self.stage = stage
        self.recorder = recorder
        self.inputs: Mapping[str, Input] = {each.topic: each for each in inputs}
        self.takes = {each.topic: {message.TYPE for message in each.takes} for each in inputs}
        self.marks: dict[str, Checkpoint] = {}
        self.clock = Clock()
        self._imported: frozenset[str] = frozenset()
        self._imported_until: dict[str, int] = {}
        self.states = RequestStates(stage, recorder, cache_size)

    @property
    def imported(self) -> frozenset[str]:
        """Inputs whose events came back from the topic, as `topic/partition/offset` (`recovery.py`)."""
        return self._imported

    @imported.setter
    def imported(self, inputs: frozenset[str]) -> None:
        self._imported, self._imported_until = inputs, {}
        for place, offset in map(_place_and_offset, inputs):
            self._imported_until[place] = max(offset, self._imported_until.get(place, -1))

    def met_then(self, record: Record, subject: UUID) -> RequestState | None:
        """The state that this input met when it was handled, if that is known: it lies before one whose events came
        back, and came to nothing, or its own would lie before them on the topic and be back as well. None otherwise."""
        here = partition_name(record.topic, record.partition)
        if record.offset >= self._imported_until.get(here, -1):
            return None
        stored = self.recorder.load([subject]).get(subject, [])
        for event in stored:
            if event.input in self._imported:
                place, offset = _place_and_offset(event.input)
                if place == here and offset > record.offset:
                    return self.states.fold(each for each in stored if each.version < event.version)
        return None


class BatchRun:
    """One try at a batch of new records: decide each, and write what follows together with the marks."""

    skips_imported = True
    """Inputs whose events came back from the topic are not handled again."""

    def __init__(
        self, worker: StageWorker, records: Sequence[Record], *, assume_new: bool = False, reprocessing: bool = False
    ) -> None:
        """`assume_new`: what begins a request (`Stage.begins`) is taken for that of a new one, of which the store is
        not asked. `reprocessing`: marks and positions are past these records."""
        self.worker = worker
        self.stage = worker.stage
        self._records = records
        self._reprocessing = reprocessing
        self.assume_new = assume_new
        self.batch = Batch()
        self.outcome = BatchOutcome()
        feeds = worker.inputs
        self.reader = EventReader({} if reprocessing else worker.marks, lambda topic: feeds[topic].from_stage)
        self.steps = tracing.Steps()
        self.unconfirmed: set[UUID] = set()
        """Requests whose state was not asked of the store: another worker may have written since, or they may not be
        new."""

    def run(self) -> BatchOutcome:
        """Decide, write, remember; returns what was written. Raises what the store raises; then nothing was."""
        states = self._decide_all()
        self.batch.moved = self.reader.moved()
        self._write()
        self.worker.marks.update({name: mark for name, (_, mark) in self.batch.moved.items()})
        self.worker.states.remember(states)
        return self.outcome

    def _decide_all(self) -> dict[UUID, RequestState]:
        """The states after all decisions."""
        incoming = self._find_subjects(self._sift())
        known = self.worker.states
        new = {each.subject for each in incoming if self.assume_new and isinstance(each.message, self.stage.begins)}
        self.unconfirmed = new | {each.subject for each in incoming if each.subject in known}
        states = known.read((each.subject for each in incoming), new=new)
        before = {subject: found.state for subject, found in states.items()}
        facts = self.stage.gather(incoming, self.worker.recorder, before)
        for each in incoming:
            self.decide_one(each, states, facts)
        return states

    def _write(self) -> None:
        if self.batch.events or self.batch.moved or self.batch.retried or self.batch.dead_letters:
            self.outcome.first_position = self.worker.recorder.append(self.batch) + 1
        self.steps.end()
        self.outcome.events = self.batch.events

    # From records to messages

    def _sift(self) -> list[tuple[Record, Envelope, Message]]:
        """Everything of the batch that is for this stage and can be read."""
        found = []
        for record, headers, _ in self.reader.read(self._records, self._refuse_unreadable):
            feed = self.worker.inputs[record.topic]
            type_name = type_of(headers, feed.default_type)
            newest = newest_version(type_name)
            if newest not in self.worker.takes[record.topic] or type_name in feed.silent:
                if feed.from_stage and newest in MESSAGES:
                    self.outcome.skipped += 1
                else:
                    self._refuse(record, "unknown-type", f"{type_name or 'a record without ce_type'} is not taken here")
                continue
            if self.skips_imported and self.worker.imported and record.coordinates in self.worker.imported:
                self.outcome.duplicates += 1
                continue
            try:
                message = message_of(record, type_name, feed.keyed_by_request)
            except Unreadable as wrong:
                self._refuse_unreadable(record, wrong)
            else:
                found.append((record, envelope_of(record, headers, type_name, feed.from_stage), message))
        self.outcome.skipped += self.reader.markers
        self.outcome.duplicates += self.reader.duplicates
        return found

    def _find_subjects(self, read: list[tuple[Record, Envelope, Message]]) -> list[Incoming]:
        subjects: Sequence[UUID | None]
        if self.stage.find_subject is not None:
            subjects = self.stage.find_subject([(record, message) for record, _, message in read], self.worker.recorder)
        else:
            subjects = [None] * len(read)
        incoming = []
        for (record, envelope, message), found in zip(read, subjects, strict=True):
            subject = found or request_of(message) or _uuid(envelope.subject)
            if subject is None:
                self._refuse(record, "no-subject", f"{envelope.subject!r} is not a request id")
            else:
                incoming.append(Incoming(record, envelope, message, subject))
        return incoming

    # From messages to events

    def decide_one(self, incoming: Incoming, states: dict[UUID, RequestState], facts: Any) -> None:
        """Decide on one message, and collect what follows: events with their claims, or a dead letter."""
        current = states[incoming.subject]
        try:
            if not self._reprocessing and (met := self.worker.met_then(incoming.record, incoming.subject)) is not None:
                if isinstance(decision := self._ask(incoming, met, facts), Unacceptable):
                    self._refuse(incoming.record, decision.code, decision.reason, incoming.subject)
                else:
                    self.outcome.duplicates += 1
                return
            decision = self._ask(incoming, current, facts)
            if (not decision or isinstance(decision, Unacceptable)) and incoming.subject in self.unconfirmed:
                current = states[incoming.subject] = self._read_again(incoming.subject)
                decision = self._ask(incoming, current, facts)
            if isinstance(decision, Unacceptable):
                self._refuse(incoming.record, decision.code, decision.reason, incoming.subject)
                return
            self._record(incoming, current, decision)
        except ContractUnfinished as waits:
            self._refuse(incoming.record, "upgrade-unfinished", str(waits), incoming.subject)
            return
        except (IntegrityError, OperationalError, InterfaceError, AssertionError):
            raise  # of the store, not of the decider: the batch is handled again
        except (
            psycopg.OperationalError,
            psycopg.InterfaceError,
        ) as away:  # the facts were asked of PostgreSQL: the same
            raise OperationalError(str(away)) from away
        except Exception as bug:  # a defect in a decider must not stop the partition: the record is kept and shown
            log.exception("a decider failed", stage=self.stage.name, record=incoming.record.coordinates)
            self._refuse(incoming.record, "decider-failed", f"{type(bug).__name__}: {bug}"[:500], incoming.subject)
            return
        facts.decided(incoming, decision)
        self.outcome.handled += 1

    def _ask(self, incoming: Incoming, current: RequestState, facts: Any) -> Decision:
        return self.stage.decide(current.state, self.stage.translate(incoming), facts.of(incoming, current.state))

    def _read_again(self, subject: UUID) -> RequestState:
        """The state as the store has it. «Nothing to do» from the cache may be wrong: only a write finds out."""
        self.unconfirmed.discard(subject)
        return self.worker.states.read([subject], fresh=True)[subject]

    def _record(self, incoming: Incoming, current: RequestState, events: Sequence[Event]) -> None:
        now = datetime.now(UTC)
        envelope = incoming.envelope
        recorded: list[RecordedEvent] = []
        claims: list[Claim] = []
        record = incoming.record
        trace = self.steps.take(
            self.stage.name, record.topic, record.partition, record.offset, envelope.type, envelope.trace
        )
        cause, correlation = envelope.reference, envelope.correlation or str(incoming.subject)
        place = record.coordinates
        state, version, clock = current.state, current.version, current.clock
        for event in events:
            clock = self.worker.clock.tick(envelope.clock, clock)
            version += 1
            type_name, body = written(event, self.worker.finished)
            recorded.append(
                RecordedEvent(
                    incoming.subject,
                    version,
                    type_name,
                    body,
                    now,
                    clock,
                    cause,
                    correlation,
                    place,
                    trace,
                )
            )
            for kind, value in self.stage.claims(incoming.subject, event):
                claims.append(Claim(kind, value, incoming.subject))
            state = self.stage.evolve(state, event)
        current.state, current.version, current.clock = state, version, clock
        if recorded and self.worker.inputs[incoming.record.topic].from_stage:
            self.outcome.waits.append(max(0.0, (now - envelope.time).total_seconds()))
        self.batch.events += recorded
        self.batch.claims += claims
        if recorded:
            self.unconfirmed.discard(incoming.subject)

    def _refuse_unreadable(self, record: Record, wrong: Unreadable) -> None:
        self._refuse(record, wrong.code, str(wrong), wrong.subject)

    def _refuse(self, record: Record, code: str, reason: str, subject: UUID | None = None) -> None:
        letter = DeadLetter(record, code, without_nul(reason)[:LONGEST_REASON], subject)
        self.batch.dead_letters.append(letter)
        self.outcome.dead_letters.append(letter)


class Retry(BatchRun):
    """One try at the record of a dead letter. Taken, the letter is done; otherwise nothing is written."""

    def __init__(self, worker: StageWorker, letter: DeadLetter) -> None:
        super().__init__(worker, [letter.record], reprocessing=True)
        self._letter = letter

    def run(self) -> BatchOutcome:
        """Decide and, unless the record is refused again, write."""
        states = self._decide_all()
        if not self.batch.dead_letters:
            self.batch.retried = [self._letter.id]
            self._write()
            self.worker.states.remember(states)
        return self.outcome


class Completion(BatchRun):
    """The rest of what was decided on an input, where perhaps only its first events came back from the topic."""

    skips_imported = False

    def run(self) -> BatchOutcome:
        """Decide as it was decided then, and add what is missing."""
        for each in self._find_subjects(self._sift()):
            stored = self.worker.recorder.load([each.subject]).get(each.subject, [])
            made = [event for event in stored if event.input == each.record.coordinates]
            if not made:
                continue
            before = self.worker.states.fold(event for event in stored if event.version < made[0].version)
            facts = self.stage.gather([each], self.worker.recorder, {each.subject: before.state})
            decision = self._ask(each, before, facts)
            if isinstance(decision, Unacceptable):
                continue
            first, rest = decision[: len(made)], decision[len(made) :]
            if not rest or [event.TYPE for event in first] != [newest_version(event.type) for event in made]:
                continue
            if made[-1] is stored[-1] and list(first) == [decode(event.type, event.body) for event in made]:
                self._record(each, self.worker.states.fold(stored), rest)
            else:  # on other facts than those on record, or behind something else, the rest would not fit
                self._refuse(
                    each.record, "incomplete", f"not published: {', '.join(event.TYPE for event in rest)}", each.subject
                )
        self._write()
        return self.outcome


def _place_and_offset(coordinates: str) -> tuple[str, int]:
    place, _, offset = coordinates.rpartition("/")
    return place, int(offset)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
