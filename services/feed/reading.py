"""Reading the feed of one tenant: a page behind a place, and the place at its end.

A place is opaque to programs: the tenant's number of an event, and a few characters of the event's name. After the
database was restored from a copy the number may be another event's, or nobody's: then the place is gone, and the
reader is told so instead of missing something.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from events.personal import PREFIX
from postavka.kernel.store.queries import load_queries
from postavka.web.cursor import BadCursor
from postavka.web.database import Connection
from postavka.web.identity.principal import Principal, Role
from postavka.web.personal import reveal
from services.feed.views import seen_by

QUERIES = load_queries("services.feed")

BEGINNING = "0"
"""The place before the first event."""
END = "end"
"""In place of a cursor: behind the newest event."""
CURSOR = re.compile(r"([1-9][0-9]{0,17})\.([0-9a-f]{8})")
Event = dict[str, Any]


class CursorGone(Exception):
    """The feed was put back behind this place."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some events in order. `next`: the place behind the last of them; `more`: there are further ones now."""

    events: list[Event]
    next: str
    more: bool


@dataclass(frozen=True, slots=True)
class FeedItem:
    """An event with its number in the tenant's feed. `is_personal`: it has a person's data, which may be forgotten."""

    number: int
    event: Event
    is_personal: bool


async def read_page(rows: Connection, principal: Principal, after: str | None, most: int) -> FeedPage:
    """The events behind a place; None: from the beginning. Raises `BadCursor`, `CursorGone`."""
    if after == END:
        return FeedPage([], await _end(rows, principal), False)
    number, name = _place(after)
    # One event more in front, which must be the one that the place names; one more behind, to know whether it goes on.
    found = await read_behind(rows, principal, max(0, number - 1), most + (2 if number else 1))
    if number:
        if not found or found[0].number != number or _name(found[0].event) != name:
            raise CursorGone
        del found[0]
    events = [each.event for each in found[:most]]
    following = events[-1]["cursor"] if events else after or BEGINNING
    return FeedPage(events, following, len(found) > most)


async def read_behind(
    rows: Connection, principal: Principal, number: int, most: int, readable: Callable[[Any], Any] = reveal
) -> list[FeedItem]:
    """The events behind a number, in order. `readable` makes readable what of them is encrypted."""
    query = QUERIES.page_of_distributor if principal.role is Role.DISTRIBUTOR else QUERIES.page_of_partner
    values = {**_tenant(principal), "after": number, "most": most}
    found = await (await rows.execute(query, values)).fetchall()
    shown = [_shown(principal, at, orjson.loads(event)) for at, event in found]
    events = await asyncio.to_thread(readable, shown)
    return [FeedItem(at, event, PREFIX in text) for (at, text), event in zip(found, events, strict=True)]


async def _end(rows: Connection, principal: Principal) -> str:
    query = QUERIES.end_of_distributor if principal.role is Role.DISTRIBUTOR else QUERIES.end_of_partner
    found = await (await rows.execute(query, _tenant(principal))).fetchone()
    return BEGINNING if found is None else cursor_of(found[0], orjson.loads(found[1]))


def cursor_of(number: int, event: Mapping[str, Any]) -> str:
    """The place behind an event."""
    return f"{number}.{_name(event)}"


def number_of(cursor: str) -> int:
    """The number of the event behind which a cursor of ours stands; 0: before all."""
    return int(cursor.partition(".")[0])


def _tenant(principal: Principal) -> dict[str, Any]:
    return {"tenant": principal.tenant}


def _name(event: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{event['source']}#{event['id']}".encode()).hexdigest()[:8]


def _place(after: str | None) -> tuple[int, str]:
    if after in (None, BEGINNING):
        return 0, ""
    found = CURSOR.fullmatch(after)
    if found is None:
        raise BadCursor("not a cursor")
    return int(found[1]), found[2]


def _shown(principal: Principal, number: int, event: Event) -> Event:
    data = event["data"]
    if principal.role is Role.DISTRIBUTOR:
        data = seen_by(Role.DISTRIBUTOR, event["type"], data)
    return {**event, "cursor": cursor_of(number, event), "data": data}
