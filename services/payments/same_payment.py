"""Is a document of a statement a payment that was sent already, under the day of the other side? Pure.

The day that money moved is a part of a payment's id, and a bank may give the other side's day first and its own in a
later
statement. The same payment is one whose order is the same in everything else, and whose other side's day is the same.
Instalments of one order have the same number, date and sum, too, so without that day a person is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from postavka.web.formats import day
from services.payments.ids import order_of, payment_id, return_id
from services.payments.statement import Direction, OddDocument, PaymentDocument, StatementProblem

LONGEST_WAY = timedelta(days=10)
"""Between the two sides' days of one payment; days that are further apart are those of two."""


class Likeness(StrEnum):
    """What a document is to one that was sent."""

    ANOTHER = "another"
    SAME = "same"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True)
class SentDocument:
    """A payment or return that was sent, with what it is known by; of one sent before that was kept, the id alone."""

    id: str
    bank_order: str | None = None
    moved_on: date | None = None
    other_day: date | None = None
    copy: int | None = None
    by_other_day: bool | None = None
    same_as: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What of a statement is not to be sent although its id is new: `same`, with the id under which each was sent, and
    `doubtful`, for a person."""

    same: Mapping[str, str]
    doubtful: Mapping[str, OddDocument]


def compare(documents: Mapping[str, PaymentDocument], sent: Iterable[SentDocument]) -> Compared:
    """Compare the documents of a statement, by id, with those that were sent. One that was found to be another one's
    is its alone: a second document like it is another payment."""
    known = list(sent)
    by_id = {each.id: each for each in known}
    same: dict[str, str] = {}
    doubtful: dict[str, OddDocument] = {}
    for name, document in documents.items():
        before = by_id.get(name)
        if before is not None:
            same |= {name: before.same_as} if before.same_as is not None else {}
            continue
        taken = {each.same_as for each in known} | set(same.values())
        order, by_other_day = order_of(document), id_by_other_day(document)
        for each in known:
            if each.same_as is not None or each.id in taken:
                continue
            if each.bank_order != order and each.id != by_other_day:
                continue
            likeness = _likeness(document, each)
            if likeness is Likeness.SAME:
                same[name] = each.id
                doubtful.pop(name, None)
                break
            if likeness is Likeness.DOUBTFUL:
                doubtful[name] = _in_doubt(document, each)
    return Compared(same, doubtful)


def _id_of(document: PaymentDocument) -> str:
    return payment_id(document) if document.direction is Direction.INCOMING else return_id(document)


def id_by_other_day(document: PaymentDocument) -> str | None:
    """The id that it has where the bank gives the other side's day only; None if that is the one it has."""
    if document.other_day is None or document.other_day == document.moved_on:
        return None
    return _id_of(replace(document, moved_on=document.other_day))


def _likeness(document: PaymentDocument, sent: SentDocument) -> Likeness:
    if sent.by_other_day is None:
        return Likeness.DOUBTFUL if sent.id == id_by_other_day(document) else Likeness.ANOTHER
    if sent.by_other_day == document.by_other_day or sent.copy != document.copy:
        return Likeness.ANOTHER
    if document.other_day is not None and sent.other_day is not None:
        return Likeness.SAME if document.other_day == sent.other_day else Likeness.ANOTHER
    assert document.moved_on is not None  # noqa: S101
    assert sent.moved_on is not None  # noqa: S101
    near = abs(document.moved_on - sent.moved_on) <= LONGEST_WAY
    return Likeness.DOUBTFUL if near else Likeness.ANOTHER


def _in_doubt(document: PaymentDocument, sent: SentDocument) -> OddDocument:
    """What the work list says of it."""
    on = f" {day(sent.moved_on)}" if sent.moved_on else ""
    said = (
        f"такой же документ уже проведён{on} (платёж {sent.id}), но с датой другой стороны: "
        "закройте, если это он, и проведите, если это другой платёж."
    )
    return OddDocument(
        document.line,
        document.last_line,
        document.kind,
        (StatementProblem(document.line, said),),
        document.amount,
        (document.payer.account, document.payee.account),
        document=document,
    )
