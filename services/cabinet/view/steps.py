"""The way of a request from «Отправить» to activation, in five steps, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass

from services.cabinet.fold import Row, status


@dataclass(frozen=True, slots=True)
class Step:
    """`state` is done, here, ahead or failed; `at` is RFC 3339 where it is done."""

    word: str
    state: str
    at: str | None = None
    note: str = ""


_ENDED = {"rejected": 1, "declined": 2}
"""The step at which a request ended."""


def way(row: Row) -> list[Step]:
    """The five steps of this request."""
    asked, approved, billed, shipped, active = (
        row.get(stage, {}) for stage in ("request", "approval", "billing", "shipping", "activation")
    )
    where = status(row)
    direct = approved.get("channel") == "direct" or (not approved and not asked.get("distributor_id"))
    paid_at = billed["payments"][-1]["at"] if direct and billed.get("payments") else billed.get("confirmed_at")
    if direct and "ordered_at" not in shipped:
        paid_at = None
    times = (
        asked.get("submitted_at"), approved.get("approved_at"), paid_at, shipped.get("shipped_at"),
        active.get("activated_at"),
    )  # fmt: skip
    words = ("Отправлена", "Согласована", "Оплачена" if direct else "Подтверждена", "Продана", "Активирована")
    ended = _ENDED.get(where)
    if where == "withdrawn":
        ended = next(number for number, at in enumerate(times) if number and at is None)
    here = next((number for number, at in enumerate(times) if at is None), len(times))
    steps = []
    for number, (word, at) in enumerate(zip(words, times, strict=True)):
        if ended is not None and number >= ended:
            steps.append(Step(word, "failed" if number == ended else "ahead"))
        elif at is not None:
            steps.append(Step(word, "done", at))
        else:
            note = "изготавливается" if number == 3 and where == "manufacturing" else ""
            steps.append(Step(word, "here" if number == here else "ahead", None, note))
    return steps
