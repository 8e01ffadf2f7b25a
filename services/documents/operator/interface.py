"""The interface of an exchange operator: send once, hear what the other side has done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

TRANSFER = "UniversalTransferDocument"
INVOICE = "ProformaInvoice"
OTHER = "Nonformalized"
"""Types of documents, as Diadoc names them."""


class OperatorAway(RuntimeError):
    """It does not answer, or asks to come again later. The same call may succeed then."""


class OperatorRefuses(RuntimeError):
    """It will not take this document as it is: a person has to look (unknown recipient, not allowed, broken file)."""


@dataclass(frozen=True, slots=True)
class OutgoingDocument:
    """One document on its way to one counterparty."""

    key: str
    """Names this sending for ever: the operator takes the same key once, however often it is sent."""
    to_inn: str
    to_kpp: str | None
    to_participant: str | None
    """The counterparty's participant id, if it is known; otherwise it is found by INN and KPP."""
    kind: str
    """`TRANSFER`, `INVOICE` or `OTHER`"""
    file_name: str
    content: bytes
    signature: bytes | None
    """Ours, detached CMS in DER."""
    number: str
    issued_on: date
    total: Decimal
    vat: Decimal
    wants_signature: bool


@dataclass(frozen=True, slots=True)
class TakenByOperator:
    """The operator has taken it."""

    message_id: str
    entity_id: str
    """Of the document in the message: what an answer refers to."""

    def __str__(self) -> str:
        return f"{self.message_id}/{self.entity_id}"


@dataclass(frozen=True, slots=True)
class SignedBack:
    """The counterparty has signed: the document itself (`title` None), or its own title in answer to it."""

    sent: TakenByOperator
    signature: bytes
    title: bytes | None
    signed_by: str
    """The counterparty's mailbox."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The counterparty refuses to sign."""

    sent: TakenByOperator
    event_id: str
    reason: str
    declined_by: str


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """One event of the operator's feed. `what` is None for events that mean nothing here."""

    cursor: str
    """Where to go on after it."""
    what: SignedBack | Declined | None


class ExchangeOperator(Protocol):
    """The exchange operator, as our own mailbox reaches it."""

    def send(self, outgoing: OutgoingDocument) -> TakenByOperator:
        """Hand a document over. The same key again has no second effect and gives the same answer.

        Raises `OperatorAway`, `OperatorRefuses`.
        """

    def answers(self, after: str | None) -> Sequence[OperatorEvent]:
        """What has come since, oldest first; None: from the beginning. Empty: nothing new. Raises `OperatorAway`."""
