"""What the books can't read: who complains of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

import orjson

from events.commands import BankPayment
from events.registry import encode
from events.topics import APPROVAL_EVENTS, BANK_PAYMENTS
from postavka.kernel.log.record import Record
from postavka.kernel.projection.table_projection import TableReader
from services.payments.projection import DEFINITION

PAYMENT = BankPayment(
    payment_id="p-1",
    amount=Decimal("12500.00"),
    received_on=date(2026, 3, 16),
    payer_inn="7707083893",
    purpose="Оплата",
)


def record(offset: int, headers: list[tuple[str, bytes]], body: bytes, topic: str = BANK_PAYMENTS.name) -> Record:
    return Record(topic, 0, offset, 0, None, body, tuple(headers))


def test_a_payment_whose_headers_are_no_text_is_booked_as_billing_takes_it() -> None:
    reading = TableReader(DEFINITION, {})
    headers = [("ce_type", PAYMENT.TYPE.encode()), ("ce_subject", b"\xff"), ("ce_time", b"\xff")]
    reading.take(BANK_PAYMENTS.name, 0, [record(0, headers, encode(PAYMENT))])
    assert (reading.events, reading.unread, reading.alarming) == (1, [], 0)


def test_a_payment_that_can_not_be_read_is_billings_dead_letter_and_no_second_alarm() -> None:
    reading = TableReader(DEFINITION, {})
    broken = record(0, [("ce_type", PAYMENT.TYPE.encode())], b"{broken")
    reading.take(BANK_PAYMENTS.name, 0, [broken, record(1, [("ce_type", b"BankPayment.v9")], b"{}")])
    assert (len(reading.unread), reading.alarming) == (2, 0)


def test_an_event_that_can_not_be_read_is_an_alarm() -> None:
    reading = TableReader(DEFINITION, {})
    request = str(uuid4()).encode()
    headers = [("ce_type", b"Approved.v9"), ("ce_position", b"1"), ("ce_subject", request), ("ce_time", b"")]
    reading.take(APPROVAL_EVENTS.name, 0, [record(0, headers, b"{}", APPROVAL_EVENTS.name)])
    assert (len(reading.unread), reading.alarming) == (1, 1)


def test_the_books_see_of_a_payment_what_billing_obeys() -> None:
    fields = {"payment_id": "p-2", "amount": "12500", "received_on": "2026-03-16", "payer_inn": "7707083893"}
    money = orjson.dumps(fields | {"purpose": "Оплата"})
    as_number = orjson.dumps(fields | {"purpose": "Оплата", "amount": 12500})
    unnamed = orjson.dumps(fields | {"purpose": "Оплата", "surplus": 1})
    reading = TableReader(DEFINITION, {})
    reading.take(BANK_PAYMENTS.name, 0, [record(0, [], money), record(1, [], as_number), record(2, [], unnamed)])
    assert reading.events == 1
    assert [row["amount"] for row in reading.entries.rows["reported"].values()] == ["12500.00"]  # type: ignore[attr-defined]
    assert [(offset, type_name) for _, _, offset, type_name, _ in reading.unread] == [(1, ""), (2, "")]
    assert reading.alarming == 0
