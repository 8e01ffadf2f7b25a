"""`python -m services.ops`: publishes what operations did, sends corrected records, counts what waits.

Not a stage: it decides nothing. Acts are written by whoever acts (`dead_letters.py`, `corrections.py`,
`reminders.py`); this process carries them outward, and keeps the gauges of waiting and their daily worst.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import psycopg
from prometheus_client import Gauge

from events.topics import OPS_EVENTS, distributor_of
from postavka.kernel.log.sizes import SizesUnknown, topic_bytes
from postavka.kernel.log.topics import check_topics
from postavka.kernel.outbox.command_sender import CommandNotSent, Sender
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.process import liveness, metrics
from postavka.kernel.process.logs import logger
from postavka.kernel.process.polling import pause_after
from postavka.kernel.process.progress import Servers
from postavka.kernel.process.service import run_service
from postavka.kernel.runtime.broker_files import broker_files
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store import session
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.recorder import EventRecorder
from services.ops.consumers import relay_delay
from services.ops.corrections import corrections_sent, unsent_corrections
from services.ops.dead_letters import headers_of, open_by_stage
from services.ops.queues import Queue, note_day, queues
from services.ops.settings import OpsSettings, ops_settings
from services.ops.store import SCHEMA, SEES_ALL, SOURCE, prepare

log = logger("services.ops")

LOOK_SECONDS = 5.0
SIZES_SECONDS = 60.0
TURN_SECONDS = 300.0
"""At most, of one count over everything, with the rest before it."""
SEND_SECONDS = 0.5
STOP_SECONDS = 3.0
SERVER = "a server"

WAITING = Gauge("postavka_requests_waiting", "Requests that wait, by what for", ["waits_for"])
OVERDUE = Gauge("postavka_requests_overdue", "Requests that wait beyond the limit, by what for", ["waits_for"])
OLDEST = Gauge("postavka_oldest_wait_seconds", "How long the oldest waits, by what for", ["waits_for"])
SEGMENTS = Gauge("postavka_broker_segments", "Files of records that the embedded broker has")
FILES_USED = Gauge("postavka_broker_files_used_ratio", "Share of the files and maps that the embedded broker may open")
ANSWERS = Gauge(
    "postavka_distributor_topic_bytes", "What a distributor's answers take on the disk, for ever", ["distributor"]
)
LETTERS = Gauge("postavka_dead_letters_open", "Dead letters that nobody has settled", ["stage"])


class OpsService:
    """Everything this process holds."""

    def __init__(self, config: Settings, limits: OpsSettings) -> None:
        self._config = config
        self._limits = limits
        self._url = database_url(config)
        prepare(self._url)
        check_topics(config, [OPS_EVENTS.name, "dead-letters"])
        recorder = EventRecorder(SchemaDatastore(self._url, SCHEMA))
        counted = metrics.RELAYED.labels(SCHEMA).inc
        self.relay = Relay(config, recorder, OPS_EVENTS.name, SOURCE, {}, counted)
        self._sender = Sender(config, SOURCE)
        self._sending = session.KeptSession(self._url, application_name="postavka-ops")
        self._looking = session.KeptSession(self._url, SEES_ALL, application_name="postavka-ops")
        self.servers = Servers()
        self.queues: list[Queue] = []
        self._sized_at = -SIZES_SECONDS

    async def start(self) -> None:
        """The relay publishes."""
        self.relay.start()

    def work(self) -> Sequence[Coroutine[Any, Any, object]]:
        """Send corrected records, count what waits."""
        return self._send(), self._look()

    async def close(self) -> None:
        """The relay finishes its round."""
        self.relay.stop()
        if self.relay.ident is not None:
            await asyncio.to_thread(self.relay.join, STOP_SECONDS)

    async def _send(self) -> None:
        while True:
            if self.relay.failed is not None:
                raise RuntimeError(f"the relay failed: {self.relay.failed!r}")
            await self._patiently(self.send_corrections)
            await asyncio.sleep(SEND_SECONDS)

    def send_corrections(self) -> int:
        """Send what is not sent; marked only after the broker has it, so that a crash repeats and never loses."""
        with self._sending as connection:
            unsent = unsent_corrections(connection)
            for row in unsent:
                self._sender.send_raw(row["topic"], row["key"], row["value"], headers_of(row["headers"]))
            if unsent:
                self._sender.flush()
                corrections_sent(connection, [row["id"] for row in unsent])
        return len(unsent)

    async def _look(self) -> None:
        while True:
            started = time.monotonic()
            await self._patiently(self._count)
            await asyncio.sleep(pause_after(time.monotonic() - started, LOOK_SECONDS))

    def _count(self) -> None:
        with self._looking as connection:
            self.queues = queues(connection, self._limits)
            note_day(connection, self.queues)
            for queue in self.queues:
                WAITING.labels(queue.waits_for).set(queue.waiting)
                OVERDUE.labels(queue.waits_for).set(queue.overdue)
                OLDEST.labels(queue.waits_for).set(queue.oldest_seconds)
            for stage, count in open_by_stage(connection).items():
                LETTERS.labels(stage).set(count)
            metrics.RELAY_DELAY.labels(SCHEMA).set(relay_delay(connection, SCHEMA) or 0)
        self._note_sizes()
        if (files := broker_files(self._config.home)) is not None:
            SEGMENTS.set(files.segments)
            FILES_USED.set(files.used or 0.0)

    def _note_sizes(self) -> None:
        """How large distributors' topics are. A broker that does not say is asked again; what it said last stays."""
        if time.monotonic() - self._sized_at < SIZES_SECONDS:
            return
        self._sized_at = time.monotonic()
        try:
            sizes = topic_bytes(self._config)
        except SizesUnknown as why:
            log.warning("sizes of topics are not known", why=str(why))
            return
        for topic, size in sizes.items():
            if (distributor := distributor_of(topic)) is not None:
                ANSWERS.labels(distributor).set(size)

    async def _patiently(self, function: Any) -> None:
        """A server that is away is waited for: nothing here can't be done later."""
        liveness.beat(function.__name__, TURN_SECONDS)
        try:
            await asyncio.to_thread(function)
            self.servers.answered(SERVER)
        except (psycopg.OperationalError, psycopg.InterfaceError, CommandNotSent) as away:
            self.servers.silent(SERVER, time.monotonic(), away)

    def trouble(self) -> str | None:
        """What is wrong, as a sentence; None while all is well."""
        return "the relay has failed" if self.relay.failed is not None else self.servers.trouble(time.monotonic())

    def details(self) -> dict[str, Any]:
        """For `/healthz`."""
        return {
            "relay": "active" if self.relay.active else "standby",
            "relayed_position": self.relay.position,
            "overdue": {queue.waits_for: queue.overdue for queue in self.queues if queue.overdue},
        }


if __name__ == "__main__":
    run_service(SCHEMA, lambda config: OpsService(config, ops_settings()))
