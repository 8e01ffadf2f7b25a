"""Events from the stores: pages of the past, one event with its cause and effects, all of a request with its waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.sql import SQL, Identifier, Literal

from events.topics import STAGE_TOPICS
from postavka.kernel.store.queries import load_queries
from services.ops.live_feed import EventFilter, words

QUERIES = load_queries("services.ops")

STAGES = (*(topic.writer for topic in STAGE_TOPICS), "ops")
SCANNED = 50_000
"""Events of each stage that one page looks through at most, for a filter that fits little."""


FITTING = SQL(
    "notification_id < %(top)s AND notification_id >= %(bottom)s "
    "AND (%(type)s = '' OR topic ILIKE '%%' || %(type)s || '%%') "
    "AND (%(request)s = '' OR originator_id::text LIKE %(request)s || '%%') "
    "AND (%(text)s = '' OR convert_from(state, 'UTF8') ILIKE '%%' || %(text)s || '%%') "
    "AND (%(partner)s || %(distributor)s = '' OR EXISTS (SELECT 1 FROM cabinet.requests AS r "
    "WHERE r.request_id = originator_id AND (%(partner)s = '' OR r.partner_id = %(partner)s) "
    "AND (%(distributor)s = '' OR r.distributor_id = %(distributor)s))) "
    "ORDER BY notification_id DESC LIMIT %(limit)s"
)


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event as its stage's store has it. `input`: topic/partition/offset of the record that led to it."""

    stage: str
    position: int
    request: UUID
    version: int
    type: str
    time: datetime
    clock: int
    causation: str | None
    correlation: str | None
    input: str | None
    trace: str | None
    body: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The id by which effects name it as their cause, `source#id`."""
        return f"/postavka/{self.stage}#{self.request}/{self.version}"

    @property
    def words(self) -> str:
        """What it is about."""
        return words(self.type, self.body)

    @property
    def pretty(self) -> str:
        """The body for people."""
        return orjson.dumps(orjson.loads(self.body), option=orjson.OPT_INDENT_2).decode()


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of the past, the newest first; `before` is the cursor of the next one, empty at the beginning of time."""

    events: Sequence[ShownEvent]
    before: str


@dataclass(frozen=True, slots=True)
class StageTurn:
    """A stage's turn at a request: it waited for its cause and then worked, in seconds."""

    event: ShownEvent
    waited: float
    since_start: float


def page_of(
    connection: psycopg.Connection[Any],
    wanted: EventFilter,
    before: str = "",
    until: datetime | None = None,
    limit: int = 100,
    since: datetime | None = None,
) -> HistoryPage:
    """Events that fit, behind the cursor or between two moments, all stages merged by their clocks."""
    cursor = _read_cursor(before)
    found: list[ShownEvent] = []
    reached: dict[str, int] = {}
    first: dict[str, int] = {}
    for stage in stages_there(connection):
        if wanted.stage and stage != wanted.stage:
            continue
        top = cursor.get(stage)
        if top is None:
            top = _head(connection, stage) + 1 if until is None else positions_at(connection, stage, [until])[0]
        first[stage] = 1 if since is None else positions_at(connection, stage, [since])[0]
        bounds = {"top": top, "bottom": max(first[stage], top - SCANNED), "limit": limit}
        rows = _select(connection, stage, FITTING, {**asdict(wanted), **bounds})
        found += rows
        reached[stage] = rows[-1].position if len(rows) == limit else bounds["bottom"]
    found.sort(key=lambda event: event.clock, reverse=True)
    shown = found[:limit]
    lowest = dict(reached)
    for stage in reached:
        # What was read of a stage and is not shown on this page comes with the next one.
        left = [event.position for event in found[limit:] if event.stage == stage]
        if left:
            lowest[stage] = max(left) + 1
    done = all(position <= first[stage] for stage, position in lowest.items())
    return HistoryPage(shown, "" if done else _write_cursor(lowest))


def one(connection: psycopg.Connection[Any], stage: str, position: int) -> ShownEvent | None:
    """The event at this place; None when there is none."""
    if stage not in stages_there(connection):
        return None
    found = _select(connection, stage, SQL("notification_id = %s"), (position,))
    return found[0] if found else None


def of_request(connection: psycopg.Connection[Any], request: UUID) -> list[ShownEvent]:
    """Everything that happened to a request, causes before effects."""
    found: list[ShownEvent] = []
    for stage in stages_there(connection):
        found += _select(connection, stage, SQL("originator_id = %s"), (request,))
    return sorted(found, key=lambda event: event.clock)


def cause_and_effects(history: Sequence[ShownEvent], event: ShownEvent) -> tuple[ShownEvent | None, list[ShownEvent]]:
    """The cause and the effects of an event among those of its request: what caused it, and what it led to."""
    cause = next((each for each in history if each.id == event.causation), None)
    return cause, [each for each in history if each.causation == event.id]


def steps(history: Sequence[ShownEvent]) -> list[StageTurn]:
    """How long each event waited for since its cause, and when it came, counted from the first."""
    by_id: Mapping[str, ShownEvent] = {event.id: event for event in history}
    first = min((event.time for event in history), default=None)
    made = []
    for event in history:
        assert first is not None  # noqa: S101
        cause = by_id.get(event.causation or "")
        waited = (event.time - cause.time).total_seconds() if cause is not None else 0.0
        made.append(StageTurn(event, max(0.0, waited), (event.time - first).total_seconds()))
    return made


def _select(
    connection: psycopg.Connection[Any], stage: str, where: SQL, parameters: Sequence[Any] | Mapping[str, Any]
) -> list[ShownEvent]:
    statement = QUERIES.events.format(Identifier(stage), where)
    return [ShownEvent(stage, *row) for row in connection.execute(statement, parameters, binary=True)]


def stages_there(connection: psycopg.Connection[Any]) -> list[str]:
    """The stages that have a store, and operations."""
    rows = connection.execute(QUERIES.stages_there, (list(STAGES),))
    return [stage for (stage,) in rows]


def _head(connection: psycopg.Connection[Any], stage: str) -> int:
    row = connection.execute(QUERIES.head.format(Identifier(stage))).fetchone()
    return int(row[0]) if row else 0


def positions_at(connection: psycopg.Connection[Any], stage: str, moments: Sequence[datetime]) -> list[int]:
    """The first position recorded after each of these moments: positions follow the order of commit, so times nearly do
    as well. All are looked for at once, by halving."""
    low, high = [1] * len(moments), [_head(connection, stage) + 1] * len(moments)
    statement = QUERIES.recorded_at_many.format(Identifier(stage))
    while low != high:
        middles = [(lower + upper) // 2 for lower, upper in zip(low, high, strict=True)]
        recorded: dict[int, datetime] = dict(connection.execute(statement, (sorted(set(middles)),)).fetchall())
        for number, (middle, moment) in enumerate(zip(middles, moments, strict=True)):
            if low[number] == high[number]:
                continue
            if middle in recorded and recorded[middle] <= moment:
                low[number] = middle + 1
            else:
                high[number] = middle
    return low


def _read_cursor(text: str) -> dict[str, int]:
    found = {}
    for part in text.split(",") if text else ():
        stage, _, position = part.partition(":")
        if stage in STAGES and position.isdigit():
            found[stage] = int(position)
    return found


def _write_cursor(positions: Mapping[str, int]) -> str:
    return ",".join(f"{stage}:{position}" for stage, position in positions.items())


# Beside the log


def emails_about(
    connection: psycopg.Connection[Any], request: UUID, reveal: Callable[[Any], Any]
) -> list[tuple[datetime, str, str]]:
    """E-mail about a request: (when sent or made, subject, status); nothing where the notices were never here.
    `reveal` makes readable what is encrypted."""
    if not _is_there(connection, "notices.mail"):
        return []
    rows = connection.execute(QUERIES.emails_about, (request,)).fetchall()
    return [reveal(row) for row in rows]


def put_aside(connection: psycopg.Connection[Any], request: UUID) -> list[tuple[datetime, str, int, str, int, str]]:
    """Dead letters of a request, settled ones as well: (when, stage, number, code, tries, status)."""
    found: list[tuple[datetime, str, int, str, int, str]] = []
    for stage in STAGES:
        if _is_there(connection, f"{stage}.dead_letters"):
            statement = QUERIES.dead_letters_about.format(Literal(stage), Identifier(stage))
            found += connection.execute(statement, (request,)).fetchall()
    return sorted(found)


def _is_there(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute(QUERIES.table_there, (table,)).fetchone()
    return row is not None and row[0] is not None
