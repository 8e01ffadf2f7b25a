"""The commands on the input topics: what outsiders ask of the system. Kept for ever beside the events: an auditor needs
both.

A command that people fill in (`SubmitRequest`) takes any text: approval names every mistake at once. A command that
programs write is strict: a wrong one goes to the dead letters.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, StringConstraints

from events.activation import Activator
from events.model import Command, Delivery, Id, PositiveMoney, Text, Value
from events.personal import OF_CLIENT
from events.shipping import Kit

_CREDIT = re.compile(r"(oc-[0-9a-f]{16}#1)(#\d+)?")


class SubmitRequest(Command):
    """Button «Отправить» (L11). The request's id is made by the sender before the first try: the same id twice is one
    request. Topic `commands.requests`."""

    TYPE: ClassVar[str] = "SubmitRequest.v2"

    request_id: UUID
    partner_id: Id
    submitted_by: Id
    request_type: Text | None = None
    contact_id: Text | None = None
    distributor_id: Text | None = None
    base_delivery_id: Text | None = None
    registration_number: Text | None = None
    product_id: Text | None = None
    inn: Text | None = None
    buyer: Text | None = None
    kpp: Text | None = None
    comment: Text | None = None
    client_email: Annotated[Text | None, OF_CLIENT] = None
    client_phone: Annotated[Text | None, OF_CLIENT] = None
    renews: Text | None = None
    """The id of the request whose service this one prolongs; since version 2."""


class WithdrawRequest(Command):
    """The partner takes a request back. Topic `commands.requests`."""

    TYPE: ClassVar[str] = "WithdrawRequest.v1"

    request_id: UUID
    partner_id: Id
    withdrawn_by: Id
    reason: Text | None = None


class DistributorConfirmation(Command):
    """A distributor's answer: ready to pay or not (L17). Topic `distributors.<id>.confirmations`: the topic says whose
    it is, since only that distributor may write there."""

    TYPE: ClassVar[str] = "DistributorConfirmation.v1"

    request_id: UUID
    """In the body capitals, braces, `urn:uuid:` and missing hyphens are taken too, for ever: such answers were."""
    confirmation_id: Id
    """The distributor's own number of this answer; the same one twice is one answer."""
    accepted: bool
    """Write `true` or `false`. Taken too, for ever, since such answers were taken: 1, "1", "true", "t", "yes", "y",
    "on" for true; 0, "0", "false", "f", "no", "n", "off" for false; in small letters or capitals."""
    note: Text | None = None


class BankDocument(Value):
    """A payment order as the bank's statement shows it: what a person needs to recognise it by."""

    number: Id | None = None
    issued_on: date | None = None
    other_name: Text | None = None
    """The other side: the payer of money that came, the payee of money that went."""
    other_account: Id | None = None
    other_bic: Id | None = None
    our_account: Id | None = None
    statement: Id | None = None
    """SHA-256 of the file in which it was first seen, hexadecimal."""


class BankPayment(Command):
    """Money that came to one of our accounts, from the bank's statement. Topic `bank.payments`."""

    TYPE: ClassVar[str] = "BankPayment.v2"

    payment_id: Id
    """Unique at the bank; the same one twice is one payment. The statement reader makes it from the document's own
    fields. `#` and a number at the end are kept for parts of a payment that were matched by hand."""
    amount: PositiveMoney
    received_on: date
    payer_inn: Id
    """`0` if the document has none."""
    purpose: Text
    invoice_number: Id | None = None
    """If the reader of the statement found one in the purpose."""
    document: BankDocument | None = None


class BankReturn(Command):
    """Money that went back from one of our accounts: a refund, or a payment that the bank has reversed. Topic
    `bank.payments`."""

    TYPE: ClassVar[str] = "BankReturn.v1"

    return_id: Id
    """Made like a payment's id; the same one twice is one return."""
    amount: PositiveMoney
    paid_on: date
    payee_inn: Id
    """`0` if the document has none."""
    purpose: Text
    invoice_number: Id | None = None
    """If the reader of the statement found one in the purpose."""
    payment_id: Id | None = None
    """The payment that goes back, if the purpose names it."""
    document: BankDocument | None = None


class MatchPayment(Command):
    """Operations: an unmatched payment, or a part of it, is for this invoice. Billing decides (L17). Topic
    `commands.payments`."""

    TYPE: ClassVar[str] = "MatchPayment.v1"

    order_id: Id
    """Made by the sender before the first try: the same one twice is one order."""
    payment_id: Id
    invoice_number: Id
    amount: PositiveMoney | None = None
    """Of this part; None: what is due, or all that is left of the payment if that is less."""
    ordered_by: Id
    note: Text
    """Why it belongs there."""


class ReturnMoney(Command):
    """Operations: an unmatched payment, or what came above an invoice, goes back to its payer. The payment order itself
    is the accountant's; the statement tells when it was carried out. Topic `commands.payments`."""

    TYPE: ClassVar[str] = "ReturnMoney.v1"

    order_id: Id
    """Made by the sender before the first try: the same one twice is one order."""
    payment_id: Id | None = None
    """The unmatched payment; either this or the invoice."""
    invoice_number: Id | None = None
    """The invoice that was overpaid; either this or the payment."""
    amount: PositiveMoney | None = None
    """None: all that can go back."""
    ordered_by: Id
    note: Text
    """Why."""


class CreditOverpayment(Command):
    """Operations: what came above an invoice is for another invoice of the same partner. Billing takes it off the one
    and parks it under `payment_id`; the `MatchPayment` that its sender sends behind it, under the same key, puts it to
    the other. Topic `commands.payments`."""

    TYPE: ClassVar[str] = "CreditOverpayment.v1"

    order_id: Id
    """Made by the sender before the first try: the same one twice is one order."""
    invoice_number: Id
    """The invoice that was overpaid."""
    to_invoice: Id
    amount: PositiveMoney | None = None
    """None: all that came above the one, or what is due of the other if that is less."""
    ordered_by: Id
    note: Text
    """Why."""

    @property
    def payment_id(self) -> str:
        """The id under which the sum is parked. Its end keeps it apart from the bank's, none of which may end so."""
        digest = hashlib.sha256(f"{self.invoice_number}\x1f{self.order_id}".encode()).hexdigest()
        return f"oc-{digest[:16]}#1"

    @property
    def match(self) -> MatchPayment:
        """The order that has to follow it."""
        return MatchPayment(
            order_id=match_order(self.payment_id),
            payment_id=self.payment_id,
            invoice_number=self.to_invoice,
            ordered_by=self.ordered_by,
            note=self.note,
        )


def match_order(payment_id: str) -> str:
    """The id of the order that has to follow a credit, by the id under which the sum is parked."""
    return f"{payment_id}-match"


def is_parked_credit(payment_id: str) -> bool:
    """Is this an overpayment that was parked for another invoice, and nothing that the bank reported?"""
    found = _CREDIT.fullmatch(payment_id)
    return found is not None and found[2] is None


def is_credited(payment_id: str) -> bool:
    """Is this a part of such an overpayment, which counts for an invoice?"""
    found = _CREDIT.fullmatch(payment_id)
    return found is not None and found[2] is not None


class MatchReturn(Command):
    """Operations: money that went back without saying for what belongs to this invoice or payment. Topic
    `commands.payments`."""

    TYPE: ClassVar[str] = "MatchReturn.v1"

    order_id: Id
    """Made by the sender before the first try: the same one twice is one order."""
    return_id: Id
    invoice_number: Id | None = None
    """Either this or the payment."""
    payment_id: Id | None = None
    ordered_by: Id
    note: Text
    """Why it belongs there."""


class SignDocument(Command):
    """A signed document comes back (L16). Topic `commands.documents`."""

    TYPE: ClassVar[str] = "SignDocument.v2"

    request_id: UUID
    document_id: Id
    signature: Annotated[str, StringConstraints(max_length=200_000)]
    """Detached CMS (PKCS#7) signature; DER in base64. Over the exact bytes issued, or over `title`."""
    title: Annotated[str, StringConstraints(max_length=200_000)] | None = None
    """The buyer's title (ON_NSCHFDOPPOK), base64, if that is what was signed: it names the document it answers."""
    sent_by: Id


class DeclineDocument(Command):
    """The counterparty refuses to sign a document. Topic `commands.documents`."""

    TYPE: ClassVar[str] = "DeclineDocument.v1"

    request_id: UUID
    document_id: Id
    decline_id: Id
    """The sender's own number of this answer; the same one twice is one answer."""
    reason: Text
    sent_by: Id


class ReportRendering(Command):
    """A document has been made readable for people; its bytes are in the store. Topic `commands.documents`."""

    TYPE: ClassVar[str] = "ReportRendering.v1"

    request_id: UUID
    document_id: Id
    form: Id
    sha256: Id


class ReportDispatch(Command):
    """The exchange operator or the postal clerk says that a document has left (L15). Topic `commands.documents`."""

    TYPE: ClassVar[str] = "ReportDispatch.v1"

    request_id: UUID
    document_id: Id
    delivery: Delivery
    dispatch_id: Id
    tracking: Id | None = None


class KitManufactured(Command):
    """The manufacturing department's answer to `ManufacturingOrdered`. Topic `manufacturing.kits`."""

    TYPE: ClassVar[str] = "KitManufactured.v1"

    request_id: UUID
    kit: Kit


class ActivateDelivery(Command):
    """The user, or the partner for it, activates a delivery (L19). Topic `commands.activations`."""

    TYPE: ClassVar[str] = "ActivateDelivery.v1"

    request_id: UUID
    activation_id: Id
    """Made by the sender: the same one twice is one try."""
    activated_by: Activator
    actor: Id
    partner_id: Id | None = None
    """Required when a partner activates: it must be the one that bought the delivery."""
    code: Id | None = None
    """Required when the user activates: the code from the kit."""


class ConsiderService(Command):
    """A day has come on which something may be due for a running service: a reminder, or its end. Only the timer says
    so; twice, or late, does no harm. Topic `commands.services`."""

    TYPE: ClassVar[str] = "ConsiderService.v1"

    request_id: UUID
    day: date
    """In Moscow. Refused while the broker's time has not come to it."""
    ladder: tuple[Annotated[int, Field(ge=1, le=3_660)], ...]
    """Days before the end of a service at which a reminder is due."""


class ProlongService(Command):
    """The days of a renewal for the service that it names; the timer carries them from one to the other. Topic
    `commands.services`."""

    TYPE: ClassVar[str] = "ProlongService.v1"

    request_id: UUID
    """The request whose service is prolonged."""
    renewal_id: UUID
    """The request that prolongs it; the same one twice is one renewal."""
    registration_number: Id
    activated_from: date
    activated_until: date


class RefuseRenewal(Command):
    """What a renewal names has refused its days; the timer tells it. Topic `commands.services`."""

    TYPE: ClassVar[str] = "RefuseRenewal.v1"

    request_id: UUID
    """The renewal."""
    refused_by: UUID
    renews: UUID | None = None
    """What it prolongs instead; None: nothing, so that its delivery is a service of its own."""


class ScheduleRenewal(Command):
    """A partner has planned to renew this service on a day to come; the timer tells it, once the plan is kept. Topic
    `commands.services`."""

    TYPE: ClassVar[str] = "ScheduleRenewal.v1"

    request_id: UUID
    """The request whose service is to be prolonged."""
    renewal_id: UUID
    """The id under which the request that prolongs it will be sent; the same one twice is one plan."""
    day: date
    """In Moscow: when it is to be sent."""
    planned_by: Id


class CancelRenewal(Command):
    """A renewal that was planned will not be sent: somebody has taken it back, or it could not be sent. The timer tells
    it. Topic `commands.services`."""

    TYPE: ClassVar[str] = "CancelRenewal.v1"

    request_id: UUID
    renewal_id: UUID
    cancelled_by: Id | None = None
    """None: it could not be sent."""
    reason: Text | None = None
    """Why it could not."""
