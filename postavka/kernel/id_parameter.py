"""Parameters of commands that are ids: the beginning of one is enough (`id_beginning.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from cyclopts import Token

from postavka.kernel.id_beginning import bounds


class TypedId(UUID):
    """The beginning of an id among a command's arguments, until it is looked up: the lowest id that begins so."""

    def __init__(self, typed: str, lowest: UUID, look_up: Callable[[str], UUID]) -> None:
        super().__init__(int=lowest.int)
        object.__setattr__(self, "_look_up", lambda: look_up(typed))

    def find(self) -> UUID:
        """The one id that is meant. Raises `UserError`, `NotFound`."""
        found: UUID = self._look_up()  # type: ignore[attr-defined]  # an id's attributes are set behind its back
        return found


def converter(
    what: str, look_up: Callable[[str], UUID], is_other_name: Callable[[str], bool] = lambda typed: False
) -> Callable[[Any, Sequence[Token]], UUID]:
    """What makes an id of a word of the command line. A whole one is taken as it is. `is_other_name`: whether it is
    something else that `look_up` knows."""

    def convert(_: Any, tokens: Sequence[Token]) -> UUID:
        typed = tokens[0].value
        if is_other_name(typed):
            return TypedId(typed, UUID(int=0), look_up)
        low, high = bounds(what, typed)
        return low if low == high else TypedId(typed, low, look_up)

    return convert
