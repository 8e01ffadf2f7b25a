"""The model that every message of the contract is: a frozen model with a versioned type name, and the few value types
they share.

Messages are immutable once written. A message never changes its shape: a new shape is a new version with a new
`TYPE`, and the registry knows how an old record is read as the newest (`events/upcasting.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints


class Value(BaseModel):
    """A part of a message: frozen, closed, compared by content."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Message(Value):
    """Anything that travels on a topic. `TYPE` is its name on the wire, with its version: `Approved.v1`."""

    TYPE: ClassVar[str]


class Event(Message):
    """Something that has happened; written by one stage, read by everybody, never changed.

    The request it belongs to is the envelope's `subject`, not repeated in the body.
    """

    def carried_into(self, later: type[Event]) -> dict[str, Any]:
        """The fields that a later event has under the same names. What a request only carries along is so named in its
        events, and in no decider."""
        own = type(self).model_fields
        return {name: getattr(self, name) for name in later.model_fields if name in own}


class Command(Message):
    """Something that is asked for, by a person or an outside system. A stage answers with events."""


class Statement(Message):
    """Something said about the log itself, outside of the procedure: it belongs to no request and has no position."""


@dataclass(frozen=True, slots=True)
class Unacceptable:
    """A decider's answer to a message that makes no sense where it arrived (another partner's request, a kit nobody
    ordered). The record goes to the dead letters with this reason: visible, kept, able to be tried again.
    A business refusal is not this: that is an event.
    """

    code: str
    reason: str


Decision = Sequence[Event] | Unacceptable
"""What a decider returns: the events that follow (none: nothing to do, a repetition), or why it can't be taken."""


Text = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")]
"""Free text from outside; the bound keeps a record far below the broker's 1 MiB. No NUL: PostgreSQL can't keep one in
text or jsonb, so a record with it would stop every projection that reads it."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""An identifier from reference data or from a sender: no control characters."""


def _no_number(value: object) -> object:
    if isinstance(value, (float, int)):  # for every sum: a union of types would be made anew each time
        raise ValueError('money is written as a string: "12500.00"')
    return value


_AS_STRING = (
    BeforeValidator(_no_number),
    PlainSerializer(lambda value: f"{value:.2f}", return_type=str, when_used="json"),
)
Money = Annotated[Decimal, Field(max_digits=15, decimal_places=2), *_AS_STRING]
"""Roubles with kopecks, exact; a string with two decimals in JSON. Never a float."""

PositiveMoney = Annotated[Decimal, Field(max_digits=15, decimal_places=2, gt=0), *_AS_STRING]
"""A sum that is paid."""


class Channel(StrEnum):
    """How the service is bought (L6): through a distributor, or directly from the vendor."""

    DISTRIBUTOR = "distributor"
    DIRECT = "direct"


class Delivery(StrEnum):
    """How documents travel (L15): electronic document exchange, or paper by post."""

    EDO = "edo"
    POST = "post"


class Reason(Value):
    """Why something was refused: a stable code for programs, a sentence in Russian for people."""

    code: Id
    message: Text
    field: Id | None = None
    """The field of the request it is about, if it is about one."""
