"""What is said about the log itself: signed checkpoints, and what was made unreadable. Topics `audit.checkpoints` and
`privacy.erasures`."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

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


class PersonErased(Statement):
    """The key of a person was destroyed: what was encrypted with it stays on the log and can't be read any more. The
    subject is the id of the key."""

    TYPE: ClassVar[str] = "PersonErased.v1"

    key_id: Id
    erased_by: Id
    reason: Text
    erased_at: datetime
