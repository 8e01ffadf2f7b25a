"""Pages of operations: what waits, the live stream, a request's way, streams, dead letters. Acts are forms."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import orjson
import psycopg
from fastapi import APIRouter, Form, Header, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from postavka.domain.calendar import MOSCOW
from postavka.kernel.settings import database_url
from postavka.web.authorization import allowed
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.personal import reveal
from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.state import is_let_in, web
from postavka.web.visitor import visitor_of
from services.cabinet.client_check import check_row
from services.cabinet.requests import Filter as ListFilter
from services.cabinet.requests import Requests
from services.ops import corrections, dead_letters, history, reminders
from services.ops import queues as waits
from services.ops.identity import NotACorrection
from services.ops.lag import Probe
from services.ops.live_feed import TOPICS, Feed, Filter, is_uuid
from services.ops.request import look_at
from services.ops.settings import ops_settings
from services.ops.store import SEES_ALL, prepare
from services.ops.wait_spans import Sign

router = APIRouter(prefix="/ops", include_in_schema=False)
OPS = frozenset((Role.OPS,))
NAVIGATION = (
    Entry("Что ждёт", "/ops/waiting", OPS, 10, "hourglass"),
    Entry("Поток событий", "/ops/stream", OPS, 20, "activity"),
    Entry("Непринятое", "/ops/letters", OPS, 30, "octagon-x"),
    Entry("Потоки и службы", "/ops/streams", OPS, 40, "laptop"),
)
Ops = Annotated[Principal, allowed(Role.OPS)]

BEAT_SECONDS = 0.25
START_SECONDS, LOOK_SECONDS = 10.0, 0.02
"""The first viewer of the stream waits at most so long for its reader."""
QUIET_BEATS = 60
"""After so many beats without news the stream says that it is alive."""
GOOD_BEATS = 8
"""So often it is asked whether the viewer may still look: a closed account sees at most two seconds more."""
LONGEST_BEATS = 14_400
"""An hour; then the browser connects anew, and rights are looked at again."""
SAID = {
    "worker": "работник",
    "assigned_partitions": "разделов",
    "seconds_since_batch": "секунд с последней партии",
    "relay": "издатель",
    "mail": "почта",
    "mail_trouble": "почта:",
    "oddities": "странных записей",
    "revocation_lists_unreadable": "не читаются списки отзыва:",
    "revocation_lists_not_understood": "непонятны списки отзыва:",
    "revocation_lists_ended": "кончились списки отзыва:",
}
"""What services say of themselves beside the columns of the page, and how it is shown."""
SIGNS = {
    Sign.REFUSAL: "Отказы",
    Sign.RETRY: "Непринятое и повторы",
    Sign.DOCUMENT: "Документы",
    Sign.LETTER: "Письма",
    Sign.REMINDER: "Напоминания",
}
"""Rows of the picture, and of one of them (`TITLES`)."""
TITLES = {
    Sign.REFUSAL: "отказ",
    Sign.RETRY: "непринятое",
    Sign.DOCUMENT: "документ",
    Sign.LETTER: "письмо",
    Sign.REMINDER: "напоминание",
}
STATES = {"active": "работает", "standby": "в запасе"}
ROWS_KEPT = 400
"""Rows of the live stream that a page keeps (`static/ops/stream.js`); older ones are in the past, below."""
PAGE = 100
TREND_DAYS = 14
T = TypeVar("T")


async def looked_up(request: Request, ask: Callable[[psycopg.Connection[Any]], T]) -> T:
    """What `ask` finds, in a thread: the stores are not the cabinet's, and these queries are few."""
    url = database_url(web(request).kernel)

    def run() -> T:
        options = f"{SEES_ALL} -c statement_timeout=15000"
        with psycopg.connect(url, autocommit=True, options=options, application_name="postavka-ops") as connection:
            return ask(connection)

    return await asyncio.to_thread(run)


async def done(request: Request, act: Callable[[str], T]) -> T:
    """An act by hand, in a thread; given the database's address."""
    url = database_url(web(request).kernel)

    def run() -> T:
        prepare(url)
        return act(url)

    return await asyncio.to_thread(run)


# What waits


@router.get("/waiting")
async def waiting_page(request: Request, principal: Ops, what: str = "", overdue: bool = False) -> Response:
    """Queues with their limits, the trend, and the requests of one queue."""
    limits = ops_settings()
    chosen = what if what in waits.KINDS else None

    def ask(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
        queues = waits.queues(connection, limits)
        items = waits.waiting(connection, limits, chosen, overdue or chosen is None, PAGE)
        return queues, items, waits.trend(connection, TREND_DAYS)

    queues, items, days = await looked_up(request, ask)
    visitor_of(request).shown.update(item.request_id for item in items)
    return page(
        request,
        "ops_waiting.html",
        queues=queues,
        items=items,
        trend=_bars(days),
        days=[each for each in reversed(days) if each[1] == chosen],
        what=chosen,
        overdue=overdue,
        kinds=waits.KINDS,
        duration=duration,
        short=PAGE,
    )


@router.post("/waiting/{request_id}/reminder")
async def remind(
    request: Request,
    request_id: UUID,
    principal: Ops,
    what: Annotated[str, Form()],
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Remind whoever must act."""
    limits = ops_settings()
    items = await looked_up(request, lambda rows: waits.of_request(rows, limits, request_id))
    item = next((each for each in items if each.waits_for == what), None)
    if item is None:
        raise not_found()
    try:
        await done(request, lambda url: reminders.remind(url, item, principal.actor, note or None))
        told = "reminded"
    except reminders.JustReminded:
        told = "just-reminded"
    except reminders.NobodyToRemind:
        told = "nobody"
    return RedirectResponse(f"/ops/requests/{request_id}?{urlencode({'told': told})}", 303)


# The stream


@router.get("/stream")
async def stream_page(
    request: Request,
    principal: Ops,
    stage: str = "",
    type: str = "",
    request_id: str = "",
    partner: str = "",
    distributor: str = "",
    text: str = "",
    until: str = "",
    before: str = "",
) -> Response:
    """The past, newest first, and above it what comes."""
    wanted = Filter(stage, type.strip(), request_id.strip().lower(), partner.strip(), distributor.strip(), text.strip())
    moment = _moment(until)
    found = await looked_up(request, lambda rows: history.page_of(rows, wanted, before, moment, PAGE))
    visitor_of(request).shown.update(event.request for event in found.events)
    query = {name: value for name, value in _as_query(wanted).items() if value}
    older = urlencode({**query, "before": found.before}) if found.before else ""
    template = "ops_stream_rows.html" if request.headers.get("x-part") == "rows" else "ops_stream.html"
    return page(
        request,
        template,
        found=found,
        wanted=wanted,
        until=until,
        older=older,
        live=not before and moment is None,
        live_query=urlencode(query),
        stages=[topic.writer for topic in TOPICS],
        types=sorted({message.TYPE.partition(".")[0] for topic in TOPICS for message in topic.carries}),
    )


@router.get("/stream/events")
async def stream_events(
    request: Request,
    principal: Ops,
    stage: str = "",
    type: str = "",
    request_id: str = "",
    partner: str = "",
    distributor: str = "",
    text: str = "",
    after: int | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Beats of the live stream as server-sent events: at most `feed.SHOWN` events in each, the others counted."""
    parts = web(request)
    feed = feed_of(request)
    wanted = Filter(stage, type, request_id, partner, distributor, text)
    shown = visitor_of(request).shown
    seen = last_event_id if last_event_id is not None and last_event_id.isdecimal() else None
    subscription = parts.live.subscription("ops-stream", f"{principal.owner}:{principal.id}")
    subscription.__enter__()
    try:
        feed.now()
        await _until(lambda: feed.reading or feed.trouble is not None, START_SECONDS)
        start = int(seen) if seen is not None else after if after is not None else feed.now()
    except BaseException:
        subscription.__exit__(None, None, None)
        raise

    async def body() -> AsyncIterator[bytes]:
        last, quiet = start, 0
        try:
            # Whoever pauses before the first news must know its place.
            nothing = {"events": [], "more": 0, "counts": {}, "missed": 0, "trouble": feed.trouble}
            yield b"retry: 1000\nid: %d\nevent: beat\ndata: " % start + orjson.dumps(nothing) + b"\n\n"
            for number in range(LONGEST_BEATS):
                if parts.live.closing.is_set():
                    return
                if number % GOOD_BEATS == 0 and not await is_let_in(parts, principal):
                    return
                beat = await asyncio.to_thread(feed.view, last, wanted)
                quiet = 0 if beat.counts else quiet + 1
                shown.update(UUID(told.request) for told in beat.events if is_uuid(told.request))
                if beat.counts or beat.missed or feed.trouble:
                    said = {
                        "events": [told.shown() for told in beat.events],
                        "more": beat.more,
                        "counts": beat.counts,
                        "missed": beat.missed,
                        "trouble": feed.trouble,
                    }
                    yield b"id: %d\nevent: beat\ndata: " % beat.last + orjson.dumps(said) + b"\n\n"
                elif quiet % QUIET_BEATS == 0:
                    yield b"id: %d\n: alive\n\n" % beat.last
                last = beat.last
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            subscription.__exit__(None, None, None)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Look until it holds, at most so long."""
    for _ in range(round(seconds / LOOK_SECONDS)):
        if holds():
            return
        await asyncio.sleep(LOOK_SECONDS)


def feed_of(request: Request) -> Feed:
    """The one feed of this process."""
    state = request.app.state
    if not hasattr(state, "ops_feed"):
        state.ops_feed = Feed(web(request).kernel)
    feed: Feed = state.ops_feed
    return feed


@router.get("/events/{stage}/{position}")
async def event_page(request: Request, principal: Ops, stage: str, position: int) -> Response:
    """One event: body, where it lies, its cause and what it led to."""

    def ask(connection: psycopg.Connection[Any]) -> Any:
        event = history.one(connection, stage, position)
        return event and (event, history.of_request(connection, event.request))

    found = await looked_up(request, ask)
    if found is None:
        raise not_found()
    event, whole = found
    visitor_of(request).shown.add(event.request)
    cause, effects = history.cause_and_effects(whole, event)
    return page(request, "ops_event.html", event=event, cause=cause, effects=effects, trace_url=_trace_url(event.trace))


@router.get("/requests/{request_id}")
async def request_page(request: Request, request_id: UUID, principal: Ops, told: str = "") -> Response:
    """A request's way as a picture: who had to act and for how long, what happened beside it, every event."""
    limits = ops_settings()

    def ask(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
        found = look_at(connection, request_id, limits, reveal)
        return found, dead_letters.letters(web(request).conninfo, request_id=request_id)

    story, put_aside = await looked_up(request, ask)
    if story is None:
        raise not_found()
    events = [step.event for step in story.steps]
    async with web(request).database.rows(principal) as rows:
        row = await Requests(rows, principal).one(request_id)
    return page(
        request,
        "ops_request.html",
        client_check=await check_row(web(request).register, row) if row is not None else None,
        request_id=request_id,
        row=row,
        way=story.way,
        going=story.way is not None and any(each.until is None for each in story.way.waits),
        signs=SIGNS,
        titles=TITLES,
        delta=lambda seconds: timedelta(seconds=seconds),
        steps=story.steps,
        stages=list(dict.fromkeys(event.stage for event in events)),
        items=story.waits,
        letters=put_aside,
        told=told,
        kinds=waits.KINDS,
        duration=duration,
        trace_url=next((url for event in events if (url := _trace_url(event.trace))), None),
    )


@router.get("/search")
async def search(request: Request, principal: Ops, q: str = "") -> Response:
    """One box: a request's id or its beginning, INN, permission number, registration number, kit, invoice, client."""
    async with web(request).database.rows(principal) as rows:
        found = (await Requests(rows, principal).page(ListFilter(search=q), None, 30)).rows if q.strip() else []
    if len(found) == 1:
        return RedirectResponse(f"/ops/requests/{found[0].request_id}", 303)
    visitor_of(request).shown.update(row.request_id for row in found)
    return page(request, "ops_search.html", q=q, found=found)


# Streams


@router.get("/streams")
async def streams_page(request: Request, principal: Ops) -> Response:
    """Topics, readers, services."""
    found = await asyncio.to_thread((await probe_of(request)).look)
    return page(request, "ops_streams.html", found=found, duration=duration, size=size, said=SAID, states=STATES)


async def probe_of(request: Request) -> Probe:
    """The one probe of this process; it has looked once, so that the next look has rates."""
    state = request.app.state
    if not hasattr(state, "ops_probe"):
        probe = Probe(web(request).kernel)
        await asyncio.to_thread(probe.look)
        await asyncio.sleep(0.5)
        state.ops_probe = probe
    found: Probe = state.ops_probe
    return found


# Dead letters


@router.get("/letters")
async def letters_page(
    request: Request, principal: Ops, stage: str = "", code: str = "", settled: bool = False, told: str = ""
) -> Response:
    """Groups by stage and reason; of a group its letters."""
    url = web(request).conninfo
    groups = await asyncio.to_thread(dead_letters.groups, url)
    statuses = dead_letters.SETTLED if settled else dead_letters.OPEN
    found, foreseen, progress = [], None, None
    if stage in dead_letters.STAGES:
        found = await asyncio.to_thread(dead_letters.letters, url, stage, code or None, statuses)
        foreseen = await asyncio.to_thread(dead_letters.foresee, url, stage, None, code or None)
        progress = _progress(told, await asyncio.to_thread(dead_letters.tally, url, stage))
    letters_shown(request, found)
    return page(
        request,
        "ops_letters.html",
        groups=groups,
        found=found,
        foreseen=foreseen,
        progress=progress,
        stage=stage,
        code=code,
        settled=settled,
        told=told,
        at_once=dead_letters.MOST_AT_ONCE,
    )


@router.get("/letters/{stage}/{number}")
async def letter_page(request: Request, principal: Ops, stage: str, number: int, told: str = "") -> Response:
    """One letter as it came, with a diagnosis and what can be done."""
    return await _letter_page(request, stage, number, told)


async def _letter_page(
    request: Request,
    stage: str,
    number: int,
    told: str = "",
    wrong: str | None = None,
    typed: tuple[str, str, str] | None = None,
) -> Response:
    """`wrong`: why a correction was refused; `typed`: its key, body and reason, so that nothing typed is lost."""
    found = await _letter(request, stage, number)
    waiting_for_word = await asyncio.to_thread(corrections.proposal_of, web(request).conninfo, stage, number)
    key, value = _readable(found.key), _readable(found.value)
    return page(
        request,
        "ops_letter.html",
        200 if wrong is None else 422,
        letter=found,
        key=key,
        value=value,
        typed=typed or (key, value, ""),
        record_headers=[(name, _readable(data)) for name, data in found.headers],
        proposal=waiting_for_word,
        proposed=(_readable(waiting_for_word.key), _readable(waiting_for_word.value)) if waiting_for_word else None,
        me=visitor_of(request).principal,
        told=told,
        wrong=wrong,
    )


@router.post("/letters/{stage}/retry")
async def retry_group(
    request: Request, principal: Ops, stage: str, code: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = ""
) -> Response:
    """Try all of a group again; the page shows how far it is."""

    def act(url: str) -> str:
        before = dead_letters.tally(url, stage)
        marked = dead_letters.retry(url, stage, None, principal.actor, code or None, reason)
        return f"retry-{marked}-{before.taken}"

    return await _done_in_group(request, stage, code, act)


@router.post("/letters/{stage}/discard")
async def discard_group(
    request: Request,
    principal: Ops,
    stage: str,
    code: Annotated[str, Form(min_length=1, max_length=100)],
    reason: Annotated[str, Form(min_length=3, max_length=2_000)],
    sure: Annotated[Literal["yes"], Form()],
) -> Response:
    """Give up all of a group, with a written reason and a tick that says so."""

    def act(url: str) -> str:
        return f"discarded-{dead_letters.discard(url, stage, None, principal.actor, reason, code)}"

    return await _done_in_group(request, stage, code, act)


async def _done_in_group(request: Request, stage: str, code: str, act: Callable[[str], str]) -> Response:
    try:
        told = await done(request, act)
    except dead_letters.NoSuchLetter:
        raise not_found() from None
    return RedirectResponse("/ops/letters?" + urlencode({"stage": stage, "code": code, "told": told}), 303)


def _progress(told: str, now: dead_letters.Tally) -> dict[str, int] | None:
    """How far a retry of many is: `told` says how many were marked, and how many had been taken before."""
    act, _, numbers = told.partition("-")
    marked, _, before = numbers.partition("-")
    if act != "retry" or not (marked.isdigit() and before.isdigit()):
        return None
    waiting_now = min(now.waiting, int(marked))
    taken = min(max(0, now.taken - int(before)), int(marked) - waiting_now)
    tried = int(marked) - waiting_now
    return {"marked": int(marked), "tried": tried, "taken": taken, "refused": tried - taken}


@router.post("/letters/{stage}/{number}/retry")
async def retry_one(
    request: Request, principal: Ops, stage: str, number: int, reason: Annotated[str, Form()] = ""
) -> Response:
    """Try one again."""
    await _letter(request, stage, number)
    count = await done(request, lambda url: dead_letters.retry(url, stage, [number], principal.actor, reason=reason))
    return _back(stage, number, "retry" if count else "settled")


@router.post("/letters/{stage}/{number}/discard")
async def discard(
    request: Request,
    principal: Ops,
    stage: str,
    number: int,
    reason: Annotated[str, Form(min_length=3, max_length=2_000)],
) -> Response:
    """Give one up, with a written reason."""
    await _letter(request, stage, number)
    count = await done(request, lambda url: dead_letters.discard(url, stage, [number], principal.actor, reason))
    return _back(stage, number, "discarded" if count else "settled")


@router.post("/letters/{stage}/{number}/correct")
async def correct(
    request: Request,
    principal: Ops,
    stage: str,
    number: int,
    reason: Annotated[str, Form(min_length=3, max_length=2_000)],
    value: Annotated[str, Form(max_length=1_000_000)],
    key: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Put one right: the corrected body goes to its topic as a new record."""
    await _letter(request, stage, number)
    mended, one = key.encode() or None, ops_settings().corrections_by_one
    try:
        sent = await done(
            request,
            lambda url: corrections.correct(
                url, stage, number, principal.actor, reason, mended, value.encode(), by_one=one
            ),
        )
    except dead_letters.NoSuchLetter:
        return _back(stage, number, "settled")
    except NotACorrection as refused:
        return await _letter_page(request, stage, number, wrong=refused.russian, typed=(key, value, reason))
    return _back(stage, number, "corrected" if sent else "proposed")


@router.post("/letters/{stage}/{number}/agree")
async def agree(
    request: Request, principal: Ops, stage: str, number: int, proposal: Annotated[int, Form()]
) -> Response:
    """A second person agrees to a correction."""
    await _letter(request, stage, number)
    try:
        await done(request, lambda url: corrections.agree(url, stage, number, principal.actor, proposal))
    except dead_letters.NoSuchLetter:
        return _back(stage, number, "settled")
    except corrections.NotAgreed as refused:
        return await _letter_page(request, stage, number, wrong=refused.russian)
    return _back(stage, number, "corrected")


async def _letter(request: Request, stage: str, number: int) -> dead_letters.Letter:
    try:
        found = await asyncio.to_thread(dead_letters.letter, web(request).conninfo, stage, number)
    except dead_letters.NoSuchLetter:
        raise not_found() from None
    letters_shown(request, [found])
    return found


def letters_shown(request: Request, found: Iterable[dead_letters.Letter]) -> None:
    """Their requests are shown by this answer."""
    visitor_of(request).shown.update(each.request_id for each in found if each.request_id is not None)


def _back(stage: str, number: int, told: str) -> Response:
    return RedirectResponse(f"/ops/letters/{stage}/{number}?told={told}", 303)


# Showing


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


def _bars(days: list[tuple[Any, ...]]) -> dict[str, list[dict[str, Any]]]:
    """The trend of each kind, as bars: height in per cent of the highest."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for each, kind, count, late, _ in days:
        by_kind.setdefault(kind, []).append({"day": each, "waiting": count, "overdue": late})
    for bars in by_kind.values():
        top = max(1, *(bar["waiting"] for bar in bars))
        for bar in bars:
            bar["height"] = round(100 * bar["waiting"] / top)
    return by_kind


def _moment(text: str) -> datetime | None:
    """A local time of a form's field, Moscow; None for none, or for nonsense."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=MOSCOW) if text else None
    except ValueError:
        return None


def _as_query(wanted: Filter) -> dict[str, str]:
    return {
        "stage": wanted.stage,
        "type": wanted.type,
        "request_id": wanted.request,
        "partner": wanted.partner,
        "distributor": wanted.distributor,
        "text": wanted.text,
    }


def _readable(data: bytes | None) -> str:
    """Text as it is, JSON indented, other bytes in base64."""
    if data is None:
        return ""
    try:
        return orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2).decode()
    except ValueError:
        pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()


def _trace_url(trace: str | None) -> str | None:
    """A link to the trace, where a viewer is named."""
    template = ops_settings().trace_url
    return template.format(trace_id=trace.split("-")[1]) if trace and template else None
