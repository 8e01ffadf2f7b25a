"""The log of some partitions, sorted for deciding again: a lane for every request in every stage, with what came in
and what was decided on it, in the order of the stage's own events.

Inputs come from outside, and outside senders put their records into whatever partition they like; the one of their
own topics that stages write is always the one of the request. So every topic that no stage writes is read from all
partitions, and a record belongs where its key says.

An input that led to nothing left no trace of when it was handled among those that did. It lies between its neighbours
of the same topic and partition, and any state between them may be the one it met.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from confluent_kafka import Message as KafkaMessage

from events.envelope import Envelope, EnvelopeError, header_map
from events.model import Message
from events.registry import BadBody, UnknownType, decode
from events.topics import BANK_PAYMENTS, PAYMENT_COMMANDS
from events.upcasting import newest_version
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.tail import read_messages_to_end, to_record
from postavka.kernel.log.unreadable import headers_of, why_unreadable
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.stage.definition import Incoming, Input, Stage
from services.audit.consistent_cut import Cut
from services.audit.reading import STAGE_OF, Place

OTHER_KEYS = frozenset((BANK_PAYMENTS.name, PAYMENT_COMMANDS.name))
"""Topics whose key is not the request: money does not say which one it is for."""


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
class Step:
    """One input with what was decided on it. `low` and `high`: the states it may have met, by their number in the
    lane; of one that led to events the two are equal."""

    input: KafkaMessage | None
    """None: the record that the events name is not there."""
    coordinates: str
    events: list[Past]
    at_ms: int
    low: int = 0
    high: int = 0


@dataclass(slots=True)
class Lane:
    """One request in one stage."""

    stage: str
    subject: UUID
    steps: list[Step] = field(default_factory=list)
    """Those that led to events, in order."""
    idle: list[Step] = field(default_factory=list)
    """Those that led to none."""


class Log:
    """Everything of the requests of these partition numbers up to the cut. What comes from outside is read from all
    partitions and held; money of all requests, since its key is another."""

    def __init__(self, config: Settings, cut: Cut, topics: Iterable[str], partitions: Iterable[int]) -> None:
        self._config = config
        self._cut = cut
        self._stage_topics = [topic for topic in topics if topic in STAGE_OF]
        self._outside: dict[int, list[KafkaMessage]] = {number: [] for number in partitions}
        self.payments: dict[str, KafkaMessage] = {}
        from_outside = {topic for topic in topics if topic not in STAGE_OF} | OTHER_KEYS
        for message in self._read([(topic, number) for topic in from_outside for number in range(PARTITIONS)]):
            if message.topic() in OTHER_KEYS:
                self.payments[coordinates_of(message)] = message
            elif (held := self._outside.get(partition_of(message.key() or b"", PARTITIONS))) is not None:
                held.append(message)

    def partition(self, number: int) -> list[KafkaMessage]:
        """All records of the requests of one partition number; asked for once."""
        return [*self._outside.pop(number), *self._read([(topic, number) for topic in self._stage_topics])]

    def _read(self, places: Iterable[Place]) -> Iterator[KafkaMessage]:
        ends = {place: self._cut.ends[place] for place in places if self._cut.ends.get(place, 0) > 0}
        for batch in read_messages_to_end(self._config, dict.fromkeys(ends, 0), ends):
            yield from batch


def lanes_of(
    log: Log, messages: Sequence[KafkaMessage], stages: Mapping[str, tuple[Stage, Sequence[Input]]], cut: Cut
) -> Iterator[Lane]:
    """The lanes of one partition, stage by stage."""
    inputs = {coordinates_of(each): each for each in messages}
    past = _past_of(messages, cut)
    for name, (_, feeds) in stages.items():
        lanes: dict[UUID, Lane] = {}
        led: set[str] = set()
        for subject, events in past.get(name, {}).items():
            lane = lanes[subject] = Lane(name, subject)
            for event in sorted(events, key=lambda each: each.version):
                if not lane.steps or lane.steps[-1].coordinates != event.input:
                    source = inputs.get(event.input) or log.payments.get(event.input)
                    at = int(_moment(event.time).timestamp() * 1000)
                    lane.steps.append(Step(source, event.input, [], at))
                lane.steps[-1].events.append(event)
                led.add(event.input)
        marks = cut.marks.get(name, {})
        for feed in feeds:
            takes = {message.TYPE for message in feed.takes}
            for record in _of_feed(feed, messages, log):
                coordinates = coordinates_of(record)
                handled = record.offset() <= marks.get(partition_name(record.topic(), record.partition()), -1)
                if coordinates in led or not handled or newest_version(type_of(record, feed)) not in takes:
                    continue
                about = _subject_of(record, feed)
                if about is not None:
                    lane = lanes.setdefault(about, Lane(name, about))
                    lane.idle.append(Step(record, coordinates, [], record.timestamp()[1]))
        for lane in lanes.values():
            _bound(lane)
            yield lane


def _past_of(messages: Iterable[KafkaMessage], cut: Cut) -> dict[str, dict[UUID, list[Past]]]:
    """Events by stage and request; late duplicates and what came after the cut left out."""
    found: dict[str, dict[UUID, list[Past]]] = {}
    highest: dict[str, int] = {}
    for message in messages:
        stage = STAGE_OF.get(message.topic())
        if stage is None:
            continue
        headers = header_map(headers_of(message))
        try:
            position = int(headers["ce_position"])
            subject, version = headers["ce_id"].decode().rsplit("/", 1)
            if position > cut.heads.get(stage, 0) or position <= highest.get(stage, 0):
                continue
            highest[stage] = position
            event = Past(
                position,
                int(version),
                headers["ce_type"].decode(),
                message.value(),
                headers["ce_time"].decode(),
                int(headers["ce_clock"], 16),
                headers["ce_input"].decode(),
            )
        except (KeyError, ValueError):
            continue  # foreign: `verify` names it
        found.setdefault(stage, {}).setdefault(UUID(subject), []).append(event)
    return found


def _of_feed(feed: Input, messages: Sequence[KafkaMessage], log: Log) -> Iterable[KafkaMessage]:
    if feed.topic in OTHER_KEYS:
        return [each for each in log.payments.values() if each.topic() == feed.topic]
    seen: dict[str, int] = {}
    return [each for each in messages if each.topic() == feed.topic and not (feed.from_stage and _again(each, seen))]


def _again(message: KafkaMessage, seen: dict[str, int]) -> bool:
    try:
        position = int(header_map(headers_of(message))["ce_position"])
    except (KeyError, ValueError):
        return True
    before = seen.get(message.topic(), 0)
    seen[message.topic()] = max(before, position)
    return position <= before


def _subject_of(record: KafkaMessage, feed: Input) -> UUID | None:
    """Whose lane an input belongs to that led to nothing. Money that was told again has no lane of its own: its first
    telling is what counts."""
    if feed.topic in OTHER_KEYS:
        return None
    try:
        return UUID((record.key() or b"").decode())
    except ValueError:
        return None


def _bound(lane: Lane) -> None:
    """Between which states each idle step lies."""
    places: list[tuple[str, int, int]] = []
    for number, step in enumerate(lane.steps):
        step.low = step.high = number
        topic, partition, offset = step.coordinates.rsplit("/", 2)
        places.append((topic, int(partition), int(offset)))
    for step in lane.idle:
        assert step.input is not None  # noqa: S101  (idle steps are made of records)
        topic, partition, offset = step.input.topic(), step.input.partition(), step.input.offset()
        step.low, step.high = 0, len(lane.steps)
        for number, (other, part, at) in enumerate(places):
            if (other, part) == (topic, partition):
                if at < offset:
                    step.low = number + 1
                else:
                    step.high = min(step.high, number)
        step.high = max(step.high, step.low)


def coordinates_of(record: KafkaMessage) -> str:
    """`topic/partition/offset`, as events name their inputs."""
    return f"{record.topic()}/{record.partition()}/{record.offset()}"


def type_of(record: KafkaMessage, feed: Input) -> str:
    """As a stage's runner reads it; nothing for what it can't read."""
    headers = headers_of(record)
    if why_unreadable(headers) is not None:
        return ""
    raw = header_map(headers).get("ce_type")
    return raw.decode("utf-8", "replace") if raw is not None else feed.default_type or ""


def incoming_of(record: KafkaMessage, feed: Input, subject: UUID) -> Incoming | None:
    """As the stage's decider gets it; None for what can't be read."""
    type_name = type_of(record, feed)
    try:
        message: Message = decode(type_name, record.value())
    except (BadBody, UnknownType):
        return None
    plain: Record = to_record(record)
    try:
        envelope = Envelope.read(plain.headers)
    except EnvelopeError:
        time = datetime.fromtimestamp(max(plain.timestamp_ms, 0) / 1000, UTC)
        envelope = Envelope(plain.coordinates, "kafka:", type_name, str(subject), time)
    return Incoming(plain, envelope, message, subject)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
