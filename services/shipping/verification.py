"""The answer of a signature's check, and who can make it. Types only, so that the decider may know them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from events.model import Reason


@dataclass(frozen=True, slots=True)
class Verified:
    """The signature covers these bytes, and its certificate leads to a root we trust."""

    signer_inn: str
    """10 digits of an organisation, 12 of a person."""
    certificate_serial: str
    """Hexadecimal, upper case."""
    certificate_subject: str
    """RFC 4514"""
    signed_at: datetime
    """What the time stamp proves; without one as the signer says in the signature, or the moment of the check."""
    time_stamped_by: str | None = None
    """The authority of the time stamp (RFC 4514); None: there is none that holds."""


@dataclass(frozen=True, slots=True)
class NotVerified:
    """The signature proves nothing, and why."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Unverifiable:
    """It can't be decided here and now: something is missing on this machine, not in the signature."""

    cause: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A signature that covers bytes of the document asked about: which, and who signed."""

    verified: Verified
    form: str
    """Of the bytes covered: as issued, the rendering, or the buyer's title."""
    covers_sha256: str


@dataclass(frozen=True, slots=True)
class Question:
    """Does this signature cover the bytes issued? `checking.check` finds out."""

    signature: bytes
    """DER"""
    title: bytes | None
    """The buyer's title, if the sender gave one: then it is what has to be signed."""
    form: str
    issued: bytes
    """The exact bytes issued, in `form`."""
    rendered: tuple[str, str] | None
    """Form and sha256 of the rendering, whose bytes are in the store of blobs; a signature may cover them instead."""
    signer_inn: str
    """The counterparty's, that has to sign."""
    file_id: str | None
    """What a buyer's title has to name; None: the document has none."""


Verification = Verified | NotVerified | Unverifiable


class Verifier(Protocol):
    """Checks detached CMS signatures (L16)."""

    def verify(self, content: bytes, signature: bytes, at: datetime) -> Verification:
        """Does `signature` (DER of a detached CMS `SignedData`, RFC 5652) cover exactly `content`, by a certificate
        that was valid and led to a trusted root when it was signed, as a time stamp proves, else at `at` (with a zone)?
        Never raises for what a sender can send."""
