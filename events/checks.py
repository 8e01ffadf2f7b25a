"""Check digits and formats of Russian business numbers, on the standard library alone so that deciders may use them."""

from __future__ import annotations

import re
from collections.abc import Sequence

ORGANISATION_INN = 10
PERSON_INN = 12

_KPP = re.compile(r"[0-9]{4}[0-9A-Z]{2}[0-9]{3}")
_REGISTRATION = re.compile(r"[0-9]{7,10}")
_TENTH = (2, 4, 10, 3, 5, 9, 4, 6, 8)
_ELEVENTH = (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_TWELFTH = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


def is_inn(text: str) -> bool:
    """A tax number: 10 digits of an organisation or 12 of a person, with right check digits (L10).

    Zeros alone are no number, though their check digits fit: forms write them for «none».
    """
    if not (text.isascii() and text.isdigit() and text.strip("0")):
        return False
    digits = [int(each) for each in text]
    match len(digits):
        case 10:
            return _check(digits, _TENTH) == digits[9]
        case 12:
            return _check(digits, _ELEVENTH) == digits[10] and _check(digits, _TWELFTH) == digits[11]
        case _:
            return False


def is_kpp(text: str) -> bool:
    """KPP of an organisation: four digits, two digits or capital Latin letters, three digits; not zeros alone."""
    return _KPP.fullmatch(text) is not None and text.strip("0") != ""


def is_registration_number(text: str) -> bool:
    """Registration number of a base delivery: 7 to 10 digits (L8). Whether it exists is not looked at here (L2)."""
    return _REGISTRATION.fullmatch(text) is not None


def _check(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False)) % 11 % 10
