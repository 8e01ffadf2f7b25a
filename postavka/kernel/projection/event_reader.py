"""The rules by which a record of a topic is read: the one set of rules for stages, read models, the auditor and pages.

A record counts once: one at or below the offset reached was handled, and on a topic that a relay of ours writes, one at
or below the position reached is a late duplicate. A marker stands for an offset without a record. Checkpoints move over
all of them, and over what can't be read, which is handed to `refuse` with the code under which dead letters name it.
Types are looked at before bodies; bodies are read by `events.registry` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from events.envelope import Envelope, EnvelopeError, header_map, position_in, trace_in
from events.model import Message
from events.registry import BadBody, UnknownType, decode
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.unreadable import UNREADABLE, is_marker, why_unreadable
from postavka.kernel.projection.read_model import Unread
from postavka.kernel.store.checkpoint import Checkpoint

LARGEST_BODY = 1_000_000
"""Bytes. The broker's own bound is on the compressed batch, so that a small record can hold a huge body."""

Headers = Mapping[str, bytes]
Opened = tuple[Any, Headers, int]
"""A record that counts, its headers by name, its position (0 on a topic that outsiders write). A header without a value
is None at most: ask with `get`."""


class Unreadable(ValueError):
    """A record that can't be read. `code` is for programs; `reason` says why and never contains a value of the body;
    `subject` is the request that the record names, if it got so far."""

    def __init__(self, code: str, reason: str, subject: UUID | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.subject = subject


Refuse = Callable[[Any, Unreadable], None]
"""Is given every record that can't be read, in its place among the others."""

WRONG = (KeyError, ValueError, TypeError, AttributeError)
"""What it may come to when an event that no stage of ours has written is read: a header or a field is missing, or is
something else. `Unreadable`, `UnknownType`, `BadBody` and `EnvelopeError` are among them."""


class PartitionReader:
    """The reader of one partition, in order. `offset` is that of the last record (-1: none); `position` the highest
    that was seen in it, 0 for none. `duplicates` and `markers` count what was passed over."""

    __slots__ = ("duplicates", "markers", "offset", "position", "relayed")

    def __init__(self, checkpoint: Checkpoint = Checkpoint(), relayed: bool = True) -> None:  # noqa: B008  (a tuple)
        """`relayed`: a relay of ours writes this topic, so that each of its records has a position."""
        self.offset, self.position = checkpoint
        self.relayed = relayed
        self.duplicates = self.markers = 0

    @property
    def checkpoint(self) -> Checkpoint:
        """How far it has read."""
        return Checkpoint(self.offset, self.position)

    def read(self, records: Iterable[Any], refuse: Refuse) -> Iterator[Opened]:
        """Those of the records (`Record`s, or what a `Piece` holds) that count. For millions: it makes no object but
        the dictionary of headers."""
        relayed, highest = self.relayed, self.position
        for record in records:
            offset = record.offset
            if offset <= self.offset:
                self.duplicates += 1
                continue
            self.offset = offset
            headers = dict(record.headers)
            if record.value is None and is_marker(record):
                self.markers += 1
            elif UNREADABLE in headers:
                refuse(record, Unreadable("unreadable", why_unreadable(record.headers) or ""))
            elif not relayed:
                yield record, headers if all(headers.values()) else header_map(record.headers), 0
            elif (at := position_in(headers)) is None:
                refuse(record, Unreadable("no-position", "an event without a position: not written by its relay"))
            elif at <= highest:
                self.duplicates += 1
            else:
                self.position = highest = at
                yield record, headers, at


class EventReader:
    """Partitions of some topics, each read in order from its checkpoint on. When what was made of the records can't be
    kept, the reader is thrown away: the checkpoints that it was given are as they were."""

    def __init__(
        self, checkpoints: Mapping[str, Checkpoint], is_relayed: Callable[[str], bool] = lambda topic: True
    ) -> None:
        """`checkpoints`: by `topic/partition`; a partition without one is read from its beginning. `is_relayed` is
        asked of a topic."""
        self._before = checkpoints
        self._is_relayed = is_relayed
        self._partitions: dict[tuple[str, int], PartitionReader] = {}

    def partition(self, topic: str, number: int) -> PartitionReader:
        """The reader of one partition."""
        found = self._partitions.get((topic, number))
        if found is None:
            before = self._before.get(partition_name(topic, number), Checkpoint())
            found = self._partitions[topic, number] = PartitionReader(before, self._is_relayed(topic))
        return found

    def read(self, records: Iterable[Any], refuse: Refuse) -> Iterator[Opened]:
        """Those of the records that count, in the order given; partitions may be mixed."""
        for place, run in groupby(records, attrgetter("topic", "partition")):
            yield from self.partition(*place).read(run, refuse)

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """All checkpoints, those that have not moved with them."""
        return {**self._before, **self._reached()}

    def moved(self) -> dict[str, tuple[Checkpoint, Checkpoint]]:
        """The checkpoints that have moved, each with where from and where to, by `topic/partition`."""
        pairs = ((name, self._before.get(name, Checkpoint()), mark) for name, mark in self._reached().items())
        return {name: (before, mark) for name, before, mark in pairs if mark != before}

    @property
    def duplicates(self) -> int:
        """Records that were handled before, by offset or by position."""
        return sum(each.duplicates for each in self._partitions.values())

    @property
    def markers(self) -> int:
        """Offsets without a record."""
        return sum(each.markers for each in self._partitions.values())

    def _reached(self) -> dict[str, Checkpoint]:
        return {partition_name(*place): each.checkpoint for place, each in self._partitions.items()}


def type_of(headers: Headers, default: str | None = None) -> str:
    """The type that a record says it has; without that header the topic's own, or nothing."""
    raw = headers.get("ce_type")
    return raw.decode("utf-8", "replace") if raw is not None else default or ""


def message_of(record: Record, type_name: str, keyed_by_request: bool) -> Message:
    """The message that a record carries, as its newest version: what a stage obeys and everybody else must see.

    Raises `Unreadable`: `too-large`, `bad-body`, `unknown-type`, or `wrong-key` where the key must be the id of the
    request that the body names.
    """
    if record.value is not None and len(record.value) > LARGEST_BODY:
        raise Unreadable("too-large", f"{len(record.value)} bytes; at most {LARGEST_BODY} are read")
    try:
        message = decode(type_name, record.value)
    except BadBody as wrong:
        raise Unreadable("bad-body", str(wrong)) from None
    except UnknownType as unknown:
        raise Unreadable("unknown-type", str(unknown)) from None
    request = request_of(message)
    if request is not None and keyed_by_request and record.key != str(request).encode():
        raise Unreadable("wrong-key", "the record's key must be the request id in lower case", request)
    return message


def request_of(message: Message) -> UUID | None:
    """The request that a message names, if it names one. Pydantic takes long to say that there is no such field."""
    named: UUID | None = message.request_id if "request_id" in type(message).model_fields else None  # type: ignore[attr-defined]
    return named


def envelope_of(record: Record, headers: Headers, type_name: str, relayed: bool) -> Envelope:
    """A stage's own envelope. What others say of themselves (who they are, when it was, why) is data that nobody has
    checked: theirs is made from where the record lies, and `time` is the record's."""
    if relayed:
        try:
            return Envelope.of(headers)
        except EnvelopeError:
            pass
    return Envelope(
        id=record.coordinates,
        source="kafka:",
        type=type_name,
        subject=(record.key or b"").decode("utf-8", "replace"),
        time=datetime.fromtimestamp(max(record.timestamp_ms, 0) / 1000, UTC),
        trace=trace_in(headers),
    )


def unread(topic: str, partition: int, record: Any, wrong: Exception) -> Unread:
    """What is kept of a record that a read model can't read: its place, the type that it says it has, and why."""
    why = f"the header or field {wrong} is missing" if isinstance(wrong, KeyError) else str(wrong)
    type_name = type_of(header_map(record.headers))
    return topic, partition, record.offset, without_nul(type_name), without_nul(why)[:500]


def without_nul(text: str) -> str:
    """A text that PostgreSQL can keep."""
    return text.replace("\x00", "\\0")
