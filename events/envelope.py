"""The envelope: who wrote a message, when, why, and where it stands. CloudEvents 1.0, Kafka binding, binary mode:
attributes are `ce_…` headers, the value is the JSON body as it is.

Beside the standard attributes there are five of ours (CloudEvents allows lower-case letters and digits only):
`causationid`, `correlationid`, `position`, `clock`, `input`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

PARTITIONS = 12
"""Partitions of every topic, for ever: the request id is the key, so that a request has one partition number in all of
them. A topic that exists with another number is refused at start."""
CONTENT_TYPE = b"application/json"
LONGEST_ATTRIBUTE = 1_024
"""Bytes of one attribute. Attributes are stored and indexed, and an index entry has to stay below 2,704 bytes."""
LONGEST_POSITION = 18
"""Digits: a position is kept in a bigint."""
Headers = list[tuple[str, bytes]]
T = TypeVar("T")

# CloudEvents allows no control characters in a string, and PostgreSQL no NUL in a text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# Both are kept in a bigint.
_CLOCK = re.compile(rb"[0-7][0-9a-f]{15}")
_POSITION = re.compile(rb"[1-9][0-9]{0,17}")
_TRACE = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Attributes of one message. `id` is unique within `source`; the two together name a message for ever."""

    id: str
    source: str
    """Who wrote it: `/postavka/approval`; an outside sender's own URI."""
    type: str
    """`Approved.v1`"""
    subject: str
    """The request id (of `PaymentUnmatched`: an id made from the payment's)."""
    time: datetime
    """When it happened, by the writer's wall clock. Data, never order."""
    clock: int = 0
    """Hybrid logical clock (`postavka.kernel.clock`): later than its cause's; sorting by it gives a causal order."""
    causation: str | None = None
    """`source#id` of what caused it; `kafka:topic/partition/offset` where the cause had no envelope."""
    correlation: str | None = None
    """Groups everything that one act of a person led to."""
    position: int | None = None
    """Place in the writing stage's event store: 1, 2, 3 … without gaps."""
    input: str | None = None
    """`topic/partition/offset` of the record that was being handled."""
    trace: str | None = None
    """W3C `traceparent`."""

    @property
    def reference(self) -> str:
        """How another message names this one as its cause."""
        return f"{self.source}#{self.id}"

    def headers(self) -> Headers:
        """The Kafka headers of this envelope, in a fixed order; empty attributes are left out."""
        pairs = [
            ("content-type", CONTENT_TYPE),
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_time", rfc3339(self.time).encode()),
            ("ce_subject", self.subject.encode()),
        ]
        if self.clock:
            pairs.append(("ce_clock", b"%016x" % self.clock))
        if self.causation is not None:
            pairs.append(("ce_causationid", self.causation.encode()))
        if self.correlation is not None:
            pairs.append(("ce_correlationid", self.correlation.encode()))
        if self.position is not None:
            pairs.append(("ce_position", b"%d" % self.position))
        if self.input is not None:
            pairs.append(("ce_input", self.input.encode()))
        if self.trace is not None:
            pairs.append(("traceparent", self.trace.encode()))
        return pairs

    @classmethod
    def read(cls, headers: Collection[tuple[str, bytes | None]]) -> Envelope:
        """The envelope in these Kafka headers. Raises `EnvelopeError` naming the header that is missing or malformed;
        its value is not shown, since it may be anything. A malformed `traceparent` is left out, as W3C wants it."""
        return cls.of(header_map(headers))

    @classmethod
    def of(cls, found: Mapping[str, bytes]) -> Envelope:
        """The envelope in what `header_map` gave. Raises like `read`."""
        _required(found, "ce_specversion", _version)
        return cls(
            id=_required(found, "ce_id", _text),
            source=_required(found, "ce_source", _text),
            type=_required(found, "ce_type", _text),
            subject=_required(found, "ce_subject", _text),
            time=_required(found, "ce_time", _time),
            clock=_optional(found, "ce_clock", _clock) or 0,
            causation=_optional(found, "ce_causationid", _text),
            correlation=_optional(found, "ce_correlationid", _text),
            position=_optional(found, "ce_position", _position),
            input=_optional(found, "ce_input", _text),
            trace=_trace(found.get("traceparent")),
        )


class EnvelopeError(ValueError):
    """Headers that make no envelope."""


def header_map(headers: Collection[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """The headers by name; of a repeated name the last counts; null values are left out."""
    found = dict(headers)
    if all(found.values()):  # faster than to ask each, and hardly ever not so
        return found  # type: ignore[return-value]
    return {name: value for name, value in headers if value is not None}


def position_in(found: Mapping[str, bytes]) -> int | None:
    """The position in what `header_map` gave, or in a dictionary of headers; None without one, or with one that is no
    whole number from 1, or more than a bigint holds."""
    raw = found.get("ce_position") or b""
    return (int(raw) or None) if raw.isdigit() and len(raw) <= LONGEST_POSITION else None


def trace_in(found: Mapping[str, bytes]) -> str | None:
    """The W3C trace context in what `header_map` gave; None without one, or with a malformed one."""
    return _trace(found.get("traceparent"))


def trace_of(headers: Collection[tuple[str, bytes | None]]) -> str | None:
    """The W3C trace context of a record; None without one, or with a malformed one."""
    return trace_in(header_map(headers))


def rfc3339(moment: datetime) -> str:
    """UTC with microseconds and `Z`, the one form of a time in events."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _required(found: Mapping[str, bytes], name: str, parse: Callable[[bytes], T]) -> T:
    value = _optional(found, name, parse)
    if value is None:
        raise EnvelopeError(f"the header {name} is missing")
    return value


def _optional(found: Mapping[str, bytes], name: str, parse: Callable[[bytes], T]) -> T | None:
    raw = found.get(name)
    if raw is None:
        return None
    try:
        return parse(raw)
    except _Malformed as wrong:
        raise EnvelopeError(f"the header {name} {wrong}") from None
    except UnicodeDecodeError:
        raise EnvelopeError(f"the header {name} is not UTF-8") from None


class _Malformed(Exception):
    """What is wrong with a header, to be said after its name."""


def _text(raw: bytes) -> str:
    if not raw or len(raw) > LONGEST_ATTRIBUTE:
        raise _Malformed(f"has {len(raw)} bytes: 1 to {LONGEST_ATTRIBUTE} are taken")
    text = raw.decode()
    if not text.isprintable() and _CONTROL.search(text):
        raise _Malformed("has a control character")
    return text


def _version(raw: bytes) -> str:
    if raw != b"1.0":
        raise _Malformed("is not 1.0")
    return "1.0"


def _time(raw: bytes) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(raw))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Malformed("is not a time of RFC 3339") from None
    raise _Malformed("is a time without a zone")


def _clock(raw: bytes) -> int:
    if not _CLOCK.fullmatch(raw):
        raise _Malformed("is not 16 hexadecimal digits below 8000000000000000")
    return int(raw, 16)


def _position(raw: bytes) -> int:
    if not _POSITION.fullmatch(raw):
        raise _Malformed("is not a whole number from 1")
    return int(raw)


def _trace(raw: bytes | None) -> str | None:
    return raw.decode() if raw is not None and _TRACE.fullmatch(raw) else None
