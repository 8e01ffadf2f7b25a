"""The reader of a statement's sections, from its lines. Pure.

A mistake within a document is that document's alone; what is wrong around the documents is the whole file's. A purpose
runs on over the lines behind it until a key of the form comes, or one that looks like a bank's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.payments.statement.lines import CONTROLS, FIRST_LINE, Line, shown
from services.payments.statement.model import StatementProblem

SIDES = ("Плательщик", "Получатель")
_CHECKED_OF_SIDE = ("Счет", "РасчСчет", "ИНН", "КПП", "БИК")
_TEXTS_OF_SIDE = ("", "1", "2", "3", "4", "Банк1", "Банк2", "Корсчет")
CHECKED = frozenset(
    ["ВерсияФормата", "ДатаНачала", "ДатаКонца", "РасчСчет", "ВсегоПоступило", "ВсегоСписано"]
    + ["Номер", "Дата", "Сумма", "ДатаПоступило", "ДатаСписано"]
    + [who + what for who in SIDES for what in _CHECKED_OF_SIDE]
)
"""Keys that are read here and have one value: a second one would contradict the first."""
_MOVES_MONEY = CHECKED - {"Номер", "Дата", *(who + what for who in SIDES for what in ("ИНН", "КПП", "БИК"))}
_OF_SIDE = {who: frozenset(who + what for what in (*_CHECKED_OF_SIDE, *_TEXTS_OF_SIDE)) for who in SIDES}
PURPOSES = ("НазначениеПлатежа", *(f"НазначениеПлатежа{number}" for number in range(1, 7)))
TEXTS = frozenset([*PURPOSES, *(who + what for who in SIDES for what in _TEXTS_OF_SIDE)])
"""Keys whose value may run on over several lines."""
_OTHERS = (
    "КвитанцияДата КвитанцияВремя КвитанцияСодержание ВидПлатежа ВидОплаты Код КодНазПлатежа СтатусСоставителя "
    "ПоказательКБК ОКАТО ОКТМО ПоказательОснования ПоказательПериода ПоказательНомера ПоказательДаты ПоказательТипа "
    "Очередность СрокАкцепта ВидАккредитива СрокПлатежа УсловиеОплаты1 УсловиеОплаты2 УсловиеОплаты3 ПлатежПоПредст "
    "ДополнУсловия НомерСчетаПоставщика ДатаОтсылкиДок"
)
KNOWN = CHECKED | TEXTS | frozenset(_OTHERS.split())
_OF_HEADER = frozenset(
    {
        *("ВерсияФормата", "Кодировка", "Отправитель", "Получатель", "ДатаСоздания", "ВремяСоздания"),
        *("ДатаНачала", "ДатаКонца", "РасчСчет", "Документ"),
    }
)
_BANKS_OWN = re.compile(r"[А-ЯЁA-Z][а-яёa-z]+[А-ЯЁA-Z][А-ЯЁа-яёA-Za-z0-9]*")
"""Banks add keys as they like: words joined by capitals, as those of the form are. A text before `=` is none. A payer
writes what is matched here: a repetition within a repetition would take time without end."""
_LONGEST_KEY = 60
LONGEST_TEXT = 2_000
"""Characters of a text that runs on over lines: with so many, no further line is added."""
_UNKNOWN_BEGIN = re.compile(r"Секция[А-ЯЁA-Z]\w*")
_UNKNOWN_END = re.compile(r"Конец[А-ЯЁA-Z]\w*")
_ENDS = {"КонецРасчСчет": "СекцияРасчСчет", "КонецДокумента": "СекцияДокумент"}
_BEGINS = frozenset(_ENDS.values())
MOST_KEYS_IN_A_PURPOSE = 2
"""With more checked keys behind a purpose it is no text, but a second document whose beginning is lost."""
_BEHIND_A_PURPOSE = frozenset(who + "КПП" for who in SIDES)
"""Of the sides, the form has only these behind the purpose, among the keys of payments to the budget."""


@dataclass(slots=True)
class Section:
    """Lines between the beginning and the end of a section: key → (line, value)."""

    line: int
    title: str
    kind: str = ""
    last_line: int = 0
    fields: dict[str, tuple[int, str]] = field(default_factory=dict)
    problems: list[StatementProblem] = field(default_factory=list)
    is_unsure: bool = False
    """Two values contradict each other, or the end is missing: which money it moves is unclear."""
    accounts: list[tuple[int, str]] = field(default_factory=list)
    """Of the header: every `РасчСчет`, with its line."""
    kinds: list[str] = field(default_factory=list)
    """Of the header: every `Документ`, a kind of documents that was selected."""

    def get(self, *keys: str) -> str:
        """The first of these that is there and not empty."""
        for key in keys:
            if key in self.fields and (value := self.fields[key][1]):
                return value
        return ""

    def line_of(self, *keys: str) -> int:
        """Where the first of these stands; where the section begins if none does."""
        return next((self.fields[key][0] for key in keys if key in self.fields), self.line)

    def wrong(self, line: int, message: str) -> None:
        """Note a problem of this section."""
        self.problems.append(StatementProblem(line, message))


@dataclass(slots=True)
class Sections:
    """The parts of a file. `problems` are those of the file as a whole."""

    header: Section
    accounts: list[Section] = field(default_factory=list)
    documents: list[Section] = field(default_factory=list)
    problems: list[StatementProblem] = field(default_factory=list)


def sections_of(lines: Iterable[Line]) -> Sections:
    """Every section, with what is wrong in it."""
    return _Reader().read(lines)


class _Reader:
    def __init__(self) -> None:
        self._made = Sections(Section(1, FIRST_LINE))
        self._inside: Section | None = None
        self._last_key = ""
        self._keys_in_purpose: set[str] = set()
        self._sides_before: set[str] | None = None
        """Sides of which something stands before the purpose; None: there has been no purpose yet."""

    def read(self, lines: Iterable[Line]) -> Sections:
        is_over = number = 0
        for line in lines:
            number = line.number
            if not line.text and not line.unreadable:
                continue
            if is_over:
                self._wrong(number, f"после «КонецФайла» (строка {is_over}) не должно быть ничего.")
                break
            key, equals, value = line.text.partition("=")
            key, value = key.rstrip(), value.lstrip()
            if key == "КонецФайла":
                is_over = number
                self._close(number - 1)
            elif key in _BEGINS:
                self._close(number - 1)
                self._open(Section(number, key, value if key == "СекцияДокумент" else ""))
            elif key in _ENDS and not value:
                self._end(key, number)
            else:
                self._line(line, key, equals, value)
        if not is_over:
            self._wrong(number, "нет строки «КонецФайла»: файл оборван.")
            self._close(number)
        return self._made

    def _wrong(self, line: int, message: str) -> None:
        self._made.problems.append(StatementProblem(line, message))

    def _open(self, section: Section) -> None:
        self._inside, self._last_key, self._keys_in_purpose, self._sides_before = section, "", set(), None
        if section.title in _BEGINS:
            (self._made.accounts if section.title == "СекцияРасчСчет" else self._made.documents).append(section)

    def _end(self, key: str, number: int) -> None:
        if key == "КонецДокумента" and (self._inside is None or self._inside.title not in _BEGINS):
            self._open_without_beginning(self._inside.line if self._inside else number)
        if self._inside is None or self._inside.title != _ENDS[key]:
            self._wrong(number, f"«{key}» без начала: «{_ENDS[key]}» перед ним нет.")
        else:
            self._inside.last_line = number
            self._inside = None

    def _open_without_beginning(self, number: int) -> None:
        """Lines behind the first section that are in none: of a document whose first line is lost or damaged."""
        section = Section(number, "СекцияДокумент", is_unsure=True)
        section.wrong(number, "документ без начала: строки «СекцияДокумент» перед ним нет.")
        self._open(section)

    def _close(self, last_line: int) -> None:
        """A section ends without its last line: a document is in doubt, an account's section is the whole file's."""
        section, self._inside = self._inside, None
        if section is None or section.title not in _BEGINS:
            return
        section.last_line = last_line
        if section.title == "СекцияДокумент":
            section.is_unsure = True
            section.wrong(section.line, "раздел не закрыт: строки «КонецДокумента» нет.")
        else:
            self._wrong(section.line, "раздел не закрыт: строки «КонецРасчСчет» нет.")

    def _line(self, line: Line, key: str, equals: str, value: str) -> None:
        if self._inside is None and _UNKNOWN_BEGIN.fullmatch(key):
            self._open(Section(line.number, key))
            return
        if self._inside is None and (self._made.accounts or self._made.documents) and key not in _OF_HEADER:
            self._open_without_beginning(line.number)
        inside = self._inside
        if inside is not None and inside.title not in _BEGINS:
            if _UNKNOWN_END.fullmatch(key):
                self._inside = None
        elif inside is not None and inside.title == "СекцияДокумент":
            self._of_document(inside, line, key, equals, value)
        else:
            self._of_file(inside or self._made.header, line, key, equals, value)

    def _of_file(self, part: Section, line: Line, key: str, equals: str, value: str) -> None:
        """A line of the header or of an account."""
        if line.unreadable or line.has_controls:
            self._wrong(line.number, line.unreadable or CONTROLS)
        if not (equals and key):
            if line.text:
                self._wrong(line.number, f"строка не разобрана: {shown(line.text)}. Ожидалось «ключ=значение».")
        elif part is self._made.header and key == "РасчСчет":
            part.accounts.append((line.number, value))
        elif part is self._made.header and key == "Документ":
            part.kinds += [value] if value else []
        elif key in CHECKED and part.get(key) not in ("", value):
            self._wrong(line.number, _twice(part, key))
        elif value or key not in part.fields:
            part.fields[key] = (line.number, value)

    def _of_document(self, part: Section, line: Line, key: str, equals: str, value: str) -> None:
        if line.unreadable:
            part.wrong(line.number, line.unreadable)
        known = part.fields[key][1] if key in part.fields else ""
        is_key = bool(equals) and (key in KNOWN or _is_banks_own(key))
        in_purpose = self._last_key in PURPOSES
        if line.has_controls and not (key in TEXTS if is_key else self._last_key in TEXTS):
            part.wrong(line.number, CONTROLS)
        if is_key and key in PURPOSES and known:
            if value != known:
                self._add(part, key, value)
            self._last_key = key
        elif is_key and key in CHECKED and known:
            if value in ("", known):
                return
            if in_purpose and len(self._keys_in_purpose | {key}) <= MOST_KEYS_IN_A_PURPOSE:
                self._keys_in_purpose.add(key)
                self._add(part, self._last_key, line.text)
            else:
                part.is_unsure |= key in _MOVES_MONEY
                part.wrong(line.number, _twice(part, key))
        elif is_key and value not in ("", known) and self._is_of_payer(key):
            self._last_key = self._last_key if in_purpose else next(each for each in PURPOSES if each in part.fields)
            self._add(part, self._last_key, line.text)
            self._keys_in_purpose.add(key)
            if len(self._keys_in_purpose) > MOST_KEYS_IN_A_PURPOSE:
                part.wrong(line.number, f"«{key}» после назначения платежа: непонятно, банк это пишет или плательщик.")
        elif is_key:
            if key in PURPOSES and self._sides_before is None:
                self._sides_before = {who for who in SIDES if any(each in part.fields for each in _OF_SIDE[who])}
            if value or key not in part.fields:
                part.fields[key] = (line.number, value)
            self._last_key = key
        elif self._last_key in TEXTS and (in_purpose or not equals):
            self._add(part, self._last_key, line.text)
        elif not equals and (not self._last_key or self._last_key in CHECKED):
            part.wrong(line.number, f"строка не разобрана: {shown(line.text)}. Ожидалось «ключ=значение».")

    def _is_of_payer(self, key: str) -> bool:
        """A key of a side behind the purpose is text where the bank has begun that side before it: a payer would say by
        his text who has paid. A bank that writes a whole side behind the purpose is read."""
        return key not in _BEHIND_A_PURPOSE and any(key in _OF_SIDE[who] for who in self._sides_before or ())

    def _add(self, part: Section, key: str, text: str) -> None:
        begun, known = part.fields.get(key, (part.line, ""))
        if len(known) < LONGEST_TEXT:
            part.fields[key] = (begun, f"{known} {text[:LONGEST_TEXT]}".strip())


def _is_banks_own(key: str) -> bool:
    return len(key) <= _LONGEST_KEY and _BANKS_OWN.fullmatch(key) is not None


def _twice(part: Section, key: str) -> str:
    return f"«{key}» второй раз, первый в строке {part.fields[key][0]}."
