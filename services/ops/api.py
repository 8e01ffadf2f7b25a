"""The same for programs: `/api/v1/ops/…`, for operations alone. What reads answers JSON; what acts needs the scope
`operate`, is an event, and gives how many things it has changed."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response

from postavka.web.authorization import allowed
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.personal import reveal
from postavka.web.problem import not_found, problem
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.ops import corrections, dead_letters, history, reminders
from services.ops import queues as waits
from services.ops.identity import NotACorrection
from services.ops.pages.dead_letters import letters_shown
from services.ops.pages.frame import Wanted, done, looked_up
from services.ops.pages.services import probe_of
from services.ops.request import look_at
from services.ops.settings import ops_settings

router = APIRouter(prefix="/api/v1/ops", include_in_schema=False)
Reader = Annotated[Principal, allowed(Role.OPS, scope=Scope.READ)]
Operator = Annotated[Principal, allowed(Role.OPS, scope=Scope.OPERATE)]
MOST = 1_000
NO_NUL = r"^[^\x00]*$"
"""Of texts: PostgreSQL keeps no NUL in one."""


class RetryOrder(BaseModel):
    """Which letters to try again: these numbers, or all of a code, or all."""

    numbers: Annotated[list[int] | None, Field(max_length=dead_letters.MOST_AT_ONCE)] = None
    code: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    reason: Annotated[str, Field(max_length=2_000, pattern=NO_NUL)] = ""
    dry_run: bool = False
    """Only say what would happen."""


class Discard(BaseModel):
    """Letters that are given up, and why: these numbers, or all of a code."""

    numbers: Annotated[list[int] | None, Field(min_length=1, max_length=dead_letters.MOST_AT_ONCE)] = None
    code: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    reason: Annotated[str, Field(min_length=3, max_length=2_000, pattern=NO_NUL)]
    dry_run: bool = False

    @model_validator(mode="after")
    def _says_which(self) -> Discard:
        if self.numbers is None and self.code is None:
            raise ValueError("numbers or code must say which")
        return self


class Correct(BaseModel):
    """A correction: the corrected record; without a key the old one's."""

    value: Annotated[str, Field(max_length=1_000_000, pattern=NO_NUL)]
    key: Annotated[str, Field(max_length=1_000, pattern=NO_NUL)] | None = None
    reason: Annotated[str, Field(min_length=3, max_length=2_000, pattern=NO_NUL)]


class Agree(BaseModel):
    """Which proposal is agreed to: its id, so that nobody agrees to one that was changed meanwhile."""

    proposal: int


class Reminder(BaseModel):
    """What the request waits for, and a sentence to go with it."""

    waits_for: Annotated[str, Field(max_length=100, pattern=NO_NUL)]
    note: Annotated[str, Field(max_length=500, pattern=NO_NUL)] | None = None


@router.get("/waiting")
async def queues(request: Request, principal: Reader) -> Response:
    """The state of all queues."""
    found = await looked_up(request, lambda rows: waits.queues(rows, ops_settings()))
    return _json([asdict(each) for each in found])


@router.get("/trend")
async def trend(request: Request, principal: Reader, days: Annotated[int, Query(ge=1, le=366)] = 14) -> Response:
    """The worst of each day: how many waited, how many beyond the limit, the longest wait."""
    rows = await looked_up(request, lambda connection: waits.trend(connection, days))
    names = ("day", "waits_for", "waiting", "overdue", "oldest_seconds")
    return _json([dict(zip(names, row, strict=True)) for row in rows])


@router.get("/waiting/{what}")
async def queue(
    request: Request, principal: Reader, what: str, overdue: bool = False, limit: Annotated[int, Field(ge=1)] = 100
) -> Response:
    """The requests of one queue, longest first."""
    if what not in waits.KINDS:
        raise not_found()
    most = min(limit, MOST)
    found = await looked_up(request, lambda rows: waits.waiting(rows, ops_settings(), what, overdue, most))
    visitor_of(request).shown.update(item.request_id for item in found)
    return _json([asdict(each) for each in found])


@router.post("/requests/{request_id}/reminders", status_code=201)
async def remind(request: Request, request_id: UUID, principal: Operator, body: Reminder) -> Response:
    """Remind whoever must act; 409 when that was done within four hours or when it is ours to do."""
    found = await looked_up(request, lambda rows: waits.of_request(rows, ops_settings(), request_id))
    item = next((each for each in found if each.waits_for == body.waits_for), None)
    if item is None:
        raise not_found()
    try:
        sent = await done(request, lambda url: reminders.remind(url, item, principal.actor, body.note))
    except (reminders.JustReminded, reminders.NobodyToRemind) as refused:
        raise problem(409, "conflict", str(refused)) from None
    return _json(sent.model_dump(mode="json"), 201)


@router.get("/requests/{request_id}/events")
async def events_of(request: Request, request_id: UUID, principal: Reader) -> Response:
    """Everything that happened to a request, causes before effects, with how long each waited."""
    found = await looked_up(request, lambda rows: history.of_request(rows, request_id))
    if not found:
        raise not_found()
    return _json([_event(step.event) | {"waited_seconds": step.waited} for step in history.steps(found)])


@router.get("/requests/{request_id}/way")
async def wait_chart(request: Request, request_id: UUID, principal: Reader) -> Response:
    """Who had to act and for how long, beside the limits; refusals, retries, letters, documents; the stages' work."""
    found = await looked_up(request, lambda rows: look_at(rows, request_id, ops_settings(), reveal))
    if found is None:
        raise not_found()
    return _json({"request_id": str(request_id), **found.as_json()})


@router.get("/events")
async def events(request: Request, principal: Reader, wanted: Wanted, before: str = "") -> Response:
    """A page of the past, the newest first; `before` of the answer leads to the next one."""
    found = await looked_up(request, lambda rows: history.page_of(rows, wanted, before))
    visitor_of(request).shown.update(event.request for event in found.events)
    return _json({"events": [_event(each) for each in found.events], "before": found.before or None})


@router.get("/streams")
async def streams(request: Request, principal: Reader) -> Response:
    """The state of topics, readers and services."""
    return _json(asdict(await asyncio.to_thread((await probe_of(request)).look)))


@router.get("/letters")
async def letter_groups(request: Request, principal: Reader) -> Response:
    """Dead letters by stage and reason."""
    found = await asyncio.to_thread(dead_letters.groups, web(request).conninfo)
    return _json([{**asdict(each), "diagnosis": each.diagnosis} for each in found])


@router.get("/letters/{stage}")
async def letter_list(
    request: Request, principal: Reader, stage: str, code: str | None = None, settled: bool = False
) -> Response:
    """The newest of a stage."""
    statuses = dead_letters.SETTLED if settled else dead_letters.OPEN
    found = await asyncio.to_thread(dead_letters.letters, web(request).conninfo, stage, code, statuses)
    letters_shown(request, found)
    return _json([_letter(each) for each in found])


@router.get("/letters/{stage}/{number}")
async def letter(request: Request, principal: Reader, stage: str, number: int) -> Response:
    """The dead letter as it came; bytes in base64."""
    try:
        found = await asyncio.to_thread(dead_letters.letter, web(request).conninfo, stage, number)
    except dead_letters.NoSuchDeadLetter:
        raise not_found() from None
    letters_shown(request, [found])
    return _json(_letter(found))


@router.post("/letters/{stage}/retry")
async def retry(request: Request, principal: Operator, stage: str, body: RetryOrder) -> Response:
    """Hand letters to their stage again; the list of groups shows how far it is."""
    if body.dry_run:
        return await _foreseen(request, stage, body.numbers, body.code)
    return await _count(
        request, lambda url: dead_letters.retry(url, stage, body.numbers, principal.actor, body.code, body.reason)
    )


@router.post("/letters/{stage}/discard")
async def discard(request: Request, principal: Operator, stage: str, body: Discard) -> Response:
    """Give letters up."""
    if body.dry_run:
        return await _foreseen(request, stage, body.numbers, body.code)
    return await _count(
        request, lambda url: dead_letters.discard(url, stage, body.numbers, principal.actor, body.reason, body.code)
    )


@router.post("/letters/{stage}/{number}/correct")
async def correct(request: Request, principal: Operator, stage: str, number: int, body: Correct) -> Response:
    """Put one right."""

    key, one = None if body.key is None else body.key.encode(), ops_settings().corrections_by_one

    def act(url: str) -> int:
        sent = corrections.correct(
            url, stage, number, principal.actor, body.reason, key, body.value.encode(), by_one=one
        )
        return 1 if sent else 0

    return await _count(request, act)


@router.get("/letters/{stage}/{number}/proposal")
async def proposal(request: Request, principal: Reader, stage: str, number: int) -> Response:
    """The correction that waits for a second person's word."""
    found = await asyncio.to_thread(corrections.proposal_of, web(request).conninfo, stage, number)
    if found is None:
        raise not_found()
    letters_shown(request, [await asyncio.to_thread(dead_letters.letter, web(request).conninfo, stage, number)])
    return _json(asdict(found) | {"key": _base64(found.key), "value": _base64(found.value)})


@router.post("/letters/{stage}/{number}/agree")
async def agree(request: Request, principal: Operator, stage: str, number: int, body: Agree) -> Response:
    """A second person agrees to a correction."""

    def act(url: str) -> int:
        corrections.agree(url, stage, number, principal.actor, body.proposal)
        return 1

    return await _count(request, act)


async def _foreseen(request: Request, stage: str, numbers: list[int] | None, code: str | None) -> Response:
    try:
        found = await asyncio.to_thread(dead_letters.foresee, web(request).conninfo, stage, numbers, code)
    except dead_letters.NoSuchDeadLetter:
        raise not_found() from None
    return _json({"would_change": found.letters, "by_code": found.by_code, "left": found.left})


async def _count(request: Request, act: Any) -> Response:
    try:
        return _json({"changed": await done(request, act)})
    except dead_letters.NoSuchDeadLetter:
        raise not_found() from None
    except (NotACorrection, corrections.NotAgreed) as refused:
        raise problem(409, "conflict", refused.russian) from None


def _event(event: history.ShownEvent) -> dict[str, Any]:
    return {**asdict(event), "id": event.id, "body": orjson.loads(event.body)}


def _letter(found: dead_letters.KeptDeadLetter) -> dict[str, Any]:
    fields = asdict(found) | {"id": found.id, "record": found.record, "diagnosis": found.diagnosis}
    fields["headers"] = [[name, _base64(value)] for name, value in found.headers]
    return fields | {"key": _base64(found.key), "value": _base64(found.value)}


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
