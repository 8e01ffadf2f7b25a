"""Shipping: permission and documents, then the order behind the gate, then the delivery (L14-L18).

With the approval the permission number and the documents go out at once; nothing is made before `gate` lets it (L17).
Billing's word may be read before the approval it stems from (other topic): it is held and taken up with it.

Shipping is the arbiter of withdrawals. Before manufacturing is ordered a withdrawal closes the request, afterwards it
is refused. A request closed before its approval was read gets no permission and no documents at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from events.approval import Approved
from events.billing import DistributorConfirmed, DistributorDeclined, InvoiceIssued, PaymentReceived
from events.commands import DeclineDocument, KitManufactured, ReportDispatch, ReportRendering, SignDocument
from events.model import Channel, Decision, Event, Reason, Unacceptable
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
    WithdrawalRefused,
)
from services.shipping import documents
from services.shipping.state import (
    ClosedEarly,
    Confirmed,
    Facts,
    FullyPaid,
    Grounds,
    InvoiceOnDocument,
    Ordered,
    Sale,
    Shipped,
    State,
    Unseen,
    Waiting,
    sale_of,
)

MAX_BASES = 8
"""Words of billing held before the approval. Billing gives one; more than this is not billing."""


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
        case SignDocument() | DeclineDocument() | ReportRendering() | ReportDispatch():
            return documents.decide(state, message, facts)
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
            return Waiting(replace(state.sale, documents=(*state.sale.documents, documents.document_of(event))))
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
            return documents.with_document(state, event)
        case _:
            raise ValueError(f"{event.TYPE} can't follow {state!r}")


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
    events: list[Event] = [opened, permission, documents.issue(opened, invoice, kind, number, facts.today, facts.now)]
    if invoice and distributor is None:
        events.append(documents.issue_invoice(opened, invoice, facts.now))
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
    known = state.invoice if isinstance(state, Unseen) else sale.invoice if (sale := sale_of(state)) else None
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
                documents.issue(
                    state.sale.facts, invoice, DocumentKind.INVOICE, invoice.number, invoice.issued_on, facts.now
                ),
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
