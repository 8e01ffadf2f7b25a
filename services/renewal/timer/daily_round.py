"""Tells the stage of the day: every service of which something may be due is considered, once a day. And carries what
one service tells another, and what partners have planned.

What is due is looked up by an index and by the stage's own rule; whether it is so, the stage decides. Nothing depends
on being told once: after a crash a day is told twice, and after a week of absence the day of the return alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import psycopg

from events.commands import CancelRenewal, ConsiderService, ScheduleRenewal
from events.model import Message
from events.registry import decode
from events.topics import SERVICE_COMMANDS
from postavka.domain.calendar import MOSCOW
from postavka.kernel.outbox.command_sender import CommandNotSent, NoTopic, Sender
from postavka.kernel.process.logs import logger
from postavka.kernel.projection.blue_green import connect
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries
from services.renewal.ladder import Term, is_due
from services.renewal.settings import RenewalSettings
from services.renewal.timer.projection import SCHEMA

log = logger(__name__)

QUERIES = load_queries("services.renewal.timer")

SOURCE = "/postavka/timer"
AT_ONCE = 2_000
"""Services that are looked at between two writes of what was told."""
AFTER_MIDNIGHT = timedelta(minutes=10)
"""A day begins here so much later than in Moscow: the broker, whose time counts, may be behind."""


def day_at(moment: datetime) -> date:
    """The day that is told at this moment."""
    return (moment - AFTER_MIDNIGHT).astimezone(MOSCOW).date()


class CommandSender(Protocol):
    """Takes commands to the broker; what was handed over is there after `flush`."""

    def send(self, topic: str, subject: str, message: Message) -> object:
        """One command, keyed by `subject`."""
        ...

    def flush(self) -> None:
        """Wait until the broker has them all."""
        ...


class DailyRound:
    """Looks at the services again and again, beside the projection that keeps them."""

    def __init__(self, config: Settings, own: RenewalSettings, sender: CommandSender | None = None) -> None:
        """`sender`: whom the commands are handed to, if not the broker."""
        self._config = config
        self._own = own
        self._sender = sender
        self._connection: psycopg.Connection[Any] | None = None
        self.told = 0

    async def run(self) -> None:
        """Goes on until the process ends."""
        while True:
            try:
                await asyncio.to_thread(self.carry)
                await asyncio.to_thread(self.tell, day_at(datetime.now(UTC)))
            except (psycopg.Error, CommandNotSent, NoTopic) as away:
                log.warning("the day could not be told", error=str(away)[:200])
            await asyncio.sleep(self._own.timer_seconds)

    def tell(self, day: date) -> int:
        """Tell this day to every service of which something is due on it; returns how many. Raises `psycopg.Error`,
        `CommandNotSent`, `NoTopic`: then it is told again."""
        told, ladder = 0, self._own.reminder_ladder
        horizon = day + timedelta(days=max(ladder, default=0))
        with self._connected() as connection:
            while found := connection.execute(
                QUERIES.candidates, {"horizon": horizon, "day": day, "most": AT_ONCE}
            ).fetchall():
                due = [row[0] for row in found if is_due(Term(*row[1:]), day, ladder)]
                self._send([(each, ConsiderService(request_id=each, day=day, ladder=ladder)) for each in due])
                looked_at = {"day": day, "ids": [row[0] for row in found], "ends": [row[1] for row in found]}
                if connection.execute(QUERIES.looked_at, looked_at).rowcount == 0:
                    break  # all of them have another end by now
                told += len(due)
        self.told += told
        return told

    def carry(self) -> int:
        """Send what one service tells another, and what is told of planned renewals; returns how many commands. Raises
        like `tell`."""
        carried = 0
        with self._connected() as connection:
            told = {"scheduled": ScheduleRenewal.TYPE, "cancelled": CancelRenewal.TYPE}
            connection.execute(QUERIES.carry_plans, told)
            while found := connection.execute(QUERIES.unsent, (AT_ONCE,)).fetchall():
                self._send([(row[0], decode(row[2], row[3].encode())) for row in found])
                connection.execute(QUERIES.mark_sent, [[row[place] for row in found] for place in range(3)])
                carried += len(found)
        return carried

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """The one connection, which goes where anything goes wrong."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(database_url(self._config), SCHEMA, SCHEMA)
        try:
            yield self._connection
        except BaseException:
            self._connection.close()
            raise

    def _send(self, commands: Sequence[tuple[UUID, Message]]) -> None:
        if not commands:
            return
        if self._sender is None:
            self._sender = Sender(self._config, SOURCE)
        for request_id, command in commands:
            self._sender.send(SERVICE_COMMANDS.name, str(request_id), command)
        self._sender.flush()

    def details(self) -> dict[str, Any]:
        """Tells `/healthz` how many services were told a day."""
        return {"services_told": self.told}
