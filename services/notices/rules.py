"""The rules of notification: what has happened to a request so far, and what of it is news for whom. Pure.

Topics have no order among each other, so an event may be read before what it needs: a permission before the approval
that names the contact. It waits in the state, and is news when that has come.

Who is notified: the partner of the request, and the distributor that the approved request names. Another
distributor that has answered gets the receipt of its answer, and nothing of the request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from events.activation import Activated, ActivationRefused
from events.approval import Approved, Rejected
from events.billing import (
    ConfirmationHeld,
    ConfirmationRefused,
    DistributorConfirmed,
    DistributorDeclined,
    PaymentReceived,
    PaymentReturned,
    RefundOwed,
    RefundPaid,
)
from events.model import Channel, Delivery, Message, Reason
from events.notices import NoticeDocument, NoticeKind, NoticeReceipt, NoticeSale
from events.ops import Awaited, ReminderRequested
from events.reference import Client, Contact
from events.registry import decode
from events.renewal import ReminderDue
from events.request import RequestSubmitted
from events.shipping import (
    DocumentDispatched,
    DocumentIssued,
    DocumentKind,
    DocumentSigned,
    InvoiceNoted,
    PermissionIssued,
    ShipmentIssued,
    ShippingClosed,
    ShippingClosure,
    ShippingOpened,
    SignatureRefused,
    WithdrawalRefused,
)
from postavka.domain.request_numbers import number_of
from services.notices.categories import Audience, Category

MOST_WAITING = 50
"""Events kept for a request until its approval is read. That takes a second; there are never so many."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


class EarlyEvent(_Part):
    """An event that was read before what it needs."""

    type: str
    body: str
    cause: str
    record: str
    happened_at: datetime


class InvoiceNews(_Part):
    """News of an invoice to pay («Счёт на оплату»)."""

    number: str
    issued_on: date
    amount: Decimal
    vat_rate: Decimal


class RuleState(_Part):
    """The state of the rules for one request. Kept as JSON beside the outbox."""

    submitted: bool = False
    approved: bool = False
    partner_id: str | None = None
    contact_id: str | None = None
    """As typed in the request."""
    contact: Contact | None = None
    """As approved."""
    vendor: str | None = None
    """Name of who sells, as the documents of this request have it."""
    buyer: str | None = None
    number: str | None = None
    """What people call the request; None in a state that an earlier release has folded."""
    distributor_id: str | None = None
    distributor: str | None = None
    channel: Channel | None = None
    sale: NoticeSale | None = None
    permission_number: str | None = None
    invoice: InvoiceNews | None = None
    documents: tuple[NoticeDocument, ...] = ()
    confirmed: bool = False
    told: bool = False
    """The distributor has been notified of the permission: it knows of the request."""
    waiting: tuple[EarlyEvent, ...] = ()

    def document(self, document_id: str) -> NoticeDocument | None:
        """A document that was issued for this request."""
        return next((each for each in self.documents if each.document_id == document_id), None)


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that is news: how it is named, where it lies, when it happened."""

    reference: str
    record: str
    """`topic/partition/offset`"""
    happened_at: datetime
    type: str = ""
    body: bytes = b""
    position: int = 0
    """In its stage's store."""


@dataclass(frozen=True, slots=True)
class News:
    """One party is notified of one thing: its people (`category`), its program on the topic, or both."""

    request_id: UUID
    cause: Cause
    party: Audience
    party_id: str
    category: Category | None
    topic: NoticeKind | None
    known: RuleState | None
    """None: what is known of the request may not be shown to this party."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    once: str = ""
    """The key of an e-mail: it is not sent again for the same request, party, kind and this."""


def apply_rules(known: RuleState, request_id: UUID, event: Message, cause: Cause) -> tuple[RuleState, list[News]]:
    """The state with this event in it, and what is news."""
    rules = _Rules(known, request_id)
    rules.take(event, cause)
    return rules.known, rules.news


class _Rules:
    def __init__(self, known: RuleState, request_id: UUID) -> None:
        self.known = known
        self.request_id = request_id
        self.news: list[News] = []

    def take(self, event: Message, cause: Cause) -> None:
        match event:
            case RequestSubmitted():
                self._set(
                    submitted=True,
                    partner_id=event.partner_id,
                    contact_id=event.contact_id,
                    buyer=self.known.buyer or event.buyer,
                    number=number_of(cause.position, cause.happened_at) if cause.position else None,
                )
                self._take_up(Rejected.TYPE)
            case Approved():
                self._approved(event)
                self._take_up(None)
            case Rejected() if not self.known.submitted:
                self._wait(event, cause)
            case Rejected():
                self._partner(cause, Category.REJECTED, reasons=event.reasons)
            # Receipts are given at once, whatever is known of the request.
            case ConfirmationHeld():
                self._receipt(cause, event.distributor_id, NoticeKind.HELD, event.confirmation_id)
            case ConfirmationRefused():
                self._receipt(
                    cause,
                    event.distributor_id,
                    NoticeKind.REFUSED,
                    event.confirmation_id,
                    event.reason,
                    Category.REFUSED,
                )
            case _ if type(event) not in AFTER_APPROVAL:
                return
            case _ if not self.known.approved:
                self._wait(event, cause)
            case _:
                self._after_approval(event, cause)

    def _after_approval(self, event: Message, cause: Cause) -> None:
        known = self.known
        match event:
            case ShippingOpened():
                self._set(vendor=event.vendor.name)
            case PermissionIssued():
                self._set(permission_number=event.number)
            case InvoiceNoted():
                self._set(
                    invoice=InvoiceNews(
                        number=event.number,
                        issued_on=event.issued_on,
                        amount=event.amount,
                        vat_rate=event.vat_rate,
                    )
                )
            case DocumentIssued():
                self._issued(event, cause)
            case DocumentDispatched(delivery=Delivery.POST):
                document = known.document(event.document_id)
                if document is not None and known.channel is Channel.DIRECT:
                    self._partner(cause, Category.DISPATCHED, document=document, tracking=event.tracking)
            case DocumentSigned():
                if known.distributor_id and (document := known.document(event.document_id)):
                    self._distributor(cause, None, NoticeKind.SIGNED, document=document)
            case SignatureRefused():
                if document := known.document(event.document_id):
                    facts = {"document": document, "reason": event.reason}
                    if known.distributor_id:
                        self._distributor(cause, Category.SIGNATURE_REFUSED, NoticeKind.SIGNATURE_REFUSED, **facts)
                    else:
                        self._partner(cause, Category.SIGNATURE_REFUSED, **facts)
            case DistributorConfirmed():
                self._set(confirmed=True)
                self._receipt(cause, event.distributor_id, NoticeKind.CONFIRMED, event.confirmation_id)
                self._partner(cause, Category.CONFIRMED, note=event.note)
            case DistributorDeclined():
                self._receipt(cause, event.distributor_id, NoticeKind.DECLINED, event.confirmation_id)
                self._partner(cause, Category.DECLINED, note=event.note)
            case ShippingClosed(reason=ShippingClosure.WITHDRAWN):
                if known.told and known.distributor_id:
                    self._distributor(cause, Category.CLOSED, NoticeKind.CLOSED)
            case WithdrawalRefused():
                self._partner(cause, Category.WITHDRAWAL_REFUSED, reason=event.reason)
            case PaymentReceived():
                self._partner(cause, Category.PAYMENT, payment=event)
            case PaymentReturned(is_debt=True):
                self._partner(cause, Category.DEBT, returned=event)
            case RefundOwed():
                self._partner(cause, Category.REFUND, owed=event)
            case RefundPaid():
                self._partner(cause, Category.REFUND, refunded=event)
            case ShipmentIssued():
                self._partner(cause, Category.SHIPPED, kit=event.kit.number)
                if known.distributor_id:
                    self._distributor(cause, None, NoticeKind.SHIPPED, kit=event.kit.number)
            case Activated():
                self._partner(cause, Category.ACTIVATED, activated=event)
            case ActivationRefused():
                self._partner(cause, Category.ACTIVATION_REFUSED, reason=event.reason)
            case ReminderDue():
                self._partner(cause, Category.RENEWAL, due=event)
            case ReminderRequested():
                self._reminder(event, cause)

    def _approved(self, event: Approved) -> None:
        distributor = event.distributor
        self._set(
            approved=True,
            partner_id=event.partner.id,
            contact=event.contact,
            buyer=event.client.name,
            channel=event.channel,
            distributor_id=distributor.id if distributor else None,
            distributor=distributor.name if distributor else None,
            sale=NoticeSale(
                partner_id=event.partner.id,
                partner=event.partner.name,
                client=Client(inn=event.client.inn, kpp=event.client.kpp, name=event.client.name),
                product_id=event.product.id,
                product=event.product.name,
                months=event.product.months,
                amount=event.product.price,
                registration_number=event.registration_number,
            ),
        )

    def _issued(self, event: DocumentIssued, cause: Cause) -> None:
        """The last document of an approval brings all of it: one e-mail with permission, invoice or act (L14, L15)."""
        document = NoticeDocument(
            document_id=event.document_id,
            kind=event.kind,
            number=event.number,
            issued_on=event.issued_on,
            sha256=event.sha256,
        )
        self._set(documents=(*self.known.documents, document))
        match event.kind:
            case DocumentKind.ACT if self.known.distributor_id:
                self._set(told=True)
                self._partner(cause, Category.PERMISSION)
                self._distributor(cause, Category.PERMISSION, NoticeKind.PERMISSION)
                self._distributor(cause, None, NoticeKind.DOCUMENT, document=document)
            case DocumentKind.INVOICE:
                self._set(told=True)
                self._partner(cause, Category.PERMISSION)

    def _reminder(self, event: ReminderRequested, cause: Cause) -> None:
        facts = {"waits_for": event.waits_for, "note": event.note}
        if event.awaited is Awaited.PARTNER and event.awaited_id == self.known.partner_id:
            self._partner(cause, Category.REMINDER, **facts)
        elif event.awaited is Awaited.DISTRIBUTOR and event.awaited_id == self.known.distributor_id:
            self._distributor(cause, Category.REMINDER, None, **facts)

    def _receipt(
        self,
        cause: Cause,
        distributor_id: str,
        kind: NoticeKind,
        confirmation_id: str,
        reason: Reason | None = None,
        category: Category | None = None,
    ) -> None:
        own = self.known if self.known.approved and self.known.distributor_id == distributor_id else None
        receipt = NoticeReceipt(record=cause.record, confirmation_id=confirmation_id, reason=reason)
        facts = {"receipt": receipt, "reason": reason}
        once = reason.code if reason else ""
        self.news.append(
            News(self.request_id, cause, Audience.DISTRIBUTOR, distributor_id, category, kind, own, facts, once)
        )

    def _partner(self, cause: Cause, category: Category, **facts: Any) -> None:
        if self.known.partner_id is not None:
            self.news.append(
                News(self.request_id, cause, Audience.PARTNER, self.known.partner_id, category, None, self.known, facts)
            )

    def _distributor(self, cause: Cause, category: Category | None, topic: NoticeKind | None, **facts: Any) -> None:
        assert self.known.distributor_id is not None  # noqa: S101
        party_id = self.known.distributor_id
        self.news.append(
            News(self.request_id, cause, Audience.DISTRIBUTOR, party_id, category, topic, self.known, facts)
        )

    def _set(self, **changes: Any) -> None:
        self.known = self.known.model_copy(update=changes)

    def _wait(self, event: Message, cause: Cause) -> None:
        if len(self.known.waiting) < MOST_WAITING:
            body = cause.body.decode() or event.model_dump_json()
            waits = EarlyEvent(
                type=cause.type or event.TYPE,
                body=body,
                cause=cause.reference,
                record=cause.record,
                happened_at=cause.happened_at,
            )
            self._set(waiting=(*self.known.waiting, waits))

    def _take_up(self, only: str | None) -> None:
        """Tell what has waited: all of it, or one type only."""
        due = [each for each in self.known.waiting if only in (None, each.type)]
        self._set(waiting=tuple(each for each in self.known.waiting if each not in due))
        for event, cause in _read(due):
            self.take(event, cause)


def _read(waiting: list[EarlyEvent]) -> Iterator[tuple[Message, Cause]]:
    for each in waiting:
        body = each.body.encode()
        yield decode(each.type, body), Cause(each.cause, each.record, each.happened_at, each.type, body)


AFTER_APPROVAL: frozenset[type[Message]] = frozenset(
    (
        ShippingOpened,
        PermissionIssued,
        InvoiceNoted,
        DocumentIssued,
        DocumentDispatched,
        DocumentSigned,
        SignatureRefused,
        DistributorConfirmed,
        DistributorDeclined,
        ShippingClosed,
        WithdrawalRefused,
        PaymentReceived,
        PaymentReturned,
        RefundOwed,
        RefundPaid,
        ShipmentIssued,
        Activated,
        ActivationRefused,
        ReminderDue,
        ReminderRequested,
    )
)
"""Events whose notice carries what the approval says."""

_AT_ONCE: tuple[type[Message], ...] = (RequestSubmitted, Approved, Rejected, ConfirmationHeld, ConfirmationRefused)
TAKES = frozenset(each.TYPE for each in (*AFTER_APPROVAL, *_AT_ONCE))
"""Types of events that are news for somebody, or belong to the state."""
