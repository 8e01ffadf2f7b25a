"""Sends the e-mails that are due, again and again until the server has taken each or refused it for good.

An e-mail is marked as being sent, handed over, and marked with the answer: three steps. If the process dies between
them, the next one finds it marked and hands it over again, under the same Message-ID: a repeat can be recognised, and
nothing stays unsent in silence. One process sends at a time (an advisory lock).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from prometheus_client import Counter, Gauge
from psycopg.rows import dict_row

from postavka.kernel.privacy.vault import ERASED, open_vault
from postavka.kernel.process.logs import logger
from postavka.kernel.process.polling import pause_after
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import set_parameters_of
from services.notices.categories import Audience, Category
from services.notices.channels.email.message import Email
from services.notices.channels.email.mime import Outgoing, to_outgoing
from services.notices.channels.email.personal import forget_in_mbox, names_of
from services.notices.channels.email.recipients import Recipient
from services.notices.channels.email.transport import (
    Away,
    Later,
    RefusedForGood,
    Transport,
    Trouble,
    mbox_of,
    open_transport,
)
from services.notices.settings import NoticesSettings, notices_settings

QUERIES = load_queries("services.notices")

log = logger(__name__)

POLL_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 4 * 3_600.0
LOCK_RETRY_SECONDS = 2.0
GIVES_WAY_SECONDS, WAY_POLL_SECONDS = 5.0, 0.01
"""How long a letter waits at the most while the service takes in what has happened, and how often it looks."""
MEASURE_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 300.0
"""Between tries to reach a server that is away. No e-mail's own tries are used up by that."""

SENT = Counter("postavka_letters_total", "Letters by what became of a try", ["outcome"])
DUE = Gauge("postavka_letters_due", "Letters that wait to be sent")
OLDEST = Gauge("postavka_letters_oldest_seconds", "Age of the oldest letter that waits to be sent")
FAILED = Gauge("postavka_letters_failed", "Letters that could not be sent, or have no address")


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """The outcome of a try to send, to be written down."""

    id: UUID
    status: str
    said: str
    unsure: bool = False
    next_at: datetime | None = None

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The parameters of `NOTE`; `NOTE_AND_NEXT` wants the id once more."""
        return self.status, self.said, self.unsure, self.next_at, self.status, self.id


NEXT = (
    "UPDATE mail SET status = 'sending' WHERE id = (SELECT id FROM mail WHERE status = 'due' AND id <> %s "
    "AND next_at <= now() ORDER BY next_at, happened_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
)
NOTE = (
    "UPDATE mail SET status = %s::text, tries = tries + 1, said = %s, unsure = unsure OR %s, "
    "next_at = coalesce(%s, next_at), sent_at = CASE WHEN %s = 'sent' THEN now() ELSE sent_at END WHERE id = %s"
)
NOTE_AND_NEXT = f"WITH noted AS ({NOTE}) {NEXT}"
"""A row is changed once in a statement: an e-mail that another sender has put back to `due` must not be taken here, or
what became of it would not be noted."""
NOBODY = UUID(int=0)


class EmailSender:
    """The `postavka.kernel.projection.worker.BackgroundTask` that sends e-mail."""

    def __init__(
        self,
        config: Settings,
        chosen: NoticesSettings | None = None,
        connect: Callable[[NoticesSettings, Path], Transport] = open_transport,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        """`gives_way`: does a program wait for a notice just now? To send a letter costs five times what it takes to
        write a receipt, and both have the same processor."""
        self._conninfo = database_url(config)
        self._config = chosen or notices_settings()
        self._home = config.home
        self._vault = partial(open_vault, config)
        self._erasures = -1
        """How many persons had been forgotten when the file of e-mails was last looked through."""
        self._connect = connect
        self._gives_way = gives_way
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.trouble: str | None = None
        self.active = False
        self._figures: dict[str, Any] = {}

    def wake(self) -> None:
        """Say that there may be something to send. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._woken.set)

    def details(self) -> dict[str, Any]:
        """The figures for `/healthz`. A mail server that is away is said here; the rest of the system is well without
        it."""
        return {"mail": "active" if self.active else "standby", "mail_trouble": self.trouble, **self._figures}

    async def run(self) -> None:
        """Run until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                async with await self._session() as session:
                    await self._send_while_locked(session)
            except* (psycopg.OperationalError, psycopg.InterfaceError) as away:  # of one task, or of several
                self.active = False
                log.warning("mail: PostgreSQL is away, trying again", error=str(away.exceptions[0])[:200])
                await asyncio.sleep(LOCK_RETRY_SECONDS)

    async def _session(self) -> psycopg.AsyncConnection[Any]:
        session = await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, application_name="postavka-notices"
        )
        await set_parameters_of(session, {"search_path": "notices,public"})
        return session

    async def _send_while_locked(self, session: psycopg.AsyncConnection[Any]) -> None:
        await session.execute(QUERIES.lock)
        self.active = True
        again = await session.execute(QUERIES.due_again)
        if again.rowcount:
            log.warning("mail: letters whose sending was cut off are sent again", emails=again.rowcount)
        await self._measure(session)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._config.smtp_connections):
                group.create_task(self._send_one_by_one())
            group.create_task(self._measure_now_and_then(session))

    async def _send_one_by_one(self) -> None:
        transport = self._connect(self._config, self._home)
        pause = FIRST_PAUSE_SECONDS
        try:
            async with await self._session() as connection:
                connection.row_factory = dict_row
                noted: SendOutcome | None = None
                while True:
                    if self._gives_way():
                        await self._give_way(connection, noted)
                        noted = None
                    email = await self._next(connection, noted)
                    noted = None
                    if email is None:
                        await self._rest()
                        continue
                    try:
                        noted = await self._send(transport, email)
                        pause = FIRST_PAUSE_SECONDS
                    except Away as away:
                        self.trouble = str(away)
                        log.warning("mail: the server is away", why=str(away), said=away.raw, again_in=pause)
                        SENT.labels("away").inc()
                        await connection.execute(QUERIES.give_back, (str(away), email["id"]))
                        await asyncio.sleep(pause)
                        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            await transport.close()

    async def _give_way(self, connection: psycopg.AsyncConnection[Any], noted: SendOutcome | None) -> None:
        """Wait, with the last letter's outcome written down."""
        if noted is not None:
            await connection.execute(NOTE, noted.parameters)
        until = time.monotonic() + GIVES_WAY_SECONDS
        while self._gives_way() and time.monotonic() < until:  # noqa: ASYNC110  (another thread is busy)
            await asyncio.sleep(WAY_POLL_SECONDS)

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
        except TimeoutError:
            return
        self._woken.clear()

    async def _next(self, connection: psycopg.AsyncConnection[Any], noted: SendOutcome | None) -> dict[str, Any] | None:
        """The e-mail that has waited longest, marked as being sent; what became of the one before it is noted in the
        same statement."""
        if noted is None:
            cursor = await connection.execute(NEXT, (NOBODY,))
        else:
            cursor = await connection.execute(NOTE_AND_NEXT, (*noted.parameters, noted.id))
        row: dict[str, Any] | None = await cursor.fetchone()
        return row

    async def _send(self, transport: Transport, row: dict[str, Any]) -> SendOutcome:
        started = time.monotonic()
        vault = await asyncio.to_thread(self._vault)
        row = await asyncio.to_thread(vault.reveal, row)
        if row["recipient"] == ERASED:
            return SendOutcome(row["id"], "no-address", "the person was forgotten")
        names = names_of(row["recipient"])

        def noted(status: str, said: str, unsure: bool = False, next_at: datetime | None = None) -> SendOutcome:
            """What a server says may name the person."""
            return SendOutcome(row["id"], status, vault.encrypt(said, names, longest=None), unsure, next_at)

        try:
            outgoing = outgoing_of(row, self._config)
        except Exception:  # one e-mail that can't be written must not keep the others
            log.exception("mail: a letter can't be written", letter=str(row["id"]))
            return noted("failed", Trouble.UNFIT.value)
        try:
            said = await transport.send(outgoing)
        except RefusedForGood as refused:
            SENT.labels("refused").inc()
            log.warning("mail: refused for good", letter=str(row["id"]), kind=row["kind"], code=refused.code)
            return noted("failed", str(refused))
        except Later as later:
            SENT.labels("later").inc()
            next_at = next_try(row["tries"] + 1, self._config.mail_retry_seconds)
            gives_up = datetime.now(UTC) - row["made_at"] > timedelta(seconds=self._config.mail_give_up_seconds)
            status = "failed" if gives_up else "due"
            log.info(
                "mail: not taken", letter=str(row["id"]), code=later.code, status=status, again=next_at.isoformat()
            )
            return noted(status, str(later), later.unsure, next_at)
        self.trouble = None
        SENT.labels("sent").inc()
        log.debug("mail: sent", letter=str(row["id"]), kind=row["kind"], seconds=round(time.monotonic() - started, 3))
        return noted("sent", said)

    async def _measure_now_and_then(self, session: psycopg.AsyncConnection[Any]) -> None:
        """Measure now and then, on the session that holds the lock: when it breaks, sending ends."""
        while True:
            started = time.monotonic()
            await self._measure(session)
            await asyncio.to_thread(self._forget_in_file)
            await asyncio.sleep(pause_after(time.monotonic() - started, MEASURE_SECONDS))

    def _forget_in_file(self) -> None:
        """A file of e-mails, where there is one, keeps nothing of persons who were forgotten."""
        if self._config.smtp_host is None and (erasures := self._vault().erasures()) != self._erasures:
            if forgotten := forget_in_mbox(self._vault(), self._conninfo, mbox_of(self._home)):
                log.info("mail: letters to persons who were forgotten are out of the file", emails=forgotten)
            self._erasures = erasures

    async def _measure(self, session: psycopg.AsyncConnection[Any]) -> None:
        cursor = await session.execute(QUERIES.measure)
        due, failed, oldest = await cursor.fetchone() or (0, 0, None)
        DUE.set(due)
        FAILED.set(failed)
        OLDEST.set(float(oldest or 0))
        self._figures = {"letters_due": due, "letters_failed": failed}


def next_try(tries: int, first_seconds: float) -> datetime:
    """When an e-mail is tried again after so many tries: each wait four times the one before, up to four hours."""
    return datetime.now(UTC) + timedelta(seconds=min(first_seconds * 4 ** (tries - 1), LONGEST_WAIT_SECONDS))


def outgoing_of(row: dict[str, Any], config: NoticesSettings) -> Outgoing:
    """A stored e-mail as it goes out."""
    email = Email(
        id=UUID(str(row["id"])),
        message_id=row["message_id"],
        request_id=row["request_id"],
        kind=Category(row["kind"]),
        party=Audience(row["party"]),
        party_id=row["party_id"],
        recipient=Recipient(row["recipient"], row["recipient_name"]),
        subject=row["subject"],
        text=row["text"],
        html=row["html"],
        cause=row["cause"],
        happened_at=row["happened_at"],
        off=row["off"],
    )
    return to_outgoing(email, config)
