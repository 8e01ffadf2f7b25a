"""Does the service get on? If not, it ends itself and its supervisor starts it anew: start-up is the recovery path.

Faust workers can stop consuming for good after a broker outage or a rebalance while looking alive. So each looks
from outside: the end of every input partition, asked of the broker by another client, beside how far it has come.
Lag above zero and no progress in any lagging partition for so many seconds means dead. While the broker or PostgreSQL
is away the patience starts anew: a restart would not help then.

To others a service is well while nothing waits, or something was handled within the minute, and while servers have
answered within the minute: a single question that failed is asked again, and says nothing of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from postavka.kernel.process.logs import WAITING, logger

Place = tuple[str, int]

log = logger(__name__)

UNWELL_SECONDS = 60.0
"""Neither an answer nor progress for so long: unwell."""


@dataclass(slots=True)
class Servers:
    """Which servers have not answered since when. Times in seconds of a monotonic clock."""

    _since: dict[str, float] = field(default_factory=dict)

    def silent(self, server: str, now: float, why: object) -> None:
        """A question to this server has failed."""
        self._since.setdefault(server, now)
        log.warning(WAITING, server=server, why=str(why)[:200])

    def answered(self, server: str) -> None:
        """Note that a server has answered."""
        self._since.pop(server, None)

    @property
    def all_answer(self) -> bool:
        """Has each of them answered when it was asked last?"""
        return not self._since

    def trouble(self, now: float) -> str | None:
        """Who has not answered for more than a minute, as a sentence."""
        for server, since in list(self._since.items()):
            if now - since > UNWELL_SECONDS:
                return f"{server} has not answered for {now - since:.0f} s"
        return None


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
    _waiting_since: float | None = None
    """Something waits, and nothing was handled since then."""
    _by_turns: bool = False

    def see(self, now: float, ends: Mapping[Place, int], handled: Mapping[Place, int]) -> str | None:
        """`ends`: next offset of each partition; `handled`: offset of the last record handled in it (-1: none).
        Returns a sentence when one has lag and has not moved for longer than the patience."""
        moved = any(reached > self._handled.get(place, reached) for place, reached in handled.items())
        if moved:
            self._moved = now
        if moved or not self.lag(ends, handled):
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
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
        self._waiting_since = None

    def trouble(self, now: float) -> str | None:
        """That records wait of which none was handled for more than a minute, as a sentence."""
        since = self._waiting_since
        if since is None or now - since <= UNWELL_SECONDS:
            return None
        return f"records wait and none was handled for {now - since:.0f} s"

    @staticmethod
    def lag(ends: Mapping[Place, int], handled: Mapping[Place, int]) -> int:
        """Records of these partitions that are not handled yet."""
        return sum(max(0, end - 1 - handled.get(place, -1)) for place, end in ends.items())
