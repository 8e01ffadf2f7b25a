"""Sends many requests that were agreed to: judged once more by the state of the moment, under the ids that they have.

What has been sent is written down every few rows, so that who goes on after a crash begins behind it; what it sends
twice all the same has the same ids, and is one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

from postavka.web.formats import money, plural
from postavka.web.identity.principal import Principal
from postavka.web.planned.ask import CommandQuestion
from postavka.web.planned.kinds import CommandKind, CommandOutcome, Fields
from postavka.web.problem import problem
from postavka.web.state import Web
from services.cabinet import acts
from services.cabinet.bulk import store
from services.cabinet.bulk.judging import Checks, client_of, judge
from services.cabinet.bulk.rows import BulkRow, sum_of
from services.cabinet.bulk.store import Bulk
from services.cabinet.sealed import is_erased

AT_A_TIME = 50
ERASED_SINCE = "Данные пользователя стёрты: такую заявку не отправить."


def question_of(bulk: Bulk) -> CommandQuestion:
    """What is asked before they go out."""
    ready = [each for each in bulk.rows if each.is_ready]
    held = len([each for each in bulk.rows if each.errors])
    points = ["Каждая строка станет заявкой; те, что проходят по правилам, согласуются сразу."]
    if held:
        points.append(f"Не войдут, их надо исправить: {plural(held, 'строка', 'строки', 'строк')}.")
    what = plural(len(ready), "заявку", "заявки", "заявок")
    return CommandQuestion(f"Отправить {what} на {money(sum_of(ready))}", "Отправить", points)


async def submit_rows(
    parts: Web, principal: Principal, ready: Sequence[BulkRow], checks: Checks
) -> AsyncIterator[Sequence[BulkRow]]:
    """Submit rows that `judge` found ready, some at a time: those that have just gone, until all have. Raises as
    `acts.submit_checked` does."""
    for start in range(0, len(ready), AT_A_TIME):
        going = ready[start : start + AT_A_TIME]
        sending = (
            acts.submit_checked(parts, principal, each.request_id, each.typed.command(), checks[client_of(each.typed)])
            for each in going
        )
        await asyncio.gather(*sending)
        yield going


async def _send(parts: Web, principal: Principal, fields: Fields) -> CommandOutcome:
    bulk = await store.find(parts, principal, UUID(fields["bulk_id"]))
    if bulk is None:
        raise problem(404, "not-found", "Ничего не отправлено: файл хранится 30 дней, они прошли.")
    judged, checks = await judge(parts, principal, [each for each in bulk.rows if each.is_ready])
    settled = {each.number: _settled(each) for each in judged}
    bulk = replace(bulk, rows=[settled.get(each.number, each) for each in bulk.rows])
    ready = [each for each in bulk.rows if each.is_ready and each.number in settled]
    async for some in submit_rows(parts, principal, ready, checks):
        gone = {each.number for each in some}
        bulk = replace(bulk, rows=[replace(each, sent=True) if each.number in gone else each for each in bulk.rows])
        await store.write(parts, principal, bulk)
    if not ready:
        await store.write(parts, principal, bulk)
    sent = [each for each in bulk.rows if each.sent]
    if not sent:
        raise problem(409, "conflict", "Ничего не отправлено: отправлять больше нечего.")
    held = len(bulk.rows) - len(sent)
    left = f" Не отправлено: {plural(held, 'строка', 'строки', 'строк')}." if held else ""
    return CommandOutcome(True, f"Отправлено: {plural(len(sent), 'заявка', 'заявки', 'заявок')}.{left}")


def _settled(row: BulkRow) -> BulkRow:
    """A row that was agreed to, by the state of the moment. Its request may be there by now: the same file was sent
    from another browser, or this one before a crash."""
    if is_erased(row.typed):
        return replace(row, errors={"": ERASED_SINCE}, anyway_helps=False)
    return replace(row, already=False, sent=True) if row.already else row


SEND = CommandKind("bulk", _send)
COMMANDS = (SEND,)
