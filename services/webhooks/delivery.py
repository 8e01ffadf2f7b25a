"""The worker that delivers: for each webhook by itself, so that one that hangs or fails holds up no other.

Events of one request go out in their order: the next one waits until the one before it was taken or given up. Events of
different requests do not wait for each other. A process may die before it was noted that an event was taken: then it
is sent again, under the same id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from prometheus_client import Counter, Gauge
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.process import liveness
from postavka.kernel.process.logs import logger
from postavka.kernel.process.service import CANCEL_SECONDS
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import set_parameters_of
from postavka.web.database import Connection
from postavka.web.identity.principal import Principal, Role
from services.feed.reading import FeedItem, read_behind
from services.webhooks.addresses import AddressRefused, Target, addresses_of, target_of
from services.webhooks.letter import tell_switched_off
from services.webhooks.posting import PostAnswer, post
from services.webhooks.settings import WebhookSettings, webhook_settings
from services.webhooks.signing import headers
from services.webhooks.webhooks import SCHEMA, message_id, prepare, secret_box

QUERIES = load_queries("services.webhooks")

log = logger(__name__)

DELIVERIES = Counter(
    "postavka_webhook_deliveries_total", "Tries to deliver an event, by what came of them", ["outcome"]
)
DUE = Gauge("postavka_webhook_deliveries_due", "Events that webhooks have still to be told")
OLDEST = Gauge(
    "postavka_webhook_oldest_seconds", "Age of the oldest event that was not tried once, of webhooks that work"
)
FAILING = Gauge("postavka_webhooks_failing", "Webhooks that are on and whose last tries have failed")

LOOK_SECONDS = 1.0
MEASURE_SECONDS = 10.0
CLEAN_SECONDS = 3_600.0
LEASE = timedelta(seconds=180)
"""A webhook is its worker's for so long; a round ends sooner."""
AT_ONCE, SIDE_BY_SIDE = 16, 4
"""Events of one round, and tries at the same time, of one webhook."""
MOST_WAITING, FILL = 1_000, 200
"""Events that wait in the log of one webhook; how many are taken from the feed in one go."""
MOST_RUNNING = 500
GONE = 410
"""The receiver wants no more (Standard Webhooks)."""
LOOP = "the deliveries"
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
AWAY = (psycopg.OperationalError, PoolTimeout)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A webhook that this worker delivers for."""

    webhook_id: UUID
    principal: Principal
    url: str
    types: frozenset[str]
    secrets: Sequence[str]
    number: int


class WebhookDelivery:
    """The `postavka.kernel.process.service.ServiceProcess` of webhooks."""

    def __init__(self, config: Settings, own: WebhookSettings | None = None) -> None:
        self._config, self._own = config, own or webhook_settings()
        prepare(database_url(config))
        self._box, self._readable = secret_box(config), open_vault(config).reveal
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._trouble: str | None = None
        self._pool: AsyncConnectionPool | None = None
        self.delivered = 0

    async def start(self) -> None:
        """Connect. Names are looked up in threads, one for each webhook: a name that hangs holds up no other."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(MOST_RUNNING, "look"))
        self._pool = AsyncConnectionPool(
            database_url(self._config), min_size=1, max_size=8, open=False, configure=_configure,
            kwargs={"application_name": "postavka-webhooks"},
        )  # fmt: skip
        await self._pool.open()

    def work(self) -> Sequence[Coroutine[Any, Any, object]]:
        """Deliver, and measure beside it."""
        return self._deliver(), self._measure()

    async def close(self) -> None:
        """What is on its way is given up, and its webhooks are given back: it is sent again."""
        those = list(self._running.values())
        for task in those:
            task.cancel()
        if those:
            await asyncio.wait(those, timeout=CANCEL_SECONDS)
        if self._pool is not None:
            await self._pool.close()

    def trouble(self) -> str | None:
        """What is wrong, as a sentence."""
        return self._trouble

    def details(self) -> dict[str, Any]:
        """The figures for `/healthz`."""
        return {"webhooks_at_work": len(self._running), "delivered": self.delivered}

    async def _deliver(self) -> None:
        while True:
            liveness.beat(LOOP)
            try:
                await self.look()
                self._trouble = None
            except AWAY as away:
                self._trouble = "PostgreSQL does not answer"
                log.warning("PostgreSQL is away", error=str(away)[:200])
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Begin to deliver for every webhook that has something to deliver."""
        async with self._connection() as rows:
            found = await (await rows.execute(QUERIES.with_work)).fetchall()
        for (webhook_id,) in found:
            if webhook_id not in self._running and len(self._running) < MOST_RUNNING:
                task = self._running[webhook_id] = asyncio.create_task(self._serve(webhook_id))
                task.add_done_callback(lambda _, each=webhook_id: self._running.pop(each, None))  # type: ignore[misc]

    async def _serve(self, webhook_id: UUID) -> None:
        try:
            while await self.round(webhook_id):
                pass
        except AWAY as away:
            log.warning("PostgreSQL is away", error=str(away)[:200])
        except Exception as wrong:  # of this webhook alone: the others go on
            log.error("a webhook can't be served", webhook=str(webhook_id), exc_info=wrong)

    async def round(self, webhook_id: UUID) -> bool:
        """Deliver what can be delivered now. Returns whether there may be more at once."""
        async with self._connection() as rows:
            taken = await self._take(rows, webhook_id)
        if taken is None:
            return False
        try:
            async with self._connection() as rows:
                more = await self._fill(rows, taken)
                heads = await self._heads(rows, taken)
            if not heads:
                return more
            results = await self._send_all(taken, heads)
            return any(results)
        finally:
            async with self._connection() as rows:
                await rows.execute(QUERIES.release, (webhook_id,))

    async def _take(self, rows: Connection, webhook_id: UUID) -> _Taken | None:
        found = await (await rows.execute(QUERIES.take, {"id": webhook_id, "lease": LEASE})).fetchone()
        if found is None:
            return None
        partner, distributor, url, types, sealed, number = found
        role = Role.PARTNER if partner is not None else Role.DISTRIBUTOR
        secrets = [self._box.open(webhook_id, each) for each in sealed]
        return _Taken(
            webhook_id,
            Principal("webhook", "webhook", role, partner, distributor),
            url,
            frozenset(types),
            secrets,
            number,
        )

    async def _fill(self, rows: Connection, taken: _Taken) -> bool:
        """Take what is new of the feed into the log of deliveries. Returns whether there is more."""
        waiting = await (await rows.execute(QUERIES.waiting, (taken.webhook_id,))).fetchone()
        room = MOST_WAITING - (waiting[0] if waiting else 0)
        if room <= 0:
            return False
        found = await read_behind(rows, taken.principal, taken.number, min(FILL, room), self._readable)
        whose = taken.principal.partner_id, taken.principal.distributor_id
        for item in found:
            name = str(item.event["type"])
            if not taken.types or name.partition(".")[0] in taken.types:
                row = (taken.webhook_id, item.number, *whose, item.event["subject"], name)
                await rows.execute(QUERIES.fill, row)
        if found:
            values = {"id": taken.webhook_id, "number": found[-1].number, "before": taken.number}
            await rows.execute(QUERIES.reached, values)
        return len(found) == FILL

    async def _heads(self, rows: Connection, taken: _Taken) -> list[tuple[FeedItem, int]]:
        """The events to deliver now, each with how often it was tried. One that is not in the feed any more has
        failed, which is not its receiver's fault."""
        values = {"id": taken.webhook_id, "most": AT_ONCE}
        found = await (await rows.execute(QUERIES.heads, values)).fetchall()
        heads: list[tuple[FeedItem, int]] = []
        for number, tries in found:
            items = await read_behind(rows, taken.principal, number - 1, 1, self._readable)
            if items and items[0].number == number:
                heads.append((items[0], tries))
            else:
                await rows.execute(QUERIES.lost, {"id": taken.webhook_id, "number": number})
        return heads

    async def _send_all(self, taken: _Taken, heads: Sequence[tuple[FeedItem, int]]) -> list[bool]:
        """Send these events, some side by side, to an address that is looked up once. Returns which were settled."""
        places = asyncio.Semaphore(SIDE_BY_SIDE)
        try:
            async with asyncio.timeout(self._own.seconds):
                target = target_of(taken.url, self._own.networks)
                addresses = await addresses_of(target, self._own.networks)
            refusal = ""
        except (AddressRefused, OSError, TimeoutError) as wrong:
            refusal = str(wrong) or "имя не найдено"
            target, addresses = Target("", 0, True), []

        async def send(item: FeedItem, tries: int) -> bool:
            if refusal:
                answer = PostAnswer(None, refusal, 0)
            else:
                async with places:
                    answer = await self._post(taken, target, addresses, item)
            pause = self._own.ladder[tries] if tries < len(self._own.ladder) else None
            return await self._note(taken, item, answer, pause)

        results = await asyncio.gather(*(send(*each) for each in heads), return_exceptions=True)
        for each in results:  # told when all have ended: none is on its way any more while its webhook is given back
            if isinstance(each, BaseException):
                raise each
        return [each is True for each in results]

    async def _post(self, taken: _Taken, target: Target, addresses: Sequence[str], item: FeedItem) -> PostAnswer:
        body, name, now = orjson.dumps(item.event), message_id(item.event), int(time.time())
        signed = headers(taken.secrets, name, now, body)
        given = {**signed, "content-type": CONTENT_TYPE, "user-agent": "Postavka-Webhooks/1"}
        return await post(taken.url, target, addresses, given, body, self._own.seconds)

    async def _note(self, taken: _Taken, item: FeedItem, answer: PostAnswer, pause: float | None) -> bool:
        """Note what came of a try. Returns whether the event is settled. An answer may say again what it was sent: of a
        person's data it is not kept."""
        said = "ответ не сохранён: в событии персональные данные" if item.is_personal and answer.status else answer.said
        values: dict[str, Any] = {
            "id": taken.webhook_id, "number": item.number, "took": answer.took_ms, "answered": answer.status,
            "said": said,
        }  # fmt: skip
        DELIVERIES.labels("sent" if answer.is_taken else "not-now" if pause is not None else "failed").inc()
        async with self._connection() as rows:
            if answer.is_taken:
                await rows.execute(QUERIES.sent, values)
                await rows.execute(QUERIES.well, (taken.webhook_id,))
                self.delivered += 1
                return True
            values["pause"] = None if pause is None else timedelta(seconds=pause)
            await rows.execute(QUERIES.not_sent, values)
            found = await (await rows.execute(QUERIES.failing, (taken.webhook_id,))).fetchone()
        if found is not None and (answer.status == GONE or found[0] >= self._own.off_after_seconds):
            await self._switch_off(taken, "gone" if answer.status == GONE else "failures", found[1])
        return pause is None

    async def _switch_off(self, taken: _Taken, why: str, since: datetime) -> None:
        """Switch it off, and write to its people. The letter comes first: a second one is the same letter."""
        whose = taken.principal.partner_id, taken.principal.distributor_id
        await asyncio.to_thread(tell_switched_off, self._config, *whose, taken.webhook_id, taken.url, why, since)
        async with self._connection() as rows:
            await rows.execute(QUERIES.switch_off, (why, taken.webhook_id))
        log.warning("a webhook is switched off", webhook=str(taken.webhook_id), why=why)

    async def _measure(self) -> None:
        cleaned = 0.0
        while True:
            try:
                async with self._connection() as rows:
                    due, oldest, failing = await (await rows.execute(QUERIES.measure)).fetchone() or (0, 0, 0)
                    if time.monotonic() - cleaned > CLEAN_SECONDS:
                        await rows.execute(QUERIES.clean, (timedelta(days=self._own.log_days),))
                        cleaned = time.monotonic()
                DUE.set(due)
                OLDEST.set(float(oldest))
                FAILING.set(failing)
            except AWAY as away:
                log.warning("PostgreSQL is away", error=str(away)[:200])
            await asyncio.sleep(MEASURE_SECONDS)

    def _connection(self) -> Any:
        assert self._pool is not None  # noqa: S101
        return self._pool.connection()


async def _configure(connection: Connection) -> None:
    await connection.set_autocommit(True)
    await set_parameters_of(connection, {"search_path": f"{SCHEMA},public", "jit": "off", "statement_timeout": "15000"})
    await connection.set_autocommit(False)
