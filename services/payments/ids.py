"""The ids of payments and returns, made from a document's own fields: the same document has the same id in every
statement that shows it, whatever the file is called and whichever days it covers.

Texts are no part of it (banks shorten them as they like), nor is the line. The day on which the money moved is: of an
order that is carried out in instalments each has the same number, date, and perhaps sum. Of documents that are equal in
all of it, and by the bank's total are several payments, the second and later have their number in the id as well.
"""

from __future__ import annotations

import hashlib
import re

from services.payments.statement import PaymentDocument

PAYMENT_ID = re.compile(r"(?<![0-9a-z])(?:bp-\d{8}-[0-9a-f]{16}(?![0-9a-f])|oc-[0-9a-f]{16}#1(?![#\d]))", re.IGNORECASE)
"""Of money that came, and of an overpayment that was taken for another invoice (`CreditOverpayment`)."""


def payment_id(document: PaymentDocument) -> str:
    """The id of money that came: `bp-20260305-` and 16 hexadecimal digits."""
    return _id("bp", document)


def return_id(document: PaymentDocument) -> str:
    """The id of money that went back: `br-…`."""
    return _id("br", document)


def order_of(document: PaymentDocument) -> str:
    """What is the same of a document in every statement, whichever sides' days it gives: number, date, sum,
    accounts."""
    _, issued_on, number, amount, payer, payee = document.key
    parts = [document.direction.value, issued_on.isoformat(), number, f"{amount:.2f}", payer, payee]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def payment_in(purpose: str) -> str | None:
    """The one payment that a purpose names by its id; None if there is none, or more than one."""
    found = {each.lower() for each in PAYMENT_ID.findall(purpose)}
    return found.pop() if len(found) == 1 else None


def _id(prefix: str, document: PaymentDocument) -> str:
    moved_on, issued_on, number, amount, payer, payee = document.key
    if document.moved_on is None or moved_on is None:
        raise ValueError(f"document {document.number} has not been carried out")
    parts = [moved_on.isoformat(), issued_on.isoformat(), number, f"{amount:.2f}", payer, payee]
    if document.copy > 1:  # the first keeps the id that all had before equal ones were told apart
        parts.append(str(document.copy))
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
    return f"{prefix}-{moved_on:%Y%m%d}-{digest[:16]}"
