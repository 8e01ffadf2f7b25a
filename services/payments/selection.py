"""The selection of what in a statement is for this system: money that came, and money that went back. Pure.

Every payment that came to our accounts is taken, whatever it is for: billing says what it counts for. Of the money that
went only returns are: their purpose says «возврат», or names a payment by its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from events.commands import BankDocument, BankPayment, BankReturn
from postavka.domain import invoice_numbers
from services.payments.ids import payment_id, payment_in, return_id
from services.payments.statement import BankStatement, Direction, OddDocument, PaymentDocument, Side, StatementProblem
from services.payments.statement.values import is_in_roubles

_RETURN = re.compile(r"возвр|возмещ|вернут|ошибочн", re.IGNORECASE)

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class DocumentsTotal:
    """The number and the sum of documents."""

    count: int = 0
    amount: Decimal = ZERO

    def and_(self, amount: Decimal) -> DocumentsTotal:
        """The total with one more document, of `amount` in rubles."""
        return DocumentsTotal(self.count + 1, self.amount + amount)


@dataclass(frozen=True, slots=True)
class Taken:
    """The part of a statement that is for us, and what of it is none of ours."""

    payments: tuple[BankPayment, ...]
    returns: tuple[BankReturn, ...]
    came: DocumentsTotal
    went_back: DocumentsTotal
    other_outgoing: DocumentsTotal
    """Money spent: not looked at any further."""
    internal: DocumentsTotal
    not_moved: DocumentsTotal
    """Not carried out yet: they come again with a later statement."""
    repeated: DocumentsTotal
    """The same document a second time in this file."""
    odd: tuple[OddDocument, ...] = ()
    """What a person has to look at."""
    documents: Mapping[str, PaymentDocument] = field(default_factory=dict)
    """Of payments and returns, by their id."""

    def without(self, doubtful: Mapping[str, OddDocument]) -> Taken:
        """The same without these documents, which a person has to look at."""
        if not doubtful:
            return self
        payments = tuple(each for each in self.payments if each.payment_id not in doubtful)
        returns = tuple(each for each in self.returns if each.return_id not in doubtful)
        left = {name: each for name, each in self.documents.items() if name not in doubtful}
        came, went_back = total_of(payments), total_of(returns)
        odd = (*self.odd, *doubtful.values())
        return replace(
            self, payments=payments, returns=returns, came=came, went_back=went_back, odd=odd, documents=left
        )

    @property
    def messages(self) -> tuple[BankPayment | BankReturn, ...]:
        """All that billing gets."""
        return (*self.payments, *self.returns)


def take(statement: BankStatement, sha256: str) -> Taken:
    """Sort the documents of a statement; `sha256` is that of its file."""
    payments: dict[str, BankPayment] = {}
    returns: dict[str, BankReturn] = {}
    documents: dict[str, PaymentDocument] = {}
    transfers = set()
    odd: list[OddDocument] = []
    totals = {
        name: DocumentsTotal() for name in ("came", "went_back", "other_outgoing", "internal", "not_moved", "repeated")
    }

    def count(name: str, document: PaymentDocument) -> None:
        totals[name] = totals[name].and_(document.amount)

    for document in statement.documents:
        if document.moved_on is None:
            count("not_moved", document)
        elif document.direction is Direction.INTERNAL:
            count("repeated" if (document.key, document.copy) in transfers else "internal", document)
            transfers.add((document.key, document.copy))
        elif not is_ours_to_take(document):
            count("other_outgoing", document)
        elif not is_in_roubles(_our_account(document)):
            odd.append(_in_currency(document))
        else:
            message = message_of(document, sha256)
            if isinstance(message, BankPayment):
                count("repeated" if message.payment_id in payments else "came", document)
                payments.setdefault(message.payment_id, message)
                documents.setdefault(message.payment_id, document)
            else:
                count("repeated" if message.return_id in returns else "went_back", document)
                returns.setdefault(message.return_id, message)
                documents.setdefault(message.return_id, document)
    for each in statement.odd:
        if each.document is None or is_ours_to_take(each.document):
            odd.append(each)
        else:
            count("other_outgoing", each.document)
    return Taken(tuple(payments.values()), tuple(returns.values()), **totals, odd=tuple(odd), documents=documents)


def is_ours_to_take(document: PaymentDocument) -> bool:
    """Whether billing gets a document: money that came, and of what went only returns."""
    if document.direction is Direction.OUTGOING:
        return _RETURN.search(document.purpose) is not None or payment_in(document.purpose) is not None
    return document.direction is Direction.INCOMING


def message_of(document: PaymentDocument, sha256: str) -> BankPayment | BankReturn:
    """The command to billing about money that came, or went back; `sha256` is that of the file."""
    if document.direction is Direction.INCOMING:
        return _payment(document, sha256)
    return _return(document, sha256)


def _our_account(document: PaymentDocument) -> str:
    return (document.payee if document.direction is Direction.INCOMING else document.payer).account


def _in_currency(document: PaymentDocument) -> OddDocument:
    text = f"счёт {_our_account(document)} в валюте: сумма не в рублях."
    return OddDocument(document.line, document.last_line, document.kind, (StatementProblem(document.line, text),))


def total_of(messages: Iterable[BankPayment | BankReturn]) -> DocumentsTotal:
    """How much these are together."""
    total = DocumentsTotal()
    for each in messages:
        total = total.and_(each.amount)
    return total


def _payment(document: PaymentDocument, sha256: str) -> BankPayment:
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


def _return(document: PaymentDocument, sha256: str) -> BankReturn:
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


def _document(document: PaymentDocument, other: Side, ours: Side, sha256: str) -> BankDocument:
    return BankDocument(
        number=document.number,
        issued_on=document.issued_on,
        other_name=other.name or None,
        other_account=other.account or None,
        other_bic=other.bic or None,
        our_account=ours.account,
        statement=sha256,
    )
