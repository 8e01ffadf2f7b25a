"""Does the service get on? If not, it ends itself and its supervisor starts it anew: start-up is the recovery path.

Faust workers can stop consuming for good after a broker outage or a rebalance while looking alive. So each looks
from outside: the end of every input partition, asked of the broker by another client, beside how far it has come.
Lag above zero and no progress in any lagging partition for so many seconds means dead. While the broker or PostgreSQL
is away the patience starts anew: a restart would not help then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Place = tuple[str, int]


@dataclass(slots=True)
class Progress:
    """Pure: fed with what is seen, says since when a partition stands still. Times in seconds of a monotonic clock."""

    patience: float
    turns: float = 1
    many: int = 0
    """Who reads many partitions one after another: while more than `many` records wait and some partition gets on, each
    may stand for `turns` times the patience."""
    _since: dict[Place, tuple[int, float]] = field(default_factory=dict)
    _handled: dict[Place, int] = field(default_factory=dict)
    _moved: float = float("-inf")
    _by_turns: bool = False

    def see(self, now: float, ends: Mapping[Place, int], handled: Mapping[Place, int]) -> str | None:
        """`ends`: next offset of each partition; `handled`: offset of the last record handled in it (-1: none).
        Returns a sentence when one has lag and has not moved for longer than the patience."""
        if any(reached > self._handled.get(place, reached) for place, reached in handled.items()):
            self._moved = now
        self._handled = dict(handled)
        gets_on = now - self._moved <= self.patience
        self._by_turns = self.turns > 1 and gets_on and self.lag(ends, handled) > self.many
        patience = self.patience * (self.turns if self._by_turns else 1)
        for place, end in ends.items():
            reached = handled.get(place, -1)
            if reached + 1 >= end:
                self._since.pop(place, None)
                continue
            before = self._since.get(place)
            if before is None or before[0] != reached:
                self._since[place] = (reached, now)
            elif now - before[1] > patience:
                return f"{place[0]}/{place[1]} stands at offset {reached} of {end - 1} for {now - before[1]:.0f} s"
        return None

    def standstill(self, now: float) -> float:
        """Seconds for which the partition that stands still longest has done so; 0 when all move, or come by turns."""
        if self._by_turns:
            return 0.0
        return max((now - since for _, since in self._since.values()), default=0.0)

    def forgive(self) -> None:
        """The broker or the database was away: begin to count anew."""
        self._since.clear()

    @staticmethod
    def lag(ends: Mapping[Place, int], handled: Mapping[Place, int]) -> int:
        """Records of these partitions that are not handled yet."""
        return sum(max(0, end - 1 - handled.get(place, -1)) for place, end in ends.items())
