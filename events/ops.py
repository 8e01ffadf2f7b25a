"""The acts of operations by hand, each an event: who, to what, why. Topic `ops.events`.

Nothing here decides about a request: a dead letter that is tried again is decided by its stage, as every record is.
The subject is the request concerned where one is known, otherwise an id made from the dead letter's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import StringConstraints

from events.model import Event, Id, Text, Value

Why = Annotated[str, StringConstraints(min_length=3, max_length=2_000, pattern=r"^[^\x00]*$")]
"""A reason that somebody has written down."""


class LetterPlace(Value):
    """Which dead letter: `number` in the store of `stage`, and the record that it is (`offset` in its partition)."""

    stage: Id
    number: int
    topic: Id
    partition: int
    offset: int
    code: Id
    sha256: Id
    request_id: UUID | None = None


class DeadLetterRetried(Event):
    """A dead letter is handed to its stage again, as it came."""

    TYPE: ClassVar[str] = "DeadLetterRetried.v1"

    letter: LetterPlace
    retried_by: Id
    reason: Text | None = None


class DeadLetterCorrected(Event):
    """A dead letter is put right: a corrected record goes to the same topic as a new one, and the letter is done."""

    TYPE: ClassVar[str] = "DeadLetterCorrected.v1"

    letter: LetterPlace
    corrected_by: Id
    reason: Why
    corrected_sha256: Id


class CorrectionProposed(Event):
    """A correction that a second person has to agree to: it would open the gate before manufacturing, move money, or
    name a request that the record did not name."""

    TYPE: ClassVar[str] = "CorrectionProposed.v1"

    letter: LetterPlace
    proposed_by: Id
    reason: Why
    proposed_sha256: Id


class CorrectionAgreed(Event):
    """A second person agrees, and the correction goes out (`DeadLetterCorrected`, by the one who proposed it)."""

    TYPE: ClassVar[str] = "CorrectionAgreed.v1"

    letter: LetterPlace
    proposed_by: Id
    agreed_by: Id
    corrected_sha256: Id
    by_one: bool
    """The installation says that it has one operator: nobody else was asked."""


class DeadLetterDiscarded(Event):
    """A dead letter will not be taken any more. Its record stays on its topic and in the store."""

    TYPE: ClassVar[str] = "DeadLetterDiscarded.v1"

    letter: LetterPlace
    discarded_by: Id
    reason: Why


class Awaited(StrEnum):
    """Who has to act."""

    PARTNER = "partner"
    DISTRIBUTOR = "distributor"
    DEPARTMENT = "department"


class ReminderRequested(Event):
    """Operations ask whoever must act to do so; the notices carry it out."""

    TYPE: ClassVar[str] = "ReminderRequested.v1"

    awaited: Awaited
    awaited_id: Id
    waits_for: Id
    """What is waited for: `confirmation`, `payment`, `signature`, `kit`."""
    requested_by: Id
    note: Text | None = None
