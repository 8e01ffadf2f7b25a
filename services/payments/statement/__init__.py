"""A bank's statement in the form `1CClientBankExchange`: from bytes to documents. Pure.

The form is lines `key=value` in sections, in Windows-1251, DOS (cp866) or UTF-8, with either line end. Versions differ
in keys that are not needed here, so every 1.x is read.

What is wrong around the documents (a file that is cut off, another's account, totals that its documents don't make)
refuses the file as a whole, with every mistake and its line at once (`BrokenStatement`): half a statement would look
like a whole one. What is wrong within one document makes that document odd: it is not booked, a person looks at it, and
the others are taken. Only money that has moved counts: a document without the day on which it was credited or debited
is on its way still, and comes with a later statement.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from services.payments.statement import values
from services.payments.statement.documents import document_of
from services.payments.statement.lines import Line, lines_of, shown
from services.payments.statement.model import (
    LARGEST_FILE,
    MOST_ODD,
    BankStatement,
    BrokenStatement,
    Direction,
    OddDocument,
    PaymentDocument,
    Side,
    StatementProblem,
    problem_lines,
    too_large,
)
from services.payments.statement.sections import Section, Sections, sections_of
from services.payments.statement.totals import AccountTotal, Flow, resolve

__all__ = [
    "LARGEST_FILE",
    "MOST_ODD",
    "BankStatement",
    "BrokenStatement",
    "Direction",
    "OddDocument",
    "PaymentDocument",
    "Side",
    "StatementProblem",
    "parse",
    "problem_lines",
    "too_large",
]

_VERSION = re.compile(r"1[.,][0-9]{1,2}")
_ACCOUNT = re.compile(r"[0-9]{20}")


def parse(data: bytes, our_accounts: frozenset[str] = frozenset()) -> BankStatement:
    """Read a file. With `our_accounts`, a statement of any other account is refused: it is not ours.

    Raises `BrokenStatement`.
    """
    if len(data) > LARGEST_FILE:
        raise too_large()
    encoding, lines = lines_of(data)
    sections = sections_of(lines)
    return _Reader(sections, our_accounts, sections.problems).read(encoding, lines)


@dataclass(slots=True)
class _Reader:
    """Makes a statement of sections; `problems` are those of the file as a whole."""

    sections: Sections
    ours: frozenset[str]
    problems: list[StatementProblem] = field(default_factory=list)

    def read(self, encoding: str, lines: list[Line]) -> BankStatement:
        header = self.sections.header
        version = header.get("ВерсияФормата")
        if version and not _VERSION.fullmatch(version):
            self._wrong(header.line_of("ВерсияФормата"), f"версия формата {shown(version)}: читаются 1.01, 1.02, 1.03.")
        accounts = self._accounts()
        first, last = self._day("ДатаНачала", min), self._day("ДатаКонца", max)
        if first and last and first > last:
            self._wrong(header.line_of("ДатаКонца"), "период кончается раньше, чем начинается.")
        documents: list[PaymentDocument] = []
        odd: list[OddDocument] = []
        for each in self.sections.documents:
            found = document_of(each, accounts)
            if isinstance(found, PaymentDocument):
                documents.append(found)
            else:
                odd.append(found)
        totals = self._totals()
        if not self.problems and len(odd) <= MOST_ODD:
            documents, odd, unmade = resolve(documents, odd, totals, frozenset(accounts))
            self.problems += unmade
        if len(odd) > MOST_ODD:
            self._wrong(0, f"Документов с ошибками больше {MOST_ODD}: дело в самом файле.")
        if self.problems or first is None or last is None:
            raise BrokenStatement([*self.problems, *(problem for each in odd for problem in each.problems)])
        return BankStatement(
            version,
            encoding,
            header.get("Отправитель"),
            first,
            last,
            tuple(accounts),
            tuple(documents),
            tuple(odd),
            tuple(each.text for each in lines),
            self._selected(),
        )

    def _wrong(self, line: int, message: str) -> None:
        self.problems.append(StatementProblem(line, message))

    def _accounts(self) -> dict[str, int]:
        """Accounts of the statement with the line that names each first."""
        header = self.sections.header
        named = [
            *header.accounts,
            *((each.line_of("РасчСчет"), each.get("РасчСчет")) for each in self.sections.accounts),
        ]
        accounts: dict[str, int] = {}
        for line, given in named:
            account = values.account_of(given)
            if not account:
                self._wrong(line, "нет «РасчСчет»: непонятно, какого счёта это выписка.")
            elif not _ACCOUNT.fullmatch(account):
                self._wrong(line, f"счёт {shown(given)}: нужно 20 цифр.")
            elif self.ours and account not in self.ours and account not in accounts:
                self._wrong(line, f"счёт {account} не наш: выписка чужая или счёт не указан в настройках.")
            accounts.setdefault(account, line)
        if not named:
            self._wrong(header.line, "нет ни одного «РасчСчет»: непонятно, чья это выписка.")
        return accounts

    def _day(self, key: str, outermost: Callable[[list[date]], date]) -> date | None:
        """A bound of the period: the header's, or where it has none the outermost of the accounts'."""
        header = self.sections.header
        given = [header] if header.get(key) else [each for each in self.sections.accounts if each.get(key)]
        if not given:
            self._wrong(header.line_of(key), f"нет даты «{key}».")
            return None
        days = []
        for each in given:
            day = values.day_of(each.get(key))
            if day is None:
                self._wrong(each.line_of(key), f"{key} {shown(each.get(key))}: нужна дата вида 31.12.2026.")
            else:
                days.append(day)
        return outermost(days) if days else None

    def _totals(self) -> dict[Flow, AccountTotal]:
        """What the bank says of each account, where all its sections say it: a bank may write one section a day.

        Where the header selects kinds of documents, the total counts others as well. It selects none if a document is
        of another kind than it names.
        """
        of_account: dict[str, list[Section]] = defaultdict(list)
        for each in self.sections.accounts:
            of_account[values.account_of(each.get("РасчСчет"))].append(each)
        totals: dict[Flow, AccountTotal] = {}
        for account, sections in of_account.items():
            for key, is_in in (("ВсегоПоступило", True), ("ВсегоСписано", False)):
                if all(each.get(key) for each in sections) and (total := self._total(sections, key)):
                    totals[account, is_in] = replace(total, is_bound=bool(self._selected()))
        return totals

    def _selected(self) -> tuple[str, ...]:
        """The kinds of documents that the header selects; none if a document is of another kind."""
        kinds = self.sections.header.kinds
        known = {each.casefold() for each in kinds}
        is_one = all(each.kind.casefold() in known for each in self.sections.documents if each.kind)
        return tuple(kinds) if is_one else ()

    def _total(self, sections: Iterable[Section], key: str) -> AccountTotal | None:
        found: AccountTotal | None = None
        for each in sections:
            amount, line = values.amount_of(each.get(key)), each.line_of(key)
            if amount is None:
                self._wrong(line, f"{key} {shown(each.get(key))}: нужна сумма вида 12500.00.")
                return None
            found = AccountTotal(found.line if found else line, amount + (found.amount if found else 0))
        return found
