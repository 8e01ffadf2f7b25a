"""Looks up the request that a person means. The store of the stage `request` is asked, which knows a request before any
page does."""

from __future__ import annotations

from uuid import UUID

import psycopg

from postavka.domain.request_numbers import canonical, number_of, position_of
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.id_beginning import bounds, the_one
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.domain.request_ids")


def request_named(conninfo: str, typed: str) -> UUID:
    """The one request that is meant. Raises `UserError`, `NotFound`."""
    number = canonical(typed)
    with psycopg.connect(conninfo) as connection:
        if number is not None:
            there = connection.execute(QUERIES.at_position, (position_of(number),)).fetchone()
            if there is None or number_of(position_of(number), there[1]) != number:
                raise NotFound(f"there is no request № {number}")
            numbered: UUID = there[0]
            return numbered
        found = connection.execute(QUERIES.beginning, bounds("request", typed)).fetchall()
    requests: list[UUID] = [request_id for (request_id,) in found]
    return the_one("request", typed, requests)


def request_meant(conninfo: str, typed: str) -> UUID | None:
    """The request that a field of a page names, by its number, its id or the beginning of it; also an id that is not
    known here. None where it names none."""
    if not typed.strip():
        return None
    try:
        return request_named(conninfo, typed.strip())
    except UserError:
        try:
            return UUID(typed.strip())
        except ValueError:
            return None


def require_request(config: Settings, request_id: UUID) -> None:
    """Look before something is sent for a request. Raises `NotFound`."""
    with psycopg.connect(database_url(config)) as connection:
        row = connection.execute(QUERIES.known, (request_id,)).fetchone()
    if row is None or not row[0]:
        raise NotFound(f"there is no request {request_id}")
