"""Billing on the log: approvals, withdrawals, the distributors' answers and the bank's payments come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from events.approval import Approved, Rejected
from events.billing import InvoiceIssued, PaymentReceived, PaymentUnmatched
from events.commands import BankPayment, DistributorConfirmation
from events.model import Event, Message
from events.request import RequestWithdrawn
from events.topics import APPROVAL_EVENTS, BANK_PAYMENTS, REQUEST_EVENTS, confirmations_of, distributor_of
from postavka.log.record import Record
from postavka.settings import database_url, settings
from postavka.stage.definition import Incoming, Input, Stage
from postavka.store.recorder import EventRecorder
from services.billing import decider, numbers
from services.moscow import today
from services.reference.store import distributor_ids

INVOICE = "invoice"
PAYMENT = "payment"
PAYMENTS = UUID("6f7b8f0e-6a3c-5d0e-9a51-0f5c9a1f2b77")
"""Name space of the ids under which payments lie that fit no invoice."""


def inputs() -> list[Input]:
    """Fixed topics, and one for each distributor of the reference data."""
    fixed = [
        Input(APPROVAL_EVENTS.name, (Approved, Rejected), from_stage=True),
        Input(REQUEST_EVENTS.name, (RequestWithdrawn,), from_stage=True),
        Input(BANK_PAYMENTS.name, (BankPayment,), BankPayment.TYPE),
    ]
    return fixed + [
        Input(confirmations_of(distributor), (DistributorConfirmation,), DistributorConfirmation.TYPE)
        for distributor in distributor_ids(database_url(settings()))
    ]


def translate(incoming: Incoming) -> Message | decider.Answer:
    """An answer with its distributor, whom only the topic names."""
    distributor = distributor_of(incoming.record.topic)
    if distributor is not None and isinstance(incoming.message, DistributorConfirmation):
        return decider.Answer(distributor, incoming.message)
    return incoming.message


def find_subject(read: Sequence[tuple[Record, Message]], recorder: EventRecorder) -> list[UUID | None]:
    """Payments: the request that the payment was booked on before, else that of its invoice, else an id of its own."""
    payments = [message for _, message in read if isinstance(message, BankPayment)]
    booked = recorder.find_claims(PAYMENT, {payment.payment_id for payment in payments})
    invoiced = recorder.find_claims(INVOICE, {number for each in payments if (number := _invoice_number(each))})
    found: list[UUID | None] = []
    for _, message in read:
        if isinstance(message, BankPayment):
            subject = booked.get(message.payment_id) or invoiced.get(_invoice_number(message) or "")
            found.append(subject or uuid5(PAYMENTS, message.payment_id))
        else:
            found.append(None)
    return found


class Gathered:
    """Facts for one batch. The invoice number moves on only when it was used."""

    def __init__(self, batch: Sequence[Incoming], recorder: EventRecorder, before: Mapping[UUID, Any]) -> None:
        self._recorder = recorder
        self._today = today()
        self._next: str | None = None
        self._own_ids = {
            uuid5(PAYMENTS, each.message.payment_id) for each in batch if isinstance(each.message, BankPayment)
        }

    def of(self, incoming: Incoming, state: decider.State) -> decider.Facts:
        number = ""
        if isinstance(incoming.message, Approved) and incoming.message.distributor is None:
            number = self._next_number()
        return decider.Facts(self._today, number, incoming.subject not in self._own_ids)

    def decided(self, incoming: Incoming, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, InvoiceIssued):
                self._next = numbers.next_after(event.number)

    def _next_number(self) -> str:
        if self._next is None:
            last = self._recorder.highest_claim(INVOICE, *numbers.range_of(self._today.year))
            self._next = numbers.next_after(last) if last else numbers.first_of(self._today.year)
        return self._next


def claims(subject: UUID, event: Event) -> Iterable[tuple[str, str]]:
    """An invoice number and a payment exist once."""
    match event:
        case InvoiceIssued():
            yield INVOICE, event.number
        case PaymentReceived() | PaymentUnmatched():
            yield PAYMENT, event.payment_id


def _invoice_number(payment: BankPayment) -> str | None:
    return payment.invoice_number or numbers.find_in(payment.purpose)


STAGE = Stage(
    "billing",
    inputs,
    decider.INITIAL,
    decider.decide,
    decider.evolve,
    gather=Gathered,
    translate=translate,
    find_subject=find_subject,
    claims=claims,
)
