"""Stage `billing`: is it confirmed or paid? (L15, L17) Topic `billing.events`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from events.model import Channel, Event, Id, Money, Reason, Text


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
    """Rejected, or withdrawn before it was confirmed or paid in full: nothing can open the gate any more."""

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
