"""Billing: the distributor's answer and the partner's payments, in whatever order they come (L15, L17)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.approval import Rejected
from events.billing import (
    BillingClosed,
    BillingClosure,
    BillingOpened,
    ConfirmationHeld,
    ConfirmationRefused,
    DistributorConfirmed,
    DistributorDeclined,
    InvoiceIssued,
    PaymentReceived,
    PaymentUnmatched,
)
from events.commands import BankPayment, DistributorConfirmation
from events.model import Channel, Event, Reason
from events.request import RequestWithdrawn
from postavka.kernel.testing.specification import Specification
from services.billing import decider
from services.billing.decider import MAX_ANSWERS, MAX_HELD, MAX_HELD_OF_ONE
from services.billing.money import MAX_SUM
from services.billing.state import DistributorAnswer, Facts
from tests.services.histories import (
    DISTRIBUTOR,
    INVOICE,
    PARTNER,
    PRICE,
    PRODUCT,
    TODAY,
    again,
    approved,
    facts_of,
    merged,
    run,
)

REQUEST = UUID("0190f3a0-0000-7000-8000-000000000001")
FACTS = Facts(TODAY, INVOICE)
NOT_FOUND = Facts(TODAY, invoice_found=False)
REJECTED = Rejected(partner_id="p-1", reasons=(), reference_version=1)
WITHDRAWN = RequestWithdrawn(withdrawn_by="ivanova")

given = Specification(decider).given


def answer(
    confirmation_id: str = "c-1", distributor: str = "d-1", accepted: bool = True, note: str | None = None
) -> DistributorAnswer:
    """A distributor answers."""
    body = DistributorConfirmation(request_id=REQUEST, confirmation_id=confirmation_id, accepted=accepted, note=note)
    return DistributorAnswer(distributor, body)


def payment(
    amount: str = "1000.00", payment_id: str = "pay-1", inn: str = PARTNER.inn, invoice: str | None = INVOICE
) -> BankPayment:
    """The bank reports a payment."""
    return BankPayment(
        payment_id=payment_id,
        amount=Decimal(amount),
        received_on=date(2026, 3, 5),
        payer_inn=inn,
        purpose=f"Оплата по счету {invoice}",
        invoice_number=invoice,
    )


OPENED = BillingOpened(
    channel=Channel.DISTRIBUTOR,
    partner_id="p-1",
    distributor_id="d-1",
    payer_id="d-1",
    payer_inn=DISTRIBUTOR.inn,
    product_id=PRODUCT.id,
    amount=PRICE,
    vat_rate=PRODUCT.vat_rate,
)
DIRECT = OPENED.model_copy(
    update={"channel": Channel.DIRECT, "distributor_id": None, "payer_id": "p-1", "payer_inn": PARTNER.inn}
)
INVOICED = InvoiceIssued(
    number=INVOICE,
    issued_on=TODAY,
    amount=PRICE,
    vat_rate=PRODUCT.vat_rate,
    payer_id="p-1",
    payer_inn=PARTNER.inn,
)
CONFIRMED = DistributorConfirmed(distributor_id="d-1", confirmation_id="c-1")
DECLINED = DistributorDeclined(distributor_id="d-1", confirmation_id="c-1")


def held(confirmation_id: str = "c-1", distributor: str = "d-1", accepted: bool = True) -> ConfirmationHeld:
    return ConfirmationHeld(distributor_id=distributor, confirmation_id=confirmation_id, accepted=accepted)


def closed(reason: BillingClosure, to_return: str = "0.00") -> BillingClosed:
    return BillingClosed(reason=reason, to_return=Decimal(to_return))


def refused(code: str, message: str, confirmation_id: str = "c-1", distributor: str = "d-1") -> ConfirmationRefused:
    reason = Reason(code=code, message=message)
    return ConfirmationRefused(distributor_id=distributor, confirmation_id=confirmation_id, reason=reason)


def received(amount: str, paid: str, due: str, overpaid: str = "0.00", payment_id: str = "pay-1") -> PaymentReceived:
    return PaymentReceived(
        payment_id=payment_id,
        invoice_number=INVOICE,
        amount=Decimal(amount),
        paid=Decimal(paid),
        due=Decimal(due),
        overpaid=Decimal(overpaid),
        received_on=date(2026, 3, 5),
        payer_inn=PARTNER.inn,
    )


def unmatched(of: BankPayment, code: str, message: str) -> PaymentUnmatched:
    return PaymentUnmatched(
        payment_id=of.payment_id,
        amount=of.amount,
        received_on=of.received_on,
        payer_inn=of.payer_inn,
        purpose=of.purpose,
        reason=Reason(code=code, message=message),
    )


IN_TIME = "Партнёр отозвал заявку, подтверждение не требуется."
OTHER = "В заявке указан другой дистрибьютор."
ALREADY = "Вы уже ответили на эту заявку. Первый ответ остаётся в силе."
DIRECT_SALE = "Это прямая продажа: её оплачивает партнёр, дистрибьютора нет."
TOO_MANY = "Слишком много ответов до согласования заявки. Дождитесь его и ответьте снова, с новым номером."


# The approval


def test_a_sale_through_a_distributor_awaits_its_answer():
    given().when(approved(), FACTS).then(OPENED)


def test_a_direct_sale_gets_its_invoice_at_once():
    given().when(approved(distributor=None), FACTS).then(DIRECT, INVOICED)


@pytest.mark.parametrize("before", [(OPENED,), (DIRECT, INVOICED), (closed(BillingClosure.WITHDRAWN),)])
def test_an_approval_seen_twice_or_too_late_changes_nothing(before: tuple[Event, ...]):
    given(*before).when(approved(), FACTS).then_nothing()


def test_a_channel_that_does_not_fit_is_unacceptable():
    wrong = approved().model_copy(update={"channel": Channel.DIRECT})
    given().when(wrong, FACTS).then_unacceptable("channel-mismatch")


def test_a_rejection_closes_billing():
    given().when(REJECTED, FACTS).then(closed(BillingClosure.REJECTED))
    given(closed(BillingClosure.REJECTED)).when(REJECTED, FACTS).then_nothing()
    given(OPENED).when(REJECTED, FACTS).then_unacceptable("rejected-after-approval")


# The distributor's answer (L17)


def test_the_distributor_confirms():
    given(OPENED).when(answer(note="Оплатим в среду"), FACTS).then(
        CONFIRMED.model_copy(update={"note": "Оплатим в среду"})
    )


def test_the_distributor_declines():
    given(OPENED).when(answer(accepted=False), FACTS).then(DECLINED)


@pytest.mark.parametrize("first", [CONFIRMED, DECLINED])
def test_the_first_answer_stands(first: Event):
    given(OPENED, first).when(answer("c-2", accepted=False), FACTS).then(refused("already-answered", ALREADY, "c-2"))


@pytest.mark.parametrize("first", [CONFIRMED, DECLINED, refused("already-answered", ALREADY)])
def test_the_same_answer_again_gives_nothing(first: Event):
    given(OPENED, first).when(answer(), FACTS).then_nothing()
    given(OPENED, first).when(answer(accepted=False), FACTS).then_nothing()


def test_only_the_distributor_of_the_request_can_answer():
    given(OPENED).when(answer(distributor="d-2"), FACTS).then(refused("other-distributor", OTHER, distributor="d-2"))
    given(OPENED, CONFIRMED).when(answer(distributor="d-2"), FACTS).then(
        refused("other-distributor", OTHER, distributor="d-2")
    )


def test_numbers_of_different_distributors_may_be_the_same():
    given(OPENED, refused("other-distributor", OTHER, distributor="d-2")).when(answer(), FACTS).then(CONFIRMED)


@pytest.mark.parametrize("state", [(DIRECT,), (DIRECT, INVOICED), (DIRECT, INVOICED, received("1000", "1000", "0"))])
def test_nobody_confirms_a_direct_sale(state: tuple[Event, ...]):
    given(*state).when(answer(), FACTS).then(refused("direct-sale", DIRECT_SALE))


def test_an_answer_to_a_closed_request_is_refused_with_the_reason():
    given(closed(BillingClosure.WITHDRAWN)).when(answer(), FACTS).then(refused("withdrawn", IN_TIME))
    given(closed(BillingClosure.REJECTED)).when(answer(), FACTS).then(
        refused("rejected", "Заявка отклонена, подтверждение не требуется.")
    )


# Answers before the approval


def test_an_answer_before_the_approval_is_held():
    given().when(answer(), FACTS).then(held())
    given(held()).when(answer(), FACTS).then_nothing()
    given(held()).when(answer("c-2", accepted=False), FACTS).then(held("c-2", accepted=False))


def test_held_answers_are_taken_up_with_the_approval():
    given(held("x", "d-2"), held(accepted=False), held("c-2")).when(approved(), FACTS).then(
        OPENED, refused("other-distributor", OTHER, "x", "d-2"), DECLINED, refused("already-answered", ALREADY, "c-2")
    )
    given(held()).when(approved(), FACTS).then(OPENED, CONFIRMED)


def test_held_answers_are_refused_when_the_sale_turns_out_to_be_direct():
    given(held()).when(approved(distributor=None), FACTS).then(DIRECT, INVOICED, refused("direct-sale", DIRECT_SALE))


def test_held_answers_are_refused_with_the_request():
    given(held()).when(REJECTED, FACTS).then(
        closed(BillingClosure.REJECTED), refused("rejected", "Заявка отклонена, подтверждение не требуется.")
    )
    given(held()).when(WITHDRAWN, FACTS).then(closed(BillingClosure.WITHDRAWN), refused("withdrawn", IN_TIME))


def test_a_held_answer_gives_nothing_the_second_time_after_the_approval_either():
    given(held(), OPENED, CONFIRMED).when(answer(), FACTS).then_nothing()


def test_one_distributor_can_not_take_every_place():
    full = [held(f"x-{n}", "d-2") for n in range(MAX_HELD_OF_ONE)]
    given(*full).when(answer("x", "d-2"), FACTS).then(refused("too-many", TOO_MANY, "x", "d-2"))
    given(*full).when(answer(), FACTS).then(held())


def test_so_many_are_held_and_no_more():
    full = [held("c", f"other-{n}") for n in range(MAX_HELD)]
    given(*full).when(answer(), FACTS).then(refused("too-many", TOO_MANY))


def test_refusals_are_bounded_but_the_answer_that_counts_is_always_taken():
    noise = [refused("other-distributor", OTHER, f"x-{n}", "d-2") for n in range(MAX_ANSWERS)]
    given(OPENED, *noise).when(answer("x", "d-2"), FACTS).then_unacceptable("too-many-answers")
    given(OPENED, *noise).when(answer(), FACTS).then(CONFIRMED)


# Withdrawals


@pytest.mark.parametrize(
    ("before", "to_return"), [((), "0"), ((OPENED,), "0"), ((DIRECT,), "0"), ((DIRECT, INVOICED), "0")]
)
def test_a_withdrawal_closes_what_is_neither_confirmed_nor_paid(before: tuple[Event, ...], to_return: str):
    given(*before).when(WITHDRAWN, FACTS).then(closed(BillingClosure.WITHDRAWN, to_return))


@pytest.mark.parametrize(
    "before",
    [
        (OPENED, CONFIRMED),
        (OPENED, DECLINED),
        (DIRECT, INVOICED, received("1000", "1000", "0")),
        (closed(BillingClosure.WITHDRAWN),),
        (closed(BillingClosure.REJECTED),),
    ],
)
def test_after_that_a_withdrawal_is_shippings_to_answer(before: tuple[Event, ...]):
    given(*before).when(WITHDRAWN, FACTS).then_nothing()


# Payments


def test_the_whole_sum_at_once():
    given(DIRECT, INVOICED).when(payment(), FACTS).then(received("1000.00", "1000.00", "0.00"))


def test_payments_add_up():
    part = received("400.00", "400.00", "600.00")
    given(DIRECT, INVOICED).when(payment("400"), FACTS).then(part)
    given(DIRECT, INVOICED, part).when(payment("600", "pay-2"), FACTS).then(
        received("600.00", "1000.00", "0.00", payment_id="pay-2")
    )


def test_what_comes_above_the_invoice_is_said():
    whole = received("1200.00", "1200.00", "0.00", "200.00")
    given(DIRECT, INVOICED).when(payment("1200"), FACTS).then(whole)
    given(DIRECT, INVOICED, whole).when(payment("0.01", "pay-2"), FACTS).then(
        received("0.01", "1200.01", "0.00", "200.01", "pay-2")
    )


def test_a_kopeck_short_is_not_paid():
    given(DIRECT, INVOICED).when(payment("999.99"), FACTS).then(received("999.99", "999.99", "0.01"))


def test_the_same_payment_again_gives_nothing():
    given(DIRECT, INVOICED, received("400", "400", "600")).when(payment("400"), FACTS).then_nothing()
    given(DIRECT, INVOICED, received("1000", "1000", "0")).when(payment(), FACTS).then_nothing()


def test_a_payment_without_a_number_may_still_be_the_invoices():
    given(DIRECT, INVOICED).when(payment(invoice=None), FACTS).then(received("1000.00", "1000.00", "0.00"))


BACK = "Заявка закрыта. Деньги нужно вернуть плательщику."


@pytest.mark.parametrize(
    ("before", "of", "facts", "code", "message"),
    [
        ((), payment(), NOT_FOUND, "invoice-not-found", "Счёт с таким номером не найден."),
        ((), payment(invoice=None), NOT_FOUND, "invoice-not-found", "Номер счёта в назначении не разобран."),
        ((), payment(), FACTS, "invoice-not-found", "По этой заявке счёт не выставлен."),
        ((DIRECT,), payment(), FACTS, "invoice-not-found", "По этой заявке счёт не выставлен."),
        ((OPENED,), payment(), FACTS, "distributor-sale", "Продажа через дистрибьютора: счёт по ней не выставлялся."),
        (
            (OPENED, CONFIRMED),
            payment(),
            FACTS,
            "distributor-sale",
            "Продажа через дистрибьютора: счёт по ней не выставлялся.",
        ),
        (
            (DIRECT, INVOICED),
            payment(inn="7736050003"),
            FACTS,
            "other-payer",
            "ИНН плательщика не тот, что в счёте: 7707083893.",
        ),
        (
            (DIRECT, INVOICED),
            payment(invoice="2026-0000002"),
            FACTS,
            "other-invoice",
            "По этой заявке выставлен другой счёт: 2026-0000001.",
        ),
        (
            (DIRECT, INVOICED, received("400", "400", "600")),
            payment(str(MAX_SUM), "pay-2"),
            FACTS,
            "sum-too-large",
            "Сумма платежей по счёту слишком велика.",
        ),
        ((DIRECT, INVOICED, closed(BillingClosure.WITHDRAWN)), payment(), FACTS, "withdrawn", BACK),
        ((closed(BillingClosure.REJECTED),), payment(), FACTS, "rejected", BACK),
    ],
)
def test_money_that_does_not_count_is_on_record(before, of, facts, code, message):
    recorded = unmatched(of, code, message)
    given(*before).when(of, facts).then(recorded)
    given(*before, recorded).when(of, facts).then_nothing()


def test_money_from_another_payer_opens_nothing_and_the_right_one_still_does():
    stranger = unmatched(payment(payment_id="pay-0", inn="7736050003"), "other-payer", "…")
    given(DIRECT, INVOICED, stranger).when(payment(), FACTS).then(received("1000.00", "1000.00", "0.00"))


def test_an_event_that_can_not_follow_is_a_defect():
    with pytest.raises(ValueError, match=r"PaymentReceived\.v1 can't follow"):
        decider.evolve(decider.INITIAL, received("1000", "1000", "0"))


# Whatever the order

ANSWERS = st.lists(st.tuples(st.sampled_from(["1", "2"]), st.booleans()), max_size=3)


def answers_of(distributor: str, drawn: list[tuple[str, bool]]) -> list[DistributorAnswer]:
    return [answer(number, distributor, accepted) for number, accepted in drawn]


@for_all(st.data(), st.sampled_from([approved(), approved(distributor=None), REJECTED]), ANSWERS, ANSWERS)
def test_the_order_of_topics_does_not_matter(data, decision, of_the_right_one, of_another):
    topics = [[decision], answers_of("d-1", of_the_right_one), answers_of("d-2", of_another)]
    in_order, _ = run(decider, [message for topic in topics for message in topic], FACTS)
    as_it_came, not_taken = run(decider, data.draw(merged(topics)), FACTS)
    assert facts_of(as_it_came, ConfirmationHeld) == facts_of(in_order, ConfirmationHeld)
    assert not not_taken


@for_all(st.data(), st.sampled_from([approved(), approved(distributor=None)]), ANSWERS, ANSWERS)
def test_a_withdrawal_and_an_answer_never_both_win(data, decision, of_the_right_one, of_another):
    topics = [[decision], [WITHDRAWN], answers_of("d-1", of_the_right_one), answers_of("d-2", of_another)]
    happened, not_taken = run(decider, data.draw(merged(topics)), FACTS)
    kinds = [type(event) for event in happened]
    assert sum(kind in (DistributorConfirmed, DistributorDeclined, BillingClosed) for kind in kinds) == 1
    answered = [e for e in happened if isinstance(e, DistributorConfirmed | DistributorDeclined | ConfirmationRefused)]
    assert sorted((e.distributor_id, e.confirmation_id) for e in answered) == sorted(
        {(each.distributor_id, each.confirmation.confirmation_id) for topic in topics[2:] for each in topic}
    )
    assert not not_taken


PAYMENTS = st.lists(
    st.builds(
        payment,
        amount=st.decimals("0.01", "2000", places=2).map(str),
        payment_id=st.integers(1, 6).map(str),
        inn=st.sampled_from([PARTNER.inn, PARTNER.inn, DISTRIBUTOR.inn]),
        invoice=st.sampled_from([INVOICE, INVOICE, None, "2026-0000002"]),
    ),
    max_size=8,
    unique_by=lambda each: each.payment_id,
)


@for_all(st.data(), PAYMENTS, st.booleans())
def test_money_is_never_lost_nor_made(data, payments, withdrawn):
    """All of it is on record once; for the invoice paid - overpaid + due is its sum at every moment."""
    history = [approved(distributor=None), *data.draw(merged([payments, [WITHDRAWN] if withdrawn else []]))]
    happened, _ = run(decider, history, FACTS)
    on_record = [event for event in happened if isinstance(event, PaymentReceived | PaymentUnmatched)]
    assert {event.payment_id: event.amount for event in on_record} == {
        each.payment_id: each.amount for each in payments
    }
    assert sum(event.amount for event in on_record) == sum(each.amount for each in payments)
    counted = Decimal(0)
    is_closed = False
    for event in happened:
        if isinstance(event, PaymentReceived):
            assert not is_closed
            counted += event.amount
            assert event.paid == counted
            assert event.paid - event.overpaid + event.due == PRICE
            assert min(event.due, event.overpaid) == 0
        if isinstance(event, BillingClosed):
            assert event.to_return == counted < PRICE
            is_closed = True


@for_all(
    st.lists(
        st.one_of(
            st.sampled_from([approved(), approved(distributor=None), REJECTED, WITHDRAWN]),
            st.builds(answer, st.sampled_from(["1", "2"]), st.sampled_from(["d-1", "d-2"]), st.booleans()),
            st.builds(payment, st.sampled_from(["400", "1000"]), st.sampled_from(["1", "2", "3"])),
        ),
        max_size=14,
    )
)
def test_the_same_message_again_gives_nothing(history):
    assert again(decider, history, FACTS) == []
