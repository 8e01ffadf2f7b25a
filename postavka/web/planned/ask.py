"""One way to do what can't be undone: a question that names what, how many and how much; then seconds to undo it.

A route calls `ask_first` with its question. The first time the answer is the question, as a page (a script lifts it
into a dialog). When the same question comes back agreed to, the command is planned. If what it is about has changed
meanwhile, so that the question would read differently, it is asked anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from postavka.kernel.ids import new_id
from postavka.web.authorization import CSRF_FIELD
from postavka.web.fields import id_in
from postavka.web.formats import plural
from postavka.web.identity.principal import Principal
from postavka.web.planned import store
from postavka.web.planned.store import NewPlan
from postavka.web.rendering import page
from postavka.web.state import web

AGREED, PLAN_ID = "agreed", "plan_id"
"""Fields of an answer: the title that was agreed to, and the id made with the question."""


@dataclass(frozen=True, slots=True)
class ReasonField:
    """A field of the form that the question shows again, to be filled in."""

    field: str
    label: str
    required: bool = True
    longest: int = 500


@dataclass(frozen=True, slots=True)
class CommandQuestion:
    """What somebody must agree to. `title` says what, how many, how much: «Подтвердить 50 заявок на 612 340,00 ₽»."""

    title: str
    button: str
    points: Sequence[str] = ()
    """What follows from it, and what it is about."""
    reason: ReasonField | None = None
    is_refusal: bool = False


async def ask_first(
    request: Request,
    principal: Principal,
    question: CommandQuestion,
    *,
    kind: str,
    fields: Mapping[str, Any],
    subjects: Sequence[str],
    back: str,
    result_path: str | None = None,
    not_before: datetime | None = None,
    announced: Sequence[Mapping[str, str]] = (),
) -> Response:
    """The question, or after it the command planned and the page `back`. `result_path`: where it shows what came of
    it. `not_before`: the moment at which it is to be sent, if not after the seconds to undo it. `announced`: what the
    log is told of the plan."""
    form = await request.form()
    reason = question.reason
    lacks_reason = reason is not None and reason.required and not str(form.get(reason.field, "")).strip()
    has_agreed = form.get(AGREED) == question.title
    has_changed = AGREED in form and not has_agreed
    plan_id = id_in(form.get(PLAN_ID)) or new_id()
    seconds = web(request).config.undo_seconds
    if not has_agreed or lacks_reason:
        own = {CSRF_FIELD, AGREED, PLAN_ID, reason.field if reason is not None else ""}
        carried = [(name, value) for name, value in form.multi_items() if name not in own and isinstance(value, str)]
        typed = str(form.get(reason.field, "")) if reason is not None else ""
        return page(
            request, "ask.html", 422 if has_agreed else 409 if has_changed else 200, has_changed=has_changed,
            question=question, carried=carried, plan_id=plan_id, typed=typed, back=back,
            after="" if not_before else _spelled(seconds), lacks_reason=has_agreed and lacks_reason,
        )  # fmt: skip
    new = NewPlan(plan_id, kind, fields, subjects, question.title, result_path or back, not_before, announced)
    async with web(request).database.rows(principal) as rows:
        await store.plan(rows, principal, new, timedelta(seconds=seconds))
    return RedirectResponse(back, 303)


def _spelled(seconds: float) -> str:
    """`10 секунд`, `60 минут`; nothing where nothing is left to undo."""
    if seconds < 120:
        return plural(round(seconds), "секунду", "секунды", "секунд") if round(seconds) else ""
    return plural(round(seconds / 60), "минуту", "минуты", "минут")
