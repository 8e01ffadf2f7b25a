"""The notices to one distributor, on its own topic `distributors.<id>.notices`: news of requests that name it, and a
receipt for each of its answers. Written by `notices`; the same is told by e-mail where people have to act."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from events.model import Event, Id, Money, Reason, Text, Value
from events.reference import Client
from events.shipping import DocumentKind


class NoticeKind(StrEnum):
    """What a notice is about. Kinds will be added: pass over one that you don't know."""

    PERMISSION = "permission"
    """A request that names you is approved and has its permission number: your answer is awaited (L14, L17)."""
    CONFIRMED = "confirmed"
    """Receipt: your consent counts (L17)."""
    DECLINED = "declined"
    """Receipt: your refusal counts; the request ends."""
    HELD = "held"
    """Receipt: your answer came before the approval and is kept; another receipt follows it."""
    DUPLICATE = "duplicate"
    """Receipt: this answer was here before, under the same number of yours; nothing has changed."""
    REFUSED = "refused"
    """Receipt: your answer can't count; `receipt.reason` says why."""
    UNREADABLE = "unreadable"
    """Receipt: the record could not be read as an answer; `receipt.reason` says what is wrong with it."""
    CLOSED = "closed"
    """The partner has withdrawn the request: the permission is void."""
    DOCUMENT = "document"
    """A document for you to sign is drawn up (L14, L16)."""
    SIGNED = "signed"
    """Your signature is verified (L16)."""
    SIGNATURE_REFUSED = "signature-refused"
    """Your signature can't be taken; `reason` says why. Send it again (L16)."""
    SHIPPED = "shipped"
    """The delivery is made and sold (L18)."""


class NoticeSale(Value):
    """The purchase that a notice is about, as it was approved."""

    partner_id: Id
    partner: Text
    client: Client
    product_id: Id
    product: Text
    months: int
    amount: Money
    """Roubles, VAT included."""
    registration_number: Id


class NoticeReceipt(Value):
    """Which record of yours is answered, and how."""

    record: Id
    """`topic/partition/offset`"""
    confirmation_id: Id | None
    """Your own number of the answer; None where the record could not be read."""
    duplicate_of: Id | None = None
    """`topic/partition/offset` of the first record with that number."""
    reason: Reason | None = None
    """Why it does not count."""


class NoticeDocument(Value):
    """The document that a notice is about."""

    document_id: Id
    kind: DocumentKind
    number: Id
    issued_on: date
    sha256: Id
    """Of the exact bytes issued, in hexadecimal: what a signature must cover."""


class Notice(Event):
    """A distributor is told something: news of a request that names it, or the receipt of an answer it has sent. Title
    and text are Russian, for people; the rest is for programs. Each piece of news lies on the topic once."""

    TYPE: ClassVar[str] = "Notice.v1"

    kind: NoticeKind
    distributor_id: Id
    happened_at: datetime
    """When the cause happened."""
    title: Text
    text: Text
    permission_number: Id | None = None
    sale: NoticeSale | None = None
    """Only of requests that name you."""
    receipt: NoticeReceipt | None = None
    document: NoticeDocument | None = None
    kit_number: Id | None = None
    reason: Reason | None = None
