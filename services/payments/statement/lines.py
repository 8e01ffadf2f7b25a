"""The reader of a statement's lines, from its bytes. Pure.

In what encoding a file really is is seen from its key words: `Кодировка=Windows` stays in a header when a file is
converted to UTF-8. A byte that can't be read spoils its line, not the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from services.payments.statement.model import BrokenStatement, StatementProblem

FIRST_LINE = "1CClientBankExchange"
ENCODINGS = ("utf-8", "cp1251", "cp866")
TELLING = ("ВерсияФормата", "СекцияДокумент", "Кодировка", "КонецФайла", "РасчСчет")
"""Key words by whose bytes an encoding is recognised."""
CONTROLS = "в строке есть управляющие символы: файл повреждён."

_NOT_PRINTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Line(NamedTuple):
    """A line without blanks around it. Characters that can't be read or printed have been replaced."""

    number: int
    text: str
    unreadable: str = ""
    """Which byte can't be read in the file's encoding; empty: all can."""
    has_controls: bool = False


def lines_of(data: bytes) -> tuple[str, list[Line]]:
    """The encoding, and every line of the file. Raises `BrokenStatement` for what is no statement at all."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BrokenStatement([StatementProblem(1, "Файл в кодировке UTF-16. Нужна Windows-1251, DOS или UTF-8.")])
    data = data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\x1a")  # the end of a DOS file
    raw = [line.rstrip(b"\r") for line in data.split(b"\n")] if b"\n" in data else data.split(b"\r")
    begins = next((number for number, line in enumerate(raw) if line.strip()), None)
    if begins is None:
        raise BrokenStatement([StatementProblem(0, "Файл пуст.")])
    if raw[begins].strip() != FIRST_LINE.encode():
        seen = shown(raw[begins][:60].decode("cp1251", "replace"))
        raise BrokenStatement(
            [StatementProblem(begins + 1, f"Это не выписка: первая строка должна быть «{FIRST_LINE}», а не {seen}.")]
        )
    encoding = _encoding_of(data)
    if encoding is None:
        raise BrokenStatement(
            [StatementProblem(2, "Кодировка не распознана: ни в одной из известных нет слов выписки.")]
        )
    return encoding, list(_decoded(raw, begins, encoding))


def shown(text: str) -> str:
    """A value in a message: short, printable, in quotation marks."""
    clean = "".join(character if character.isprintable() else "·" for character in text)
    return f"«{clean[:57]}…»" if len(clean) > 60 else f"«{clean}»"


def _decoded(raw: list[bytes], begins: int, encoding: str) -> Iterator[Line]:
    for number, line in enumerate(raw, 1):
        unreadable = ""
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError as wrong:
            byte, place = f"{line[wrong.start]:#04x}", wrong.start + 1
            unreadable = f"байт {byte} в позиции {place} не читается в {_named(encoding)}."
            text = line.decode(encoding, "replace")
        has_controls = _NOT_PRINTED.search(text) is not None
        if has_controls:
            text = _NOT_PRINTED.sub(" ", text)
        yield Line(number, "" if number == begins + 1 else text.strip(), unreadable, has_controls)


def _encoding_of(data: bytes) -> str | None:
    """The encoding in which the file's key words are. None: in none that is known."""
    votes = {each: sum(word.encode(each) in data for word in TELLING) for each in ENCODINGS}
    best = max(votes, key=lambda each: votes[each])
    return best if votes[best] else None


def _named(encoding: str) -> str:
    return {"cp1251": "Windows-1251", "cp866": "DOS (cp866)", "utf-8": "UTF-8"}[encoding]
