"""What the books can't read: who complains of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

from events.commands import BankPayment
from events.registry import encode
from events.topics import APPROVAL_EVENTS, BANK_PAYMENTS
from postavka.kernel.projection.table_projection import Reading
from services.payments.projection import HOW

PAYMENT = BankPayment(
    payment_id="p-1",
    amount=Decimal("12500.00"),
    received_on=date(2026, 3, 16),
    payer_inn="7707083893",
    purpose="Оплата",
)


def test_a_payment_whose_headers_are_no_text_is_booked_as_billing_takes_it() -> None:
    reading = Reading(HOW, {})
    headers = [("ce_type", PAYMENT.TYPE.encode()), ("ce_subject", b"\xff"), ("ce_time", b"\xff")]
    reading.take(BANK_PAYMENTS.name, 0, 0, headers, encode(PAYMENT))
    assert (reading.events, reading.unread, reading.alarming) == (1, [], 0)


def test_a_payment_that_can_not_be_read_is_billings_dead_letter_and_no_second_alarm() -> None:
    reading = Reading(HOW, {})
    reading.take(BANK_PAYMENTS.name, 0, 0, [("ce_type", PAYMENT.TYPE.encode())], b"{broken")
    reading.take(BANK_PAYMENTS.name, 0, 1, [("ce_type", b"BankPayment.v9")], b"{}")
    assert (len(reading.unread), reading.alarming) == (2, 0)


def test_an_event_that_can_not_be_read_is_an_alarm() -> None:
    reading = Reading(HOW, {})
    request = str(uuid4()).encode()
    headers = [("ce_type", b"Approved.v9"), ("ce_position", b"1"), ("ce_subject", request), ("ce_time", b"")]
    reading.take(APPROVAL_EVENTS.name, 0, 0, headers, b"{}")
    assert (len(reading.unread), reading.alarming) == (1, 1)
