"""How much the stages have recorded in a span of time, and how long each took from a cause to what came of it.

Counts are differences of positions: positions of a store have no gaps, and the position of a moment is found by
halving. So a day of millions of events costs as much as a quiet hour. Times are taken from the newest events of the
span.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
from psycopg.sql import Identifier

from postavka.kernel.store.queries import load_queries
from services.ops.history import STAGES, positions_at, stages_there

QUERIES = load_queries("services.ops")

SPANS = {
    "15m": ("15 минут", timedelta(minutes=15)),
    "1h": ("час", timedelta(hours=1)),
    "6h": ("6 часов", timedelta(hours=6)),
    "24h": ("сутки", timedelta(hours=24)),
    "7d": ("неделя", timedelta(days=7)),
}
"""Spans that can be chosen, up to now: by the code in the address, with the name and the length."""
USUAL = "1h"
BARS = 30
TIMED = 500
"""Events of each stage whose times are looked at: the newest of the span."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """How long a stage took, in seconds, from the cause on another store's or its own to the event that came of it:
    the median, what 95 of a hundred did not exceed, and the longest with its request."""

    events: int
    median: float
    most: float
    longest: float
    longest_request: UUID


@dataclass(frozen=True, slots=True)
class StageRate:
    """Events of one stage in a span: how many in each of `BARS` equal parts. `times`: None where none was caused by an
    event."""

    stage: str
    counts: tuple[int, ...]
    times: StageTimes | None

    @property
    def events(self) -> int:
        """How many in the whole span."""
        return sum(self.counts)


def counts_of(connection: psycopg.Connection[Any], since: datetime, until: datetime, stage: str = "") -> list[int]:
    """Events of one stage, or of all, in each of `BARS` equal parts of a span."""
    moments = _borders(since, until)
    there = [each for each in stages_there(connection) if stage in ("", each)]
    counted = [
        [after - before for before, after in pairwise(positions_at(connection, each, moments))] for each in there
    ]
    return [sum(each) for each in zip(*counted, strict=True)] or [0] * BARS


def _borders(since: datetime, until: datetime) -> list[datetime]:
    step = (until - since) / BARS
    return [since + step * number for number in range(BARS + 1)]


def rates(connection: psycopg.Connection[Any], since: datetime, until: datetime) -> list[StageRate]:
    """The stages whose stores are there, in the order of the procedure."""
    moments = _borders(since, until)
    there = stages_there(connection)
    found = []
    for stage in (each for each in STAGES if each in there):
        positions = positions_at(connection, stage, moments)
        counts = tuple(after - before for before, after in pairwise(positions))
        found.append(StageRate(stage, counts, _times(connection, stage, positions[0], there)))
    return found


def _times(connection: psycopg.Connection[Any], stage: str, first: int, there: Sequence[str]) -> StageTimes | None:
    rows = connection.execute(QUERIES.newest_with_cause.format(Identifier(stage)), (first, TIMED)).fetchall()
    causes: dict[str, set[tuple[UUID, int]]] = defaultdict(set)
    effects: list[tuple[UUID, datetime, str, tuple[UUID, int]]] = []
    for request, recorded_at, causation in rows:
        if (cause := cause_of(causation)) is not None and cause[0] in there:
            causes[cause[0]].add(cause[1])
            effects.append((request, recorded_at, *cause))
    began: dict[tuple[str, UUID, int], datetime] = {}
    for of_stage, places in causes.items():
        subjects, versions = zip(*places, strict=True)
        statement = QUERIES.recorded_at_of.format(Identifier(of_stage))
        for subject, version, recorded_at in connection.execute(statement, (list(subjects), list(versions))):
            began[of_stage, subject, version] = recorded_at
    return times_of(
        ((recorded_at - began[of_stage, *place]).total_seconds(), request)
        for request, recorded_at, of_stage, place in effects
        if (of_stage, *place) in began
    )


def cause_of(causation: str) -> tuple[str, tuple[UUID, int]] | None:
    """The event that an id names: stage, subject and version of `/postavka/billing#<subject>/3`; None for others."""
    source, _, event = causation.partition("#")
    subject, _, version = event.partition("/")
    try:
        return source.removeprefix("/postavka/"), (UUID(subject), int(version))
    except ValueError:
        return None


def times_of(taken: Iterable[tuple[float, UUID]]) -> StageTimes | None:
    """The figures of seconds that were taken, each with its request; None of nothing. Pure. Clocks of machines differ:
    less than nothing counts as nothing."""
    ordered = sorted((max(0.0, seconds), request) for seconds, request in taken)
    if not ordered:
        return None
    count = len(ordered)
    return StageTimes(count, ordered[count // 2][0], ordered[min(count - 1, count * 95 // 100)][0], *ordered[-1])
