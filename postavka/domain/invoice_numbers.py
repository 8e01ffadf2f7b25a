"""Invoice numbers, `2026-0000001`: without gaps within a year, and how the text of a payment names one.

People write them as they like: «счет № 2026-0000001 от 05.03.2026», «сч.2026-1», «по счёту N 2026/0000001». A short
form counts only behind the word «счёт»; the number of a счёт-фактура never does. A purpose that names two of our
invoices names none: a person has to divide the money.
"""

from __future__ import annotations

import re

WIDTH = 7

_DASH = r"\s{0,2}[-\u2010-\u2015\u2212/\\]\s{0,2}"
_END = rf"(?!\d|{_DASH}\d|\.\d)"
_FULL = re.compile(rf"(?<!\d)(?<!\d[-/.])(20\d\d){_DASH}(\d{{{WIDTH}}}){_END}")
_WORD = r"(?<![а-яё/])(?:сч[её]т(?:ам?|ом|у|е|ах|а|ов)?|сч)(?![а-яё])\.?(?!\s*-?\s*фактур)"
_SIGN = r"(?:№|N[o°]?\.?|#|номер(?:а|у|ом)?)"
_NAMED = re.compile(
    rf"{_WORD}(?:\s*на\s+оплату)?[\s:]*(?:{_SIGN}\s*)*(?P<numbers>20\d\d{_DASH}\d{{1,{WIDTH}}}{_END}"
    rf"(?:\s*(?:,|;|и)\s*(?:{_SIGN}\s*)?20\d\d{_DASH}\d{{1,{WIDTH}}}{_END})*)",
    re.IGNORECASE,
)
_DATED = re.compile(
    rf"{_WORD}(?:\s*на\s+оплату)?[\s:]*(?:{_SIGN}\s*)*(?P<count>0\d{{{WIDTH - 1}}})\s*(?:от|/)\s*"
    r"\d{1,2}\.\d{1,2}\.(?P<year>20\d\d|\d\d)(?!\d)",
    re.IGNORECASE,
)
_SHORT = re.compile(rf"(20\d\d){_DASH}(\d{{1,{WIDTH}}})")


def first_of(year: int) -> str:
    """The first number of a year."""
    return f"{year}-{1:0{WIDTH}d}"


def next_after(number: str) -> str:
    """The number behind this one. Raises `OverflowError` behind the last that has so many digits."""
    year, _, count = number.partition("-")
    if int(count) + 1 >= 10**WIDTH:
        raise OverflowError(f"no invoice number of {WIDTH} digits is left in {year}")
    return f"{year}-{int(count) + 1:0{WIDTH}d}"


def range_of(year: int) -> tuple[str, str]:
    """Bounds that hold all numbers of a year: lowest, and the first above."""
    return f"{year}-", f"{year}."


def canonical(text: str) -> str | None:
    """The number that a person has typed for an invoice: `2026-1` is `2026-0000001`. None: it is no such number."""
    found = _SHORT.fullmatch(text.strip())
    return None if found is None else _number(*found.groups())


def find_all(purpose: str) -> tuple[str, ...]:
    """Every invoice number that the purpose of a payment names, each once, in the order of the first mention."""
    found: list[tuple[int, str]] = []
    for match in _FULL.finditer(purpose):
        found.append((match.start(), _number(*match.groups())))
    for match in _NAMED.finditer(purpose):
        start = match.start("numbers")
        found += [(start + each.start(), _number(*each.groups())) for each in _SHORT.finditer(match["numbers"])]
    for match in _DATED.finditer(purpose):
        year = match["year"] if len(match["year"]) == 4 else f"20{match['year']}"
        found.append((match.start("count"), _number(year, match["count"])))
    return tuple(dict.fromkeys(number for _, number in sorted(found)))


def find_in(purpose: str) -> str | None:
    """The one invoice number in the purpose of a payment; None if there is none, or more than one."""
    found = find_all(purpose)
    return found[0] if len(found) == 1 else None


def _number(year: str, count: str) -> str:
    return f"{year}-{int(count):0{WIDTH}d}"
