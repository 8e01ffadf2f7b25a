"""What becomes of the money that the bank reports: payments, refunds, returns (L15, L17).

Nothing is ever created or lost. What the bank reports is recorded once, as counted for an invoice or as parked with its
reason; a parked payment is divided into numbered parts, each of which goes to an invoice or back to the payer. What
came above an invoice can be parked, too, for another invoice of the same partner. What goes back is a refund that was
owed, a parked payment on its way back, or a reversal that nobody had asked for.

The gate opens by nothing but the `PaymentReceived` that leaves nothing due, whoever matched the money.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from events.billing import (
    BillingClosed,
    BillingClosure,
    OverpaymentCredited,
    PaymentMatched,
    PaymentReceived,
    PaymentReturned,
    PaymentUnmatched,
    RefundCause,
    RefundOwed,
    RefundPaid,
    ReturnMatched,
    ReturnOrdered,
    ReturnPaid,
    ReturnUnmatched,
    SettlementRefused,
)
from events.commands import BankPayment, BankReturn
from events.model import Decision, Event, Reason, Unacceptable
from services.billing.state import (
    ZERO,
    Answered,
    AwaitingAnswer,
    AwaitingPayment,
    Closed,
    Facts,
    InDebt,
    Invoice,
    Invoiced,
    Invoicing,
    NotApproved,
    Paid,
    Parked,
    ParkedReturn,
    State,
)

MAX_SUM = Decimal("9999999999999.99")
"""The largest `Money`. A payment that would lift the sum above it is recorded as unmatched."""
MAX_PARTS = 50
"""Parts into which one payment may be divided."""
LONGEST_DIVISIBLE_ID = 90
"""A part's id is the payment's with `#` and its number, and has to fit into 100 characters."""

Outcome = tuple[Event, ...] | Reason
"""The events that follow, or why it makes no sense."""


# What the bank reports


def paid(state: State, payment: BankPayment, facts: Facts) -> Decision:
    """A payment has come: it counts for an invoice, or a person has to say for what. It counts if it is for the invoice
    of this request, from its payer, and the request stands (L17)."""
    if payment.payment_id in state.seen.payments:
        return ()
    if is_part(payment.payment_id):
        return Unacceptable("reserved-id", "a payment's id must not end in # and a number: that names a part of one")
    reason = _why_not_counted(state, payment, facts)
    if reason is None and isinstance(state, Invoiced):
        return (received(state.invoice, payment.payment_id, payment.amount, payment),)
    assert reason is not None  # noqa: S101
    return (
        PaymentUnmatched(
            payment_id=payment.payment_id,
            amount=payment.amount,
            received_on=payment.received_on,
            payer_inn=payment.payer_inn,
            purpose=payment.purpose,
            reason=reason,
        ),
    )


def _why_not_counted(state: State, payment: BankPayment, facts: Facts) -> Reason | None:
    if not facts.invoice_found:
        text = "Счёт с таким номером не найден." if payment.invoice_number else "Номер счёта в назначении не разобран."
        return Reason(code="invoice-not-found", message=text)
    match state:
        case Closed():
            return Reason(code=state.reason.value, message="Заявка закрыта. Деньги нужно вернуть плательщику.")
        case AwaitingPayment() | Paid() | InDebt():
            invoice = state.invoice
        case _:
            return no_invoice(state)
    if payment.invoice_number not in (None, invoice.number):
        return Reason(code="other-invoice", message=f"По этой заявке выставлен другой счёт: {invoice.number}.")
    if payment.payer_inn != invoice.payer_inn:
        return Reason(code="other-payer", message=f"ИНН плательщика не тот, что в счёте: {invoice.payer_inn}.")
    if invoice.paid + payment.amount > MAX_SUM:
        return Reason(code="sum-too-large", message="Сумма платежей по счёту слишком велика.")
    return None


def no_invoice(state: NotApproved | Invoicing | AwaitingAnswer | Answered) -> Reason:
    """Why the request has no invoice that money could be for."""
    if isinstance(state, AwaitingAnswer | Answered):
        return Reason(code="distributor-sale", message="Продажа через дистрибьютора: счёт по ней не выставлялся.")
    return Reason(code="invoice-not-found", message="По этой заявке счёт не выставлен.")


def sent_back(state: State, given: BankReturn, facts: Facts) -> Decision:
    """Money went back: a refund that was owed, a parked payment, or a reversal; otherwise a person has to say."""
    if given.return_id in state.seen.returns:
        return ()
    if is_part(given.return_id):
        return Unacceptable("reserved-id", "a return's id must not end in # and a number: that names a matched one")
    gone = ParkedReturn(given.return_id, given.amount, given.payee_inn, given.paid_on)
    outcome = settled(state, gone, given.invoice_number, given.payment_id, facts)
    if not isinstance(outcome, Reason):
        return outcome
    return (
        ReturnUnmatched(
            return_id=given.return_id,
            amount=given.amount,
            paid_on=given.paid_on,
            payee_inn=given.payee_inn,
            purpose=given.purpose,
            reason=outcome,
        ),
    )


def settled(
    state: State, gone: ParkedReturn, invoice_number: str | None, payment_id: str | None, facts: Facts
) -> Outcome:
    """What money that went back was for: a parked payment, if it names one, else the invoice of this request."""
    if payment_id is not None and isinstance(facts.payment, Parked):
        return _from_parked(state, gone, facts.payment)
    if not facts.invoice_found:
        if invoice_number is None and payment_id is None:
            return Reason(code="unknown", message="В назначении нет ни номера нашего счёта, ни номера платежа.")
        return Reason(code="not-found", message="Счёт или платёж, за который вернули деньги, не найден.")
    if isinstance(state, Closed | Invoiced) and state.invoice is not None:
        invoice = state.invoice
        if gone.payee_inn == invoice.payer_inn or gone.payee_inn in invoice.payers:
            if gone.amount <= invoice.paid:
                return (_from_invoice(invoice, gone, was_open=isinstance(state, Paid | InDebt)),)
            reason = Reason(code="more-than-paid", message=f"По счёту {invoice.number} столько не поступало.")
        else:
            reason = Reason(code="other-payee", message="Получатель не тот, кто платил по этому счёту.")
    else:
        reason = Reason(code="invoice-not-found", message="По этой заявке счёт не выставлен.")
    for each in state.seen.to_return:  # a payment that came after the withdrawal, sent back under the invoice's number
        if (each.payee_inn, each.amount) == (gone.payee_inn, gone.amount):
            return (_returned(each.payment_id, gone, ZERO),)
    return reason


def _from_invoice(invoice: Invoice, gone: ParkedReturn, was_open: bool) -> RefundPaid | PaymentReturned:
    after = invoice.less(gone.amount)
    if gone.amount <= invoice.owed:
        return RefundPaid(
            return_id=gone.return_id,
            invoice_number=invoice.number,
            amount=gone.amount,
            paid=after.paid,
            overpaid=after.overpaid,
            owed=after.owed,
            paid_on=gone.paid_on,
            payee_inn=gone.payee_inn,
        )
    after = replace(after, owed=min(after.owed, after.overpaid))
    return PaymentReturned(
        return_id=gone.return_id,
        invoice_number=invoice.number,
        amount=gone.amount,
        paid=after.paid,
        due=after.due,
        overpaid=after.overpaid,
        owed=after.owed,
        is_debt=was_open and after.due > 0,
        returned_on=gone.paid_on,
        payee_inn=gone.payee_inn,
    )


def _from_parked(state: State, gone: ParkedReturn, payment: Parked) -> Outcome:
    if gone.payee_inn != payment.payer_inn:
        return Reason(code="other-payee", message="Получатель не тот, от кого пришёл этот платёж.")
    outstanding = state.seen.outstanding(payment.payment_id)
    surplus = gone.amount - outstanding
    if surplus <= 0:
        return (_returned(payment.payment_id, gone, -surplus),)
    if reason := why_indivisible(payment, surplus):
        return reason
    ordered = ReturnOrdered(
        order_id=gone.return_id,
        payment_id=payment.payment_id,
        part=payment.next_part,
        amount=surplus,
        payee_inn=payment.payer_inn,
        ordered_by=None,
        note=None,
    )
    return (ordered, _returned(payment.payment_id, gone, ZERO))


def _returned(payment_id: str, gone: ParkedReturn, to_return: Decimal) -> ReturnPaid:
    return ReturnPaid(
        return_id=gone.return_id,
        payment_id=payment_id,
        amount=gone.amount,
        to_return=to_return,
        paid_on=gone.paid_on,
        payee_inn=gone.payee_inn,
    )


def why_indivisible(payment: Parked, amount: Decimal) -> Reason | None:
    """Why no part of this size can be taken of a parked payment."""
    if payment.left == 0:
        return Reason(code="nothing-left", message="Этот платёж уже разнесён или возвращён целиком.")
    if amount > payment.left:
        return Reason(code="more-than-left", message=f"Из этого платежа осталось разнести {payment.left} ₽.")
    if payment.next_part > MAX_PARTS or len(payment.payment_id) > LONGEST_DIVISIBLE_ID:
        return Reason(code="too-many-parts", message=f"Платёж делится не больше чем на {MAX_PARTS} частей.")
    return None


# A withdrawal


def close(state: Invoiced, reason: BillingClosure) -> tuple[Event, ...]:
    """The request ends, and what is here for its invoice goes back."""
    invoice = state.invoice
    closed = BillingClosed(reason=reason, to_return=invoice.paid)
    more = invoice.paid - invoice.owed
    if more == 0:
        return (closed,)
    return (
        closed,
        RefundOwed(
            refund_id=f"{invoice.number}-{reason.value}",
            invoice_number=invoice.number,
            amount=more,
            owed=invoice.paid,
            payee_inn=invoice.payer_inn,
            cause=RefundCause.WITHDRAWN,
            ordered_by=None,
            note=None,
        ),
    )


# The states behind the events


def after(state: State, event: Event) -> State | None:
    """The state after one of the events of money; None: the event is none of them, or can't follow."""
    seen = state.seen
    match event:
        case PaymentUnmatched():
            return replace(state, seen=replace(seen, payments=seen.payments | {event.payment_id}))
        case ReturnUnmatched():
            return replace(state, seen=replace(seen, returns=seen.returns | {event.return_id}))
        case PaymentMatched() | ReturnMatched() | SettlementRefused():
            return replace(state, seen=replace(seen, orders=seen.orders | {event.order_id}))
        case ReturnOrdered():
            seen = replace(seen, orders=seen.orders | {event.order_id})
            return replace(state, seen=seen.with_to_return(event.payment_id, event.payee_inn, event.amount))
        case ReturnPaid():
            seen = replace(seen, returns=seen.returns | {event.return_id})
            return replace(state, seen=seen.with_to_return(event.payment_id, event.payee_inn, -event.amount))
        case PaymentReceived() if isinstance(state, Invoiced):
            payers = state.invoice.payers | {event.payer_inn}
            counted = replace(state, seen=replace(seen, payments=seen.payments | {event.payment_id}))
            return _standing(counted, replace(state.invoice, paid=event.paid, payers=payers))
        case PaymentReturned() | RefundPaid() if isinstance(state, Invoiced | Closed) and state.invoice is not None:
            invoice = replace(state.invoice, paid=event.paid, owed=event.owed)
            settled = replace(state, seen=replace(seen, returns=seen.returns | {event.return_id}))
            return replace(settled, invoice=invoice) if isinstance(settled, Closed) else _standing(settled, invoice)
        case OverpaymentCredited() if isinstance(state, Invoiced):
            credited = replace(state, seen=replace(seen, orders=seen.orders | {event.order_id}))
            return _standing(credited, replace(state.invoice, paid=event.paid))
        case RefundOwed() if isinstance(state, Invoiced | Closed) and state.invoice is not None:
            owing = replace(state, seen=replace(seen, orders=seen.orders | {event.refund_id}))
            return replace(owing, invoice=replace(state.invoice, owed=event.owed))
        case _:
            return None


def _standing(state: Invoiced, invoice: Invoice) -> Invoiced:
    """Paid, or not yet, or no longer."""
    if not invoice.due:
        return Paid(state.seen, invoice)
    return AwaitingPayment(state.seen, invoice) if isinstance(state, AwaitingPayment) else InDebt(state.seen, invoice)


def received(invoice: Invoice, payment_id: str, amount: Decimal, payment: BankPayment | Parked) -> PaymentReceived:
    """The event by which this much of a payment counts for the invoice."""
    counted = replace(invoice, paid=invoice.paid + amount)
    return PaymentReceived(
        payment_id=payment_id,
        invoice_number=invoice.number,
        amount=amount,
        paid=counted.paid,
        due=counted.due,
        overpaid=counted.overpaid,
        received_on=payment.received_on,
        payer_inn=payment.payer_inn,
    )


def part_id(whole: str, number: int) -> str:
    """The id of a part of a payment, or of a return that was matched."""
    return f"{whole}#{number}"


def is_part(identifier: str) -> bool:
    """Is this the id of a part?"""
    return identifier.rpartition("#")[2].isdecimal() and "#" in identifier
