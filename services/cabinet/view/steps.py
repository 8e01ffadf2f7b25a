"""The path of a request from «Отправить» to activation, in a few steps, and how far it has come.

Which steps there are a table says, by the type of the request and the channel of the sale: another kind of request has
another path by its own line in `PATHS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from events.model import Channel
from events.request import REQUEST_TYPE
from services.cabinet.fold import Row, request_type, status


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step as a page shows it. `state` is done, here, ahead or failed; `at` is RFC 3339 where it is done."""

    word: str
    state: str
    at: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of a kind of request."""

    word: str
    done_at: Callable[[Row], str | None]
    """RFC 3339; None: not done."""
    ended_by: str | None = None
    """The status of a request that ended at this step."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Status → what is said of the step while it is awaited."""


def _fact(stage: str, name: str) -> Callable[[Row], str | None]:
    return lambda row: row.get(stage, {}).get(name)


def _paid_at(row: Row) -> str | None:
    """When the last payment came; the invoice is paid in full once manufacturing has been ordered."""
    payments = row.get("billing", {}).get("payments")
    return payments[-1]["at"] if payments and "ordered_at" in row.get("shipping", {}) else None


_SENT = PlannedStep("Отправлена", _fact("request", "submitted_at"))
_APPROVED = PlannedStep("Согласована", _fact("approval", "approved_at"), "rejected")
_CONFIRMED = PlannedStep("Подтверждена", _fact("billing", "confirmed_at"), "declined")
_PAID = PlannedStep("Оплачена", _paid_at, "declined")
_SOLD = PlannedStep("Продана", _fact("shipping", "shipped_at"), notes={"manufacturing": "изготавливается"})
_ACTIVE = PlannedStep("Активирована", _fact("activation", "activated_at"))

PATHS: Mapping[str, Mapping[Channel, tuple[PlannedStep, ...]]] = {
    REQUEST_TYPE: {
        Channel.DISTRIBUTOR: (_SENT, _APPROVED, _CONFIRMED, _SOLD, _ACTIVE),
        Channel.DIRECT: (_SENT, _APPROVED, _PAID, _SOLD, _ACTIVE),
    },
}
"""Type of a request → channel → its steps in order. A type that isn't known is shown as the letter's."""


def shown_steps(row: Row) -> list[ShownStep]:
    """The steps of this request."""
    planned = PATHS.get(request_type(row), PATHS[REQUEST_TYPE])[_channel(row)]
    where = status(row)
    times = [each.done_at(row) for each in planned]
    ended = next((number for number, each in enumerate(planned) if each.ended_by == where), None)
    if where == "withdrawn":
        ended = next(number for number, at in enumerate(times) if number and at is None)
    here = next((number for number, at in enumerate(times) if at is None), len(times))
    steps = []
    for number, (each, at) in enumerate(zip(planned, times, strict=True)):
        if ended is not None and number >= ended:
            steps.append(ShownStep(each.word, "failed" if number == ended else "ahead"))
        elif at is not None:
            steps.append(ShownStep(each.word, "done", at))
        else:
            steps.append(ShownStep(each.word, "here" if number == here else "ahead", None, each.notes.get(where, "")))
    return steps


def _channel(row: Row) -> Channel:
    """The channel as approved; before that, as asked for."""
    approved = row.get("approval", {}).get("channel")
    if approved is not None:
        return Channel(approved)
    named = row.get("approval") or row.get("request", {}).get("distributor_id")
    return Channel.DISTRIBUTOR if named else Channel.DIRECT
