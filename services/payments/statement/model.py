"""The model of a statement, once it is read: its documents, those that a person has to look at, and what can be
wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

LARGEST_FILE = 32 * 1024 * 1024
"""Bytes, on every way in: some 50,000 documents."""
MOST_PROBLEMS = 100
"""Told of one file; the rest is counted."""
MOST_ODD = 500
"""Odd documents of one file. With more of them it is the file that is wrong, and it is refused."""


@dataclass(frozen=True, slots=True)
class StatementProblem:
    """The problem of a statement, in Russian, and in which line (from 1; 0: of the file as a whole)."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"строка {self.line}: {self.message}" if self.line else self.message


class BrokenStatement(ValueError):
    """The file can't be taken. `problems` has all that is wrong with it, in the order of lines."""

    def __init__(self, problems: list[StatementProblem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(problem_lines(self.problems)))


def problem_lines(problems: Sequence[StatementProblem]) -> list[str]:
    """Problems as lines for a person; behind the first `MOST_PROBLEMS` only how many more there are."""
    shown = [str(problem) for problem in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        shown.append(f"… и ещё {len(problems) - MOST_PROBLEMS}")
    return shown


def too_large() -> BrokenStatement:
    """The refusal of a file of more than `LARGEST_FILE`."""
    return BrokenStatement([StatementProblem(0, f"Файл больше {LARGEST_FILE // 1024**2} МБ: разделите выписку.")])


class Direction(StrEnum):
    """The direction in which money went, seen from the accounts of the statement."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    INTERNAL = "internal"
    """Between two of them."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a payment: payer or payee. The account has no blanks in it; abroad it has other forms than 20
    digits."""

    account: str
    inn: str
    """`0` if the document has none."""
    kpp: str
    name: str
    bic: str


Key = tuple[date | None, date, str, Decimal, str, str]
"""By what the same document is known in every statement: the day it moved, its own, number, sum, payer, payee."""


@dataclass(frozen=True, slots=True)
class PaymentDocument:
    """One payment document of a statement. `moved_on` is the day the money came or went; None: it has not yet."""

    line: int
    last_line: int
    kind: str
    number: str
    issued_on: date
    amount: Decimal
    payer: Side
    payee: Side
    purpose: str
    direction: Direction
    moved_on: date | None
    other_day: date | None = None
    """The other side's day. Where the bank gives no day of ours the account's total says whether the money moved."""
    by_other_day: bool = False
    """The money moved, and `moved_on` is the other side's day: the bank has given no other."""
    copy: int = 1
    """2, 3 …: the bank's total proves that documents which are equal in everything are so many payments."""

    @property
    def key(self) -> Key:
        """Equal for equal documents, whatever their texts are: banks shorten those as they like."""
        day = self.moved_on or self.other_day
        return day, self.issued_on, self.number, self.amount, self.payer.account, self.payee.account


@dataclass(frozen=True, slots=True)
class OddDocument:
    """A document that a person has to look at: lines `line` to `last_line`, and what is odd about them."""

    line: int
    last_line: int
    kind: str
    problems: tuple[StatementProblem, ...]
    amount: Decimal | None = None
    """None: it can't be read, or it is there twice."""
    accounts: tuple[str, str] = ("", "")
    """Payer's and payee's, as far as they are certain."""
    has_moved: bool = False
    """The bank gives the day of its side, so that the account's total counts it."""
    document: PaymentDocument | None = None
    """All of it can be read; in doubt is only whether it counts."""


@dataclass(frozen=True, slots=True)
class BankStatement:
    """The content of a statement's file. `first` and `last` are the days it covers."""

    version: str
    encoding: str
    sender: str
    first: date
    last: date
    accounts: tuple[str, ...]
    documents: tuple[PaymentDocument, ...]
    odd: tuple[OddDocument, ...]
    lines: tuple[str, ...]
    """All lines of the file, decoded."""
    selected: tuple[str, ...] = ()
    """The kinds of documents that it shows, where it leaves others out: then no total proves that none is missing."""

    def text_of(self, odd: OddDocument) -> str:
        """A document as it stands in the file."""
        return "\n".join(self.lines[odd.line - 1 : odd.last_line])
