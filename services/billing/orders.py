"""What operations decide about money by hand: matches, returns, refunds and credits (L15, L17).

An order is carried out by the rules of `money`, or refused with the reason. The same order twice gives nothing.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Literal

from events.billing import (
    OverpaymentCredited,
    PaymentMatched,
    PaymentUnmatched,
    RefundCause,
    RefundOwed,
    ReturnMatched,
    ReturnOrdered,
    SettlementRefused,
)
from events.commands import CreditOverpayment, MatchPayment, MatchReturn, ReturnMoney
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
    Invoice,
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
        case CreditOverpayment():
            outcome = _credit(state, order, facts)
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
    invoice = _open_invoice(state if facts.invoice_found else None, order.invoice_number)
    if isinstance(invoice, Reason):
        return invoice
    amount = order.amount or min(payment.left, invoice.due)
    if reason := why_indivisible(payment, amount) or _why_not_due(invoice, amount):
        return reason
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


def _open_invoice(state: State | None, number: str) -> Invoice | Reason:
    """The invoice that money can be put to; `state` None: there is none of that number."""
    match state:
        case None:
            return Reason(code="invoice-not-found", message=f"Счёта {number} нет.")
        case Closed():
            return Reason(code="closed", message="Заявка этого счёта закрыта: деньги по нему больше не принимаются.")
        case AwaitingPayment() | Paid() | InDebt() if state.invoice.due == 0:
            return Reason(code="nothing-due", message=f"Счёт {number} уже оплачен полностью.")
        case AwaitingPayment() | Paid() | InDebt():
            return state.invoice
        case _:
            return no_invoice(state)


def _why_not_due(invoice: Invoice, amount: Decimal) -> Reason | None:
    if amount > invoice.due:
        return Reason(code="more-than-due", message=f"По счёту {invoice.number} осталось оплатить {invoice.due} ₽.")
    return None


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
    invoice = _overpaid(state, order, facts, "вернуть")
    if isinstance(invoice, Reason):
        return invoice
    amount = order.amount or invoice.excess
    if reason := _why_not_excess(invoice, amount, "вернуть"):
        return reason
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


def _credit(state: State, order: CreditOverpayment, facts: Facts) -> Outcome:
    """What came above an invoice is parked for another one of the same partner, if that one is open for it."""
    invoice = _overpaid(state, order, facts, "зачесть")
    if isinstance(invoice, Reason):
        return invoice
    if order.to_invoice == order.invoice_number:
        return Reason(code="same-invoice", message="Переплату нельзя зачесть по тому же счёту.")
    target = _open_invoice(facts.target, order.to_invoice)
    if isinstance(target, Reason):
        return target
    if target.payer_id != invoice.payer_id:
        return Reason(code="other-partner", message=f"Счёт {target.number} выставлен другому партнёру.")
    amount = order.amount or min(invoice.excess, target.due)
    if reason := _why_not_excess(invoice, amount, "зачесть") or _why_not_due(target, amount):
        return reason
    after = replace(invoice, paid=invoice.paid - amount)
    return (
        OverpaymentCredited(
            order_id=order.order_id,
            payment_id=order.payment_id,
            invoice_number=invoice.number,
            to_invoice=target.number,
            amount=amount,
            paid=after.paid,
            overpaid=after.overpaid,
            credited_on=facts.today,
            payer_inn=invoice.payer_inn,
            ordered_by=order.ordered_by,
            note=order.note,
        ),
        PaymentUnmatched(
            payment_id=order.payment_id,
            amount=amount,
            received_on=facts.today,
            payer_inn=invoice.payer_inn,
            purpose=f"Переплата по счёту {invoice.number}, для счёта {target.number}",
            reason=Reason(code="credited", message=f"Переплата снята со счёта {invoice.number} и ещё не зачтена."),
        ),
    )


def _overpaid(
    state: State, order: ReturnMoney | CreditOverpayment, facts: Facts, verb: Literal["вернуть", "зачесть"]
) -> Invoice | Reason:
    """The invoice above which money has come that nobody has decided about."""
    if not facts.invoice_found:
        return Reason(code="invoice-not-found", message=f"Счёта {order.invoice_number} нет.")
    if isinstance(state, Closed):
        return Reason(code="closed", message="Заявка закрыта: всё, что было оплачено, уже числится к возврату.")
    if not isinstance(state, Invoiced):
        return no_invoice(state)
    if state.invoice.excess == 0:
        message = f"По счёту {state.invoice.number} нет переплаты, которую можно {verb}."
        return Reason(code="nothing-left", message=message)
    return state.invoice


def _why_not_excess(invoice: Invoice, amount: Decimal, verb: str) -> Reason | None:
    if amount > invoice.excess:
        message = f"По счёту {invoice.number} можно {verb} не больше {invoice.excess} ₽."
        return Reason(code="more-than-left", message=message)
    return None


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
