"""What must hold after every step, looked at by the models of the servers: at each commit and at each record that
reaches the log. A plain reading of the rules, made anew from what is committed: no cache, no batch, no retry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from greenlet import getcurrent

from events.envelope import Envelope, header_map
from events.model import Unacceptable
from events.registry import decode
from events.upcasting import newest_version
from events.versions import CONTRACT, written
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.record import RawHeaders, Record, partition_name
from postavka.kernel.outbox.relay import DEAD_LETTERS, envelope_of
from postavka.kernel.settings import PARTITIONS
from postavka.kernel.stage.definition import Incoming, Stage
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import RecordedEvent
from tests.simulation.actors import Actor, Violation
from tests.simulation.log import Place
from tests.simulation.small_world import STAGES, TOPICS, Histories

if TYPE_CHECKING:
    from tests.simulation.database import Database
    from tests.simulation.statements import ModelTables, StoreTables
    from tests.simulation.world import World

STAGE = {stage.name: stage for stage in STAGES}
WRITER = {stage.topic: stage.name for stage in STAGES}
Made = tuple[UUID, int, str, bytes, str | None]
"""Request, version, type, body, input."""


@lru_cache(10_000)
def read(type_name: str, body: bytes) -> Any:
    return decode(type_name, body)


@lru_cache(10_000)
def as_written(event: Any) -> tuple[str, bytes]:
    return written(event, CONTRACT)


@lru_cache(10_000)
def envelope_in(headers: RawHeaders) -> Envelope:
    return Envelope.read(headers)


def position_of(record: Record) -> int:
    """That of a record of a stage's topic."""
    return envelope_in(record.headers).position or 0


def broken(what: str, *about: object) -> Violation:
    return Violation(f"{what}: {', '.join(map(str, about))}" if about else what)


def hold(holds: bool, what: str, *about: object) -> None:
    if not holds:
        raise broken(what, *about)


class Invariants:
    """The invariants of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._highest: dict[Place, int] = defaultdict(int)
        self._copies: dict[tuple[Place, int], tuple[Actor | None, int]] = {}
        """Who has written what lies in a partition under a position, and how many records were written before."""
        self._count = 0
        self.tried_again: set[str] = set()
        """Dead letters that operators have let be tried again, by their records' coordinates."""
        self._rows: dict[Place, list[dict[str, tuple[str, ...]]]] = {}

    # The log

    def appended(self, record: Record, writer: Actor | None) -> None:
        """A record reaches a partition: of a stage's topic, the next event of its store, by the one relay at work."""
        schema = WRITER.get(record.topic)
        if schema is None:
            return
        place = (record.topic, record.partition)
        position = position_of(record)
        database = self._world.databases[schema]
        tables: StoreTables = database.tables
        event = next((each for each in tables.events if each.position == position), None)
        hold(event is not None, "published, and not in the store", place, position)
        assert event is not None
        expected = envelope_of(event, STAGE[schema].source)
        same = (record.key, record.value) == (str(event.originator_id).encode(), event.body)
        hold(same and envelope_in(record.headers) == expected, "published otherwise than stored", place, position)
        hold(partition_at(event) == record.partition, "in another partition than its request", place, position)
        highest = self._highest[place]
        at_work = database.locks.get(f"relay of {schema}")
        late = writer is None or writer.session is not at_work
        if late and writer is not None:  # and has not looked yet
            hold(writer.session.closed, "published by two relays at once", place, position)
        if position > highest:
            skipped = [
                each.position
                for each in tables.events
                if highest < each.position < position and partition_at(each) == record.partition
            ]
            hold(not skipped, "published before what was decided before it", place, position, skipped)
            self._highest[place] = position
        else:
            known = self._copies.get((place, position))
            hold(known is not None, "published behind later events", place, position)
            assert known is not None
            hold(late or (known[0] is not writer and known[1] > at_work.since), "published twice", place, position)
        self._count += 1
        self._copies[place, position] = (writer, self._count)

    def locked(self, session: Any) -> None:
        """A relay has taken the lock."""
        session.since = self._count

    # Commits

    def committed(self, database: Database, before: Any, after: Any) -> None:
        """A transaction is through."""
        if database.schema == "shown":
            self._folded(before, after)
            return
        stage = STAGE[database.schema]
        self._marks(before.marks, after.marks)
        new = after.events[len(before.events) :]
        hold(after.head >= before.head, "the head went back")
        hold(not new or after.head == new[-1].position, "the head is elsewhere than the last event")
        for event in new:
            versions = [each.version for each in after.requests[event.originator_id]]
            hold(versions == list(range(1, len(versions) + 1)), "versions have gaps", event.originator_id, versions)
        for event in new:
            for claim in stage.claims(event.originator_id, read(event.type, event.body)):
                hold(claim in after.claims, "a value is not claimed any more", claim)
        if after.checkpoint != before.checkpoint:
            self._published(stage, after)
        me = getcurrent()
        at_hand = me.process.at_hand if isinstance(me, Actor) else None
        if at_hand is not None and (new or after.marks != before.marks or after.letters != before.letters):
            if len(after.marks) > len(before.marks) and not new:
                return  # a partition that is seen for the first time
            self._decided(stage, before, after, at_hand)

    def _marks(self, before: dict[str, Checkpoint], after: dict[str, Checkpoint]) -> None:
        for name, mark in after.items():
            was = before.get(name, Checkpoint())
            if mark == was:
                continue
            topic, _, number = name.rpartition("/")
            hold(mark.offset >= was.offset, "a mark went back", name, was, mark)
            there = len(self._world.log.partitions[topic, int(number)])
            hold(mark.offset < there, "a mark is beyond the end", name, mark, there)

    def _published(self, stage: Stage, tables: StoreTables) -> None:
        """Everything up to the checkpoint lies on the topic, and nothing later below its offsets."""
        position, offsets = tables.checkpoint
        for event in tables.events:
            place = (stage.topic, partition_at(event))
            hold(event.position > position or self._highest[place] >= event.position, "the checkpoint is ahead", event)
        for name, offset in offsets.items():
            topic, _, number = name.rpartition("/")
            records = self._world.log.partitions[topic, int(number)]
            hold(offset <= len(records), "the checkpoint is beyond the end", name, offset)
            if topic not in WRITER:  # dead letters have no positions
                continue
            later = [each for each in records[:offset] if position_of(each) > position]
            hold(not later, "the checkpoint's offsets are ahead of its position", name, offset)

    def _decided(self, stage: Stage, before: StoreTables, after: StoreTables, records: Sequence[Record]) -> None:
        """What was written is what a plain reading makes of the records, from what was committed before."""
        events, letters, marks = decided(stage, before, records)
        new = [made(each) for each in after.events[len(before.events) :]]
        hold(new == events, "decided otherwise than a plain reading would", stage.name, new, events)
        hold(after.letters.keys() - before.letters.keys() == letters - before.letters.keys(), "other dead letters")
        moved = {name: mark for name, mark in after.marks.items() if mark != before.marks.get(name)}
        hold(moved == marks, "marks are elsewhere than what was handled", stage.name, moved, marks)

    # The read model

    def _folded(self, before: ModelTables, after: ModelTables) -> None:
        self._marks(before.marks, after.marks)
        hold(not after.unread, "the read model could not read", after.unread)
        hold(after.rows == self.fold(after.marks), "the read model is not the fold of the log up to its marks")

    def fold(self, marks: dict[str, Checkpoint]) -> dict[str, tuple[str, ...]]:
        """The rows, made anew from the log."""
        found: dict[str, tuple[str, ...]] = {}
        for name, mark in marks.items():
            topic, _, number = name.rpartition("/")
            found |= self._folded_up_to((topic, int(number)), mark.offset)
        return found

    def _folded_up_to(self, place: Place, offset: int) -> dict[str, tuple[str, ...]]:
        """Rows are of one partition alone: the log only grows, and what was folded once is kept."""
        kept = self._rows.setdefault(place, [{}])
        records = self._world.log.partitions[place]
        for record in records[len(kept) - 1 : offset + 1]:
            rows = Histories()
            rows.rows = dict(kept[-1])
            if all(position_of(each) < position_of(record) for each in records[: record.offset]):
                envelope = envelope_in(record.headers)
                rows.take(newest_version(envelope.type), {}, envelope.subject, "", None)
            kept.append(rows.rows)
        return kept[offset + 1]

    # The end

    def settled(self) -> None:
        """Everything sent was handled, published and folded in; and deciding it all again gives the same."""
        log = self._world.log.partitions
        for stage in STAGES:
            tables: StoreTables = self._world.databases[stage.name].tables
            for feed in stage.inputs():
                for (topic, number), records in log.items():
                    if topic == feed.topic and records:
                        mark = tables.marks.get(partition_name(topic, number), Checkpoint())
                        hold(mark.offset == len(records) - 1, "not handled to the end", topic, number, mark)
            for event in tables.events:
                at = (stage.topic, partition_at(event))
                hold((at, event.position) in self._copies, "never published", stage.name, event)
            self._decides_the_same(stage, tables)
            copied = {header_map(each.headers)["dlq_id"].decode() for each in self._of_topic(DEAD_LETTERS)}
            numbers = {f"{stage.source}#{letter[0]}" for letter in tables.letters.values()}
            hold(numbers <= copied, "dead letters were never copied", numbers - copied)
        shown: ModelTables = self._world.databases["shown"].tables
        ends = {
            partition_name(*place): Checkpoint(len(records) - 1, 0)
            for place, records in log.items()
            if place[0] in TOPICS and records
        }
        hold(shown.rows == self.fold(ends), "the read model lacks something at the end")

    def _of_topic(self, topic: str) -> Iterable[Record]:
        return [each for place, records in self._world.log.partitions.items() if place[0] == topic for each in records]

    def _decides_the_same(self, stage: Stage, tables: StoreTables) -> None:
        """Read from the very beginning into an empty store, the inputs lead to the same histories."""
        from tests.simulation.statements import StoreTables

        feeds = {each.topic for each in stage.inputs()}
        records = [each for topic in feeds for each in self._of_topic(topic)]
        events, _, _ = decided(stage, StoreTables(), records)
        again: dict[UUID, list[Made]] = defaultdict(list)
        for each in events:
            again[each[0]].append(each)
        places = {each.coordinates: each for each in records}
        for request, theirs in tables.requests.items():
            stored = [made(each) for each in theirs]
            if not any(each.input in self.tried_again for each in theirs):
                hold(stored == again[request], "decided again, it is otherwise", stage.name, stored, again[request])
            else:  # not in the order of the topic
                for place in dict.fromkeys(each.input for each in theirs):
                    first = next(each.version for each in theirs if each.input == place)
                    store = StoreTables(requests={request: theirs[: first - 1]})
                    alone, _, _ = decided(stage, store, [places[place or ""]])
                    of_this = [each for each in stored if each[4] == place]
                    hold(of_this == alone, "a letter tried again led to something else", stage.name, of_this, alone)
        hold(again.keys() <= tables.requests.keys(), "of a request nothing is left", stage.name)


def decided(
    stage: Stage, before: StoreTables, records: Sequence[Record]
) -> tuple[list[Made], set[tuple[str, int, int]], dict[str, Checkpoint]]:
    """The events, dead letters and marks that these records lead to."""
    feeds = {each.topic: each for each in stage.inputs()}
    states: dict[UUID, tuple[Any, int]] = {}
    events: list[Made] = []
    letters: set[tuple[str, int, int]] = set()
    marks: dict[str, Checkpoint] = {}
    for record in records:
        name = partition_name(record.topic, record.partition)
        mark = marks.get(name, before.marks.get(name, Checkpoint()))
        if record.offset <= mark.offset:
            continue
        envelope = envelope_in(record.headers)
        marks[name] = Checkpoint(record.offset, max(mark.position, envelope.position or 0))
        if feeds[record.topic].from_stage and (envelope.position or 0) <= mark.position:
            continue
        message = read(envelope.type, record.value or b"")
        if type(message) not in feeds[record.topic].takes or record.coordinates in before.imported:
            continue
        subject = UUID(envelope.subject)
        if subject not in states:
            states[subject] = folded(stage, before.requests.get(subject, ()))
        state, version = states[subject]
        came_back = behind(record, before, subject)
        if came_back is not None:  # it was handled before that one, and came to nothing
            state, _ = folded(stage, before.requests[subject][: came_back - 1])
            decision = stage.decide(state, stage.translate(Incoming(record, envelope, message, subject)), None)
            if isinstance(decision, Unacceptable):
                letters.add((record.topic, record.partition, record.offset))
            continue
        decision = stage.decide(state, stage.translate(Incoming(record, envelope, message, subject)), None)
        if isinstance(decision, Unacceptable):
            letters.add((record.topic, record.partition, record.offset))
            continue
        for event in decision:
            version += 1
            state = stage.evolve(state, event)
            events.append((subject, version, *as_written(event), record.coordinates))
        states[subject] = state, version
    return events, letters, marks


def behind(record: Record, tables: StoreTables, subject: UUID) -> int | None:
    """The version of the first event of the request that came back and was made from a later record of the
    partition."""
    later = [
        event.version
        for event in tables.requests.get(subject, ())
        if event.input in tables.imported
        and event.input.rpartition("/")[0] == partition_name(record.topic, record.partition)
        and int(event.input.rpartition("/")[2]) > record.offset
    ]
    return min(later, default=None)


def folded(stage: Stage, events: Iterable[RecordedEvent]) -> tuple[Any, int]:
    state, version = stage.initial, 0
    for event in events:
        state, version = stage.evolve(state, read(event.type, event.body)), event.version
    return state, version


def made(event: RecordedEvent) -> Made:
    return event.originator_id, event.version, event.type, event.body, event.input


@lru_cache(1_000)
def _partition(subject: UUID) -> int:
    return partition_of(str(subject).encode(), PARTITIONS)


def partition_at(event: RecordedEvent) -> int:
    return _partition(event.originator_id)
