"""What billing knows of a request, or of money that belongs to none yet: the states of its decider, and its facts.

Money that is on record and counts for no invoice is *parked*: it lies where its `PaymentUnmatched` lies, which is the
request where one was known, else a place of its own. Parts of it may be matched to invoices of other requests, so how
much is left is no state of the place but a fact (`Parked`), looked up from the claims on its parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from events.approval import Approved, Rejected
from events.billing import BillingClosure
from events.commands import (
    BankPayment,
    BankReturn,
    CreditOverpayment,
    DistributorConfirmation,
    MatchPayment,
    MatchReturn,
    ReturnMoney,
)
from events.request import RequestWithdrawn
from events.shipping import ShippingClosed

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Parked:
    """A payment that counts for no invoice, or not all of it: what is left, and the number of its next part."""

    payment_id: str
    amount: Decimal
    payer_inn: str
    received_on: date
    left: Decimal
    next_part: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """A payment that was for an invoice from the start."""

    payment_id: str
    invoice_number: str


@dataclass(frozen=True, slots=True)
class ParkedReturn:
    """Money that went back, nobody knew for what."""

    return_id: str
    amount: Decimal
    payee_inn: str
    paid_on: date
    matched: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that the stage has to know beside the message."""

    today: date
    """The day in Moscow: an invoice issued now bears it."""
    next_invoice_number: str = ""
    """The next free number of this year; used up only if `InvoiceIssued` follows."""
    invoice_found: bool = True
    """Of money and of orders: their invoice is known, and the message lies with that invoice's request."""
    payment: Parked | Counted | None = None
    """The payment that the message names; None: there is none of that id, or it names none."""
    sent_back: ParkedReturn | None = None
    """The return that a `MatchReturn` names."""
    target: State | None = None
    """How the invoice stands that a `CreditOverpayment` is for; None: there is none of that number."""


@dataclass(frozen=True, slots=True)
class DistributorAnswer:
    """A distributor's answer, with the distributor's id, which only the topic says."""

    distributor_id: str
    confirmation: DistributorConfirmation


Order = MatchPayment | ReturnMoney | MatchReturn | CreditOverpayment
"""What operations decide by hand."""
Input = Approved | Rejected | RequestWithdrawn | ShippingClosed | DistributorAnswer | BankPayment | BankReturn | Order


@dataclass(frozen=True, slots=True)
class Held:
    """An answer that waits for the approval."""

    distributor_id: str
    confirmation_id: str
    accepted: bool
    note: str | None


@dataclass(frozen=True, slots=True)
class ToReturn:
    """A parked payment of this place that is to go back, and how much of that has not yet."""

    payment_id: str
    payee_inn: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Seen:
    """The messages that have been dealt with: the same again gives nothing."""

    answers: frozenset[tuple[str, str]] = frozenset()
    """(distributor, its own number of the answer)"""
    payments: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    orders: frozenset[str] = frozenset()
    to_return: tuple[ToReturn, ...] = ()

    def outstanding(self, payment_id: str) -> Decimal:
        """What is ordered to go back of this payment and has not gone."""
        return sum((each.amount for each in self.to_return if each.payment_id == payment_id), ZERO)

    def with_to_return(self, payment_id: str, payee_inn: str, change: Decimal) -> Seen:
        """More (or, negative, less) of a payment is to go back."""
        amount = self.outstanding(payment_id) + change
        others = tuple(each for each in self.to_return if each.payment_id != payment_id)
        return replace(self, to_return=(*others, ToReturn(payment_id, payee_inn, amount)) if amount else others)


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice of a direct sale and the money that is here for it."""

    number: str
    payer_inn: str
    amount: Decimal
    payer_id: str = ""
    """The partner whose purchase it is."""
    paid: Decimal = ZERO
    """What came and has not gone back."""
    owed: Decimal = ZERO
    """What of it is to go back."""
    payers: frozenset[str] = frozenset()
    """INN of all who have paid: operations may have matched another's payment."""

    @property
    def due(self) -> Decimal:
        """What is still owed to us; never negative."""
        return max(self.amount - self.paid, ZERO)

    @property
    def overpaid(self) -> Decimal:
        """What came above the amount; never negative."""
        return max(self.paid - self.amount, ZERO)

    @property
    def excess(self) -> Decimal:
        """What came above the amount and is not to go back yet."""
        return self.overpaid - self.owed

    def less(self, amount: Decimal) -> Invoice:
        """The invoice after so much has gone back. What was to go back is sent first."""
        paid = self.paid - amount
        return replace(self, paid=paid, owed=min(max(self.owed - amount, ZERO), paid))


@dataclass(frozen=True, slots=True)
class NotApproved:
    """The state before the approval."""

    seen: Seen = Seen()
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class AwaitingAnswer:
    """Sale through a distributor; it has not answered."""

    seen: Seen
    distributor_id: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Sale through a distributor; it has confirmed or declined, and that stands."""

    seen: Seen
    distributor_id: str


@dataclass(frozen=True, slots=True)
class Invoicing:
    """Direct sale between its two first events, which one decision writes together."""

    seen: Seen


@dataclass(frozen=True, slots=True)
class AwaitingPayment:
    """A direct sale that awaits payment; part of the invoice, or all of it, is due, and the gate was never open."""

    seen: Seen
    invoice: Invoice


@dataclass(frozen=True, slots=True)
class Paid:
    """A direct sale that is paid; nothing is due."""

    seen: Seen
    invoice: Invoice


@dataclass(frozen=True, slots=True)
class InDebt:
    """A direct sale in debt; it was paid in full, the gate was open, and then money went back."""

    seen: Seen
    invoice: Invoice


@dataclass(frozen=True, slots=True)
class Closed:
    """Rejected, or withdrawn in time. What had been paid for the invoice, if there was one, is to go back."""

    seen: Seen
    reason: BillingClosure
    invoice: Invoice | None = None


Invoiced = AwaitingPayment | Paid | InDebt
Open = AwaitingAnswer | Answered | Invoicing | Invoiced
State = NotApproved | Open | Closed
