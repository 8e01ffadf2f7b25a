"""Values as banks write them: sums, days, accounts, tax numbers. Pure; None is what can't be read in one way."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from events.checks import is_inn

_BLANK = r"[\s'’ʼ`]"
"""Between thousands: a blank of any width, or an apostrophe."""
_WHOLE = rf"[0-9]{{1,3}}(?:{_BLANK}[0-9]{{3}})+|[0-9]*"
_SUM = re.compile(rf"({_WHOLE})(?:[.,-]([0-9]{{0,2}})|=)?")
_BOTH_SIGNS = re.compile(r"([0-9]{1,3}(?:([.,])[0-9]{3})+)(?!\2)[.,]([0-9]{2})")
"""`20,160.00` or `20.160,00`. With a single sign before three digits it could be either: not read."""
_LARGEST = 13
"""Digits before the decimal sign."""
_DAY = re.compile(r"([0-9]{1,2})[./-]([0-9]{1,2})[./-]([0-9]{4}|[0-9]{2})")
_DAY_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(r"[\sT]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?$")
_LONGEST_DAY = 40
"""Characters of a day with its time: what is longer is not searched."""
_ACCOUNT_SIGNS = re.compile(r"[\s.\-]+")
_INN_WORD = re.compile(r"ИНН[\s:№]*", re.IGNORECASE)
_INN_IN_NAME = re.compile(r"\bИНН[\s:№]*([0-9]{12}|[0-9]{10})(?![0-9])", re.IGNORECASE)
_NAME_BEGINS = re.compile(
    r"^ИНН[\s:№]*[0-9]{10,12}(?![0-9])(?:\s*[/\\]\s*[0-9]{9}\b)?(?:\s*КПП[\s:№]*[0-9]+)?[\s,;]*", re.IGNORECASE
)


def amount_of(text: str) -> Decimal | None:
    """`20160.00`, `20160,00`, `20 160.00`, `20'160`, `20,160.00`, `20160-00`, `.50`, `-1.00`: roubles with kopecks."""
    text = text.strip()
    is_below = text.startswith("-")
    text = text.removeprefix("-").lstrip()
    if text.startswith("-"):
        return None
    if both := _BOTH_SIGNS.fullmatch(text):
        whole, kopecks = re.sub(r"\D", "", both[1]), both[3]
    elif found := _SUM.fullmatch(text):
        whole, kopecks = re.sub(r"\D", "", found[1]), found[2] or ""
    else:
        return None
    if not (whole or kopecks) or len(whole) > _LARGEST:
        return None
    amount = Decimal(f"{int(whole or '0')}.{kopecks:0<2}")
    return -amount if is_below else amount


def day_of(text: str) -> date | None:
    """`05.03.2026`, also with `/` or `-`, without zeros, with two digits of the year, or ISO 8601; a time behind it is
    left out."""
    text = text.strip()
    if len(text) > _LONGEST_DAY:
        return None
    text = _TIME.sub("", text)
    try:
        if iso := _DAY_ISO.fullmatch(text):
            return date(*map(int, iso.groups()))
        if found := _DAY.fullmatch(text):
            day, month, year = map(int, found.groups())
            return date(year if year > 99 else 2000 + year, month, day)
    except ValueError:
        return None
    return None


def account_of(text: str) -> str:
    """An account without blanks, dots and hyphens in it."""
    if text.isdigit():
        return text
    return _ACCOUNT_SIGNS.sub("", text).upper()


def is_in_roubles(account: str) -> bool:
    """The currency of a Russian account is its digits 6 to 8."""
    return account[5:8] in ("810", "643")


def inn_of(text: str, *names: str) -> str:
    """The tax number in a text: of its own requisite (`7707083893`, `ИНН 7707083893`, `7707083893/773601001`), else the
    only one that a name has behind the word ИНН, with right check digits. `0`: there is none. Of a foreign or damaged
    number what was written is kept: it is nobody's whom we know, and a person sees it."""
    if text.isdigit() and text[0] != "0":
        return text[:100]
    own = re.split(r"[/\\]", _INN_WORD.sub("", text), maxsplit=1)[0]
    own = re.sub(r"\s", "", own)
    if re.search("[1-9]", own):
        return own[:100]
    named = {each for name in names for each in _INN_IN_NAME.findall(name) if is_inn(each)}
    return named.pop() if len(named) == 1 else "0"


def kpp_of(text: str) -> str:
    """The KPP in a text, empty for none; banks write zeros for that."""
    return text[:100] if text.strip("0") else ""


def name_of(text: str) -> str:
    """A name without the tax numbers before it."""
    return (_NAME_BEGINS.sub("", text) or text)[:2_000] if text[:3].upper() == "ИНН" else text[:2_000]
