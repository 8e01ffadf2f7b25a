"""The log of some partitions, sorted for deciding again: a lane for every request in every stage, with what came in
and what was decided on it, in the order of the stage's own events.

Inputs come from outside, and outside senders put their records into whatever partition they like; the one of their
own topics that stages write is always the one of the request. So every topic that no stage writes is read from all
partitions, and a record belongs where its key says.

An input that led to nothing left no trace of when it was handled among those that did. It lies between its neighbours
of the same topic and partition, and any state between them may be the one it met.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from events.envelope import header_map
from events.upcasting import newest_version
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.unreadable import why_unreadable
from postavka.kernel.projection.event_reader import (
    WRONG,
    EventReader,
    Unreadable,
    envelope_of,
    message_of,
    type_of,
)
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.stage.definition import Incoming, Input, Stage
from services.audit.consistent_cut import Cut
from services.audit.reading import OF_MONEY, STAGE_OF, Place


@dataclass(frozen=True, slots=True)
class Past:
    """An event that was decided: as it lies on its topic."""

    position: int
    version: int
    type: str
    body: bytes
    time: str
    """RFC 3339"""
    clock: int
    input: str


@dataclass(slots=True)
class RecordedStep:
    """One input with what was decided on it. `low` and `high`: the states it may have met, by their number in the
    lane; of one that led to events the two are equal."""

    input: Record | None
    """None: the record that the events name is not there."""
    coordinates: str
    events: list[Past]
    at_ms: int
    low: int = 0
    high: int = 0


@dataclass(slots=True)
class Lane:
    """The records of one request in one stage, in the stage's order."""

    stage: str
    subject: UUID
    steps: list[RecordedStep] = field(default_factory=list)
    """Those that led to events, in order."""
    idle: list[RecordedStep] = field(default_factory=list)
    """Those that led to none."""


class Log:
    """Everything of the requests of these partition numbers up to the cut. What comes from outside is read from all
    partitions and held; money of all requests, since its key is another."""

    def __init__(self, config: Settings, cut: Cut, topics: Iterable[str], partitions: Iterable[int]) -> None:
        self._config = config
        self._cut = cut
        self._stage_topics = [topic for topic in topics if topic in STAGE_OF]
        self._outside: dict[int, list[Record]] = {number: [] for number in partitions}
        self.payments: dict[str, Record] = {}
        from_outside = {topic for topic in topics if topic not in STAGE_OF} | OF_MONEY
        for message in self._read([(topic, number) for topic in from_outside for number in range(PARTITIONS)]):
            if message.topic in OF_MONEY:
                self.payments[message.coordinates] = message
            elif (held := self._outside.get(partition_of(message.key or b"", PARTITIONS))) is not None:
                held.append(message)

    def partition(self, number: int) -> list[Record]:
        """All records of the requests of one partition number; asked for once."""
        return [*self._outside.pop(number), *self._read([(topic, number) for topic in self._stage_topics])]

    def _read(self, places: Iterable[Place]) -> Iterator[Record]:
        ends = {place: self._cut.ends[place] for place in places if self._cut.ends.get(place, 0) > 0}
        for batch in read_records(self._config, dict.fromkeys(ends, 0), ends):
            yield from batch


def lanes_of(
    log: Log, messages: Sequence[Record], stages: Mapping[str, tuple[Stage, Sequence[Input]]], cut: Cut
) -> Iterator[Lane]:
    """The lanes of one partition, stage by stage."""
    inputs = {each.coordinates: each for each in messages}
    past, counted = _past_of(messages, cut)
    for name, (_, feeds) in stages.items():
        lanes: dict[UUID, Lane] = {}
        led: set[str] = set()
        for subject, events in past.get(name, {}).items():
            lane = lanes[subject] = Lane(name, subject)
            for event in sorted(events, key=lambda each: each.version):
                if not lane.steps or lane.steps[-1].coordinates != event.input:
                    source = inputs.get(event.input) or log.payments.get(event.input)
                    at = int(_moment(event.time).timestamp() * 1000)
                    lane.steps.append(RecordedStep(source, event.input, [], at))
                lane.steps[-1].events.append(event)
                led.add(event.input)
        marks = cut.marks.get(name, {})
        for feed in feeds:
            takes = {message.TYPE for message in feed.takes}
            for record in _of_feed(feed, messages, log, counted):
                coordinates = record.coordinates
                handled = record.offset <= marks.get(partition_name(record.topic, record.partition), -1)
                type_name = type_name_of(record, feed)
                is_taken = newest_version(type_name) in takes and type_name not in feed.silent
                if coordinates in led or not handled or not is_taken:
                    continue
                about = _subject_of(record, feed)
                if about is not None:
                    lane = lanes.setdefault(about, Lane(name, about))
                    lane.idle.append(RecordedStep(record, coordinates, [], record.timestamp_ms))
        for lane in lanes.values():
            _bound(lane)
            yield lane


def _past_of(messages: Iterable[Record], cut: Cut) -> tuple[dict[str, dict[UUID, list[Past]]], set[str]]:
    """Events by stage and request up to the cut, and the coordinates of all events that count: late duplicates do not,
    nor what no relay has written (`verify` names it)."""
    found: dict[str, dict[UUID, list[Past]]] = {}
    counted: set[str] = set()
    of_stages = (message for message in messages if message.topic in STAGE_OF)
    for record, headers, position in EventReader({}).read(of_stages, lambda record, wrong: None):
        counted.add(record.coordinates)
        stage = STAGE_OF[record.topic]
        if position > cut.heads.get(stage, 0):
            continue
        try:
            subject, version = headers["ce_id"].decode().rsplit("/", 1)
            event = Past(
                position,
                int(version),
                headers["ce_type"].decode(),
                record.value,
                headers["ce_time"].decode(),
                int(headers["ce_clock"], 16),
                headers["ce_input"].decode(),
            )
            found.setdefault(stage, {}).setdefault(UUID(subject), []).append(event)
        except WRONG:
            continue
    return found, counted


def _of_feed(feed: Input, messages: Sequence[Record], log: Log, counted: Container[str]) -> Iterable[Record]:
    if feed.topic in OF_MONEY:
        return [each for each in log.payments.values() if each.topic == feed.topic]
    ours = [each for each in messages if each.topic == feed.topic]
    return [each for each in ours if each.coordinates in counted] if feed.from_stage else ours


def _subject_of(record: Record, feed: Input) -> UUID | None:
    """The request to whose lane an input belongs that led to nothing. Money that was reported again has no lane of its
    own: its first report counts."""
    if feed.topic in OF_MONEY:
        return None
    try:
        return UUID((record.key or b"").decode())
    except ValueError:
        return None


def _bound(lane: Lane) -> None:
    """Note between which states each idle step lies."""
    places: list[tuple[str, int, int]] = []
    for number, step in enumerate(lane.steps):
        step.low = step.high = number
        topic, partition, offset = step.coordinates.rsplit("/", 2)
        places.append((topic, int(partition), int(offset)))
    for step in lane.idle:
        record = step.input
        assert record is not None  # noqa: S101  (idle steps are made of records)
        step.low, step.high = 0, len(lane.steps)
        for number, (other, part, at) in enumerate(places):
            if (other, part) == (record.topic, record.partition):
                if at < record.offset:
                    step.low = number + 1
                else:
                    step.high = min(step.high, number)
        step.high = max(step.high, step.low)


def type_name_of(message: Record, feed: Input) -> str:
    """The type of a message as a stage's runner reads it; nothing for what no client can read."""
    headers = message.headers
    return "" if why_unreadable(headers) is not None else type_of(header_map(headers), feed.default_type)


def incoming_of(message: Record, feed: Input, subject: UUID) -> Incoming | None:
    """The message as the stage's decider gets it; None for what the stage can't read."""
    record, type_name = message, type_name_of(message, feed)
    try:
        read = message_of(record, type_name, feed.keyed_by_request)
    except Unreadable:
        return None
    envelope = envelope_of(record, header_map(record.headers), type_name, feed.from_stage)
    return Incoming(record, envelope, read, subject)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
