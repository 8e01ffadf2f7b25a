"""A bounded memory of what was used last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LatestUsed(OrderedDict[K, V]):
    """A mapping that keeps at most so many entries: those that were put in or used last."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, entries: Mapping[K, V]) -> None:
        """Put these entries in; the least recently used make room."""
        self.update(entries)
        for key in entries:
            self.move_to_end(key)
        while len(self) > self._most:
            self.popitem(last=False)
