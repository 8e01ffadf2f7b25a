"""Billing on the log: approvals, withdrawals, the distributors' answers and the bank's payments come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from events.approval import Approved, Rejected
from events.billing import (
    InvoiceIssued,
    PaymentReceived,
    PaymentReturned,
    PaymentUnmatched,
    RefundPaid,
    ReturnOrdered,
    ReturnPaid,
    ReturnUnmatched,
)
from events.commands import (
    BankPayment,
    BankReturn,
    CreditOverpayment,
    DistributorConfirmation,
    MatchPayment,
    MatchReturn,
    ReturnMoney,
)
from events.model import Event, Message
from events.registry import decode
from events.request import RequestWithdrawn
from events.shipping import ShippingClosed
from events.topics import (
    APPROVAL_EVENTS,
    BANK_PAYMENTS,
    CONFIRMATIONS,
    PAYMENT_COMMANDS,
    REQUEST_EVENTS,
    SHIPPING_EVENTS,
    confirmations_of,
    distributor_of,
)
from postavka.domain import invoice_numbers as numbers
from postavka.domain.calendar import today
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.log.record import Record
from postavka.kernel.settings import database_url, settings
from postavka.kernel.stage.definition import BatchFacts, Incoming, Input, Stage
from postavka.kernel.store.recorder import EventRecorder
from services.billing import decider
from services.billing.money import part_id
from services.billing.parked import PAYMENT, RETURN, ParkedMoney, payment_named
from services.billing.state import DistributorAnswer, Facts, State

INVOICE = "invoice"
PAYMENTS = UUID("6f7b8f0e-6a3c-5d0e-9a51-0f5c9a1f2b77")
"""Name space of the ids under which money lies that fits no invoice, and orders about what is not there."""

OfMoney = BankPayment | BankReturn | MatchPayment | ReturnMoney | MatchReturn | CreditOverpayment
"""Messages that name no request."""


def inputs() -> list[Input]:
    """Fixed topics, and one for each distributor of the reference data."""
    fixed = [
        Input(APPROVAL_EVENTS.name, (Approved, Rejected), from_stage=True),
        Input(REQUEST_EVENTS.name, (RequestWithdrawn,), from_stage=True),
        Input(SHIPPING_EVENTS.name, (ShippingClosed,), from_stage=True),
        Input(BANK_PAYMENTS.name, (BankPayment, BankReturn), BANK_PAYMENTS.default_type),
        Input(PAYMENT_COMMANDS.name, (MatchPayment, ReturnMoney, MatchReturn, CreditOverpayment)),
    ]
    return fixed + [
        Input(confirmations_of(distributor), (DistributorConfirmation,), CONFIRMATIONS.default_type)
        for distributor in distributor_ids(database_url(settings()))
    ]


def translate(incoming: Incoming) -> Message | DistributorAnswer:
    """An answer with its distributor, whom only the topic names."""
    distributor = distributor_of(incoming.record.topic)
    if distributor is not None and isinstance(incoming.message, DistributorConfirmation):
        return DistributorAnswer(distributor, incoming.message)
    return incoming.message


def find_subject(read: Sequence[tuple[Record, Message]], recorder: EventRecorder) -> list[UUID | None]:
    """Money lies where it was recorded before, else with the request of its invoice, else under an id of its own. An
    order goes where its invoice is, or with none where its payment is."""
    messages = [message for _, message in read]
    of_money = [each for each in messages if isinstance(each, OfMoney)]
    named = {each.payment_id for each in of_money if isinstance(each, BankPayment)}
    named |= {payment for each in of_money if (payment := payment_named(each)) is not None}
    paid = recorder.find_claims(PAYMENT, named)
    gone = recorder.find_claims(RETURN, {each.return_id for each in of_money if isinstance(each, BankReturn)})
    invoiced = recorder.find_claims(INVOICE, {number for each in of_money if (number := _invoice_number(each))})

    def of_invoice(message: OfMoney) -> UUID:
        return invoiced.get(_invoice_number(message) or "") or own_place(message)

    # The same id again within the batch lies where the first one does, whatever else it says.
    for each in of_money:
        if isinstance(each, BankPayment):
            paid.setdefault(each.payment_id, of_invoice(each))
    for each in of_money:
        if isinstance(each, BankReturn):
            gone.setdefault(each.return_id, paid.get(each.payment_id or "") or of_invoice(each))
    found: list[UUID | None] = []
    for message in messages:
        match message:
            case BankPayment():
                found.append(paid[message.payment_id])
            case BankReturn():
                found.append(gone[message.return_id])
            case ReturnMoney() | MatchReturn():
                found.append(paid.get(message.payment_id or "") or of_invoice(message))
            case MatchPayment() | CreditOverpayment():
                found.append(of_invoice(message))
            case _:
                found.append(None)
    return found


class BillingFacts(BatchFacts):
    """Facts for one batch. The invoice number moves on only when it was used."""

    def __init__(self, batch: Sequence[Incoming], recorder: EventRecorder, before: Mapping[UUID, Any]) -> None:
        self._recorder = recorder
        self._today = today()
        self._next: str | None = None
        self._register = ParkedMoney((each.message for each in batch), recorder)

    def of(self, incoming: Incoming, state: State) -> Facts:
        """Today, the number for an invoice to be issued, and what is known of the payment that is named."""
        message = incoming.message
        if isinstance(message, Approved):
            return Facts(self._today, self._next_number() if message.distributor is None else "")
        if not isinstance(message, OfMoney):
            return Facts(self._today)
        return Facts(
            self._today,
            invoice_found=incoming.subject != own_place(message),
            payment=self._register.payment(payment_named(message)),
            sent_back=self._register.sent_back(message.return_id) if isinstance(message, MatchReturn) else None,
            target=target_of(message, self._recorder),
        )

    def decided(self, incoming: Incoming, events: Sequence[Event]) -> None:
        """Note money that was parked or taken, and that an invoice's number is used."""
        self._register.take(events)
        for event in events:
            if isinstance(event, InvoiceIssued):
                self._next = numbers.next_after(event.number)

    def _next_number(self) -> str:
        if self._next is None:
            last = self._recorder.highest_claim(INVOICE, *numbers.range_of(self._today.year))
            self._next = numbers.next_after(last) if last else numbers.first_of(self._today.year)
        return self._next


def target_of(message: Message, recorder: EventRecorder) -> State | None:
    """How the invoice stands in the store that an overpayment is to be credited to. A batch may change that under way:
    then the match behind the credit is refused, and the money stays parked."""
    if not isinstance(message, CreditOverpayment):
        return None
    place = recorder.find_claims(INVOICE, {message.to_invoice}).get(message.to_invoice)
    if place is None:
        return None
    state = decider.INITIAL
    for recorded in recorder.load([place])[place]:
        event = decode(recorded.type, recorded.body)
        assert isinstance(event, Event)  # noqa: S101  (the store holds nothing else)
        state = decider.evolve(state, event)
    return state


def claims(subject: UUID, event: Event) -> Iterable[tuple[str, str]]:
    """An invoice number, a payment and each of its parts, and a return exist once."""
    match event:
        case InvoiceIssued():
            yield INVOICE, event.number
        case PaymentReceived() | PaymentUnmatched():
            yield PAYMENT, event.payment_id
        case ReturnOrdered():
            yield PAYMENT, part_id(event.payment_id, event.part)
        case RefundPaid() | PaymentReturned() | ReturnPaid() | ReturnUnmatched():
            yield RETURN, event.return_id


def _invoice_number(message: OfMoney) -> str | None:
    if isinstance(message, BankPayment | BankReturn):
        return message.invoice_number or numbers.find_in(message.purpose)
    return message.invoice_number


def own_place(message: OfMoney) -> UUID:
    """Where it lies if its invoice, or its payment, is not known."""
    match message:
        case BankPayment():
            return uuid5(PAYMENTS, message.payment_id)
        case BankReturn():
            return uuid5(PAYMENTS, f"return {message.return_id}")
        case _:
            return uuid5(PAYMENTS, f"order {message.order_id}")


STAGE = Stage(
    "billing",
    inputs,
    decider.INITIAL,
    decider.decide,
    decider.evolve,
    gather=BillingFacts,
    translate=translate,
    find_subject=find_subject,
    claims=claims,
)
