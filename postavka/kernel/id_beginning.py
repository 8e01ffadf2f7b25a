"""The beginning of an id, as people type and paste it: it stands for the one id that begins so."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import TypeVar
from uuid import UUID

from postavka.kernel.errors import NotFound, UserError

MOST_NAMED = 8
"""How many ids or words a message names at most."""
SHOWN = 13
"""Characters of an id that a line shows: of one made here, its time to the millisecond (`ids.py`). Eight are the same
for a minute."""

Id = TypeVar("Id", UUID, str)


def beginning(whole: object) -> str:
    """Returns the characters of an id that a line shows."""
    return str(whole)[:SHOWN]


def bounds(what: str, typed: str) -> tuple[UUID, UUID]:
    """The lowest and the highest id that begin so: the same for a whole one. Raises `UserError` where none can."""
    begun = typed.strip().rstrip("….").lower()
    digits = begun.replace("-", "")
    if not re.fullmatch("[0-9a-f]{1,32}", digits) or not (
        digits == begun or str(UUID(digits.ljust(32, "0"))).startswith(begun)
    ):
        raise UserError(f"{typed!r} is no id of a {what}, nor the beginning of one")
    return id_range(digits)


def id_range(digits: str) -> tuple[UUID, UUID]:
    """The lowest and the highest id that begin with these hexadecimal digits."""
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def the_one(what: str, typed: str, found: Collection[Id]) -> Id:
    """The only one of those that begin as it was typed. Raises `NotFound` for none, `UserError` for several."""
    if not found:
        raise NotFound(f"no {what} begins with {typed!r}")
    if len(found) > 1:
        named = ", ".join(str(each) for each in list(found)[:MOST_NAMED])
        more = " and more" if len(found) > MOST_NAMED else ""
        raise UserError(f"{typed!r} is the beginning of several {what}s: {named}{more}; type more of it")
    return next(iter(found))


def one_of(what: str, typed: str, ids: Iterable[str]) -> str:
    """The id among these that was typed, whole or by its beginning. Raises as `the_one`."""
    known = list(ids)
    return typed if typed in known else the_one(what, typed, [each for each in known if each.startswith(typed)])


def unknown(what: str, typed: str, known: Iterable[str]) -> NotFound:
    """The error for a name that nobody has, with the one that was meant, if it can be guessed."""
    names = list(known)
    if close := difflib.get_close_matches(typed, names, n=2):
        return NotFound(f"{typed!r} is no {what}. Did you mean {' or '.join(map(repr, close))}?")
    named = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return NotFound(f"{typed!r} is no {what}; there are {named or 'none'}")
