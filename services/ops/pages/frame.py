"""The frame of the pages of operations: who may see them, their navigation, and how they ask and act."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import psycopg
from fastapi import Depends, Request

from postavka.domain.request_ids.lookup import request_named
from postavka.domain.request_numbers import canonical
from postavka.domain.wording import STAGES
from postavka.kernel.errors import UserError
from postavka.kernel.settings import database_url
from postavka.kernel.store.session import open_session
from postavka.web.authorization import allowed
from postavka.web.frame import reference
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.search import party_named
from postavka.web.state import web
from services.ops.live_feed import EventFilter
from services.ops.settings import ops_settings
from services.ops.store import SEES_ALL, prepare

OPS = frozenset((Role.OPS,))
NAVIGATION = (
    Entry("Что ждёт", "/ops/waiting", OPS, 10, "hourglass"),
    Entry("Поток событий", "/ops/stream", OPS, 20, "activity"),
    Entry("Непринятое", "/ops/letters", OPS, 30, "octagon-x"),
    Entry("Потоки и службы", "/ops/streams", OPS, 40, "laptop"),
)
Ops = Annotated[Principal, allowed(Role.OPS)]
PAGE = 100
STAGE_NAMES = {**STAGES, "ops": "Операции"}
"""The writers of events, in Russian."""
T = TypeVar("T")


async def event_filter(
    request: Request,
    stage: str = "",
    type: str = "",
    request_id: str = "",
    partner: str = "",
    distributor: str = "",
    text: str = "",
) -> EventFilter:
    """The filter of events that an address names; blanks around its words don't count. A partner or distributor may be
    named by its code or by its name, where that is one's alone."""
    partner, distributor = partner.strip(), distributor.strip()
    if partner or distributor:
        known = await reference(request)
        partner, distributor = (
            party_named(known.partner_names, partner),
            party_named(known.distributor_names, distributor),
        )
    about = await asyncio.to_thread(_id_of, web(request).conninfo, request_id.strip().lower())
    return EventFilter(stage, type.strip(), about, partner, distributor, text.strip())


async def parties(request: Request) -> Mapping[str, str]:
    """The names of all partners and distributors, by code."""
    known = await reference(request)
    return known.partner_names | known.distributor_names


def _id_of(conninfo: str, typed: str) -> str:
    """The id of the request whose number somebody has typed; what is no number may be the beginning of an id."""
    if canonical(typed) is None:
        return typed
    try:
        return str(request_named(conninfo, typed))
    except UserError:
        return typed


Wanted = Annotated[EventFilter, Depends(event_filter)]


async def looked_up(request: Request, ask: Callable[[psycopg.Connection[Any]], T]) -> T:
    """What `ask` finds, in a thread: the stores are not the cabinet's, and these queries are few."""
    url = database_url(web(request).kernel)

    def run() -> T:
        parameters = SEES_ALL | {"statement_timeout": "15000"}
        with open_session(url, parameters, application_name="postavka-web-ops") as connection:
            return ask(connection)

    return await asyncio.to_thread(run)


async def done(request: Request, act: Callable[[str], T]) -> T:
    """An act by hand, in a thread; given the database's address."""
    url = database_url(web(request).kernel)

    def run() -> T:
        prepare(url)
        return act(url)

    return await asyncio.to_thread(run)


def duration(seconds: float) -> str:
    """45 с, 12 мин, 3,5 ч, 2,1 дн."""
    for unit, size in (("дн.", 86_400), ("ч", 3_600), ("мин", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f}".replace(".", ",").removesuffix(",0") + f"\N{NO-BREAK SPACE}{unit}"
    if seconds < 1:
        return f"{seconds * 1000:.0f}\N{NO-BREAK SPACE}мс"
    return f"{seconds:.1f}".replace(".", ",").removesuffix(",0") + "\N{NO-BREAK SPACE}с"


def size(count: int) -> str:
    """512 Б, 3,5 КБ, 12 МБ: thousands, as disks are sold."""
    for unit, thousands in (("ГБ", 1e9), ("МБ", 1e6), ("КБ", 1e3)):
        if count >= thousands:
            return f"{count / thousands:.1f}".replace(".", ",").removesuffix(",0") + f"\N{NO-BREAK SPACE}{unit}"
    return f"{count}\N{NO-BREAK SPACE}Б"


def trace_url(trace: str | None) -> str | None:
    """A link to the trace, where a viewer is named."""
    template = ops_settings().trace_url
    return template.format(trace_id=trace.split("-")[1]) if trace and template else None
