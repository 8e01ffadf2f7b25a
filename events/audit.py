"""Messages about the log itself: signed checkpoints, findings that an auditor has acknowledged, and what was made
unreadable. Topics `audit.checkpoints` and `privacy.erasures`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from events.model import Id, Statement, Text


class CheckpointSigned(Statement):
    """The log of a stage had this size and this Merkle root, signed: who keeps it can prove later what was on the log
    by then, and in which order. The subject is the name of the stage's topic."""

    TYPE: ClassVar[str] = "CheckpointSigned.v1"

    log: Id
    """The stage's topic."""
    size: int
    """Events: positions 1 to this one."""
    root: Id
    """RFC 9162 root over them, SHA-256 in hexadecimal."""
    signed_at: datetime
    note: Text
    """The signed text as a C2SP note: c2sp.org/tlog-checkpoint. It alone counts; the other fields repeat it."""


Place = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Where something was found: an event's `stage/position`, a record's `topic/partition/offset`, a request."""

LookedInto = Annotated[str, StringConstraints(min_length=3, max_length=1_000, pattern=r"^[^\x00]*$")]
"""A reason that somebody has written down."""


class FindingAcknowledged(Statement):
    """An auditor has looked into what a verification found, and says why it may stay. Verifications show it from now on
    and no longer fail for it. Of one finding in its very words: what is found at that place later is another one.
    The key is `findings.acknowledged`. Topic `audit.checkpoints`."""

    TYPE: ClassVar[str] = "FindingAcknowledged.v1"

    code: Id
    place: Place
    words: Text
    """What was found, as the verification says it."""
    acknowledged_by: Id
    reason: LookedInto
    acknowledged_at: datetime
    note: Text
    """A C2SP signed note under a key of the checkpoints. Its lines: the origin with `/findings.acknowledged`, code,
    place, SHA-256 of the words and of the reason in hexadecimal, who, when. Without a signature that holds it counts
    for nothing."""


class PersonErased(Statement):
    """The key of a person was destroyed: what was encrypted with it stays on the log and can't be read any more. The
    subject is the id of the key."""

    TYPE: ClassVar[str] = "PersonErased.v1"

    key_id: Id
    erased_by: Id
    reason: Text
    erased_at: datetime
