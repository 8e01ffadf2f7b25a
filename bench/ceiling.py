"""How far would it go? A queueing model of one stage, from measured figures: which part gives out first when load grows
and machines are added. `python -m bench.ceiling` prints the table of docs/cluster.md.

Up to twelve workers, one for each partition, take what waits for them, decide, and write it in one transaction that
holds the row `head`: a stage commits one batch after another. One relay publishes what is committed, round by round.
Each worker and the relay has a processor of its own here, and PostgreSQL and Kafka as many as they like: so the walls
are those of the design, and a real installation comes to them sooner.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, replace

TODAY = 716.0
"""Requests a second that two cores carry, walking through all stages (docs/performance.md)."""
COMMIT_MS, ROW_MS = 0.28, 1_000 / 98_623
"""A commit of one row, and a row more in a transaction (docs/history/performance.md, "raw")."""
HOP_MS = 1.6
"""From a producer through the broker to a reader, in the middle (the same): a relay's round takes no less."""
BATCH = 10
"""A batch costs its worker about as much as so many requests (`Stage.gather_ms`)."""
MOST, ROUND = 2_000, 4_000
"""Records of a batch, and events of a relay's round, at most."""
PARTITIONS = 12
WORKERS = 1, 4, PARTITIONS
DATABASE_MS = 0.40, 1.15
"""PostgreSQL's CPU time of a request in all, with 10,000 and with a million requests in the stores."""


@dataclass(frozen=True, slots=True)
class StageCost:
    """CPU-ms that a request takes in a stage: of its worker, publishing left out, and of its relay; and its events. (By
    the table of steps in docs/history/performance.md; events of a request are 11.8 in all, four in five sales through a
    distributor.)"""

    name: str
    decide_ms: float
    publish_ms: float
    events: float


STAGES = (
    StageCost("request", 0.05, 0.03, 1.0),
    StageCost("approval", 0.07, 0.03, 1.0),
    StageCost("billing", 0.25, 0.05, 2.2),
    StageCost("shipping", 0.46, 0.12, 5.6),
    StageCost("activation", 0.19, 0.04, 2.0),
)


@dataclass(frozen=True, slots=True)
class Load:
    """What becomes of a load: how busy workers and head row are, as shares of the time, and what was not decided and
    what was not published at the end, in seconds of load."""

    workers: float
    head: float
    relay: float
    undecided: float
    unpublished: float

    @property
    def holds(self) -> bool:
        """Does it keep up?"""
        return self.undecided + self.unpublished < 1.5

    @property
    def wall(self) -> str:
        """The part that gives out, where it does not."""
        if self.unpublished > self.undecided:
            return "relay"
        return "workers" if self.workers > self.head else "head row"


def simulate(stage: StageCost, rate: float, workers: int, seconds: float = 30.0, seed: int = 1) -> Load:
    """So many requests a second, for so long, through one stage."""
    chance = random.Random(seed)
    end = seconds * 1_000
    each = rate / 1_000 / workers
    """Requests a millisecond of a worker."""
    waiting, taken_at, busy, idle = [0] * workers, [0.0] * workers, [0.0] * workers, [True] * workers
    head_free = head_busy = 0.0
    committed: list[tuple[float, int]] = []
    turns = [(chance.expovariate(each), number) for number in range(workers)]
    heapq.heapify(turns)
    while turns and turns[0][0] < end:
        now, number = heapq.heappop(turns)
        waiting[number] += 1 if idle[number] else _poisson(chance, each * (now - taken_at[number]))
        taken_at[number] = now
        count = min(waiting[number], MOST)
        idle[number] = not count
        if not count:  # it wakes with the next one
            heapq.heappush(turns, (now + chance.expovariate(each), number))
            continue
        waiting[number] -= count
        decided = now + (BATCH + count) * stage.decide_ms
        begins = max(decided, head_free)
        head_free = begins + COMMIT_MS + count * stage.events * ROW_MS
        busy[number] += decided - now
        head_busy += head_free - begins
        heapq.heappush(committed, (head_free, count))
        heapq.heappush(turns, (head_free, number))
    undecided = sum(waiting) + sum(each * (end - at) for at, none in zip(taken_at, idle, strict=True) if not none)
    undecided += sum(count for at, count in committed if at > end)
    relay_busy, unpublished = _publish(committed, stage, end)
    return Load(sum(busy) / workers / end, head_busy / end, relay_busy / end, undecided / rate, unpublished / rate)


def _publish(committed: list[tuple[float, int]], stage: StageCost, end: float) -> tuple[float, int]:
    """Round by round; how long the relay was busy, and what it had not published at the end."""
    free = busy = 0.0
    while committed and max(free, committed[0][0]) < end:
        begins = max(free, committed[0][0])
        count = 0
        while committed and committed[0][0] <= begins and count * stage.events < ROUND:
            count += heapq.heappop(committed)[1]
        free = begins + HOP_MS + count * stage.publish_ms
        busy += free - begins
    return min(busy, end), sum(count for at, count in committed if at <= end)


def _poisson(chance: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    product, count, least = chance.random(), 0, math.exp(-mean)
    while product > least:
        product *= chance.random()
        count += 1
    return count


def ceiling(stage: StageCost, workers: int) -> tuple[float, str]:
    """The most requests a second that the stage keeps up with, to a twentieth, and which part gives out beyond."""
    low, high = 500.0, 100_000.0
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if simulate(stage, middle, workers).holds else (low, middle)
    return low, simulate(stage, 1.5 * low, workers).wall


def row(stage: StageCost) -> str:
    """What the stage carries, as a row of Markdown; last, with as many relays as it needs."""
    found = [ceiling(stage, count) for count in WORKERS]
    found.append(ceiling(replace(stage, publish_ms=0.0), WORKERS[-1]))
    cells = [f"{rate:,.0f}/s, {rate / TODAY:.0f} × ({wall})" for rate, wall in found]
    return f"| {stage.name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    print(f"| stage | 1 worker | 4 workers | 12 workers | 12 workers, and relays enough |\n|---|{'---:|' * 4}")
    for each in STAGES:
        print(row(each))
    for times in (1, 10, 100):
        least, most = (times * TODAY * spent / 1_000 for spent in DATABASE_MS)
        print(f"{times} ×: PostgreSQL takes {least:.1f} processors, {most:.1f} with a million requests in the stores")
