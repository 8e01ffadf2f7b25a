"""Search in lists of requests: what somebody typed, as conditions. Pure.

What is typed between two blanks is one thing to find: the beginnings of words (all of them, where hyphens, quotes or
underscores stand between), the beginning or the end of a number, a request's number as people say it, or the beginning
of its id. «ё» is «е», and capital letters are small ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Composable

from postavka.domain.request_numbers import canonical
from postavka.kernel.id_beginning import id_range

LONGEST_WORD = 100
MOST_WORDS = 6
SHORTEST = 2
"""Letters of the shortest word that its index is asked for: a single one has too many."""
SHORTEST_END = 4
"""Digits of the shortest end of a number."""
MOST_FOUND = 500
"""So many requests are fetched by their ids; of words that more of them have, a list shows the first anyway."""
_WORD = re.compile(r"[^\W_]+")
_ID = re.compile(r"[0-9a-f]{4,8}|[0-9a-f]{8}(?:-[0-9a-f]{0,4}){1,3}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{0,12}")


@dataclass(frozen=True, slots=True)
class Search:
    """A search. `things`: what stands between blanks, in small letters."""

    things: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Search:
        """The search that was typed."""
        if (number := canonical(text)) is not None:
            return cls((number,))
        words = _folded(text.replace("\x00", "").replace("№", " ")).split()
        return cls(tuple(canonical(each) or each[:LONGEST_WORD] for each in words[:MOST_WORDS]))

    @property
    def query(self) -> str:
        """The words as a `tsquery`; empty where there is none long enough to ask an index for."""
        return " & ".join(filter(None, map(_query, self.things)))

    @property
    def ids(self) -> tuple[UUID, UUID] | None:
        """The first and the last id that begins like this, where nothing else is looked for."""
        if len(self.things) != 1 or not _ID.fullmatch(self.things[0]):
            return None
        return id_range(self.things[0].replace("-", ""))

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the statement `found`."""
        first, last = self.ids or (None, None)
        return {"words": self.query, "least_id": first, "greatest_id": last, "most": MOST_FOUND}

    def conditions(self) -> tuple[list[Composable], dict[str, Any]]:
        """Conditions on a row's text that all hold for what is found, and their values."""
        conditions: list[Composable] = []
        values: dict[str, Any] = {}
        for number, thing in enumerate(self.things):
            either = [SQL(f"search LIKE %(word{number})s")]
            values[f"word{number}"] = _like(thing)
            if _is_number(thing):
                either.append(SQL(f"search LIKE %(digits{number})s"))
                values[f"digits{number}"] = _like(thing.replace("-", ""))
            if (ids := self.ids) is not None:
                either.append(SQL("request_id BETWEEN %(least_id)s AND %(greatest_id)s"))
                values |= {"least_id": ids[0], "greatest_id": ids[1]}
            conditions.append(SQL("({})").format(SQL(" OR ").join(either)))
        return conditions, values


def parties_named(names: Mapping[str, str], typed: str) -> list[str]:
    """The codes of the partners or distributors that are meant. `names`: by code. It is the one of this code, otherwise
    those whose name has all that stands between blanks, as lists look for it."""
    if typed in names:
        return [typed]
    things = Search.of(typed).things
    return [code for code, name in names.items() if things and all(thing in _folded(name) for thing in things)]


def party_named(names: Mapping[str, str], typed: str) -> str:
    """The code of the one partner or distributor that is meant; where there is none, or several, what was typed."""
    found = parties_named(names, typed)
    return found[0] if len(found) == 1 else typed


def _folded(text: str) -> str:
    return text.lower().replace("ё", "е")


def _is_number(thing: str) -> bool:
    return thing.isascii() and thing.replace("-", "").isdigit() and not thing.startswith("-")


def _query(thing: str) -> str:
    """One thing as part of a `tsquery`. What is in it are letters and digits."""
    every = " & ".join(f"'{word}':*" for word in _WORD.findall(thing) if len(word) >= SHORTEST)
    if not _is_number(thing) or not every:
        return every
    digits = thing.replace("-", "")
    ends = [f"'r{digits[::-1]}':*"] if len(digits) >= SHORTEST_END else []
    others = " | ".join([f"'{digits}':*", *ends])
    return f"(({every}) | {others})"


def _like(thing: str) -> str:
    """A pattern for this text anywhere; LIKE's own characters made harmless."""
    return "%" + thing.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
