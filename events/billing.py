"""Stage `billing`: is it confirmed or paid? (L15, L17) Topic `billing.events`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from events.model import Channel, Event, Id, Money, Reason, Text

Part = Annotated[int, Field(ge=1)]
"""Number of a part of a payment: 1, 2, 3 …"""


class BillingClosure(StrEnum):
    """Why billing of a request ended before its confirmation or payment."""

    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class BillingOpened(Event):
    """The approval has been seen: who answers or pays for the request, and how much. An answer that came earlier is
    taken up right after it."""

    TYPE: ClassVar[str] = "BillingOpened.v1"

    channel: Channel
    partner_id: Id
    distributor_id: Id | None
    """Whose confirmation counts (L17); None in a direct sale."""
    payer_id: Id
    payer_inn: Id
    """Of the distributor, or in a direct sale of the partner."""
    product_id: Id
    amount: Money
    vat_rate: Decimal
    """Per cent, included in the amount."""


class BillingClosed(Event):
    """Rejected, or withdrawn before it was confirmed or paid in full, or closed by shipping although it was paid (a
    withdrawal before manufacturing was ordered): nothing can open the gate any more."""

    TYPE: ClassVar[str] = "BillingClosed.v1"

    reason: BillingClosure
    to_return: Money
    """What had been paid until then and goes back to the payer."""


class InvoiceIssued(Event):
    """Счет на оплату of a direct sale (L15). Numbers are without gaps within a year."""

    TYPE: ClassVar[str] = "InvoiceIssued.v1"

    number: Id
    issued_on: date
    amount: Money
    vat_rate: Decimal
    """Per cent, included in the amount."""
    payer_id: Id
    payer_inn: Id


class ConfirmationHeld(Event):
    """A distributor's answer that came before the approval: kept, and taken up when the approval comes."""

    TYPE: ClassVar[str] = "ConfirmationHeld.v1"

    distributor_id: Id
    confirmation_id: Id
    accepted: bool
    note: Text | None = None


class DistributorConfirmed(Event):
    """The distributor is ready to pay the invoice for the partner's request (L17): the gate opens."""

    TYPE: ClassVar[str] = "DistributorConfirmed.v1"

    distributor_id: Id
    confirmation_id: Id
    note: Text | None = None


class DistributorDeclined(Event):
    """The distributor will not pay: the request ends here."""

    TYPE: ClassVar[str] = "DistributorDeclined.v1"

    distributor_id: Id
    confirmation_id: Id
    note: Text | None = None


class ConfirmationRefused(Event):
    """A distributor's answer that can't count, and why: not its request, already answered, withdrawn, rejected."""

    TYPE: ClassVar[str] = "ConfirmationRefused.v1"

    distributor_id: Id
    confirmation_id: Id
    reason: Reason


class PaymentReceived(Event):
    """Money for an invoice of a direct sale. The gate opens when `due` is zero (L17)."""

    TYPE: ClassVar[str] = "PaymentReceived.v1"

    payment_id: Id
    """The bank's; of a part that was matched by hand the payment's with `#` and the number of the part."""
    invoice_number: Id
    amount: Money
    """This payment."""
    paid: Money
    """All payments for the invoice, this one included."""
    due: Money
    """What is still owed; never negative."""
    overpaid: Money
    """What came above the invoice; never negative."""
    received_on: date
    payer_inn: Id


class PaymentUnmatched(Event):
    """Money that counts for no invoice, and why: recorded, for a person to look at; it opens no gate. Its subject is
    the request where one is known (withdrawn, another payer), otherwise an id made from the payment's."""

    TYPE: ClassVar[str] = "PaymentUnmatched.v1"

    payment_id: Id
    amount: Money
    received_on: date
    payer_inn: Id
    purpose: Text
    reason: Reason


class PaymentMatched(Event):
    """Operations have put an unmatched payment, or a part of it, to an invoice: who and why. The `PaymentReceived`
    behind it says what that does to the invoice (L17)."""

    TYPE: ClassVar[str] = "PaymentMatched.v1"

    order_id: Id
    payment_id: Id
    part: Part
    """1, 2, 3 … of the payment: one payment may be for several invoices."""
    invoice_number: Id
    amount: Money
    ordered_by: Id
    note: Text


class PaymentReturned(Event):
    """Money for an invoice went back although no refund was owed: the bank has reversed a payment, or more was sent
    back than was owed. What had been paid counts no longer."""

    TYPE: ClassVar[str] = "PaymentReturned.v1"

    return_id: Id
    """Of one that was matched by hand: with `#1`."""
    invoice_number: Id
    amount: Money
    paid: Money
    """What is left of all payments."""
    due: Money
    overpaid: Money
    owed: Money
    """What is still to be sent back."""
    is_debt: bool
    """The invoice had been paid in full before, and the gate was open: what is due now is a debt of the payer's. What
    was manufactured stays so."""
    returned_on: date
    payee_inn: Id


class RefundCause(StrEnum):
    """Why money of an invoice has to go back."""

    WITHDRAWN = "withdrawn"
    """The request was withdrawn before manufacturing was ordered."""
    OVERPAID = "overpaid"
    """More came than the invoice says, and operations send it back."""


class RefundOwed(Event):
    """Money paid for an invoice has to go back to the payer: the request was withdrawn, or operations return what came
    above the invoice."""

    TYPE: ClassVar[str] = "RefundOwed.v1"

    refund_id: Id
    invoice_number: Id
    amount: Money
    owed: Money
    """All that is to go back for this invoice now, this one included."""
    payee_inn: Id
    cause: RefundCause
    ordered_by: Id | None
    """Who decided it; None where it follows from the withdrawal."""
    note: Text | None


class OverpaymentCredited(Event):
    """Operations take what came above an invoice for another invoice of the same partner: who and why. It counts for
    this one no longer, and is parked by the `PaymentUnmatched` behind it until it is matched."""

    TYPE: ClassVar[str] = "OverpaymentCredited.v1"

    order_id: Id
    payment_id: Id
    """Under which it is parked."""
    invoice_number: Id
    """The invoice that was overpaid."""
    to_invoice: Id
    amount: Money
    paid: Money
    """What is left of all payments for the overpaid invoice."""
    overpaid: Money
    """What is still above it."""
    credited_on: date
    payer_inn: Id
    ordered_by: Id
    note: Text


class RefundPaid(Event):
    """A refund that was owed has left our account, wholly or in part, as the bank's statement says."""

    TYPE: ClassVar[str] = "RefundPaid.v1"

    return_id: Id
    """Of one that was matched by hand: with `#1`."""
    invoice_number: Id
    amount: Money
    paid: Money
    """What is left of all payments for the invoice."""
    overpaid: Money
    owed: Money
    """What is still to go back."""
    paid_on: date
    payee_inn: Id


class ReturnOrdered(Event):
    """An unmatched payment, or a part of it, goes back to its payer: operations have decided, or the bank has done it
    already. Its subject is that of the `PaymentUnmatched`."""

    TYPE: ClassVar[str] = "ReturnOrdered.v1"

    order_id: Id
    payment_id: Id
    part: Part
    """Counted together with the parts that were matched."""
    amount: Money
    payee_inn: Id
    ordered_by: Id | None
    """None: nobody had ordered it when the bank sent it back."""
    note: Text | None


class ReturnPaid(Event):
    """An unmatched payment, or a part of it, has left our account again, as the bank's statement says."""

    TYPE: ClassVar[str] = "ReturnPaid.v1"

    return_id: Id
    """Of one that was matched by hand: with `#1`."""
    payment_id: Id
    amount: Money
    to_return: Money
    """What is still ordered to go back of this payment."""
    paid_on: date
    payee_inn: Id


class ReturnUnmatched(Event):
    """Money that went back, nobody knows for what: recorded, for a person to look at. Its subject is the request where
    one is known, otherwise an id made from the return's."""

    TYPE: ClassVar[str] = "ReturnUnmatched.v1"

    return_id: Id
    amount: Money
    paid_on: date
    payee_inn: Id
    purpose: Text
    reason: Reason


class ReturnMatched(Event):
    """Operations have said what a return was for: who and why. The event behind it says what that does."""

    TYPE: ClassVar[str] = "ReturnMatched.v1"

    order_id: Id
    return_id: Id
    invoice_number: Id | None
    payment_id: Id | None
    ordered_by: Id
    note: Text


class SettlementRefused(Event):
    """An order of operations about money that makes no sense, and why: no such payment, nothing left of it, nothing
    due, a closed request."""

    TYPE: ClassVar[str] = "SettlementRefused.v1"

    order_id: Id
    payment_id: Id | None
    return_id: Id | None
    invoice_number: Id | None
    ordered_by: Id
    reason: Reason
