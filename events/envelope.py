"""The envelope: who wrote a message, when, why, and where it stands. CloudEvents 1.0, Kafka binding, binary mode:
attributes are `ce_…` headers, the value is the JSON body as it is.

Beside the standard attributes there are five of ours (CloudEvents allows lower-case letters and digits only):
`causationid`, `correlationid`, `position`, `clock`, `input`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

CONTENT_TYPE = b"application/json"
Headers = list[tuple[str, bytes]]


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
    """Hybrid logical clock (`postavka.clock`): later than its cause's; sorting by it gives a causal order."""
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
        """As Kafka headers, in a fixed order, empty attributes left out."""
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
    def read(cls, headers: Iterable[tuple[str, bytes | None]]) -> Envelope:
        """From Kafka headers. Raises `EnvelopeError` naming the attribute that is missing or malformed."""
        found = header_map(headers)
        try:
            return cls(
                id=found["ce_id"].decode(),
                source=found["ce_source"].decode(),
                type=found["ce_type"].decode(),
                subject=found["ce_subject"].decode(),
                time=datetime.fromisoformat(found["ce_time"].decode()).astimezone(UTC),
                clock=int(found["ce_clock"], 16) if "ce_clock" in found else 0,
                causation=_text(found, "ce_causationid"),
                correlation=_text(found, "ce_correlationid"),
                position=int(found["ce_position"]) if "ce_position" in found else None,
                input=_text(found, "ce_input"),
                trace=_text(found, "traceparent"),
            )
        except KeyError as missing:
            raise EnvelopeError(f"the header {missing.args[0]} is missing") from None
        except (ValueError, UnicodeDecodeError) as wrong:
            raise EnvelopeError(f"a header can't be read: {wrong}") from None


class EnvelopeError(ValueError):
    """Headers that make no envelope."""


def header_map(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """Headers by name; of a repeated name the last counts; null values are left out."""
    return {name: value for name, value in headers if value is not None}


def rfc3339(moment: datetime) -> str:
    """UTC with microseconds and `Z`, the one form of a time in events."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(found: dict[str, bytes], name: str) -> str | None:
    value = found.get(name)
    return None if value is None else value.decode()
