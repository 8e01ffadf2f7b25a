"""Check digits and formats of Russian business numbers, on the standard library alone so that deciders may use them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

ORGANISATION_INN = 10
PERSON_INN = 12
INN_WEIGHTS: Mapping[int, Sequence[Sequence[int]]] = {
    ORGANISATION_INN: ((2, 4, 10, 3, 5, 9, 4, 6, 8),),
    PERSON_INN: ((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)),
}
"""By the number of digits: for each check digit, which stand last, the weights of the digits before it."""

INN_PATTERN = r"[0-9]{10}|[0-9]{12}"
KPP_PATTERN = r"[0-9]{4}[0-9A-Z]{2}[0-9]{3}"
REGISTRATION_NUMBER_PATTERN = r"[0-9]{7,10}"

_KPP = re.compile(KPP_PATTERN)
_REGISTRATION = re.compile(REGISTRATION_NUMBER_PATTERN)


def is_inn(text: str) -> bool:
    """A tax number: 10 digits of an organisation or 12 of a person, with right check digits (L10).

    Zeros alone are no number, though their check digits fit: forms write them for «none».
    """
    if not (text.isascii() and text.isdigit() and text.strip("0")):
        return False
    digits = [int(each) for each in text]
    weights = INN_WEIGHTS.get(len(digits))
    return weights is not None and [_check(digits, each) for each in weights] == digits[-len(weights) :]


def is_kpp(text: str) -> bool:
    """KPP of an organisation: four digits, two digits or capital Latin letters, three digits; not zeros alone."""
    return _KPP.fullmatch(text) is not None and text.strip("0") != ""


def is_registration_number(text: str) -> bool:
    """Registration number of a base delivery: 7 to 10 digits (L8). Whether it exists is not looked at here (L2)."""
    return _REGISTRATION.fullmatch(text) is not None


def _check(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False)) % 11 % 10
