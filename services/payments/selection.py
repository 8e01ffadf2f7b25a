"""What of a statement is for this system: money that came, and money that went back. Pure.

Every payment that came to our accounts is taken, whatever it is for: billing says what it counts for. Of the money that
went only returns are: their purpose says «возврат», or names a payment by its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from events.commands import BankDocument, BankPayment, BankReturn
from postavka.domain import invoice_numbers
from services.payments.ids import payment_id, payment_in, return_id
from services.payments.statement import Direction, Document, Side, Statement

_RETURN = re.compile(r"возвр|возмещ|вернут|ошибочн", re.IGNORECASE)

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Total:
    """How many documents, and their sum."""

    count: int = 0
    amount: Decimal = ZERO

    def and_(self, amount: Decimal) -> Total:
        return Total(self.count + 1, self.amount + amount)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a statement has for us, and what of it is none of ours."""

    payments: tuple[BankPayment, ...]
    returns: tuple[BankReturn, ...]
    came: Total
    went_back: Total
    other_outgoing: Total
    """Money spent: not looked at any further."""
    internal: Total
    not_moved: Total
    """Not carried out yet: they come again with a later statement."""
    repeated: Total
    """The same document a second time in this file."""

    @property
    def messages(self) -> tuple[BankPayment | BankReturn, ...]:
        """All that billing is told."""
        return (*self.payments, *self.returns)


def take(statement: Statement, sha256: str) -> Taken:
    """Sort the documents of a statement; `sha256` is that of its file."""
    payments: dict[str, BankPayment] = {}
    returns: dict[str, BankReturn] = {}
    totals = {name: Total() for name in ("came", "went_back", "other_outgoing", "internal", "not_moved", "repeated")}

    def count(name: str, document: Document) -> None:
        totals[name] = totals[name].and_(document.amount)

    for document in statement.documents:
        if document.moved_on is None:
            count("not_moved", document)
        elif document.direction is Direction.INTERNAL:
            count("internal", document)
        elif document.direction is Direction.INCOMING:
            came = _payment(document, sha256)
            count("repeated" if came.payment_id in payments else "came", document)
            payments.setdefault(came.payment_id, came)
        elif _RETURN.search(document.purpose) or payment_in(document.purpose):
            went = _return(document, sha256)
            count("repeated" if went.return_id in returns else "went_back", document)
            returns.setdefault(went.return_id, went)
        else:
            count("other_outgoing", document)
    return Taken(tuple(payments.values()), tuple(returns.values()), **totals)


def total_of(messages: Iterable[BankPayment | BankReturn]) -> Total:
    """How much these are together."""
    total = Total()
    for each in messages:
        total = total.and_(each.amount)
    return total


def _payment(document: Document, sha256: str) -> BankPayment:
    assert document.moved_on is not None  # noqa: S101
    return BankPayment(
        payment_id=payment_id(document),
        amount=document.amount,
        received_on=document.moved_on,
        payer_inn=document.payer.inn,
        purpose=document.purpose,
        invoice_number=invoice_numbers.find_in(document.purpose),
        document=_document(document, document.payer, document.payee, sha256),
    )


def _return(document: Document, sha256: str) -> BankReturn:
    assert document.moved_on is not None  # noqa: S101
    return BankReturn(
        return_id=return_id(document),
        amount=document.amount,
        paid_on=document.moved_on,
        payee_inn=document.payee.inn,
        purpose=document.purpose,
        invoice_number=invoice_numbers.find_in(document.purpose),
        payment_id=payment_in(document.purpose),
        document=_document(document, document.payee, document.payer, sha256),
    )


def _document(document: Document, other: Side, ours: Side, sha256: str) -> BankDocument:
    return BankDocument(
        number=document.number,
        issued_on=document.issued_on,
        other_name=other.name or None,
        other_account=other.account,
        other_bic=other.bic or None,
        our_account=ours.account,
        statement=sha256,
    )
