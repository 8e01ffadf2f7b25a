"""The form of a read model's cases: its own example runs, real read models fit it, and what does not hold is told."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from events.billing import DistributorConfirmed, InvoiceIssued
from events.commands import BankPayment
from events.samples import samples
from events.shipping import DocumentDeclined, DocumentIssued, DocumentSigned, ShippingOpened
from postavka.kernel.testing import projection
from postavka.kernel.testing.projection import REQUEST, ProjectionSpecification
from services.documents.projection import DocumentFold
from services.payments.projection import WrittenRows
from tests.services.histories import approved

books = ProjectionSpecification(WrittenRows).given
documents = ProjectionSpecification(DocumentFold).given
INVOICE, CONFIRMED = samples(InvoiceIssued)[0], samples(DistributorConfirmed)[0]
ISSUED = samples(DocumentIssued)[0]


def test_the_example_runs() -> None:
    done = doctest.testmod(projection)
    assert (done.failed, done.attempted > 5) == (0, True)


def test_a_sale_is_approved_and_confirmed() -> None:
    sale = {"request_id": REQUEST, "channel": "distributor", "approved_on": "2026-03-16"}
    books(approved()).then("sales", sale | {"confirmed_on": None})
    books(approved(), CONFIRMED).then("sales", sale | {"confirmed_on": "2026-03-16"})
    books(CONFIRMED, approved()).then("sales", sale | {"confirmed_on": "2026-03-16"})


def test_nothing_is_paid_of_an_invoice_that_was_just_issued() -> None:
    books(INVOICE).then("invoices", {"number": INVOICE.number, "paid": "0.00", "due": INVOICE.amount, "is_debt": False})
    books(INVOICE).then("booked")


def test_of_a_payment_told_twice_the_first_stands() -> None:
    first = samples(BankPayment)[0]
    second = first.model_copy(update={"amount": first.amount + 1})
    books(first, second).then("reported", {"id": first.payment_id, "amount": first.amount})


def test_a_document_that_comes_back() -> None:
    signed = samples(DocumentSigned)[0].model_copy(update={"document_id": ISSUED.document_id})
    declined = samples(DocumentDeclined)[0].model_copy(update={"document_id": ISSUED.document_id})
    row = {"document_id": ISSUED.document_id, "sha256": ISSUED.sha256}
    documents(ISSUED).then("documents", row | {"signature_sha256": None})
    documents(ISSUED, signed).then("documents", row | {"signature_sha256": signed.signature_sha256})
    documents(ISSUED, declined).then("answers", {"kind": "declined", "reason": declined.reason})


def test_facts_of_a_sale_are_kept_as_they_are() -> None:
    opened = samples(ShippingOpened)[0]
    documents(opened).then("sales", {"facts": opened.model_dump(mode="json"), "closed_at": None})


def test_other_rows_than_those_that_stand_fail() -> None:
    with pytest.raises(AssertionError, match=r"in sales stands \[\{'channel': 'distributor'\}\] instead of"):
        books(approved()).then("sales", {"channel": "direct"})
    with pytest.raises(AssertionError, match="in invoices stands"):
        books(INVOICE).then("invoices", {"number": INVOICE.number}, {"number": INVOICE.number})


def test_what_grows_by_being_read_twice_fails() -> None:
    class Counting(WrittenRows):
        seen = 0

        def take(self, type_name: str, fields: Any, subject: str, time: str, trace: str | None = None) -> bool:
            self.seen += 1
            self.put("orders", {"order_id": f"o-{self.seen}"})
            return True

    with pytest.raises(AssertionError, match="read a second time"):
        ProjectionSpecification(Counting).given(INVOICE)
