"""What operations decide about money by hand: matches, returns and refunds (L15, L17).

An order is carried out by the rules of `money`, or refused with the reason. The same order twice gives nothing.
"""

from __future__ import annotations

from dataclasses import replace

from events.billing import (
    PaymentMatched,
    RefundCause,
    RefundOwed,
    ReturnMatched,
    ReturnOrdered,
    SettlementRefused,
)
from events.commands import MatchPayment, MatchReturn, ReturnMoney
from events.model import Decision, Reason, Unacceptable
from services.billing.money import (
    Outcome,
    no_invoice,
    part_id,
    received,
    settled,
    why_indivisible,
)
from services.billing.state import (
    AwaitingPayment,
    Closed,
    Counted,
    Facts,
    InDebt,
    Invoiced,
    Order,
    Paid,
    Parked,
    State,
)

MAX_ORDERS = 200
"""Orders remembered for one request. Refusals above it go to the dead letters."""


def ordered(state: State, order: Order, facts: Facts) -> Decision:
    """An order by hand: carried out, or refused with the reason. The same order twice gives nothing."""
    if order.order_id in state.seen.orders:
        return ()
    match order:
        case MatchPayment():
            outcome = _match_payment(state, order, facts)
        case ReturnMoney():
            outcome = _return_money(state, order, facts)
        case MatchReturn():
            outcome = _match_return(state, order, facts)
    if not isinstance(outcome, Reason):
        return outcome
    if len(state.seen.orders) >= MAX_ORDERS:
        return Unacceptable("too-many-orders", f"over {MAX_ORDERS} orders for one request")
    return (
        SettlementRefused(
            order_id=order.order_id,
            payment_id=order.payment_id,
            return_id=order.return_id if isinstance(order, MatchReturn) else None,
            invoice_number=order.invoice_number,
            ordered_by=order.ordered_by,
            reason=outcome,
        ),
    )


def _match_payment(state: State, order: MatchPayment, facts: Facts) -> Outcome:
    payment = facts.payment
    if not isinstance(payment, Parked):
        return _not_parked(payment)
    if not facts.invoice_found:
        return Reason(code="invoice-not-found", message=f"Счёта {order.invoice_number} нет.")
    match state:
        case Closed():
            return Reason(code="closed", message="Заявка этого счёта закрыта: деньги по нему больше не принимаются.")
        case AwaitingPayment() | Paid() | InDebt():
            invoice = state.invoice
        case _:
            return no_invoice(state)
    if invoice.due == 0:
        return Reason(code="nothing-due", message=f"Счёт {invoice.number} уже оплачен полностью.")
    amount = order.amount or min(payment.left, invoice.due)
    if reason := why_indivisible(payment, amount):
        return reason
    if amount > invoice.due:
        return Reason(code="more-than-due", message=f"По счёту {invoice.number} осталось оплатить {invoice.due} ₽.")
    matched = PaymentMatched(
        order_id=order.order_id,
        payment_id=payment.payment_id,
        part=payment.next_part,
        invoice_number=invoice.number,
        amount=amount,
        ordered_by=order.ordered_by,
        note=order.note,
    )
    return (matched, received(invoice, part_id(payment.payment_id, payment.next_part), amount, payment))


def _return_money(state: State, order: ReturnMoney, facts: Facts) -> Outcome:
    if (order.payment_id is None) == (order.invoice_number is None):
        return Reason(code="unclear", message="Укажите либо платёж, либо счёт.")
    if order.payment_id is None:
        return _refund(state, order, facts)
    payment = facts.payment
    if not isinstance(payment, Parked):
        return _not_parked(payment)
    amount = order.amount or payment.left
    if reason := why_indivisible(payment, amount):
        return reason
    return (
        ReturnOrdered(
            order_id=order.order_id,
            payment_id=payment.payment_id,
            part=payment.next_part,
            amount=amount,
            payee_inn=payment.payer_inn,
            ordered_by=order.ordered_by,
            note=order.note,
        ),
    )


def _refund(state: State, order: ReturnMoney, facts: Facts) -> Outcome:
    """What came above an invoice goes back; what was paid for a closed one is owed already."""
    if not facts.invoice_found:
        return Reason(code="invoice-not-found", message=f"Счёта {order.invoice_number} нет.")
    if isinstance(state, Closed):
        return Reason(code="closed", message="Заявка закрыта: всё, что было оплачено, уже числится к возврату.")
    if not isinstance(state, Invoiced):
        return no_invoice(state)
    invoice = state.invoice
    left = invoice.overpaid - invoice.owed
    amount = order.amount or left
    if left == 0:
        return Reason(code="nothing-left", message=f"По счёту {invoice.number} нет переплаты, которую можно вернуть.")
    if amount > left:
        return Reason(code="more-than-left", message=f"По счёту {invoice.number} можно вернуть не больше {left} ₽.")
    return (
        RefundOwed(
            refund_id=order.order_id,
            invoice_number=invoice.number,
            amount=amount,
            owed=invoice.owed + amount,
            payee_inn=invoice.payer_inn,
            cause=RefundCause.OVERPAID,
            ordered_by=order.ordered_by,
            note=order.note,
        ),
    )


def _match_return(state: State, order: MatchReturn, facts: Facts) -> Outcome:
    gone = facts.sent_back
    if (order.payment_id is None) == (order.invoice_number is None):
        return Reason(code="unclear", message="Укажите либо платёж, либо счёт.")
    if gone is None:
        return Reason(code="return-not-found", message="Среди неразобранных списаний такого нет.")
    if gone.matched:
        return Reason(code="already-matched", message="Это списание уже разнесено.")
    if order.payment_id is not None and isinstance(facts.payment, Counted):
        return _not_parked(facts.payment)
    part = replace(gone, return_id=part_id(gone.return_id, 1))
    outcome = settled(state, part, order.invoice_number, order.payment_id, facts)
    if isinstance(outcome, Reason):
        return outcome
    matched = ReturnMatched(
        order_id=order.order_id,
        return_id=gone.return_id,
        invoice_number=order.invoice_number,
        payment_id=order.payment_id,
        ordered_by=order.ordered_by,
        note=order.note,
    )
    return (matched, *outcome)


def _not_parked(payment: Counted | None) -> Reason:
    if payment is None:
        return Reason(code="payment-not-found", message="Среди платежей такого нет.")
    return Reason(code="already-counted", message=f"Платёж уже зачтён по счёту {payment.invoice_number}.")
