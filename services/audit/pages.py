"""The auditor's pages: search, history, the cabinet as of a moment, what is signed, who looked. They change nothing."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from psycopg.rows import dict_row
from psycopg.sql import SQL
from starlette.responses import Response

from postavka.domain.request_ids.lookup import request_meant
from postavka.kernel.log.offsets import OffsetsUnknown
from postavka.kernel.log.range_reader import RangeUnread
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from postavka.web.attachment import attachment
from postavka.web.authorization import allowed
from postavka.web.fields import moment_field, moment_in
from postavka.web.frame import ROLES, reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.problem import not_found
from postavka.web.search import Search, party_named
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.audit.history.access_log import PAGE, looks, prepare
from services.audit.history.as_of import StoodRequest, as_of
from services.audit.history.drawing import drawing, render_history
from services.audit.history.history import history
from services.audit.history.titles import LANES
from services.audit.integrity.logs import LOGS, stage_of
from services.audit.integrity.signed_tables import TABLES, access_log
from services.audit.integrity.store import SCHEMA, newest_checkpoints, open_tree, unsigned
from services.audit.reading import reading
from services.audit.state_pages import state_of
from services.audit.verification.acknowledgements import Acknowledged, acknowledged
from services.cabinet.words import stage_of as stage_shown

QUERIES = load_queries("services.audit")
CABINET = load_queries("services.cabinet")

router = APIRouter(prefix="/audit", include_in_schema=False)
AUDITOR = frozenset((Role.AUDITOR,))
NAVIGATION = (
    Entry("Заявки", "/audit", AUDITOR, 10),
    Entry("На дату", "/audit/as-of", AUDITOR, 20),
    Entry("Что изменилось", "/audit/diff", AUDITOR, 25),
    Entry("Подписи журналов", "/audit/checkpoints", AUDITOR, 30),
    Entry("Выгрузка", "/audit/export", AUDITOR, 35),
    Entry("Кто смотрел", "/audit/looked", AUDITOR, 40),
)
Auditor = Annotated[Principal, allowed(Role.AUDITOR)]
MOST_FOUND = 50
MOST_SHOWN = 200


@router.get("")
async def search_page(request: Request, principal: Auditor, q: str = "") -> Response:
    """The home of the auditor, with how the whole stands. Finds a request by its id or the beginning of it, by a
    number, by the names of client, partner or distributor."""
    config, asked = web(request).kernel, q.strip()[:200]
    found = await asyncio.to_thread(_search, config, asked) if asked else []
    state = None if asked else await asyncio.to_thread(state_of, config)
    visitor_of(request).shown.update(row["request_id"] for row in found)
    return await show(
        request, principal, "audit_search.html", q=asked, rows=found, most=MOST_FOUND, stage=stage_shown, state=state
    )


@router.get("/requests/{request_id}")
async def history_page(request: Request, principal: Auditor, request_id: UUID) -> Response:
    """Everything that happened to it."""
    found = await asyncio.to_thread(history, web(request).kernel, request_id)
    if not found.entries:
        raise not_found()
    return await show(request, principal, "audit_history.html", request_id=request_id, **drawing(found))


@router.get("/requests/{request_id}/history.html")
async def history_file(request: Request, principal: Auditor, request_id: UUID) -> Response:
    """The same as a page of its own, to keep."""
    found = await asyncio.to_thread(history, web(request).kernel, request_id)
    if not found.entries:
        raise not_found()
    return attachment(render_history(found), "text/html", f"history-{request_id}.html")


@router.get("/as-of")
async def as_of_page(
    request: Request, principal: Auditor, at: str = "", partner: str = "", request_id: str = ""
) -> Response:
    """The cabinet as it stood at a moment (Moscow time)."""
    moment = moment_in(at)
    wrong = "Укажите дату и время, например 31.03.2026 18:00." if at and moment is None else None
    only = await asyncio.to_thread(request_meant, web(request).conninfo, request_id)
    shown: list[StoodRequest] = []
    counts: Counter[str] = Counter()
    whose = party_named((await reference(request)).partner_names, partner.strip()) or None
    if moment is not None and (whose or only):
        shown, counts = await asyncio.to_thread(_stood, web(request).kernel, moment, whose, only)
    visitor_of(request).shown.update(each.request for each in shown)
    return await show(
        request,
        principal,
        "audit_as_of.html",
        at=moment_field(moment or datetime.now(UTC)),
        asked=bool(at),
        cut=moment,
        wrong=wrong,
        partner=partner,
        request_id=request_id,
        rows=shown,
        counts=counts.most_common(),
        most=MOST_SHOWN,
        stage=stage_shown,
    )


@router.get("/checkpoints")
async def checkpoints_page(request: Request, principal: Auditor) -> Response:
    """What of each log is signed."""
    config = web(request).kernel
    rows = await asyncio.to_thread(_signed, config)
    findings = await asyncio.to_thread(_acknowledged, config)
    return await show(request, principal, "audit_checkpoints.html", rows=rows, title=_title, findings=findings)


@router.get("/looked")
async def looked_page(
    request: Request, principal: Auditor, request_id: str = "", actor: str = "", before: int | None = None
) -> Response:
    """Who looked at what, the newest first."""
    conninfo = web(request).conninfo
    only = await asyncio.to_thread(request_meant, conninfo, request_id)
    found = await asyncio.to_thread(looks, conninfo, only, actor.strip() or None, before)
    more = found[-1].id if len(found) == PAGE else None
    roles = {role.value: title for role, title in ROLES.items()}
    return await show(
        request, principal, "audit_looked.html", rows=found, request_id=request_id, actor=actor, more=more, roles=roles
    )


def _search(config: Settings, asked: str) -> list[dict[str, Any]]:
    """The requests that fit, in the cabinet's columns. Text is looked for as the cabinet's lists do it."""
    search = Search.of(asked)
    if not search.things:
        return []
    conditions, values = search.conditions()
    with reading(config) as connection:
        row = connection.execute(CABINET.found, search.parameters).fetchone() if search.query else None
        if row is not None and row[0] is not None:
            conditions.append(SQL("request_id = ANY(%(found)s)"))
            values["found"] = row[0]
        query = QUERIES.search.format(SQL(" AND ").join(conditions))
        return connection.cursor(row_factory=dict_row).execute(query, values | {"most": MOST_FOUND}).fetchall()


def _stood(
    config: Settings, moment: datetime, partner: str | None, only: UUID | None
) -> tuple[list[StoodRequest], Counter[str]]:
    counts: Counter[str] = Counter()

    def counted(standing: StoodRequest) -> StoodRequest:
        counts[standing.status] += 1
        return standing

    found = as_of(config, moment, partner, None if only is None else [only])
    newest = heapq.nlargest(MOST_SHOWN, map(counted, found), key=lambda each: (each.submitted_at, each.request.int))
    return newest, counts


def _signed(config: Settings) -> list[dict[str, Any]]:
    rows = []
    with open_session(prepare(database_url(config)), {"search_path": f"{SCHEMA},public"}) as connection:
        heads, behind = unsigned(connection)
        odd: dict[str, int] = dict(connection.execute(QUERIES.oddities).fetchall())
        tables = [each.log for each in TABLES]
        heads |= {log: open_tree(connection, log).size for log in tables}
        newest = newest_checkpoints(connection, (*LOGS, *tables))
        for log in (*LOGS, *tables):
            signed = newest.get(log)
            rows.append(
                {
                    "log": log,
                    "head": heads.get(log, 0),
                    "size": signed.size if signed else 0,
                    "at": signed.signed_at if signed else None,
                    "root": signed.root.hex() if signed else None,
                    "behind": log in behind,
                    "oddities": odd.get(log, 0),
                }
            )
    return rows


def _acknowledged(config: Settings) -> list[Acknowledged] | None:
    """The findings that auditors have acknowledged, the newest first; None where the topic can't be read: the broker is
    away, or lets the web's user not read it."""
    try:
        return sorted(acknowledged(config), key=lambda each: each.at, reverse=True)
    except (OffsetsUnknown, RangeUnread):
        return None


def _title(log: str) -> str:
    if log.endswith(".dead_letters"):
        return f"Непринятое: {LANES[log.removesuffix('.dead_letters')]}"
    return "Кто смотрел" if log == access_log().log else LANES.get(stage_of(log), "Действия операторов")
