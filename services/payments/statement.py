"""A bank's statement in the form `1CClientBankExchange`, versions 1.02 and 1.03: from bytes to documents. Pure.

The form is lines `key=value` in sections, in Windows-1251, DOS (cp866) or UTF-8, with either line end. In what encoding
a file really is is seen from its key words: `Кодировка=Windows` stays in a header when a file is converted to UTF-8.

A broken file is refused as a whole, with every mistake and its line at once (`BrokenStatement`): half a statement would
look like a whole one. Only money that has moved counts: a document without the day on which it was credited or debited
is on its way still, and comes with a later statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

FIRST_LINE = "1CClientBankExchange"
VERSIONS = ("1.02", "1.03")
ENCODINGS = ("utf-8", "cp1251", "cp866")
TELLING = ("ВерсияФормата", "СекцияДокумент", "Кодировка", "КонецФайла", "РасчСчет")
"""Key words by whose bytes an encoding is recognised."""
_SIDE = ("", "1", "Счет", "РасчСчет", "ИНН", "КПП", "БИК")
USED = frozenset(
    ["ВерсияФормата", "Отправитель", "ДатаНачала", "ДатаКонца", "РасчСчет", "ВсегоПоступило", "ВсегоСписано"]
    + ["Номер", "Дата", "Сумма", "ДатаПоступило", "ДатаСписано", "НазначениеПлатежа"]
    + [f"НазначениеПлатежа{number}" for number in range(1, 7)]
    + [who + what for who in ("Плательщик", "Получатель") for what in _SIDE]
)
"""Keys that are read here: twice in one section they would contradict each other. Banks add others as they like."""
LARGEST_FILE = 32 * 1024 * 1024
"""Bytes, on every way in: some 50,000 documents."""
MOST_PROBLEMS = 100
"""Told of one file; the rest is counted."""

_SUM = re.compile(r"\d{1,13}(?:\.\d{1,2})?")
_DAY = re.compile(r"(\d{2})\.(\d{2})\.(\d{4})")
_ACCOUNT = re.compile(r"\d{20}")
_INN = re.compile(r"\d{10}|\d{12}|\d{5}|0")
_NOT_PRINTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PURPOSE = re.compile(r"НазначениеПлатежа[1-6]?")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, in Russian, and in which line (from 1; 0: of the file as a whole)."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"строка {self.line}: {self.message}" if self.line else self.message


class BrokenStatement(ValueError):
    """The file can't be taken. `problems` has all that is wrong with it, in the order of lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        shown = [str(problem) for problem in self.problems[:MOST_PROBLEMS]]
        if len(self.problems) > MOST_PROBLEMS:
            shown.append(f"… и ещё {len(self.problems) - MOST_PROBLEMS}")
        super().__init__("\n".join(shown))


class Direction(StrEnum):
    """Which way money went, seen from the accounts of the statement."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    INTERNAL = "internal"
    """Between two of them."""


@dataclass(frozen=True, slots=True)
class Side:
    """Payer or payee."""

    account: str
    inn: str
    """`0` if the document has none."""
    kpp: str
    name: str
    bic: str


@dataclass(frozen=True, slots=True)
class Document:
    """One payment document. `moved_on` is the day the money came or went; None: it has not yet."""

    line: int
    kind: str
    number: str
    issued_on: date
    amount: Decimal
    payer: Side
    payee: Side
    purpose: str
    direction: Direction
    moved_on: date | None


@dataclass(frozen=True, slots=True)
class Statement:
    """What a file says. `first` and `last` are the days it covers."""

    version: str
    encoding: str
    sender: str
    first: date
    last: date
    accounts: tuple[str, ...]
    documents: tuple[Document, ...]


@dataclass(slots=True)
class _Section:
    """Lines between the beginning and the end of a section: key → (line, value)."""

    line: int
    title: str
    fields: dict[str, tuple[int, str]] = field(default_factory=dict)

    def get(self, *keys: str) -> str:
        """The first of these that is there and not empty."""
        return next((value for key in keys if (value := self.fields.get(key, (0, ""))[1])), "")

    def line_of(self, *keys: str) -> int:
        return next((self.fields[key][0] for key in keys if key in self.fields), self.line)


def too_large() -> BrokenStatement:
    """More than `LARGEST_FILE`."""
    return BrokenStatement([Problem(0, f"Файл больше {LARGEST_FILE // 1024**2} МБ: разделите выписку.")])


def parse(data: bytes, our_accounts: frozenset[str] = frozenset()) -> Statement:
    """Read a file. With `our_accounts`, a statement of any other account is refused: it is not ours.

    Raises `BrokenStatement`.
    """
    return _Reader(data, our_accounts).read()


class _Reader:
    def __init__(self, data: bytes, our_accounts: frozenset[str]) -> None:
        self._data = data
        self._ours = our_accounts
        self._problems: list[Problem] = []

    def read(self) -> Statement:
        if not self._data.strip():
            raise BrokenStatement([Problem(0, "Файл пуст.")])
        if len(self._data) > LARGEST_FILE:
            raise too_large()
        encoding, lines = self._decoded()
        header, accounts, documents = self._sections(lines)
        statement = self._statement(encoding, header, accounts, documents)
        if self._problems or statement is None:
            raise BrokenStatement(self._problems)
        return statement

    def _wrong(self, line: int, message: str) -> None:
        self._problems.append(Problem(line, message))

    # Bytes to lines

    def _decoded(self) -> tuple[str, list[str]]:
        data = self._data
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise BrokenStatement([Problem(1, "Файл в кодировке UTF-16. Нужна Windows-1251, DOS или UTF-8.")])
        data = data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\x1a")  # the end of a DOS file
        raw = [line.rstrip(b"\r") for line in data.split(b"\n")]
        if raw[0].strip() != FIRST_LINE.encode():
            shown = _shown(raw[0][:60].decode("cp1251", "replace"))
            raise BrokenStatement(
                [Problem(1, f"Это не выписка: первая строка должна быть «{FIRST_LINE}», а не {shown}.")]
            )
        encoding = _encoding_of(data)
        if encoding is None:
            raise BrokenStatement([Problem(2, "Кодировка не распознана: ни в одной из известных нет слов выписки.")])
        lines: list[str] = []
        for number, line in enumerate(raw, 1):
            try:
                text = line.decode(encoding)
            except UnicodeDecodeError as wrong:
                place = wrong.start + 1
                self._wrong(
                    number, f"байт {line[wrong.start]:#04x} в позиции {place} не читается в {_named(encoding)}."
                )
                text = line.decode(encoding, "replace")
            if _NOT_PRINTED.search(text):
                self._wrong(number, "в строке есть управляющие символы: файл повреждён.")
            lines.append(text.strip())
        return encoding, lines

    # Lines to sections

    def _sections(self, lines: list[str]) -> tuple[_Section, list[_Section], list[_Section]]:
        header = _Section(1, FIRST_LINE)
        accounts: list[_Section] = []
        documents: list[_Section] = []
        inside: _Section | None = None
        ends = {"КонецРасчСчет": "СекцияРасчСчет", "КонецДокумента": "СекцияДокумент"}
        is_over, last_key = 0, ""
        for number, line in enumerate(lines, 1):
            if number == 1 or not line:
                continue
            if is_over:
                self._wrong(number, f"после «КонецФайла» (строка {is_over}) не должно быть ничего.")
                break
            key, equals, value = line.partition("=")
            key, value = key.strip(), value.strip()
            if key == "КонецФайла":
                is_over = number
                self._closed(inside)
                inside = None
            elif key in ("СекцияРасчСчет", "СекцияДокумент"):
                self._closed(inside)
                inside = _Section(number, value if key == "СекцияДокумент" else key)
                (accounts if key == "СекцияРасчСчет" else documents).append(inside)
            elif key in ends and not equals:
                opened = accounts if ends[key] == "СекцияРасчСчет" else documents
                if inside is None or not opened or inside is not opened[-1]:
                    self._wrong(number, f"«{key}» без начала: «{ends[key]}» перед ним нет.")
                else:
                    inside = None
            elif equals and key:
                part = inside or header
                if part is header and key == "РасчСчет":
                    part.fields[f"РасчСчет{number}"] = (number, value)
                elif key in part.fields and key in USED:
                    self._wrong(number, f"«{key}» второй раз, первый в строке {part.fields[key][0]}.")
                else:
                    part.fields[key] = (number, value)
                last_key = key
            elif inside is not None and _PURPOSE.fullmatch(last_key):
                begun, text = inside.fields.get(last_key, (number, ""))
                inside.fields[last_key] = (begun, f"{text} {line}".strip())
            else:
                self._wrong(number, f"строка не разобрана: {_shown(line)}. Ожидалось «ключ=значение».")
        if not is_over:
            self._wrong(len(lines), "нет строки «КонецФайла»: файл оборван.")
            self._closed(inside)
        return header, accounts, documents

    def _closed(self, section: _Section | None) -> None:
        if section is not None:
            end = "КонецРасчСчет" if section.title == "СекцияРасчСчет" else "КонецДокумента"
            self._wrong(section.line, f"раздел не закрыт: строки «{end}» нет.")

    # Sections to a statement

    def _statement(
        self, encoding: str, header: _Section, sections: list[_Section], found: list[_Section]
    ) -> Statement | None:
        version = header.get("ВерсияФормата")
        if version not in VERSIONS:
            known = " и ".join(VERSIONS)
            self._wrong(header.line_of("ВерсияФормата"), f"версия формата {_shown(version)}: читаются {known}.")
        accounts = self._accounts(header, sections)
        first = self._day(header, "ДатаНачала")
        last = self._day(header, "ДатаКонца")
        if first and last and first > last:
            self._wrong(header.line_of("ДатаКонца"), "период кончается раньше, чем начинается.")
        documents = [made for each in found if (made := self._document(each, accounts)) is not None]
        if not self._problems and "Документ" not in header.fields:
            self._compare_totals(sections, documents)
        if first is None or last is None:
            return None
        return Statement(version, encoding, header.get("Отправитель"), first, last, tuple(accounts), tuple(documents))

    def _accounts(self, header: _Section, sections: list[_Section]) -> dict[str, int]:
        """Accounts of the statement with the line that names each first."""
        named = [(line, value) for key, (line, value) in header.fields.items() if key.startswith("РасчСчет")]
        named += [(each.line_of("РасчСчет"), each.get("РасчСчет")) for each in sections]
        accounts: dict[str, int] = {}
        for line, account in named:
            if not account:
                self._wrong(line, "нет «РасчСчет»: непонятно, какого счёта это выписка.")
            elif not _ACCOUNT.fullmatch(account):
                self._wrong(line, f"счёт {_shown(account)}: нужно 20 цифр.")
            elif self._ours and account not in self._ours and account not in accounts:
                self._wrong(line, f"счёт {account} не наш: выписка чужая или счёт не указан в настройках.")
            accounts.setdefault(account, line)
        if not named:
            self._wrong(header.line, "нет ни одного «РасчСчет»: непонятно, чья это выписка.")
        return accounts

    def _document(self, section: _Section, accounts: dict[str, int]) -> Document | None:
        before = len(self._problems)
        number = section.get("Номер")
        if not number or len(number) > 100:
            self._wrong(section.line_of("Номер"), "у документа нет номера." if not number else "номер слишком длинный.")
        issued_on = self._day(section, "Дата")
        amount = self._sum(section, "Сумма")
        if amount == 0:
            self._wrong(section.line_of("Сумма"), "сумма документа — ноль.")
        payer, payee = self._side(section, "Плательщик"), self._side(section, "Получатель")
        incoming, outgoing = payee.account in accounts, payer.account in accounts
        if not (incoming or outgoing) and len(self._problems) == before:
            self._wrong(section.line, "ни плательщик, ни получатель — не счёт этой выписки.")
        came = self._day(section, "ДатаПоступило", required=False)
        went = self._day(section, "ДатаСписано", required=False)
        if issued_on is None or amount is None or len(self._problems) > before:
            return None
        direction = Direction.INTERNAL if incoming and outgoing else Direction.OUTGOING
        if incoming and not outgoing:
            direction = Direction.INCOMING
        return Document(
            section.line,
            section.title,
            number,
            issued_on,
            amount,
            payer,
            payee,
            _purpose(section),
            direction,
            came if direction is Direction.INCOMING else went,
        )

    def _side(self, section: _Section, who: str) -> Side:
        account = section.get(f"{who}Счет", f"{who}РасчСчет")
        line = section.line_of(f"{who}Счет", f"{who}РасчСчет")
        if not _ACCOUNT.fullmatch(account):
            self._wrong(line, f"{who}Счет {_shown(account)}: нужно 20 цифр.")
        inn = section.get(f"{who}ИНН")
        if inn and not _INN.fullmatch(inn):
            self._wrong(section.line_of(f"{who}ИНН"), f"{who}ИНН {_shown(inn)}: нужно 10 или 12 цифр.")
        name = section.get(f"{who}1", who)
        kpp, bic = section.get(f"{who}КПП"), section.get(f"{who}БИК")
        return Side(account, inn or "0", kpp[:100], name[:2_000], bic[:100])

    def _day(self, section: _Section, key: str, required: bool = True) -> date | None:
        value = section.get(key)
        if not value:
            if required:
                self._wrong(section.line_of(key), f"нет даты «{key}».")
            return None
        parts = _DAY.fullmatch(value)
        try:
            return date(int(parts[3]), int(parts[2]), int(parts[1])) if parts else _no_day()
        except ValueError:
            self._wrong(section.line_of(key), f"{key} {_shown(value)}: нужна дата вида 31.12.2026.")
            return None

    def _sum(self, section: _Section, key: str) -> Decimal | None:
        value = section.get(key)
        if not value:
            self._wrong(section.line_of(key), f"нет суммы «{key}».")
        elif not _SUM.fullmatch(value):
            self._wrong(section.line_of(key), f"{key} {_shown(value)}: нужна сумма вида 12500.00.")
        else:
            return Decimal(value).quantize(Decimal("0.01"))
        return None

    def _compare_totals(self, sections: list[_Section], documents: list[Document]) -> None:
        """The bank's totals of an account against its documents: a document that was lost or edited shows here."""
        for key, side, what in (("ВсегоПоступило", "payee", "поступило"), ("ВсегоСписано", "payer", "списано")):
            for account in dict.fromkeys(each.get("РасчСчет") for each in sections):
                of_account = [each for each in sections if each.get("РасчСчет") == account]
                if not all(each.get(key) for each in of_account):
                    continue
                sums = [self._sum(each, key) for each in of_account]
                said = sum((each for each in sums if each is not None), Decimal(0))
                moved = [each for each in documents if getattr(each, side).account == account and each.moved_on]
                total = sum((each.amount for each in moved), Decimal(0))
                if None not in sums and said != total:
                    line = of_account[0].line_of(key)
                    self._wrong(line, f"по счёту {account} {what} {said}, а документов на {total}: файл неполон.")


def _encoding_of(data: bytes) -> str | None:
    """The encoding in which the file's key words are. None: in none that is known."""
    votes = {each: sum(word.encode(each) in data for word in TELLING) for each in ENCODINGS}
    best = max(votes, key=lambda each: votes[each])
    return best if votes[best] else None


def _purpose(section: _Section) -> str:
    whole = section.get("НазначениеПлатежа")
    parts = [section.get(f"НазначениеПлатежа{number}") for number in range(1, 7)]
    text = " ".join(filter(None, parts))
    return (whole if len(whole) >= len(text) else text)[:2_000]


def _shown(text: str) -> str:
    """A value in a message: short, printable, in quotation marks."""
    clean = "".join(character if character.isprintable() else "·" for character in text)
    return f"«{clean[:57]}…»" if len(clean) > 60 else f"«{clean}»"


def _named(encoding: str) -> str:
    return {"cp1251": "Windows-1251", "cp866": "DOS (cp866)", "utf-8": "UTF-8"}[encoding]


def _no_day() -> date:
    raise ValueError
