"""The queues: what waits, for whom and since when, beside the limits (`queues.sql`, `settings.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import psycopg
from psycopg.sql import SQL

from postavka.kernel.store.queries import load_queries
from postavka.web.formats import NO_BREAK_SPACE
from services.ops.settings import OpsSettings
from services.ops.store import NOT_THERE

QUERIES = load_queries("services.ops")

KINDS: Mapping[str, tuple[str, str]] = {
    "approval": ("согласование", "мы"),
    "confirmation": ("подтверждение", "дистрибьютор"),
    "payment": ("оплата", "партнёр"),
    "order": ("заказ на изготовление", "мы"),
    "kit": ("изготовление", "производство"),
    "signature": ("подпись", "контрагент"),
    "activation": ("активация", "пользователь"),
}
"""What is waited for → its name and who acts, in Russian; in the order of the procedure."""

QUERY = SQL(files("services.ops").joinpath("queues.sql").read_text("utf-8"))
LIMITS = QUERIES.limits
OVERDUE = SQL("since < now() - make_interval(secs => l.seconds)")


@dataclass(frozen=True, slots=True)
class Queue:
    """All that waits for one thing. Seconds; `oldest_request` is the one that has waited longest."""

    waits_for: str
    waiting: int
    overdue: int
    limit_seconds: float
    oldest_seconds: float
    oldest_request: UUID | None

    @property
    def name(self) -> str:
        """The name of the queue in Russian."""
        return KINDS[self.waits_for][0]

    @property
    def awaited(self) -> str:
        """Who has to act, in Russian."""
        return KINDS[self.waits_for][1]


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """One request that waits, and for whom. `document` is the one to be signed."""

    waits_for: str
    request_id: UUID
    partner_id: str | None
    distributor_id: str | None
    since: datetime
    seconds: float
    overdue: bool
    document: str | None
    number: str | None

    @property
    def name(self) -> str:
        """What people call the request; its id where the number is not here yet."""
        return f"№{NO_BREAK_SPACE}{self.number}" if self.number else str(self.request_id)


def queues(connection: psycopg.Connection[Any], limits: OpsSettings) -> list[Queue]:
    """Every kind of waiting, also those where nothing waits."""
    statement = QUERIES.queues.format(query=QUERY, limits=LIMITS, overdue=OVERDUE)
    try:
        rows = connection.execute(statement, (list(KINDS), [limits.limit(kind) for kind in KINDS])).fetchall()
    except NOT_THERE:
        rows = []
    found = {row[0]: row[1:] for row in rows}
    nothing = (0, 0, 0.0, None)
    return [
        Queue(kind, counted, overdue, limits.limit(kind), max(0.0, oldest or 0.0), request)
        for kind in KINDS
        for counted, overdue, oldest, request in (found.get(kind, nothing),)
    ]


def waiting(
    connection: psycopg.Connection[Any],
    limits: OpsSettings,
    waits_for: str | None = None,
    overdue_only: bool = False,
    limit: int = 100,
    request_id: UUID | None = None,
    skip: int = 0,
) -> list[WaitingRequest]:
    """Those that have waited longest, behind as many as are skipped."""
    statement = QUERIES.waiting.format(query=QUERY, limits=LIMITS, overdue=OVERDUE)
    parameters = (
        list(KINDS),
        [limits.limit(kind) for kind in KINDS],
        waits_for,
        waits_for,
        overdue_only,
        request_id,
        request_id,
        limit,
        skip,
    )
    try:
        return [WaitingRequest(*row) for row in connection.execute(statement, parameters)]
    except NOT_THERE:
        return []


def of_request(connection: psycopg.Connection[Any], limits: OpsSettings, request_id: UUID) -> list[WaitingRequest]:
    """What one request waits for."""
    return waiting(connection, limits, request_id=request_id)


MOST_WAITING = 1_000_000
"""More than ever wait; one look at all is quicker than one look for each of many."""


def all_waiting(connection: psycopg.Connection[Any], limits: OpsSettings) -> list[WaitingRequest]:
    """Everything that waits, for acts on many."""
    return waiting(connection, limits, limit=MOST_WAITING)


def note_day(connection: psycopg.Connection[Any], found: list[Queue]) -> None:
    """Remember the worst of today (Moscow) for the trend."""
    connection.execute(
        QUERIES.note_day,
        (
            [queue.waits_for for queue in found],
            [queue.waiting for queue in found],
            [queue.overdue for queue in found],
            [queue.oldest_seconds for queue in found],
        ),
    )


def trend(connection: psycopg.Connection[Any], days: int) -> list[tuple[Any, ...]]:
    """(day, waits_for, waiting, overdue, oldest_seconds) of the last days."""
    statement = (
        "SELECT day, waits_for, waiting, overdue, oldest_seconds FROM ops.waiting_by_day "
        "WHERE day > (now() AT TIME ZONE 'Europe/Moscow')::date - %s ORDER BY day, waits_for"
    )
    try:
        return connection.execute(statement, (days,)).fetchall()
    except NOT_THERE:
        return []
