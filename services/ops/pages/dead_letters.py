"""Dead letters: groups, one of them, and what can be done. Acts are forms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from postavka.web.identity.principal import Principal
from postavka.web.planned.ask import ask_first
from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.ops import corrections, dead_letters
from services.ops.dead_letter_reasons import title_of
from services.ops.identity import NotACorrection, has_type
from services.ops.later import DISCARD, question_of_discard
from services.ops.masking import readable
from services.ops.pages.frame import STAGE_NAMES, Ops, done
from services.ops.settings import ops_settings

router = APIRouter(prefix="/ops", include_in_schema=False)
MOST_SUBJECTS = 100
"""Of many letters so many are marked on pages as being under way."""


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
        stage_names=STAGE_NAMES,
        title_of=title_of,
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
    letters_shown(request, [found])
    waiting_for_word = await asyncio.to_thread(corrections.proposal_of, web(request).conninfo, stage, number)
    key, value = readable(found.key), readable(found.value)
    return page(
        request,
        "ops_letter.html",
        200 if wrong is None else 422,
        stage_names=STAGE_NAMES,
        letter=found,
        key=key,
        value=value,
        typed=typed or (key, value, ""),
        has_type=has_type(found.headers),
        record_headers=[(name, readable(data)) for name, data in found.headers],
        proposal=waiting_for_word,
        proposed=(readable(waiting_for_word.key), readable(waiting_for_word.value)) if waiting_for_word else None,
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
    reason: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Give up all of a group, after a question, with a written reason: exactly those that were there when it was
    asked."""
    try:
        numbers = await asyncio.to_thread(dead_letters.open_numbers, web(request).conninfo, stage, code)
    except dead_letters.NoSuchDeadLetter:
        raise not_found() from None
    back = "/ops/letters?" + urlencode({"stage": stage, "code": code})
    if not numbers:
        return RedirectResponse(back, 303)
    return await _ask_to_discard(request, principal, stage, numbers, reason, code, back)


async def _done_in_group(request: Request, stage: str, code: str, act: Callable[[str], str]) -> Response:
    try:
        told = await done(request, act)
    except dead_letters.NoSuchDeadLetter:
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
    reason: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Give one up, after a question, with a written reason."""
    found = await _letter(request, stage, number)
    if found.status != "open":
        return _back(stage, number, "settled")
    return await _ask_to_discard(request, principal, stage, [number], reason, found.id, f"/ops/letters/{found.id}")


async def _ask_to_discard(
    request: Request, principal: Principal, stage: str, numbers: list[int], reason: str, what: str, back: str
) -> Response:
    return await ask_first(
        request,
        principal,
        question_of_discard(stage, what, len(numbers)),
        kind=DISCARD.name,
        fields={"stage": stage, "numbers": numbers, "reason": reason.strip()},
        subjects=[f"{stage}/{number}" for number in numbers[:MOST_SUBJECTS]],
        back=back,
    )


@router.post("/letters/{stage}/{number}/correct")
async def correct(
    request: Request,
    principal: Ops,
    stage: str,
    number: int,
    reason: Annotated[str, Form(min_length=3, max_length=2_000)],
    value: Annotated[str, Form(max_length=1_000_000)],
    key: Annotated[str, Form(max_length=1_000)] = "",
    type_name: Annotated[str, Form(alias="type", max_length=100)] = "",
) -> Response:
    """Put one right: the corrected body goes to its topic as a new record."""
    await _letter(request, stage, number)
    mended, one = key.encode() or None, ops_settings().corrections_by_one
    try:
        sent = await done(
            request,
            lambda url: corrections.correct(
                url,
                stage,
                number,
                principal.actor,
                reason,
                mended,
                value.encode(),
                type_name=type_name.strip() or None,
                by_one=one,
            ),
        )
    except dead_letters.NoSuchDeadLetter:
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
    except dead_letters.NoSuchDeadLetter:
        return _back(stage, number, "settled")
    except corrections.NotAgreed as refused:
        return await _letter_page(request, stage, number, wrong=refused.russian)
    return _back(stage, number, "corrected")


async def _letter(request: Request, stage: str, number: int) -> dead_letters.KeptDeadLetter:
    try:
        return await asyncio.to_thread(dead_letters.letter, web(request).conninfo, stage, number)
    except dead_letters.NoSuchDeadLetter:
        raise not_found() from None


def letters_shown(request: Request, found: Iterable[dead_letters.KeptDeadLetter]) -> None:
    """Their requests are shown by this answer."""
    visitor_of(request).shown.update(named for each in found for named in each.about)


def _back(stage: str, number: int, told: str) -> Response:
    return RedirectResponse(f"/ops/letters/{stage}/{number}?told={told}", 303)
