"""Shipping: permission and documents, then the order behind the gate, then the delivery (L14-L18).

With the approval the permission number and the documents go out at once; nothing is made before `gate` lets it (L17).
Billing's word may be read before the approval it stems from (other topic): it is held and taken up with it.

Shipping is the arbiter of withdrawals. Before manufacturing is ordered a withdrawal closes the request, afterwards it
is refused. A request closed before its approval was read gets no permission and no documents at all.

After closing, a signature on a document of the request is refused (the document is void), but a report that a
document has left is still taken: it tells what has happened outside. A signature that was refused may be sent again as
it is, and is taken if it now verifies (a root added to the trusted ones, say); while it doesn't, it gives nothing new.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import assert_never

from events.approval import Approved
from events.billing import DistributorConfirmed, DistributorDeclined, InvoiceIssued, PaymentReceived
from events.checks import PERSON_INN
from events.commands import DeclineDocument, KitManufactured, ReportDispatch, ReportRendering, SignDocument
from events.model import Channel, Decision, Delivery, Event, Reason, Unacceptable
from events.reference import Partner
from events.request import RequestWithdrawn
from events.shipping import (
    Basis,
    BasisHeld,
    DocumentDeclined,
    DocumentDispatched,
    DocumentIssued,
    DocumentKind,
    DocumentRendered,
    DocumentSigned,
    InvoiceNoted,
    ManufacturingOrdered,
    PermissionIssued,
    ShipmentIssued,
    ShippingClosed,
    ShippingClosure,
    ShippingOpened,
    SignatureRefused,
    Vendor,
    WithdrawalRefused,
)
from postavka.domain.document_forms import canonical, upd
from postavka.domain.document_forms.forms import form_of, make
from postavka.domain.document_forms.paper import DocumentContent, paper_of, sha256
from services.shipping.verification import Claimed, NotVerified, Question, Unverifiable, Verified

SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_BASES = 8
"""Words of billing held before the approval. Billing gives one; more than this is not billing."""
MAX_SIGNATURES = 20
"""Refused signatures remembered for one document. Further ones go to the dead letters; a good one is always taken."""
MAX_DECLINES = 20
"""Refusals to sign remembered for one document; further ones go to the dead letters."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the stage has to know beside the message."""

    today: date
    """The day in Moscow: documents issued and shipments made now bear it."""
    permission_number: str
    """A fresh one (`services.shipping.permission`); used up only if `PermissionIssued` follows."""
    vendor: Vendor
    """The vendor as its documents name it, from the settings."""
    now: datetime
    """UTC; documents issued now say when they were drawn up."""
    verification: Claimed | NotVerified | Unverifiable | None = None
    """Of a `SignDocument`: what was found out about what `to_verify` asks."""
    power_of_attorney: str | None = None
    """Of a `SignDocument`: the number of the one by which its signer signs for the counterparty."""
    signature_taken: bool = False
    """Of a `SignDocument`: the very same signature was taken for another request."""


Input = (
    Approved
    | RequestWithdrawn
    | InvoiceIssued
    | DistributorConfirmed
    | DistributorDeclined
    | PaymentReceived
    | KitManufactured
    | SignDocument
    | DeclineDocument
    | ReportRendering
    | ReportDispatch
)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The distributor is ready to pay: what opens the gate of a sale through a distributor."""

    distributor_id: str
    confirmation_id: str


@dataclass(frozen=True, slots=True)
class FullyPaid:
    """Nothing is due for the invoice: what opens the gate of a direct sale."""

    invoice_number: str
    payment_id: str


Grounds = Confirmed | FullyPaid


@dataclass(frozen=True, slots=True)
class InvoiceOnDocument:
    """Billing's invoice, as its document needs it."""

    number: str
    issued_on: date
    amount: Decimal
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was issued, and what came back of it."""

    id: str
    kind: DocumentKind
    number: str
    issued_on: date
    signer_inn: str
    delivery: Delivery
    form: str
    issued_at: datetime | None
    sha256: str
    rendered: tuple[str, str] | None = None
    """Form and sha256 of the rendering for people."""
    dispatch_id: str | None = None
    signature: str | None = None
    """sha256 of the one that was taken."""
    refused: frozenset[str] = frozenset()
    """sha256 of those that were not."""
    declines: frozenset[str] = frozenset()
    """Ids of the counterparty's refusals to sign."""


@dataclass(frozen=True, slots=True)
class Sale:
    """The state of an approved request: its facts, its documents and its invoice, if there is one."""

    facts: ShippingOpened
    documents: tuple[Document, ...] = ()
    invoice: InvoiceOnDocument | None = None

    def document(self, document_id: str) -> Document | None:
        """The document of that id, if it is this request's."""
        return next((document for document in self.documents if document.id == document_id), None)


@dataclass(frozen=True, slots=True)
class Unseen:
    """The state before the approval; what billing has said of it already."""

    bases: tuple[Grounds, ...] = ()
    invoice: InvoiceOnDocument | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Permission and documents are out; the gate is shut."""

    sale: Sale


@dataclass(frozen=True, slots=True)
class Ordered:
    """The state after manufacturing is ordered; the kit is awaited."""

    sale: Sale
    withdrawal_refused: bool = False


@dataclass(frozen=True, slots=True)
class Shipped:
    """The delivery is sold."""

    sale: Sale
    kit_number: str
    withdrawal_refused: bool = False


@dataclass(frozen=True, slots=True)
class ClosedEarly:
    """Withdrawn or declined before manufacturing was ordered. `sale` is None if that came before the approval."""

    sale: Sale | None
    reason: ShippingClosure


State = Unseen | Waiting | Ordered | Shipped | ClosedEarly

INITIAL: State = Unseen()


def gate(sale: Sale, grounds: Grounds) -> ManufacturingOrdered | None:
    """The gate of L17, and the only place where `ManufacturingOrdered` is made.

    A sale through a distributor passes on the confirmation of that very distributor, a direct sale on full payment of
    its own invoice. Nothing else passes: None.
    """
    facts = sale.facts
    match grounds:
        case Confirmed() if facts.distributor is not None and facts.distributor.id == grounds.distributor_id:
            basis, basis_id = Basis.CONFIRMATION, grounds.confirmation_id
        case FullyPaid() if (
            facts.distributor is None and sale.invoice is not None and sale.invoice.number == grounds.invoice_number
        ):
            basis, basis_id = Basis.PAYMENT, grounds.payment_id
        case _:
            return None
    return ManufacturingOrdered(
        basis=basis,
        basis_id=basis_id,
        permission_number=facts.permission_number,
        product=facts.product,
        client=facts.client,
        registration_number=facts.registration_number,
    )


def decide(state: State, message: Input, facts: Facts) -> Decision:
    """What follows from a message. The same message twice gives nothing the second time."""
    match message:
        case Approved():
            return _approved(state, message, facts) if isinstance(state, Unseen) else ()
        case RequestWithdrawn():
            return _withdrawn(state)
        case InvoiceIssued():
            return _invoiced(state, message, facts)
        case DistributorConfirmed():
            return _opened(state, Confirmed(message.distributor_id, message.confirmation_id))
        case PaymentReceived():
            return () if message.due else _opened(state, FullyPaid(message.invoice_number, message.payment_id))
        case DistributorDeclined():
            return _declined(state, message)
        case KitManufactured():
            return _manufactured(state, message, facts)
        case SignDocument():
            return _signed(state, message, facts)
        case DeclineDocument():
            return _decline(state, message)
        case ReportRendering():
            return _rendered(state, message)
        case ReportDispatch():
            return _dispatched(state, message)
        case _:
            assert_never(message)


def evolve(state: State, event: Event) -> State:
    """The state after one of shipping's own events."""
    match state, event:
        case Unseen(), BasisHeld():
            return replace(state, bases=(*state.bases, _grounds(event)))
        case Unseen(), InvoiceNoted():
            return replace(state, invoice=_invoice(event))
        case Unseen(), ShippingOpened():
            return Waiting(Sale(event, invoice=state.invoice))
        case Unseen(), ShippingClosed():
            return ClosedEarly(None, event.reason)
        case Waiting(), ShippingClosed():
            return ClosedEarly(state.sale, event.reason)
        case Waiting(), InvoiceNoted():
            return Waiting(replace(state.sale, invoice=_invoice(event)))
        case Waiting(), DocumentIssued():
            return Waiting(replace(state.sale, documents=(*state.sale.documents, _document(event))))
        case Waiting(), ManufacturingOrdered():
            return Ordered(state.sale)
        case Waiting(), PermissionIssued():
            return state
        case Ordered(), ShipmentIssued():
            return Shipped(state.sale, event.kit.number, state.withdrawal_refused)
        case ((Ordered() | Shipped()), WithdrawalRefused()):
            return replace(state, withdrawal_refused=True)
        case _, (
            DocumentRendered() | DocumentDispatched() | DocumentSigned() | SignatureRefused() | DocumentDeclined()
        ):
            return _with_document(state, event)
        case _:
            raise ValueError(f"{event.TYPE} can't follow {state!r}")


def to_verify(state: State, message: SignDocument) -> Question | None:
    """What has to be found out before `decide`: does this signature cover the bytes issued?

    None where the answer does not depend on it (no such document, closed, signed already, not base64), and where this
    release can't make the bytes again: `decide` then finds it unacceptable.
    """
    sale = _sale(state)
    document = sale.document(message.document_id) if sale else None
    signature = _der(message.signature)
    if sale is None or document is None or signature is None or document.signature or isinstance(state, ClosedEarly):
        return None
    title = _der(message.title) if message.title is not None else None
    if message.title is not None and title is None:
        return None
    try:
        issued = document_content(sale, document)
    except ValueError:
        return None
    file_id = upd.file_id(_paper_of(sale, document)) if document.form == upd.FORM else None
    return Question(signature, title, document.form, issued, document.rendered, document.signer_inn, file_id)


def signature_digest(sign: SignDocument) -> str:
    """The SHA-256 that names this signature in events: of its DER, or of the text where that is no base64."""
    der = _der(sign.signature)
    return sha256(sign.signature.encode() if der is None else der)


def document_content(sale: Sale, document: Document) -> bytes:
    """The exact bytes of a document, made again from the facts of its sale.

    Raises `ValueError` if they are not the bytes that were issued: this release has lost a form of documents.
    """
    data = make(document.form, _paper_of(sale, document))
    if sha256(data) != document.sha256:
        raise ValueError(f"the bytes made of document {document.id} are not those that were issued")
    return data


def _approved(state: Unseen, approved: Approved, facts: Facts) -> Decision:
    """Permission and documents go out (L14, L15); what billing has said already is taken up."""
    distributor = approved.distributor
    if (distributor is None) != (approved.channel is Channel.DIRECT):
        return Unacceptable("channel-mismatch", f"channel {approved.channel} does not fit distributor {distributor}")
    opened = ShippingOpened(
        permission_number=facts.permission_number, vendor=facts.vendor, **approved.carried_into(ShippingOpened)
    )
    permission = PermissionIssued(
        number=facts.permission_number,
        partner_id=approved.partner.id,
        distributor_id=distributor.id if distributor else None,
    )
    invoice, number = state.invoice, facts.permission_number
    kind = DocumentKind.ACT if distributor else DocumentKind.SHIPPING
    events: list[Event] = [opened, permission, _issue(opened, invoice, kind, number, facts.today, facts.now)]
    if invoice and distributor is None:
        events.append(_issue(opened, invoice, DocumentKind.INVOICE, invoice.number, invoice.issued_on, facts.now))
    if state.bases:
        sale = Sale(opened, invoice=invoice)
        events += [order for grounds in state.bases if (order := gate(sale, grounds))][:1]
    return tuple(events)


def _withdrawn(state: State) -> Decision:
    match state:
        case Unseen() | Waiting():
            return (ShippingClosed(reason=ShippingClosure.WITHDRAWN),)
        case Ordered() | Shipped() if not state.withdrawal_refused:
            message = "Отозвать заявку уже нельзя: заказ передан на изготовление."
            return (WithdrawalRefused(reason=Reason(code="already-ordered", message=message)),)
        case _:
            return ()


def _declined(state: State, declined: DistributorDeclined) -> Decision:
    """The distributor will not pay: the request ends."""
    match state:
        case Unseen():
            return (ShippingClosed(reason=ShippingClosure.DECLINED),)
        case Waiting():
            distributor = state.sale.facts.distributor
            if distributor is None or distributor.id != declined.distributor_id:
                return Unacceptable(
                    "other-distributor", f"{declined.distributor_id!r} is not the request's distributor"
                )
            return (ShippingClosed(reason=ShippingClosure.DECLINED),)
        case Ordered() | Shipped():
            return Unacceptable("declined-after-order", "manufacturing has been ordered on a confirmation or payment")
        case ClosedEarly():
            return ()


def _invoiced(state: State, issued: InvoiceIssued, facts: Facts) -> Decision:
    """Billing's invoice of a direct sale: its document goes to the partner (L15)."""
    noted = InvoiceNoted(
        number=issued.number, issued_on=issued.issued_on, amount=issued.amount, vat_rate=issued.vat_rate
    )
    known = state.invoice if isinstance(state, Unseen) else sale.invoice if (sale := _sale(state)) else None
    if known is not None:
        if known.number == issued.number:
            return ()
        return Unacceptable("other-invoice", f"the request has the invoice {known.number!r} already")
    match state:
        case Unseen():
            return (noted,)
        case Waiting() if state.sale.facts.distributor is None:
            invoice = _invoice(noted)
            return (
                noted,
                _issue(state.sale.facts, invoice, DocumentKind.INVOICE, invoice.number, invoice.issued_on, facts.now),
            )
        case ClosedEarly():
            return ()
        case _:
            return Unacceptable("not-direct", "an invoice for a sale through a distributor")


def _opened(state: State, grounds: Grounds) -> Decision:
    """Billing says that the gate is open (L17)."""
    match state:
        case Unseen():
            if grounds in state.bases:
                return ()
            if len(state.bases) >= MAX_BASES:
                return Unacceptable("too-many-bases", f"over {MAX_BASES} confirmations or payments before the approval")
            return (_held(grounds),)
        case Waiting():
            order = gate(state.sale, grounds)
            return (order,) if order else Unacceptable("gate-shut", f"{grounds} does not fit the request")
        case Ordered() | Shipped() | ClosedEarly():
            return ()


def _manufactured(state: State, made: KitManufactured, facts: Facts) -> Decision:
    """The kit is made: the delivery is sold (L18)."""
    match state:
        case Ordered():
            sale = state.sale.facts
            return (
                ShipmentIssued(
                    channel=sale.channel,
                    partner_id=sale.partner.id,
                    distributor_id=sale.distributor.id if sale.distributor else None,
                    kit=made.kit,
                    product=sale.product,
                    client=sale.client,
                    registration_number=sale.registration_number,
                    shipped_on=facts.today,
                ),
            )
        case Shipped():
            if state.kit_number == made.kit.number:
                return ()
            return Unacceptable("other-kit", f"the request has been shipped with the kit {state.kit_number!r}")
        case Unseen() | Waiting() | ClosedEarly():
            return Unacceptable("not-ordered", "no manufacturing has been ordered for this request")


def _signed(state: State, sign: SignDocument, facts: Facts) -> Decision:
    """A signed document comes back (L16): taken if its counterparty has signed exactly the bytes issued."""
    sale = _sale(state)
    document = sale.document(sign.document_id) if sale else None
    if document is None:
        return Unacceptable("unknown-document", f"the request has no document {sign.document_id!r}")
    der = _der(sign.signature)
    digest = signature_digest(sign)
    if digest == document.signature:
        return ()
    reason: Reason
    if isinstance(state, ClosedEarly):
        reason = Reason(code="closed", message="Заявка закрыта, документ недействителен: подписывать его не нужно.")
    elif document.signature is not None:
        reason = Reason(code="already-signed", message="Документ уже подписан.")
    elif der is None or (sign.title is not None and _der(sign.title) is None):
        reason = Reason(code="not-base64", message="Подпись не удалось прочитать: это не Base64.")
    elif facts.signature_taken or any(other.signature == digest for other in _documents(state)):
        reason = Reason(code="reused", message="Эта подпись уже принята под другим документом.")
    else:
        match facts.verification:
            case None:
                return Unacceptable("not-verified", "the signature has not been verified against the bytes issued")
            case Unverifiable():
                return Unacceptable("not-verified", facts.verification.cause)
            case NotVerified():
                reason = facts.verification.reason
            case Claimed(Verified(signer_inn)) if signer_inn != document.signer_inn and not facts.power_of_attorney:
                reason = _other_signer(signer_inn, document.signer_inn)
            case Claimed(verified, form, covers_sha256):
                return (
                    DocumentSigned(
                        document_id=document.id,
                        signer_inn=verified.signer_inn,
                        certificate_serial=verified.certificate_serial,
                        certificate_subject=verified.certificate_subject,
                        signed_at=verified.signed_at,
                        signature_sha256=digest,
                        form=form,
                        covers_sha256=covers_sha256,
                        time_stamped_by=verified.time_stamped_by,
                        power_of_attorney=facts.power_of_attorney,
                    ),
                )
    if digest in document.refused:
        return ()
    if len(document.refused) >= MAX_SIGNATURES:
        return Unacceptable("too-many-signatures", f"over {MAX_SIGNATURES} signatures refused for {document.id!r}")
    return (SignatureRefused(document_id=document.id, reason=reason, signature_sha256=digest),)


def _other_signer(signer_inn: str, wanted: str) -> Reason:
    message = f"Документ подписан ИНН {signer_inn}, а должен быть подписан ИНН {wanted}."
    if len(signer_inn) == PERSON_INN:
        message += (
            " Если сотрудник подписал по машиночитаемой доверенности (МЧД), сообщите нам её номер: действующей "
            "доверенности на него у нас нет. Затем отправьте ту же подпись снова."
        )
    return Reason(code="other-signer", message=message)


def _decline(state: State, decline: DeclineDocument) -> Decision:
    """The counterparty will not sign. It ends nothing: the two sides talk, and a signature that comes later counts."""
    sale = _sale(state)
    document = sale.document(decline.document_id) if sale else None
    if document is None:
        return Unacceptable("unknown-document", f"the request has no document {decline.document_id!r}")
    if decline.decline_id in document.declines or isinstance(state, ClosedEarly):
        return ()
    if document.signature is not None:
        return Unacceptable("already-signed", f"{document.id!r} has been signed")
    if len(document.declines) >= MAX_DECLINES:
        return Unacceptable("too-many-declines", f"over {MAX_DECLINES} refusals to sign {document.id!r}")
    return (
        DocumentDeclined(
            document_id=document.id,
            decline_id=decline.decline_id,
            reason=decline.reason,
            declined_by=decline.sent_by,
        ),
    )


def _rendered(state: State, report: ReportRendering) -> Decision:
    """A document has its rendering, once and for all: what people are shown is what they were sent."""
    sale = _sale(state)
    document = sale.document(report.document_id) if sale else None
    if document is None:
        return Unacceptable("unknown-document", f"the request has no document {report.document_id!r}")
    if not SHA256.fullmatch(report.sha256):
        return Unacceptable("not-a-sha256", f"{report.sha256!r} is no SHA-256 in lower-case hexadecimal")
    if document.rendered is not None:
        if document.rendered == (report.form, report.sha256):
            return ()
        return Unacceptable("other-rendering", f"{document.id!r} has the rendering {document.rendered[1]}")
    return (DocumentRendered(document_id=document.id, form=report.form, sha256=report.sha256),)


def _dispatched(state: State, report: ReportDispatch) -> Decision:
    """A document has left, once, on the way it was issued for (L15)."""
    sale = _sale(state)
    document = sale.document(report.document_id) if sale else None
    if document is None:
        return Unacceptable("unknown-document", f"the request has no document {report.document_id!r}")
    if document.delivery is not report.delivery:
        return Unacceptable("other-delivery", f"{document.id!r} goes by {document.delivery}, not {report.delivery}")
    if document.dispatch_id is not None:
        if document.dispatch_id == report.dispatch_id:
            return ()
        return Unacceptable("already-dispatched", f"{document.id!r} has left as {document.dispatch_id!r}")
    return (
        DocumentDispatched(
            document_id=document.id,
            delivery=report.delivery,
            dispatch_id=report.dispatch_id,
            tracking=report.tracking,
        ),
    )


def _issue(
    facts: ShippingOpened,
    invoice: InvoiceOnDocument | None,
    kind: DocumentKind,
    number: str,
    issued_on: date,
    now: datetime,
) -> DocumentIssued:
    """A document for the counterparty: a distributor's goes by EDO (L14), a partner's as agreed with it (L15)."""
    recipient = facts.distributor or facts.partner
    paper = _paper(facts, invoice, kind, number, issued_on, now.replace(microsecond=0))
    form = form_of(paper)
    return DocumentIssued(
        document_id=paper.document_id,
        kind=kind,
        number=number,
        issued_on=issued_on,
        issued_at=None if form == canonical.FORM else paper.issued_at,
        recipient_id=recipient.id,
        signer_inn=recipient.inn,
        delivery=Delivery.EDO if facts.distributor else _agreed(facts.partner, kind),
        form=form,
        sha256=sha256(make(form, paper)),
    )


def _agreed(partner: Partner, kind: DocumentKind) -> Delivery:
    """How a document of this kind travels to the partner."""
    by_kind = partner.delivery_by_kind
    match kind:
        case DocumentKind.ACT:
            return by_kind.act or partner.delivery
        case DocumentKind.INVOICE:
            return by_kind.invoice or partner.delivery
        case DocumentKind.SHIPPING:
            return by_kind.shipping or partner.delivery


def _paper_of(sale: Sale, document: Document) -> DocumentContent:
    return _paper(sale.facts, sale.invoice, document.kind, document.number, document.issued_on, document.issued_at)


def _paper(
    facts: ShippingOpened,
    invoice: InvoiceOnDocument | None,
    kind: DocumentKind,
    number: str,
    issued_on: date,
    issued_at: datetime | None,
) -> DocumentContent:
    return paper_of(facts, kind, number, issued_on, issued_at, (invoice.amount, invoice.vat_rate) if invoice else None)


def _der(signature: str) -> bytes | None:
    """The bytes of the signature; None if the text is not base64 (line breaks are allowed) or is empty."""
    try:
        return base64.b64decode("".join(signature.split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _sale(state: State) -> Sale | None:
    return None if isinstance(state, Unseen) else state.sale


def _documents(state: State) -> tuple[Document, ...]:
    sale = _sale(state)
    return sale.documents if sale else ()


OfDocument = DocumentRendered | DocumentDispatched | DocumentSigned | SignatureRefused | DocumentDeclined


def _with_document(state: State, event: OfDocument) -> State:
    """The state with one document changed by what has happened to it."""
    if isinstance(state, Unseen) or state.sale is None:
        raise ValueError(f"{event.TYPE} before any document")
    documents = tuple(
        _after(document, event) if document.id == event.document_id else document for document in state.sale.documents
    )
    return replace(state, sale=replace(state.sale, documents=documents))


def _after(document: Document, event: OfDocument) -> Document:
    match event:
        case DocumentRendered():
            return replace(document, rendered=(event.form, event.sha256))
        case DocumentDeclined():
            return replace(document, declines=document.declines | {event.decline_id})
        case DocumentDispatched():
            return replace(document, dispatch_id=event.dispatch_id)
        case DocumentSigned():
            return replace(document, signature=event.signature_sha256)
        case SignatureRefused():
            return replace(document, refused=document.refused | {event.signature_sha256})


def _document(event: DocumentIssued) -> Document:
    return Document(
        id=event.document_id,
        kind=event.kind,
        number=event.number,
        issued_on=event.issued_on,
        signer_inn=event.signer_inn,
        delivery=event.delivery,
        form=event.form,
        issued_at=event.issued_at,
        sha256=event.sha256,
    )


def _invoice(event: InvoiceNoted) -> InvoiceOnDocument:
    return InvoiceOnDocument(event.number, event.issued_on, event.amount, event.vat_rate)


def _held(grounds: Grounds) -> BasisHeld:
    match grounds:
        case Confirmed(distributor_id, confirmation_id):
            return BasisHeld(basis=Basis.CONFIRMATION, basis_id=confirmation_id, given_by=distributor_id)
        case FullyPaid(invoice_number, payment_id):
            return BasisHeld(basis=Basis.PAYMENT, basis_id=payment_id, given_by=invoice_number)


def _grounds(event: BasisHeld) -> Grounds:
    match event.basis:
        case Basis.CONFIRMATION:
            return Confirmed(event.given_by, event.basis_id)
        case Basis.PAYMENT:
            return FullyPaid(event.given_by, event.basis_id)
