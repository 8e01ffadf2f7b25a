"""What is asked before money is moved: sums, whose it is, and what is left."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from events.commands import CreditOverpayment, MatchPayment
from services.payments.later import question_of_credit, question_of_document, question_of_match

PAYMENT: dict[str, Any] = {
    "payment_id": "p-1", "left_over": Decimal("1500.00"), "payer_name": "ООО «Ромашка»", "payer_inn": "0034117920",
    "purpose": "оплата",
}  # fmt: skip
INVOICE: dict[str, Any] = {
    "number": "2026-0000002", "issued_on": date(2026, 11, 2), "due": Decimal("1860.00"), "payer_inn": "0034117920",
    "partner_name": "ООО «Ромашка»",
}  # fmt: skip


def order(amount: str | None = None) -> MatchPayment:
    sum_ = None if amount is None else Decimal(amount)
    about = {"order_id": "o-1", "payment_id": "p-1", "invoice_number": "2026-0000002"}
    return MatchPayment(**about, amount=sum_, ordered_by="ops", note="—")


def said(**changes: Any) -> str:
    question = question_of_match(order(changes.pop("amount", None)), PAYMENT, {**INVOICE, **changes})
    return " ".join((question.title, *question.points)).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ("Зачесть 1 500,00 ₽ по счёту 2026-0000002", "К оплате 1 860,00 ₽, останется 360,00 ₽.")),
        ({"due": Decimal("1500.00")}, ("К оплате ровно 1 500,00 ₽.",)),
        (
            {"due": Decimal("500.00")},
            ("Зачесть 500,00 ₽", "К оплате ровно 500,00 ₽.", "Из платежа останется 1 000,00 ₽."),
        ),
        ({"due": Decimal("500.00"), "amount": "700.00"}, ("Зачесть 700,00 ₽", "переплата 200,00 ₽")),
        ({"payer_inn": "7707083893"}, ("платил не тот, кому выставлен счёт",)),
    ],
    ids=["less than is due", "the very sum", "more than is due", "more by hand", "another payer"],
)
def test_a_match_says_what_is_left(changes: dict[str, Any], words: tuple[str, ...]):
    text = said(**changes)
    assert [each for each in words if each not in text] == [], text


def test_an_invoice_that_is_not_there_is_said_to_be_none():
    assert "Такого счёта нет" in " ".join(question_of_match(order(), PAYMENT, None).points)


def test_what_is_taken_off_the_list_needs_a_reason_and_says_its_sum():
    document = {"amount": Decimal("777.00"), "statement_name": "выписка.txt", "line": 12}
    question = question_of_document(document, books=False)
    assert question.title.replace("\N{NO-BREAK SPACE}", " ") == "Убрать из очереди документ на 777,00 ₽"
    assert question.is_refusal
    assert question.reason is not None
    assert question.reason.required


OVERPAID: dict[str, Any] = {"amount": Decimal("777.00"), "payee_name": "ООО «Ромашка»", "payee_inn": "0034117920"}


@pytest.mark.parametrize(
    ("amount", "target", "words"),
    [
        (
            None,
            {},
            ("Зачесть 777,00 ₽ переплаты по счёту 2026-0000001 в оплату счёта 2026-0000002", "останется 1 083,00"),
        ),
        (None, {"due": Decimal("700.00")}, ("Зачесть 700,00 ₽", "ровно 700,00 ₽", "Из переплаты останется 77,00 ₽.")),
        ("100.00", {}, ("Зачесть 100,00 ₽", "Из переплаты останется 677,00 ₽.")),
        (None, {"payer_id": "other"}, ("счёт другого партнёра", "так зачесть нельзя")),
        (None, None, ("Такого счёта нет",)),
    ],
    ids=["all of it", "what is due", "a part", "another partner", "no invoice"],
)
def test_a_credit_names_sum_and_both_invoices(
    amount: str | None, target: dict[str, Any] | None, words: tuple[str, ...]
):
    numbers = {"invoice_number": "2026-0000001", "to_invoice": "2026-0000002"}
    sum_ = None if amount is None else Decimal(amount)
    order = CreditOverpayment(order_id="o-1", **numbers, amount=sum_, ordered_by="ops", note="—")
    invoice = None if target is None else {**INVOICE, "payer_id": "p-1", **target}
    question = question_of_credit(order, OVERPAID, {"payer_id": "p-1"}, invoice)
    assert question.reason is not None
    assert question.reason.required
    text = " ".join((question.title, *question.points)).replace("\N{NO-BREAK SPACE}", " ")
    assert [each for each in words if each not in text] == [], text
