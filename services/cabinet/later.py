"""What partners and distributors do that can't be undone: the question before it, and what is sent after their seconds.

An activation, an answer and a withdrawal are judged twice: when they are asked about, and by the state at sending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from postavka.domain.calendar import today
from postavka.web.formats import at, day, money, plural
from postavka.web.identity.principal import Principal
from postavka.web.planned.ask import CommandQuestion, ReasonField
from postavka.web.planned.kinds import CommandKind, CommandOutcome, Fields
from postavka.web.planned.store import NewPlan, plan
from postavka.web.problem import problem
from postavka.web.state import Web
from services.cabinet import acts
from services.cabinet.requests import Row
from services.cabinet.view.lines import product_of

MOST_NAMED = 5
"""Of many requests a question names so many, and counts the others."""
LONGEST_NOTE = 500
LONGEST_REASON = 300


def question_of_answer(rows: Sequence[Row], accepted: bool, others: int) -> CommandQuestion:
    """A distributor's word on these requests; `others`: how many it has chosen that wait for no answer any more."""
    total = money(sum_of(rows))
    points = [_named(each) for each in rows[:MOST_NAMED]]
    if len(rows) > MOST_NAMED:
        points.append(f"и ещё {plural(len(rows) - MOST_NAMED, 'заявка', 'заявки', 'заявок')}")
    if others:
        points.append(f"Не войдут, на них уже ответили или их отозвали: {others}")
    if accepted:
        what = plural(len(rows), "заявку", "заявки", "заявок")
        points.append("Вы обещаете оплатить счета; заказы сразу уйдут в изготовление.")
        note = ReasonField("note", "Примечание для партнёров", required=False, longest=LONGEST_NOTE)
        return CommandQuestion(f"Подтвердить {what} на {total}", "Подтвердить", points, note)
    what = plural(len(rows), "заявке", "заявкам", "заявкам")
    points.append("Заявки закроются. Причину увидят партнёры.")
    why = ReasonField("note", "Причина отказа", longest=LONGEST_NOTE)
    return CommandQuestion(f"Отказать по {what} на {total}", "Отказать", points, why, is_refusal=True)


def question_of_answers(yes: Sequence[Row], no: Sequence[Row], others: int) -> CommandQuestion:
    """A distributor's word on many, each with its own answer and note, as a file has them."""
    if not (yes and no):
        return replace(question_of_answer([*yes, *no], bool(yes), others), reason=None)
    points = [f"Отказ: {_named(each)}" for each in no[:MOST_NAMED]] + (
        [f"и ещё отказов: {len(no) - MOST_NAMED}"] if len(no) > MOST_NAMED else []
    )
    if others:
        points.append(f"Не войдут, на них уже ответили или их отозвали: {others}")
    confirmed = plural(len(yes), "заявку", "заявки", "заявок")
    declined = plural(len(no), "заявке", "заявкам", "заявкам")
    return CommandQuestion(
        f"Подтвердить {confirmed} на {money(sum_of(yes))} и отказать по {declined} на {money(sum_of(no))}",
        "Отправить",
        (*points, "Вы обещаете оплатить подтверждённые счета; заказы сразу уйдут в изготовление."),
    )


def question_of_activation(row: Row) -> CommandQuestion:
    """A partner activates for the user (L19)."""
    registration = row.approval.get("registration_number") or row.asked.get("registration_number") or "—"
    return CommandQuestion(
        f"Активировать {product_of(row)} на {money(row.amount)} для {row.buyer or 'клиента'}",
        "Активировать",
        (
            f"Рег. номер поставки {registration}.",
            f"Срок сервиса пойдёт с {day(today())}. Остановить или перенести его нельзя.",
        ),
    )


def question_of_withdrawal(row: Row) -> CommandQuestion:
    """A partner takes a request back."""
    points = ["Отозванную заявку не вернуть, можно только отправить новую."]
    if row.permission_number:
        points.append(f"Номер разрешения {row.permission_number} станет недействительным.")
    amount = f" на {money(row.amount)}" if row.amount else ""
    return CommandQuestion(
        f"Отозвать заявку {row.name}{amount}, {row.buyer or 'клиент не указан'}",
        "Отозвать",
        points,
        ReasonField("reason", "Причина", required=False, longest=LONGEST_REASON),
        is_refusal=True,
    )


async def plan_for_program(
    parts: Web,
    principal: Principal,
    kind: CommandKind,
    title: str,
    fields: Fields,
    request_ids: Sequence[UUID],
    *,
    plan_id: UUID,
    not_before: datetime,
) -> None:
    """Plan what a program asks for: it has no seconds to undo, only the moment that it names. Planned again under the
    same id nothing changes."""
    subjects = [str(each) for each in request_ids]
    new = NewPlan(plan_id, kind.name, fields, subjects, title, f"/requests/{request_ids[0]}", not_before)
    async with parts.database.rows(principal) as rows:
        await plan(rows, principal, new, timedelta())


def planned_for(moment: datetime) -> str:
    """What a program is answered."""
    return f"Запланировано на {at(moment, seconds=True)} по Москве."


async def _answer(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    answers = fields["answers"]
    sent = 0
    for each in answers:
        given = UUID(each["request_id"]), each["confirmation_id"], each["accepted"], each.get("note")
        sent += await acts.answer(parts, principal, *given) == "accepted"
    if not sent:
        raise problem(409, "conflict", "Ничего не отправлено: эти заявки уже не ждут ответа.")
    left = f" Не ждали ответа: {len(answers) - sent}." if sent < len(answers) else ""
    return CommandOutcome(True, f"Отправлено: {plural(sent, 'ответ', 'ответа', 'ответов')}.{left}")


async def _activate(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    await acts.activate(parts, principal, UUID(fields["request_id"]), fields["activation_id"])
    return CommandOutcome(True, "Отправлено: проверяем номер поставки и договор 1С:ИТС.")


async def _withdraw(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    await acts.withdraw(parts, principal, UUID(fields["request_id"]), fields.get("reason"))
    return CommandOutcome(True, "Отзыв отправлен.")


ANSWER = CommandKind("answer", _answer)
ACTIVATE = CommandKind("activate", _activate)
WITHDRAW = CommandKind("withdraw", _withdraw)
COMMANDS = (ANSWER, ACTIVATE, WITHDRAW)


def answers_of(request_ids: Sequence[UUID], accepted: bool, note: str | None) -> Fields:
    """The fields of an answer on the pages; its ids are the same whoever presses twice."""
    return {"answers": [answer_of(each, accepted, note) for each in request_ids]}


def answer_of(request_id: UUID, accepted: bool, note: str | None) -> dict[str, Any]:
    """One of them."""
    confirmation_id = f"web-{request_id}-{'yes' if accepted else 'no'}"
    return {"request_id": str(request_id), "confirmation_id": confirmation_id, "accepted": accepted, "note": note}


def sum_of(rows: Sequence[Row]) -> Decimal:
    """Roubles, of all together."""
    return sum((Decimal(each.amount) for each in rows if each.amount), Decimal(0))


def _named(row: Row) -> str:
    return f"{row.name}, {row.buyer or 'клиент не указан'}, {money(row.amount)}"
