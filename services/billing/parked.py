"""The payments and returns that a batch of messages names, as far as they are known: looked up in billing's own store.

A payment's parts are matched to invoices of several requests, each in its own place. The claims `P#1`, `P#2` … on the
parts of payment P keep that right: a part's number is claimed in the transaction that records it, so of two workers
that divide one payment at once, one decides anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from events.billing import (
    PaymentMatched,
    PaymentReceived,
    PaymentReturned,
    PaymentUnmatched,
    RefundPaid,
    ReturnOrdered,
    ReturnPaid,
    ReturnUnmatched,
)
from events.commands import BankReturn, MatchPayment, MatchReturn, ReturnMoney
from events.model import Event, Message
from events.registry import decode
from postavka.kernel.store.recorder import EventRecorder
from services.billing.money import MAX_PARTS, part_id
from services.billing.state import ZERO, Counted, Parked, ParkedReturn

PAYMENT = "payment"
RETURN = "return"
READ = {each.TYPE for each in (PaymentMatched, PaymentReceived, PaymentUnmatched, ReturnOrdered, ReturnUnmatched)}


def payment_named(message: Message) -> str | None:
    """The payment that a message is about beside its invoice."""
    return message.payment_id if isinstance(message, BankReturn | MatchPayment | ReturnMoney | MatchReturn) else None


class ParkedMoney:
    """Payments and returns of one batch; kept up to date while the batch is decided."""

    def __init__(self, batch: Iterable[Message], recorder: EventRecorder) -> None:
        self._payments: dict[str, Parked | Counted] = {}
        self._returns: dict[str, ParkedReturn] = {}
        messages = list(batch)
        payments = {named for each in messages if (named := payment_named(each)) is not None}
        returns = {each.return_id for each in messages if isinstance(each, MatchReturn)}
        if payments or returns:
            self._look_up(payments, returns, recorder)

    def payment(self, payment_id: str | None) -> Parked | Counted | None:
        """What is known of a payment that was parked or counted; None: no payment of that id."""
        return None if payment_id is None else self._payments.get(payment_id)

    def sent_back(self, return_id: str) -> ParkedReturn | None:
        """The return that waits for a match; None: no return of that id is without a match."""
        return self._returns.get(return_id)

    def take(self, events: Sequence[Event]) -> None:
        """What was just decided."""
        for event in events:
            match event:
                case PaymentUnmatched():
                    self._payments[event.payment_id] = Parked(
                        event.payment_id, event.amount, event.payer_inn, event.received_on, event.amount
                    )
                case PaymentReceived():
                    self._payments[event.payment_id] = Counted(event.payment_id, event.invoice_number)
                case PaymentMatched() | ReturnOrdered():
                    self._divide(event)
                case ReturnUnmatched():
                    self._returns[event.return_id] = ParkedReturn(
                        event.return_id, event.amount, event.payee_inn, event.paid_on
                    )
                case RefundPaid() | PaymentReturned() | ReturnPaid():
                    whole = event.return_id.removesuffix("#1")
                    if whole in self._returns:
                        self._returns[whole] = replace(self._returns[whole], matched=True)

    def _divide(self, event: PaymentMatched | ReturnOrdered) -> None:
        known = self._payments.get(event.payment_id)
        if isinstance(known, Parked):
            left, following = known.left - event.amount, max(known.next_part, event.part + 1)
            self._payments[event.payment_id] = replace(known, left=left, next_part=following)

    def _look_up(self, payments: set[str], returns: set[str], recorder: EventRecorder) -> None:
        parts = {part_id(each, number) for each in payments for number in range(1, MAX_PARTS + 1)}
        places = recorder.find_claims(PAYMENT, payments | parts)
        matched = {part_id(each, 1) for each in returns}
        gone = recorder.find_claims(RETURN, returns | matched)
        wanted: dict[UUID, None] = dict.fromkeys([*places.values(), *gone.values()])
        first: list[Event] = []
        divided: dict[str, Decimal] = defaultdict(lambda: ZERO)
        number: dict[str, int] = defaultdict(int)
        for recorded in recorder.load(wanted).values():
            for each in recorded:
                if each.type not in READ:
                    continue
                event = decode(each.type, each.body)
                match event:
                    case PaymentMatched() | ReturnOrdered():
                        divided[event.payment_id] += event.amount
                        number[event.payment_id] = max(number[event.payment_id], event.part)
                    case PaymentReceived() | PaymentUnmatched() if event.payment_id in payments:
                        first.append(event)
                    case ReturnUnmatched() if event.return_id in returns:
                        first.append(event)
        self.take(first)
        for payment_id, known in self._payments.items():
            if isinstance(known, Parked):
                left = known.amount - divided[payment_id]
                self._payments[payment_id] = replace(known, left=left, next_part=number[payment_id] + 1)
        for return_id, sent in self._returns.items():
            self._returns[return_id] = replace(sent, matched=part_id(return_id, 1) in gone)
