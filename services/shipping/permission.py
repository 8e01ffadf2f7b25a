"""Permission numbers (L14, L15): what they look like, how one is made, how one is read back from a person.

`482-019-337-561-908-274-651`: seven groups of three digits, since digits are dictated and typed without mistakes in any
language and on any keyboard. Twenty of them come from `secrets` (over 66 random bits: nobody can guess another's number
or tell how many there are); the last is their check digit by Damm's algorithm (H. M. Damm, "Total anti-symmetrische
Quasigruppen", 2004), which notices every single wrong digit and every swap of two neighbours.
"""

from __future__ import annotations

import re
import secrets

RANDOM_DIGITS = 20
GROUP = 3

_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)
"""Totally anti-symmetric quasigroup of order 10, with zeros on its diagonal."""


class NotAPermission(ValueError):
    """The text is not a permission number; says in Russian what is wrong with it."""


def new_permission_number() -> str:
    """A fresh, unguessable number in its one written form."""
    digits = f"{secrets.randbelow(10**RANDOM_DIGITS):0{RANDOM_DIGITS}d}"
    return _written(digits + str(check_digit(digits)))


def parse(text: str) -> str:
    """The written form of a number that a person typed: spaces, hyphens and dashes may be anywhere or missing.

    Raises `NotAPermission` for anything else, and for a check digit that does not fit.
    """
    digits = re.sub(r"[\s\u2010-\u2015-]", "", text)
    if not re.fullmatch(r"[0-9]+", digits):
        raise NotAPermission(f"Номер разрешения состоит только из цифр, а введено «{text}».")
    if len(digits) != RANDOM_DIGITS + 1:
        raise NotAPermission(f"В номере разрешения {RANDOM_DIGITS + 1} цифра, а введено {len(digits)}.")
    if check_digit(digits) != 0:
        raise NotAPermission(f"В номере разрешения «{text}» ошибка: контрольная цифра не сходится.")
    return _written(digits)


def check_digit(digits: str) -> int:
    """The check digit of Damm; 0 for digits that already end in the right one."""
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][int(digit)]
    return interim


def _written(digits: str) -> str:
    return "-".join(digits[start : start + GROUP] for start in range(0, len(digits), GROUP))
