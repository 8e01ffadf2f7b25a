"""Sends what is due, one by one. It runs in every process of the web application; a row is sent by one of them.

The row stays locked while its command is sent, so that nobody else sends or undoes it meanwhile; a process that dies
loses the lock with its connection, and another sends the same command under the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import psycopg
from prometheus_client import Counter
from psycopg_pool import PoolTimeout

from postavka.kernel.process.logs import logger
from postavka.kernel.store.queries import load_queries
from postavka.web.commands import NotSentYet
from postavka.web.database import Connection
from postavka.web.planned.kinds import CommandKind, CommandOutcome
from postavka.web.planned.store import finish, principal_of, still_stands
from postavka.web.problem import Problem
from postavka.web.state import Web
from postavka.web.throttle import TooMany

QUERIES = load_queries("postavka.web.planned")
log = logger(__name__)

LOOK_SECONDS = 0.5
LONGEST_PAUSE = timedelta(minutes=5)
FINISHED = Counter("postavka_planned_commands", "Planned commands that are over, by what became of them", ["state"])
NOT_DONE = "Не отправлено: в системе ошибка, она записана. Посмотрите, как обстоят дела, и повторите."


class PlannedSender:
    """The loop of one process."""

    def __init__(self, parts: Web, kinds: Iterable[CommandKind]) -> None:
        self._parts = parts
        self._kinds = {each.name: each for each in kinds}

    async def run(self) -> None:
        """Send whatever becomes due, for ever."""
        while True:
            try:
                has_sent = await self.send_next()
            except (psycopg.Error, PoolTimeout, OSError) as away:
                log.warning("planned commands wait", error=str(away)[:200])
                has_sent = False
            if not has_sent:
                await asyncio.sleep(LOOK_SECONDS)

    async def send_next(self) -> bool:
        """Send the one that has been due for the longest; False when none is."""
        async with self._parts.database.accounts() as rows:
            row = await (await rows.execute(QUERIES.claim)).fetchone()
            if row is None:
                return False
            plan_id, kind, fields, written, tries = row
            await self._finish(rows, plan_id, kind, fields, written, tries)
        return True

    async def _finish(
        self, rows: Connection, plan_id: UUID, kind: str, fields: Any, written: dict[str, Any], tries: int
    ) -> None:
        try:
            outcome = await self._send(rows, kind, fields, written)
        except (NotSentYet, TooMany, psycopg.OperationalError, PoolTimeout) as away:
            pause = min(LONGEST_PAUSE, timedelta(seconds=2 ** min(tries, 10)))
            await rows.execute(QUERIES.later, (pause, plan_id))
            log.warning("a planned command is tried again", plan=str(plan_id), kind=kind, error=repr(away)[:200])
            return
        except Problem as refused:
            outcome = CommandOutcome(False, refused.detail or refused.title)
        except Exception as error:
            log.exception("a planned command failed", plan=str(plan_id), kind=kind, error=str(error)[:500])
            outcome = CommandOutcome(False, NOT_DONE)
        state: Literal["sent", "refused"] = "sent" if outcome.sent else "refused"
        await finish(rows, plan_id, state, outcome.said, not_sent=outcome.not_sent)
        FINISHED.labels(state).inc()
        log.info("a planned command is over", plan=str(plan_id), kind=kind, state=state)

    async def _send(self, rows: Connection, kind: str, fields: Any, written: dict[str, Any]) -> CommandOutcome:
        principal = principal_of(written)
        if not await still_stands(rows, principal):
            return CommandOutcome(False, "Не отправлено: доступ того, кто это запланировал, закрыт.")
        return await self._kinds[kind].send(self._parts, principal, fields)
