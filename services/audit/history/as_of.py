"""The cabinet as it stood at a moment: the log folded up to it.

The cut is made by the hybrid logical clock, not by `ce_time`: events with a clock up to the moment hold the causes of
all they hold, whatever the wall clocks of two machines say, so that what is shown did exist as a whole. A clock follows
its machine's wall clock, and runs ahead of it only where a cause came from a machine that is ahead.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

from events.envelope import rfc3339
from events.registry import BadBody, UnknownType
from postavka.kernel.clock import COUNTER_BITS
from postavka.kernel.settings import Settings
from postavka.kernel.store.queries import load_queries
from services.audit.reading import STAGES, reading, stages_there
from services.cabinet.fold import UNSHOWN, Row, fold, read, status
from services.cabinet.table import SCHEMA

QUERIES = load_queries("services.audit")

FETCH = 5_000
BOOKKEEPING = ("changed_at", "position")
"""Names in every group that say when it was written last, and nothing to a person."""
_Event = tuple[UUID, int, str, int, str, bytes, datetime]
"""request, clock, stage, position, type, body, time"""


@dataclass(frozen=True, slots=True)
class StoodRequest:
    """One request as it stood: its row of the cabinet, and the clock of the last event in it."""

    request: UUID
    row: Row
    clock: int

    @property
    def status(self) -> str:
        """Its status, as the cabinet shows it."""
        return status(self.row)

    @property
    def partner(self) -> str | None:
        """The partner whose request it is."""
        found: str | None = self.row.get("request", {}).get("partner_id")
        return found or self.row.get("approval", {}).get("partner", {}).get("id")

    @property
    def submitted_at(self) -> str:
        """The moment of its submission in RFC 3339; empty while only later stages know the request."""
        found: str = self.row.get("request", {}).get("submitted_at", "")
        return found


@dataclass(frozen=True, slots=True)
class Change:
    """The difference of one request between two moments; None: not there yet."""

    request: UUID
    before: StoodRequest | None
    after: StoodRequest
    fields: tuple[str, ...]
    """Paths that differ, `billing.paid`."""


def clock_at(moment: datetime) -> int:
    """The last clock reading of that millisecond."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return ((int(moment.timestamp() * 1000) + 1) << COUNTER_BITS) - 1


def as_of(
    config: Settings, moment: datetime, partner: str | None = None, requests: Sequence[UUID] | None = None
) -> Iterator[StoodRequest]:
    """Every request that was there then (of a partner; of these), in the order of request ids. Reads as it is asked,
    so that the whole cabinet needs no memory."""
    until = clock_at(moment)
    with reading(config) as connection:
        chosen = requests_of(connection, partner) if requests is None and partner is not None else requests
        for request, events in _by_request(connection, chosen, until):
            standing = _folded(request, events)
            if standing is not None and partner in (None, standing.partner):
                yield standing


def diff(
    config: Settings,
    earlier: datetime,
    later: datetime,
    partner: str | None = None,
    requests: Sequence[UUID] | None = None,
) -> Iterator[Change]:
    """Every request that was not the same at two moments. Only what had events between them is looked at."""
    first, last = clock_at(earlier), clock_at(later)
    with reading(config) as connection:
        touched = _touched(connection, first, last)
        if requests is not None:
            touched &= set(requests)
        for request, events in _by_request(connection, sorted(touched), last):
            everything = list(events)
            after = _folded(request, everything)
            before = _folded(request, (event for event in everything if event[1] <= first))
            if after is not None and partner in (None, after.partner):
                changed = tuple(_differences(before.row if before else {}, after.row))
                if changed:
                    yield Change(request, before, after, changed)


def requests_of(connection: psycopg.Connection[Any], partner: str) -> list[UUID]:
    """Ids of a partner's requests, by the cabinet's index (`verify` proves that the cabinet is the fold)."""
    there = connection.execute(QUERIES.table_there, (f"{SCHEMA}.requests",)).fetchone()
    if there is None or there[0] is None:
        return []
    query = QUERIES.requests_of.format(Identifier(SCHEMA))
    return [row[0] for row in connection.execute(query, (partner,), binary=True)]


def _touched(connection: psycopg.Connection[Any], first: int, last: int) -> set[UUID]:
    found: set[UUID] = set()
    for stage in stages_there(connection):
        query = QUERIES.touched
        rows = connection.execute(query.format(Identifier(stage)), (first, last), binary=True)
        found.update(row[0] for row in rows)
    return found


def _by_request(
    connection: psycopg.Connection[Any], requests: Sequence[UUID] | None, until: int
) -> Iterator[tuple[UUID, Iterator[_Event]]]:
    """Events with a clock up to `until`, request by request, each request's in causal order."""
    if requests is not None and not requests:
        return
    streams = [_stream(connection, stage, requests, until) for stage in stages_there(connection)]
    merged = heapq.merge(*streams, key=lambda event: event[0].int)
    for request, events in groupby(merged, key=lambda event: event[0]):
        yield request, iter(sorted(events, key=lambda event: (event[1], STAGES.index(event[2]), event[3])))


def _stream(
    connection: psycopg.Connection[Any], stage: str, requests: Sequence[UUID] | None, until: int
) -> Iterator[_Event]:
    chosen = SQL("") if requests is None else SQL("AND originator_id = ANY(%(requests)s)")
    query = QUERIES.stream.format(stage, Identifier(stage), chosen)
    parameters = {"until": until, "requests": requests}
    if requests is not None:
        yield from connection.cursor(binary=True).execute(query, parameters)
        return
    with connection.cursor(f"as_of_{stage}", binary=True) as cursor:
        cursor.itersize = FETCH
        yield from cursor.execute(query, parameters)


def _folded(request: UUID, events: Iterable[_Event]) -> StoodRequest | None:
    row: Row = {}
    clock = 0
    for _, clock_of, stage, position, type_name, body, time in events:
        try:
            newest, fields = read(stage, type_name, body)
        except (ValueError, UnknownType, BadBody):
            continue  # as the cabinet does: it is parked there
        if newest not in UNSHOWN:
            fold(row, stage, newest, fields, rfc3339(time), position)
            clock = max(clock, clock_of)
    return StoodRequest(request, row, clock) if row else None


def _differences(before: Row, after: Row) -> Iterator[str]:
    for stage in STAGES:
        yield from _paths(before.get(stage, {}), after.get(stage, {}), stage)


def _paths(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if name in BOOKKEEPING or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _paths(old, new, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


def standing_as_json(standing: StoodRequest) -> dict[str, Any]:
    """One request for programs, in the columns of the cabinet's table."""
    groups = {stage: standing.row.get(stage) for stage in STAGES}
    return {
        "request_id": standing.request,
        "status": standing.status,
        "partner_id": standing.partner,
        "submitted_at": standing.submitted_at or None,
        "clock": f"{standing.clock:016x}",
        **groups,
    }
