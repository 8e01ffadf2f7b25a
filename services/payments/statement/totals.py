"""The bank's totals of an account against its documents. Pure.

A document that was lost or edited shows here, and what documents alone don't show: whether equal ones are one payment
shown twice or several, and whether money has moved that has the other side's day only. Each such question is a number
of documents that the total counts, between a least and a most. Where only one answer makes the total, it is proved;
where several do, or the bank gives no total, a person is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from math import prod

from services.payments.statement.model import Direction, Key, OddDocument, PaymentDocument, StatementProblem

MOST_WAYS = 10_000
"""Ways to make up a total that are tried; with more of them all open questions of the account go to a person."""

ZERO = Decimal(0)


Flow = tuple[str, bool]
"""An account, and whether money that came to it is meant, or money that went."""
Counted = tuple[int, int]
"""The fewest and the most documents of a claim that count."""


@dataclass(frozen=True, slots=True)
class AccountTotal:
    """The bank's total of an account, what it took in (or gave out) over all its sections, and in which line."""

    line: int
    amount: Decimal
    is_bound: bool = False
    """It counts documents that the file doesn't show: they make up to so much."""


@dataclass(slots=True)
class EqualDocuments:
    """Documents that are equal in everything, and how many of them the total counts."""

    amount: Decimal
    least: int
    most: int
    documents: list[PaymentDocument] = field(default_factory=list)


def resolve(
    documents: Sequence[PaymentDocument],
    odd: Sequence[OddDocument],
    totals: Mapping[Flow, AccountTotal],
    accounts: frozenset[str],
) -> tuple[list[PaymentDocument], list[OddDocument], list[StatementProblem]]:
    """Documents that count, with what the totals have proved of them; those that are odd; totals that don't fit."""
    equal: dict[Key, list[PaymentDocument]] = defaultdict(list)
    for each in documents:
        equal[each.key].append(each)
    claims: dict[Flow, list[EqualDocuments]] = defaultdict(list)
    for same in equal.values():
        claim = _claim(same)
        claims[same[0].payee.account, True].append(claim)
        claims[same[0].payer.account, False].append(claim)
    answers: dict[Key, list[Counted]] = defaultdict(list)
    problems = []
    for account in accounts:
        for flow in ((account, True), (account, False)):
            total, here = totals.get(flow), claims[flow]
            counts = _counts(here, _strange(odd, flow, accounts), total) if total else None
            if total and counts is None:
                what = "поступило" if flow[1] else "списано"
                sum_ = sum((each.amount * each.most for each in here), ZERO)
                wrong = "их больше, чем считает банк" if total.is_bound else "файл неполон"
                text = f"по счёту {account} {what} {total.amount}, а документов на {sum_}: {wrong}."
                problems.append(StatementProblem(total.line, text))
            for number, claim in enumerate(here):
                answers[claim.documents[0].key].append(counts[number] if counts else (min(1, claim.most), claim.most))
    settled: list[PaymentDocument] = []
    doubtful: list[OddDocument] = []
    for key, same in equal.items():
        for found in _settled(same, answers[key]):
            if isinstance(found, PaymentDocument):
                settled.append(found)
            else:
                doubtful.append(found)
    return sorted(settled, key=_line), sorted((*odd, *doubtful), key=_line), problems


def _line(found: PaymentDocument | OddDocument) -> int:
    return found.line


def _strange(odd: Sequence[OddDocument], flow: Flow, accounts: frozenset[str]) -> list[EqualDocuments | None]:
    """Claims of odd documents that a total may count; None for one of an unknown sum. A document that names no account
    of ours may be any account's."""
    account, is_in = flow
    found: list[EqualDocuments | None] = []
    for each in odd:
        is_placed = not accounts.isdisjoint(each.accounts)
        if is_placed and each.accounts[1 if is_in else 0] != account:
            continue
        least = int(is_placed and each.has_moved)
        found.append(None if each.amount is None else EqualDocuments(each.amount, least, 1))
    return found


def _claim(same: list[PaymentDocument]) -> EqualDocuments:
    first = same[0]
    if first.moved_on is not None:
        return EqualDocuments(first.amount, 1, len(same), same)
    return EqualDocuments(first.amount, 0, len(same) if first.other_day else 0, same)


def _counts(
    claims: list[EqualDocuments], odd: list[EqualDocuments | None], given: AccountTotal
) -> list[Counted] | None:
    """The bounds of each claim: the fewest and the most documents of it that make the total. None: nothing makes it.

    A document without any day counts for nothing; only if the total can't be made without them they are tried.
    """
    total = given.amount
    strange = [each for each in odd if each is not None]
    for each in strange:
        if each.amount < 0 and each.least < each.most:  # less by a sum, or not, is: more by it, or not, than the least
            total, each.amount = total - each.amount, -each.amount
    if given.is_bound or len(strange) < len(odd):
        return _below([*claims, *strange], total)
    undated = [replace(each, most=len(each.documents)) for each in claims]
    return _ways([*claims, *strange], total) or _ways([*undated, *strange], total, must_be_few=True)


def _below(claims: list[EqualDocuments], total: Decimal) -> list[Counted] | None:
    """A document whose sum can't be read, or that isn't shown, may have any: the total only bounds what the others
    make."""
    for found in ([(min(1, each.most), each.most) for each in claims], [(each.least, each.most) for each in claims]):
        if sum((each.amount * least for each, (least, _) in zip(claims, found, strict=True)), ZERO) <= total:
            return found
    return None


def _ways(claims: list[EqualDocuments], total: Decimal, must_be_few: bool = False) -> list[Counted] | None:
    rest = total - sum((each.amount * each.least for each in claims), ZERO)
    spans = [each.most - each.least for each in claims]
    above = sum((each.amount * span for each, span in zip(claims, spans, strict=True)), ZERO)
    if rest == 0:
        return [(each.least, each.least) for each in claims]
    if rest == above:
        return [(each.most, each.most) for each in claims]
    if not 0 < rest < above:
        return None
    if prod(span + 1 for span in spans) > MOST_WAYS:
        return None if must_be_few else [(each.least, each.most) for each in claims]
    asked = [number for number, span in enumerate(spans) if span]
    ways = [
        way
        for way in product(*(range(spans[number] + 1) for number in asked))
        if sum((claims[number].amount * count for number, count in zip(asked, way, strict=True)), ZERO) == rest
    ]
    if not ways:
        return None
    found = [(each.least, each.least) for each in claims]
    for place, number in enumerate(asked):
        counted = [way[place] + claims[number].least for way in ways]
        found[number] = min(counted), max(counted)
    return found


def _settled(same: list[PaymentDocument], answers: list[Counted]) -> Iterator[PaymentDocument | OddDocument]:
    """The verdict on equal documents: those that count, each with its number; those in doubt; repetitions, equal to the
    first."""
    first = same[0]
    day = first.moved_on or first.other_day
    sure, most = max(answers, default=(1, 1))
    if first.direction is Direction.INTERNAL and day:
        sure = most = max(sure, 1)  # shown under both accounts, and nothing comes by it
    for number, each in enumerate(same, 1):
        if most == 0:
            yield each
        elif day is None:
            yield _doubtful(each, number, "банк не указал, когда деньги прошли по счёту, а итог по счёту их считает.")
        elif number <= sure or number > most:
            copy = number if number <= sure else 1
            yield replace(each, copy=copy, moved_on=day, by_other_day=each.moved_on is None)
        else:
            text = "такой же документ уже есть выше" if number > 1 else "дата есть только у другой стороны"
            yield _doubtful(each, number, f"{text}, и по итогам банка не видно, считать ли этот.")


def _doubtful(document: PaymentDocument, copy: int, message: str) -> OddDocument:
    day = document.moved_on or document.other_day
    whole = replace(document, copy=copy, moved_on=day, by_other_day=document.moved_on is None)
    return OddDocument(
        document.line,
        document.last_line,
        document.kind,
        (StatementProblem(document.line, message),),
        document.amount,
        (document.payer.account, document.payee.account),
        document=whole if whole.moved_on else None,
    )
