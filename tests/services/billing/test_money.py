"""Billing's money: refunds, returns, and what operations decide by hand, case by case (L15, L17)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from events.billing import (
    BillingClosed,
    BillingClosure,
    OverpaymentCredited,
    PaymentMatched,
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
from events.commands import (
    BankReturn,
    CreditOverpayment,
    MatchPayment,
    MatchReturn,
    ReturnMoney,
    is_credited,
    is_parked_credit,
)
from events.model import Event, Reason
from events.shipping import ShippingClosed, ShippingClosure
from postavka.kernel.testing.specification import Specification
from services.billing import decider
from services.billing.money import MAX_PARTS
from services.billing.orders import MAX_ORDERS
from services.billing.state import Counted, Facts, Parked, ParkedReturn, State
from tests.services.billing.test_decider import (
    CONFIRMED,
    DIRECT,
    INVOICED,
    OPENED,
    WITHDRAWN,
    payment,
    received,
    unmatched,
)
from tests.services.histories import INVOICE, PARTNER, PRICE, TODAY

given = Specification(decider).given

D = Decimal
DAY = date(2026, 3, 20)
STRANGER = "7736050003"
FACTS = Facts(TODAY, INVOICE)
WHOLE = received("1000.00", "1000.00", "0.00")
TOO_MUCH = received("1200.00", "1200.00", "0.00", "200.00")
CLOSED_IN_TIME = ShippingClosed(reason=ShippingClosure.WITHDRAWN)


def went_back(
    amount: str = "1000.00",
    return_id: str = "ret-1",
    inn: str = PARTNER.inn,
    invoice: str | None = INVOICE,
    payment_id: str | None = None,
) -> BankReturn:
    """The bank reports that money has left our account again."""
    return BankReturn(
        return_id=return_id,
        amount=D(amount),
        paid_on=DAY,
        payee_inn=inn,
        purpose="Возврат",
        invoice_number=invoice,
        payment_id=payment_id,
    )


def closed(to_return: str) -> BillingClosed:
    return BillingClosed(reason=BillingClosure.WITHDRAWN, to_return=D(to_return))


def owed(amount: str, total: str | None = None) -> RefundOwed:
    """A refund that follows from the withdrawal."""
    return RefundOwed(
        refund_id=f"{INVOICE}-withdrawn",
        invoice_number=INVOICE,
        amount=D(amount),
        owed=D(total or amount),
        payee_inn=PARTNER.inn,
        cause=RefundCause.WITHDRAWN,
        ordered_by=None,
        note=None,
    )


def refunded(amount: str, paid: str, owed: str, overpaid: str = "0.00", return_id: str = "ret-1") -> RefundPaid:
    return RefundPaid(
        return_id=return_id,
        invoice_number=INVOICE,
        amount=D(amount),
        paid=D(paid),
        overpaid=D(overpaid),
        owed=D(owed),
        paid_on=DAY,
        payee_inn=PARTNER.inn,
    )


def reversed_(amount: str, paid: str, due: str, is_debt: bool, overpaid: str = "0.00") -> PaymentReturned:
    return PaymentReturned(
        return_id="ret-1",
        invoice_number=INVOICE,
        amount=D(amount),
        paid=D(paid),
        due=D(due),
        overpaid=D(overpaid),
        owed=D("0.00"),
        is_debt=is_debt,
        returned_on=DAY,
        payee_inn=PARTNER.inn,
    )


def lost(of: BankReturn, code: str, message: str) -> ReturnUnmatched:
    return ReturnUnmatched(
        return_id=of.return_id,
        amount=of.amount,
        paid_on=of.paid_on,
        payee_inn=of.payee_inn,
        purpose=of.purpose,
        reason=Reason(code=code, message=message),
    )


# Withdrawn in time: what was paid goes back


def test_a_partly_paid_request_is_withdrawn_and_a_refund_is_owed():
    part = received("400.00", "400.00", "600.00")
    given(DIRECT, INVOICED, part).when(WITHDRAWN, FACTS).then(closed("400.00"), owed("400.00"))


def test_a_paid_request_that_shipping_has_closed_is_owed_a_refund():
    given(DIRECT, INVOICED, WHOLE).when(WITHDRAWN, FACTS).then_nothing()
    given(DIRECT, INVOICED, WHOLE).when(CLOSED_IN_TIME, FACTS).then(closed("1000.00"), owed("1000.00"))
    given(DIRECT, INVOICED, WHOLE, closed("1000.00"), owed("1000.00")).when(CLOSED_IN_TIME, FACTS).then_nothing()


@pytest.mark.parametrize("before", [(), (OPENED,), (DIRECT, INVOICED)])
def test_shippings_word_closes_whatever_the_withdrawal_itself_would(before: tuple[Event, ...]):
    given(*before).when(CLOSED_IN_TIME, FACTS).then(closed("0.00"))
    given(*before, closed("0.00")).when(WITHDRAWN, FACTS).then_nothing()


def test_shippings_word_leaves_a_confirmation_alone():
    given(OPENED, CONFIRMED).when(CLOSED_IN_TIME, FACTS).then_nothing()
    given(OPENED).when(ShippingClosed(reason=ShippingClosure.DECLINED), FACTS).then_nothing()


def test_after_the_refund_nothing_is_owed():
    before = (DIRECT, INVOICED, WHOLE, closed("1000.00"), owed("1000.00"))
    part = refunded("400.00", "600.00", "600.00")
    given(*before).when(went_back("400.00"), FACTS).then(part)
    given(*before, part).when(went_back("400.00"), FACTS).then_nothing()
    given(*before, part).when(went_back("600.00", "ret-2"), FACTS).then(
        refunded("600.00", "0.00", "0.00", return_id="ret-2")
    )
    more = went_back("600.01", "ret-2")
    given(*before, part).when(more, FACTS).then(
        lost(more, "more-than-paid", "По счёту 2026-0000001 столько не поступало.")
    )


# Overpaid


def test_what_came_above_goes_back_when_operations_say_so():
    order = ReturnMoney(order_id="o-1", invoice_number=INVOICE, ordered_by="orlova", note="письмо партнёра")
    refund = RefundOwed(
        refund_id="o-1",
        invoice_number=INVOICE,
        amount=D("200.00"),
        owed=D("200.00"),
        payee_inn=PARTNER.inn,
        cause=RefundCause.OVERPAID,
        ordered_by="orlova",
        note="письмо партнёра",
    )
    given(DIRECT, INVOICED, TOO_MUCH).when(order, FACTS).then(refund)
    given(DIRECT, INVOICED, TOO_MUCH, refund).when(order, FACTS).then_nothing()
    given(DIRECT, INVOICED, TOO_MUCH, refund).when(order.model_copy(update={"order_id": "o-2"}), FACTS).then(
        refused("nothing-left", "По счёту 2026-0000001 нет переплаты, которую можно вернуть.", "o-2")
    )
    given(DIRECT, INVOICED, TOO_MUCH, refund).when(went_back("200.00"), FACTS).then(
        refunded("200.00", "1000.00", "0.00")
    )


def test_a_refund_of_an_overpayment_is_not_owed_twice_when_the_request_ends():
    refund = owed("200.00").model_copy(update={"refund_id": "o-1", "cause": RefundCause.OVERPAID})
    given(DIRECT, INVOICED, TOO_MUCH, refund).when(CLOSED_IN_TIME, FACTS).then(
        closed("1200.00"), owed("1000.00", "1200.00")
    )


# The bank takes a payment back


def test_a_payment_that_the_bank_reverses_counts_no_longer():
    part = received("400.00", "400.00", "600.00")
    given(DIRECT, INVOICED, part).when(went_back("400.00"), FACTS).then(reversed_("400.00", "0.00", "1000.00", False))


def test_after_the_gate_it_is_a_debt_and_can_be_paid():
    gone = reversed_("300.00", "700.00", "300.00", True)
    before = (DIRECT, INVOICED, WHOLE, gone)
    given(DIRECT, INVOICED, WHOLE).when(went_back("300.00"), FACTS).then(gone)
    given(*before).when(WITHDRAWN, FACTS).then_nothing()
    given(*before).when(payment("300.00", "pay-2"), FACTS).then(
        received("300.00", "1000.00", "0.00", payment_id="pay-2")
    )
    given(*before).when(payment("100.00", "pay-2"), FACTS).then(
        received("100.00", "800.00", "200.00", payment_id="pay-2")
    )
    given(*before).when(CLOSED_IN_TIME, FACTS).then(closed("700.00"), owed("700.00"))


def test_more_than_was_owed_is_a_reversal_too():
    refund = owed("200.00").model_copy(update={"refund_id": "o-1", "cause": RefundCause.OVERPAID})
    given(DIRECT, INVOICED, TOO_MUCH, refund).when(went_back("300.00"), FACTS).then(
        reversed_("300.00", "900.00", "100.00", True)
    )


@pytest.mark.parametrize(
    ("before", "of", "facts", "code", "message"),
    [
        (
            (),
            went_back(invoice=None),
            Facts(TODAY, invoice_found=False),
            "unknown",
            "В назначении нет ни номера нашего счёта, ни номера платежа.",
        ),
        (
            (),
            went_back(),
            Facts(TODAY, invoice_found=False),
            "not-found",
            "Счёт или платёж, за который вернули деньги, не найден.",
        ),
        (
            (DIRECT, INVOICED, WHOLE),
            went_back(inn=STRANGER),
            FACTS,
            "other-payee",
            "Получатель не тот, кто платил по этому счёту.",
        ),
        ((OPENED,), went_back(), FACTS, "invoice-not-found", "По этой заявке счёт не выставлен."),
        (
            (DIRECT, INVOICED),
            went_back("0.01"),
            FACTS,
            "more-than-paid",
            "По счёту 2026-0000001 столько не поступало.",
        ),
    ],
)
def test_money_that_went_back_for_nothing_known_is_on_record(before, of, facts, code, message):
    recorded = lost(of, code, message)
    given(*before).when(of, facts).then(recorded)
    given(*before, recorded).when(of, facts).then_nothing()


# Operations match a payment by hand

PARKED = Parked("pay-7", D("1500.00"), STRANGER, DAY, D("1500.00"))
MATCH = MatchPayment(
    order_id="o-1", payment_id="pay-7", invoice_number=INVOICE, ordered_by="orlova", note="платит материнская компания"
)


def with_payment(known: Parked | Counted | None, invoice_found: bool = True) -> Facts:
    return Facts(TODAY, INVOICE, invoice_found, known)


def matched(amount: str, part: int = 1) -> PaymentMatched:
    return PaymentMatched(
        order_id="o-1",
        payment_id="pay-7",
        part=part,
        invoice_number=INVOICE,
        amount=D(amount),
        ordered_by="orlova",
        note="платит материнская компания",
    )


def counted(amount: str, paid: str, due: str, part: int = 1) -> Event:
    return received(amount, paid, due, payment_id=f"pay-7#{part}").model_copy(
        update={"payer_inn": STRANGER, "received_on": DAY}
    )


def refused(
    code: str, message: str, order_id: str = "o-1", payment_id: str | None = None, return_id: str | None = None
) -> SettlementRefused:
    return SettlementRefused(
        order_id=order_id,
        payment_id=payment_id,
        return_id=return_id,
        invoice_number=INVOICE,
        ordered_by="orlova",
        reason=Reason(code=code, message=message),
    )


def test_a_payment_is_matched_as_far_as_something_is_due_and_the_gate_opens():
    done = (matched("1000.00"), counted("1000.00", "1000.00", "0.00"))
    given(DIRECT, INVOICED).when(MATCH, with_payment(PARKED)).then(*done)
    given(DIRECT, INVOICED, *done).when(MATCH, with_payment(PARKED)).then_nothing()


def test_a_part_of_a_payment_is_matched():
    part = MATCH.model_copy(update={"amount": D("400.00")})
    rest = Parked("pay-7", D("1500.00"), STRANGER, DAY, D("500.00"), next_part=3)
    given(DIRECT, INVOICED).when(part, with_payment(rest)).then(
        matched("400.00", 3), counted("400.00", "400.00", "600.00", 3)
    )
    given(DIRECT, INVOICED).when(MATCH, with_payment(rest)).then(
        matched("500.00", 3), counted("500.00", "500.00", "500.00", 3)
    )


def test_a_debt_can_be_paid_by_hand():
    gone = reversed_("300.00", "700.00", "300.00", True)
    given(DIRECT, INVOICED, WHOLE, gone).when(MATCH, with_payment(PARKED)).then(
        matched("300.00"), counted("300.00", "1000.00", "0.00")
    )


@pytest.mark.parametrize(
    ("before", "amount", "facts", "code", "message"),
    [
        ((DIRECT, INVOICED), None, with_payment(None), "payment-not-found", "Среди платежей такого нет."),
        (
            (DIRECT, INVOICED),
            None,
            with_payment(Counted("pay-7", "2026-0000009")),
            "already-counted",
            "Платёж уже зачтён по счёту 2026-0000009.",
        ),
        ((), None, with_payment(PARKED, False), "invoice-not-found", "Счёта 2026-0000001 нет."),
        ((), None, with_payment(PARKED), "invoice-not-found", "По этой заявке счёт не выставлен."),
        (
            (OPENED,),
            None,
            with_payment(PARKED),
            "distributor-sale",
            "Продажа через дистрибьютора: счёт по ней не выставлялся.",
        ),
        (
            (DIRECT, INVOICED, closed("0.00")),
            None,
            with_payment(PARKED),
            "closed",
            "Заявка этого счёта закрыта: деньги по нему больше не принимаются.",
        ),
        (
            (DIRECT, INVOICED, WHOLE),
            None,
            with_payment(PARKED),
            "nothing-due",
            "Счёт 2026-0000001 уже оплачен полностью.",
        ),
        (
            (DIRECT, INVOICED),
            "1000.01",
            with_payment(PARKED),
            "more-than-due",
            "По счёту 2026-0000001 осталось оплатить 1000.00 ₽.",
        ),
        (
            (DIRECT, INVOICED),
            "300.01",
            with_payment(Parked("pay-7", D("1500.00"), STRANGER, DAY, D("300.00"))),
            "more-than-left",
            "Из этого платежа осталось разнести 300.00 ₽.",
        ),
        (
            (DIRECT, INVOICED),
            None,
            with_payment(Parked("pay-7", D("1500.00"), STRANGER, DAY, D("0.00"))),
            "nothing-left",
            "Этот платёж уже разнесён или возвращён целиком.",
        ),
        (
            (DIRECT, INVOICED),
            None,
            with_payment(Parked("pay-7", D("1500.00"), STRANGER, DAY, D("1.00"), MAX_PARTS + 1)),
            "too-many-parts",
            "Платёж делится не больше чем на 50 частей.",
        ),
    ],
)
def test_a_match_that_makes_no_sense_is_refused(before, amount, facts, code, message):
    order = MATCH.model_copy(update={"amount": amount and D(amount)})
    said = refused(code, message, payment_id="pay-7")
    given(*before).when(order, facts).then(said)
    given(*before, said).when(order, facts).then_nothing()


def test_refusals_are_bounded():
    noise = [refused("closed", "…", f"x-{number}", "pay-7") for number in range(MAX_ORDERS)]
    given(DIRECT, INVOICED, WHOLE, *noise).when(MATCH, with_payment(PARKED)).then_unacceptable("too-many-orders")
    given(DIRECT, INVOICED, *noise).when(MATCH, with_payment(PARKED)).then(
        matched("1000.00"), counted("1000.00", "1000.00", "0.00")
    )


def test_ids_of_parts_are_not_the_banks():
    given(DIRECT, INVOICED).when(payment(payment_id="pay-7#1"), FACTS).then_unacceptable("reserved-id")
    given(DIRECT, INVOICED).when(went_back(return_id="r#1"), FACTS).then_unacceptable("reserved-id")


# Operations send an unmatched payment back

LIES = unmatched(payment(payment_id="pay-7", inn=STRANGER, amount="1500.00"), "invoice-not-found", "…")
SEND_BACK = ReturnMoney(order_id="o-2", payment_id="pay-7", ordered_by="orlova", note="ошибочный платёж")


def to_return(amount: str, part: int = 1, order_id: str = "o-2", by: str | None = "orlova") -> ReturnOrdered:
    return ReturnOrdered(
        order_id=order_id,
        payment_id="pay-7",
        part=part,
        amount=D(amount),
        payee_inn=STRANGER,
        ordered_by=by,
        note="ошибочный платёж" if by else None,
    )


def is_back(amount: str, left: str, return_id: str = "ret-1") -> ReturnPaid:
    return ReturnPaid(
        return_id=return_id,
        payment_id="pay-7",
        amount=D(amount),
        to_return=D(left),
        paid_on=DAY,
        payee_inn=STRANGER,
    )


def test_an_unmatched_payment_is_sent_back():
    given(LIES).when(SEND_BACK, with_payment(PARKED)).then(to_return("1500.00"))
    given(LIES, to_return("1500.00")).when(SEND_BACK, with_payment(PARKED)).then_nothing()
    gone = went_back("500.00", inn=STRANGER, invoice=None, payment_id="pay-7")
    nothing_left = with_payment(Parked("pay-7", D("1500.00"), STRANGER, DAY, D("0.00"), 2))
    given(LIES, to_return("1500.00")).when(gone, nothing_left).then(is_back("500.00", "1000.00"))
    given(LIES, to_return("1500.00"), is_back("500.00", "1000.00")).when(gone, nothing_left).then_nothing()


def test_a_part_that_was_matched_can_not_be_sent_back():
    rest = with_payment(Parked("pay-7", D("1500.00"), STRANGER, DAY, D("500.00"), 2))
    given(LIES).when(SEND_BACK, rest).then(to_return("500.00", 2))
    too_much = SEND_BACK.model_copy(update={"amount": D("500.01")})
    said = refused("more-than-left", "Из этого платежа осталось разнести 500.00 ₽.", "o-2", "pay-7")
    given(LIES).when(too_much, rest).then(said.model_copy(update={"invoice_number": None}))


def test_what_the_bank_sends_back_unasked_is_ordered_and_gone_at_once():
    gone = went_back("1500.00", inn=STRANGER, invoice=None, payment_id="pay-7")
    given(LIES).when(gone, with_payment(PARKED)).then(
        to_return("1500.00", order_id="ret-1", by=None), is_back("1500.00", "0.00")
    )


def test_a_payment_after_the_withdrawal_may_go_back_under_the_invoices_number():
    late = unmatched(payment(payment_id="pay-7", inn=PARTNER.inn, amount="1500.00"), "withdrawn", "…")
    ordered = to_return("1500.00").model_copy(update={"payee_inn": PARTNER.inn})
    given(DIRECT, INVOICED, closed("0.00"), late, ordered).when(went_back("1500.00"), FACTS).then(
        is_back("1500.00", "0.00").model_copy(update={"payee_inn": PARTNER.inn})
    )


@pytest.mark.parametrize(
    ("before", "order", "facts", "code"),
    [
        ((), SEND_BACK, with_payment(None), "payment-not-found"),
        ((), SEND_BACK, with_payment(Counted("pay-7", INVOICE)), "already-counted"),
        ((), SEND_BACK.model_copy(update={"invoice_number": INVOICE}), with_payment(PARKED), "unclear"),
        ((), SEND_BACK.model_copy(update={"payment_id": None}), FACTS, "unclear"),
        (
            (DIRECT, INVOICED, closed("0.00")),
            SEND_BACK.model_copy(update={"payment_id": None, "invoice_number": INVOICE}),
            FACTS,
            "closed",
        ),
        (
            (DIRECT, INVOICED, TOO_MUCH),
            SEND_BACK.model_copy(update={"payment_id": None, "invoice_number": INVOICE, "amount": D("200.01")}),
            FACTS,
            "more-than-left",
        ),
        (
            (OPENED,),
            SEND_BACK.model_copy(update={"payment_id": None, "invoice_number": INVOICE}),
            FACTS,
            "distributor-sale",
        ),
    ],
)
def test_an_order_to_return_that_makes_no_sense_is_refused(before, order, facts, code):
    decision = decider.decide(_state(*before), order, facts)
    assert isinstance(decision, tuple)
    assert [type(event) for event in decision] == [SettlementRefused]
    assert decision[0].reason.code == code


# Operations say what a return was for

GONE = ParkedReturn("ret-9", D("1000.00"), PARTNER.inn, DAY)
FOR_INVOICE = MatchReturn(
    order_id="o-3", return_id="ret-9", invoice_number=INVOICE, ordered_by="orlova", note="возврат по письму"
)


def test_a_return_is_matched_by_hand():
    before = (DIRECT, INVOICED, WHOLE, closed("1000.00"), owed("1000.00"))
    said = ReturnMatched(
        order_id="o-3",
        return_id="ret-9",
        invoice_number=INVOICE,
        payment_id=None,
        ordered_by="orlova",
        note="возврат по письму",
    )
    done = (said, refunded("1000.00", "0.00", "0.00", return_id="ret-9#1"))
    facts = Facts(TODAY, INVOICE, sent_back=GONE)
    given(*before).when(FOR_INVOICE, facts).then(*done)
    given(*before, *done).when(FOR_INVOICE, facts).then_nothing()


@pytest.mark.parametrize(
    ("gone", "code"),
    [
        (None, "return-not-found"),
        (ParkedReturn("ret-9", D("1000.00"), PARTNER.inn, DAY, matched=True), "already-matched"),
        (ParkedReturn("ret-9", D("1000.01"), PARTNER.inn, DAY), "more-than-paid"),
        (ParkedReturn("ret-9", D("1000.00"), STRANGER, DAY), "other-payee"),
    ],
)
def test_a_return_that_does_not_fit_is_refused(gone, code):
    decision = decider.decide(_state(DIRECT, INVOICED, WHOLE), FOR_INVOICE, Facts(TODAY, INVOICE, sent_back=gone))
    assert isinstance(decision, tuple)
    assert decision[0].reason.code == code
    assert D("1000.00") == PRICE


def _state(*events: Event) -> decider.State:
    state = decider.INITIAL
    for event in events:
        state = decider.evolve(state, event)
    return state


# An overpayment, for another invoice of the same partner

OTHER = "2026-0000002"
OTHER_INVOICED = INVOICED.model_copy(update={"number": OTHER})
CREDIT = CreditOverpayment(order_id="o-1", invoice_number=INVOICE, to_invoice=OTHER, ordered_by="orlova", note="письмо")


def folded(*events: Event) -> State:
    state = decider.INITIAL
    for event in events:
        state = decider.evolve(state, event)
    return state


def to(*events: Event) -> Facts:
    """The other invoice stands as these events say."""
    return replace(FACTS, target=folded(*events) if events else None)


OPEN = to(DIRECT, OTHER_INVOICED)


def credited(amount: str, paid: str, overpaid: str, order: CreditOverpayment = CREDIT) -> tuple[Event, Event]:
    taken = OverpaymentCredited(
        order_id=order.order_id,
        payment_id=order.payment_id,
        invoice_number=INVOICE,
        to_invoice=OTHER,
        amount=D(amount),
        paid=D(paid),
        overpaid=D(overpaid),
        credited_on=TODAY,
        payer_inn=PARTNER.inn,
        ordered_by="orlova",
        note="письмо",
    )
    parked = PaymentUnmatched(
        payment_id=order.payment_id,
        amount=D(amount),
        received_on=TODAY,
        payer_inn=PARTNER.inn,
        purpose=f"Переплата по счёту {INVOICE}, для счёта {OTHER}",
        reason=Reason(code="credited", message=f"Переплата снята со счёта {INVOICE} и ещё не зачтена."),
    )
    return taken, parked


def test_an_overpayment_is_taken_for_another_invoice_and_never_twice():
    done = credited("200.00", "1000.00", "0.00")
    given(DIRECT, INVOICED, TOO_MUCH).when(CREDIT, OPEN).then(*done)
    given(DIRECT, INVOICED, TOO_MUCH, *done).when(CREDIT, OPEN).then_nothing()
    second = CREDIT.model_copy(update={"order_id": "o-2"})  # another operator, at the same time
    said = refused(
        "nothing-left", f"По счёту {INVOICE} нет переплаты, которую можно зачесть.", "o-2", second.payment_id
    )
    given(DIRECT, INVOICED, TOO_MUCH, *done).when(second, OPEN).then(said)
    back = ReturnMoney(order_id="o-3", invoice_number=INVOICE, ordered_by="orlova", note="вернуть")
    said = refused("nothing-left", f"По счёту {INVOICE} нет переплаты, которую можно вернуть.", "o-3")
    given(DIRECT, INVOICED, TOO_MUCH, *done).when(back, FACTS).then(said)


def test_of_an_overpayment_no_more_is_credited_than_the_other_invoice_needs_and_the_rest_stays():
    less = received("800.00", "800.00", "200.00").model_copy(update={"invoice_number": OTHER})
    bigger = received("1500.00", "1500.00", "0.00", "500.00")
    done = credited("200.00", "1300.00", "300.00")
    given(DIRECT, INVOICED, bigger).when(CREDIT, to(DIRECT, OTHER_INVOICED, less)).then(*done)
    rest = CREDIT.model_copy(update={"order_id": "o-2", "amount": D("300.00")})
    given(DIRECT, INVOICED, bigger, *done).when(rest, OPEN).then(*credited("300.00", "1000.00", "0.00", rest))


def test_what_is_parked_of_an_overpayment_is_matched_like_any_payment_and_opens_the_gate():
    parked = Parked(CREDIT.payment_id, D("1000.00"), PARTNER.inn, TODAY, D("1000.00"))
    order = CREDIT.match
    assert (order.payment_id, order.invoice_number, order.ordered_by) == (CREDIT.payment_id, OTHER, "orlova")
    outcome = decider.decide(folded(DIRECT, OTHER_INVOICED), order, with_payment(parked))
    assert isinstance(outcome, tuple)
    part = outcome[1]
    assert (part.payment_id, part.due) == (f"{CREDIT.payment_id}#1", D("0.00"))
    assert is_credited(part.payment_id)
    assert not is_parked_credit(part.payment_id)
    assert is_parked_credit(CREDIT.payment_id)
    assert [is_credited(each) for each in ("bp-20260305-1f3a9c0b7d2e4f61#1", "oc-1#1", "pay-7")] == [False] * 3
    # paid meanwhile: the money stays where it is parked, for a person to decide
    paid = WHOLE.model_copy(update={"invoice_number": OTHER})
    (said,) = decider.decide(folded(DIRECT, OTHER_INVOICED, paid), order, with_payment(parked))
    assert (said.reason.code, said.payment_id) == ("nothing-due", CREDIT.payment_id)
    given(DIRECT, INVOICED).when(payment(payment_id=CREDIT.payment_id), FACTS).then_unacceptable("reserved-id")


OTHER_PARTNERS = OTHER_INVOICED.model_copy(update={"payer_id": "p-2"})
CLOSED_OTHER = BillingClosed(reason=BillingClosure.WITHDRAWN, to_return=D("0.00"))
NOTHING_ABOVE = f"По счёту {INVOICE} нет переплаты, которую можно зачесть."
ORDERED_BACK = RefundOwed(
    refund_id="o-0",
    invoice_number=INVOICE,
    amount=D("150.00"),
    owed=D("150.00"),
    payee_inn=PARTNER.inn,
    cause=RefundCause.OVERPAID,
    ordered_by="orlova",
    note="вернуть",
)


@pytest.mark.parametrize(
    ("before", "changes", "facts", "code", "message"),
    [
        ((), {}, replace(OPEN, invoice_found=False), "invoice-not-found", f"Счёта {INVOICE} нет."),
        ((OPENED,), {}, OPEN, "distributor-sale", "Продажа через дистрибьютора: счёт по ней не выставлялся."),
        ((DIRECT, INVOICED), {}, OPEN, "nothing-left", NOTHING_ABOVE),
        ((DIRECT, INVOICED, WHOLE), {}, OPEN, "nothing-left", NOTHING_ABOVE),
        (
            (DIRECT, INVOICED, WHOLE, closed("1000.00"), owed("1000.00")),
            {},
            OPEN,
            "closed",
            "Заявка закрыта: всё, что было оплачено, уже числится к возврату.",
        ),
        (
            (DIRECT, INVOICED, TOO_MUCH),
            {"amount": D("200.01")},
            OPEN,
            "more-than-left",
            f"По счёту {INVOICE} можно зачесть не больше 200.00 ₽.",
        ),
        (
            (DIRECT, INVOICED, TOO_MUCH, ORDERED_BACK),
            {"amount": D("50.01")},
            OPEN,
            "more-than-left",
            f"По счёту {INVOICE} можно зачесть не больше 50.00 ₽.",
        ),
        (
            (DIRECT, INVOICED, TOO_MUCH),
            {"to_invoice": INVOICE},
            to(DIRECT, INVOICED, TOO_MUCH),
            "same-invoice",
            "Переплату нельзя зачесть по тому же счёту.",
        ),
        ((DIRECT, INVOICED, TOO_MUCH), {}, to(), "invoice-not-found", f"Счёта {OTHER} нет."),
        (
            (DIRECT, INVOICED, TOO_MUCH),
            {},
            to(DIRECT, OTHER_PARTNERS),
            "other-partner",
            f"Счёт {OTHER} выставлен другому партнёру.",
        ),
        (
            (DIRECT, INVOICED, TOO_MUCH),
            {},
            to(DIRECT, OTHER_INVOICED, WHOLE),
            "nothing-due",
            f"Счёт {OTHER} уже оплачен полностью.",
        ),
        (
            (DIRECT, INVOICED, TOO_MUCH),
            {},
            to(DIRECT, OTHER_INVOICED, CLOSED_OTHER),
            "closed",
            "Заявка этого счёта закрыта: деньги по нему больше не принимаются.",
        ),
        (
            (DIRECT, INVOICED, received("2500.00", "2500.00", "0.00", "1500.00")),
            {"amount": D("1000.01")},
            OPEN,
            "more-than-due",
            f"По счёту {OTHER} осталось оплатить 1000.00 ₽.",
        ),
    ],
)
def test_a_credit_that_makes_no_sense_is_refused(before, changes, facts, code, message):
    order = CREDIT.model_copy(update=changes)
    said = refused(code, message, payment_id=order.payment_id)
    given(*before).when(order, facts).then(said)
    given(*before, said).when(order, facts).then_nothing()
