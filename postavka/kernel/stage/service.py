"""One worker of a stage as a process: `python -m services.approval`.

Start: see that the schema is up to date and that the topics exist, bring back what a restored store lacks. Then three
things run side by side: the Faust worker (reads), this module's loop (handles batches in a thread of their own), the
relay (publishes). The watchdog looks at all of them. Anything that can't go on ends the process with a non-zero status.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import stamina
import uvloop
from eventsourcing.persistence import InterfaceError, OperationalError

from events.envelope import trace_of
from postavka.kernel.installation.contract import read_finished
from postavka.kernel.installation.held import HeldPartitions, Place, place_of
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.topics import check_topics
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.process import liveness, metrics, tracing
from postavka.kernel.process.garbage import collect_seldom
from postavka.kernel.process.health import serve_health
from postavka.kernel.process.logs import WAITING, configure_logs, logger
from postavka.kernel.process.progress import Progress, Servers
from postavka.kernel.settings import PARTITIONS, Settings, database_url, settings
from postavka.kernel.stage.definition import Stage
from postavka.kernel.stage.faust_worker import FaustWorker
from postavka.kernel.stage.recovery import bring_back, complete_inputs, fetch_input, imported_inputs
from postavka.kernel.stage.refusals import codes
from postavka.kernel.stage.runner import BatchOutcome, StageRunner
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, require
from postavka.kernel.store.recorder import EventRecorder

log = logger(__name__)

WATCH_SECONDS = 2.0
INPUTS_SECONDS = 5.0
"""How often the list of inputs is looked at: a new distributor's topic makes the service start anew."""
RETRY_SECONDS = 1.0
"""How often dead letters marked for a retry are looked for."""
RETRIED_AT_ONCE = 200
"""Dead letters tried between two batches: new records must not wait for ten thousand of them."""
STOP_SECONDS = 3.0
BUSY_SECONDS = 120.0
"""A batch that takes longer while PostgreSQL is not known to be away hangs: in a decider, or on a dead connection."""
POSTGRESQL, STORE = "PostgreSQL", "the event store"
"""Who has not answered: the database to a batch, or to the watchdog."""
RELAY = ("the relay", 0)
"""To the watchdog, what is to be published is one more partition."""
DATABASE_PATIENCE_SECONDS = 300.0
"""PostgreSQL away for longer: the process ends (its supervisor starts it anew)."""


def main(stage: Stage) -> None:
    """Run a worker of this stage until SIGTERM or SIGINT; exits non-zero when it can't go on."""
    config = settings()
    configure_logs(config, stage.name)
    tracing.start(config, stage.name)
    liveness.watch()
    try:
        uvloop.install()
        collect_seldom()
        asyncio.run(StageService(stage, config).run())
    except Exception as error:
        log.exception("the service ends", stage=stage.name, error=str(error)[:500])
        os._exit(1)
    os._exit(0)  # threads of a stuck client library must not keep a dead service alive


class StageService:
    """Everything one worker holds."""

    def __init__(self, stage: Stage, config: Settings) -> None:
        self.stage = stage
        self.config = config
        conninfo = database_url(config)
        require(conninfo, stage.name, EVENT_STORE)
        self.inputs = list(stage.inputs())
        self.topics = [each.topic for each in self.inputs]
        check_topics(config, [*self.topics, stage.topic, *stage.copies.values(), "dead-letters"])
        self.datastore = SchemaDatastore(conninfo, stage.name)
        bring_back(config, stage, self.datastore)
        self.recorder = EventRecorder(self.datastore)
        self.runner = StageRunner(stage, self.recorder, self.inputs, config.state_cache, read_finished(conninfo))
        self.runner.imported = imported_inputs(self.datastore)
        complete_inputs(self.runner, lambda coordinates: fetch_input(config, coordinates))
        self.relay = Relay(
            config,
            self.recorder,
            stage.topic,
            stage.source,
            stage.copies,
            metrics.RELAYED.labels(stage.name).inc,
            longest_pause=0.0,  # what it publishes has gathered already
        )
        metrics.REDONE.labels(stage.name)  # shown as 0 from the start
        self.worker = FaustWorker(config, stage.name, self.topics, self._take_partitions, stage.gather_ms)
        self.progress = Progress(config.stall_seconds)
        self.relay_progress = Progress(config.stall_seconds)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="decide")
        self.last_batch = time.monotonic()
        self.lag = 0
        self.servers = Servers()
        self.offsets = PartitionOffsets(config)
        self.held = HeldPartitions(config, stage.name)
        self._stop = asyncio.Event()
        self._busy_since: float | None = None
        self._away_at = -BUSY_SECONDS
        """When PostgreSQL was last found away: what was then tried again may hang by now."""

    async def run(self) -> None:
        """Run until told to stop, or until something can't go on (then raises)."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stop.set)
        http, port = await serve_health(self.config.http_host, self.config.http_port, self.health)
        self.relay.start()
        tasks = [
            asyncio.create_task(each) for each in (self._handle(), self._watch(), self._retry(), self._stop.wait())
        ]
        await self.worker.start()
        liveness.rest(liveness.START)
        log.info("at work", stage=self.stage.name, topics=self.topics, port=port, worker=self.config.worker)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.relay.stop()
            for task in tasks:
                task.cancel()
            await self.worker.stop(STOP_SECONDS)
            await asyncio.to_thread(self.relay.join, STOP_SECONDS)
            await http.cleanup()
        log.info("stopped", stage=self.stage.name)

    async def _take_partitions(self, names: Any) -> Any:
        # On the deciding thread, behind the batch at hand: marks belong to it.
        return await asyncio.get_running_loop().run_in_executor(self.thread, self._patiently, self._take, list(names))

    def _take(self, names: list[str]) -> Any:
        marks = self.recorder.marks(names)
        try:
            self.held.look({place_of(name): mark.offset for name, mark in marks.items()})
        except OffsetsUnknown as away:  # the watchdog looks again
            log.warning(WAITING, server="Kafka", why=str(away)[:200])
        return self.runner.take_partitions(names)

    async def _handle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            fetched = await self.worker.batch(self.config.batch_records)
            records = [record for record in fetched if (record.topic, record.partition) not in self.held]
            if not records:
                continue
            self._busy_since = time.monotonic()
            started = time.perf_counter()
            outcome = await loop.run_in_executor(self.thread, self._handle_batch, records)
            self._busy_since = None
            took = time.perf_counter() - started
            self.worker.acknowledge(records, took)
            self.last_batch = time.monotonic()
            self._measure(outcome, len(records), took)

    def _handle_batch(self, records: list[Record]) -> BatchOutcome:
        outcome: BatchOutcome = self._patiently(self.runner.handle, records)
        self.relay.feed(outcome.events, outcome.first_position)
        return outcome

    def _patiently(self, function: Any, *arguments: Any) -> Any:
        """Call again while PostgreSQL is away. Nothing is lost: the batch stays here; marks say what was written."""
        for attempt in stamina.retry_context(
            on=(OperationalError, InterfaceError), timeout=DATABASE_PATIENCE_SECONDS, attempts=None, wait_max=2.0
        ):
            with attempt:
                try:
                    result = function(*arguments)
                    self.servers.answered(POSTGRESQL)
                    return result
                except (OperationalError, InterfaceError) as away:
                    self._away_at = time.monotonic()
                    self.servers.silent(POSTGRESQL, self._away_at, away)
                    raise
        raise AssertionError("unreachable")

    async def _retry(self) -> None:
        """Try dead letters again that somebody has marked for it."""
        loop = asyncio.get_running_loop()
        while True:
            letters = await loop.run_in_executor(
                None, self._patiently, self.recorder.dead_letters, "status = 'retry'", RETRIED_AT_ONCE
            )
            if letters:
                outcome = await loop.run_in_executor(self.thread, self._patiently, self.runner.retry, letters)
                self.relay.wake()
                self._measure(outcome, len(letters), 0.0)
            if len(letters) < RETRIED_AT_ONCE:
                await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self) -> None:
        next_inputs = time.monotonic() + INPUTS_SECONDS
        while True:
            liveness.beat("the watchdog")
            await asyncio.sleep(WATCH_SECONDS)
            if self.worker.crashed is not None:
                raise RuntimeError(f"Faust crashed: {self.worker.crashed!r}")
            if self.relay.failed is not None:
                raise RuntimeError(f"the relay failed: {self.relay.failed!r}")
            await self._look_for_stalls()
            if time.monotonic() > next_inputs:
                await self._look_for_new_inputs()
                await self._look_for_what_was_set_back()
                next_inputs = time.monotonic() + INPUTS_SECONDS

    async def _look_for_stalls(self) -> None:
        places = self.worker.assigned() or {(topic, number) for topic in self.topics for number in range(PARTITIONS)}
        asking = "Kafka"
        try:
            ends = await asyncio.to_thread(self.offsets.ends, places)
            self.servers.answered(asking)
            asking = STORE
            handled = await self._handled(places)
            head = await asyncio.to_thread(self.recorder.head)
            self.servers.answered(asking)
        except (OffsetsUnknown, OperationalError, InterfaceError) as away:
            self.servers.silent(asking, time.monotonic(), away)
            metrics.TROUBLE.labels(self.stage.name).set(self.trouble() is not None)
            self.progress.forgive()
            self.relay_progress.forgive()
            return
        await self._look_for_lost_ends(ends, handled)
        ends = {place: end for place, end in ends.items() if place not in self.held}
        self.lag = Progress.lag(ends, handled)
        metrics.LAG.labels(self.stage.name).set(self.lag)
        metrics.OLDEST_BATCH.labels(self.stage.name).set(time.monotonic() - self.last_batch)
        metrics.RELAY_DELAY.labels(self.stage.name).set(head - self.relay.position if self.relay.active else 0)
        metrics.note_pool(self.stage.name, self.datastore.pool.get_stats())
        now = time.monotonic()
        stalled = self.progress.see(now, ends, handled)
        metrics.STANDSTILL.labels(self.stage.name).set(self.progress.standstill(now))
        metrics.TROUBLE.labels(self.stage.name).set(self.trouble() is not None)
        if self.servers.all_answer or now - self._away_at > BUSY_SECONDS:
            self._end_if_stuck(now, stalled, head)

    def _end_if_stuck(self, now: float, stalled: str | None, head: int) -> None:
        """Raises when reading, deciding or publishing does not get on, though both servers answer."""
        if self._busy_since is not None:
            moved = max(self._busy_since, self._away_at)
            if now - moved > BUSY_SECONDS:
                raise RuntimeError(f"no progress: one batch for {now - moved:.0f} s")
        elif stalled is not None:
            raise RuntimeError(f"no progress: {stalled}")
        # A producer can stop for good as well, looking alive. A standby publishes nothing.
        ends = {RELAY: head + 1} if self.relay.active else {RELAY: 0}
        if (unpublished := self.relay_progress.see(now, ends, {RELAY: self.relay.position})) is not None:
            raise RuntimeError(f"no progress: {unpublished}")

    async def _handled(self, places: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The offsets reached: from memory for our own partitions, from the store for those nobody seems to read."""
        names = {place: partition_name(*place) for place in places}
        marks = dict(self.runner.marks)
        if not self.worker.assigned():
            marks = await asyncio.to_thread(self.recorder.marks, list(names.values()))
        return {place: marks[name].offset for place, name in names.items() if name in marks}

    async def _look_for_new_inputs(self) -> None:
        try:
            topics = [each.topic for each in await asyncio.to_thread(self.stage.inputs)]
        except Exception as away:
            log.warning("inputs could not be read", error=str(away)[:200])
            return
        if set(topics) != set(self.topics):
            log.info("the inputs have changed, starting anew", topics=topics)
            self._stop.set()

    async def _look_for_lost_ends(self, ends: Mapping[Place, int], handled: Mapping[Place, int]) -> None:
        """Hold what ends before what was handled; `ends` are older than `handled`, so they are asked for again."""
        short = {
            place: handled[place]
            for place, end in ends.items()
            if handled.get(place, -1) >= end and place not in self.held
        }
        moved: bool = bool(short) and await asyncio.to_thread(self.held.look, short)
        if moved:
            self._stop.set()

    async def _look_for_what_was_set_back(self) -> None:
        try:
            if await asyncio.to_thread(self.held.let_go):
                log.info("a checkpoint was set back, starting anew")
                self._stop.set()
        except OperationalError as away:
            log.warning(WAITING, server=POSTGRESQL, why=str(away)[:200])

    def trouble(self) -> str | None:
        """What is wrong, as a sentence; None while all is well (`postavka.kernel.process.progress`)."""
        if self.worker.crashed is not None:
            return "the reader has failed"
        if self.relay.failed is not None:
            return "the relay has failed"
        now = time.monotonic()
        return (
            self.servers.trouble(now)
            or self.held.trouble(self.worker.assigned())
            or self.progress.trouble(now)
            or self.relay_progress.trouble(now)
        )

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether it is well, and the figures that an operator asks for first, for `/healthz`."""
        trouble = self.trouble()
        return trouble is None, {
            "stage": self.stage.name,
            "worker": self.config.worker,
            "trouble": trouble,
            "lag_records": self.lag,
            "standstill_seconds": round(self.progress.standstill(time.monotonic()), 1),
            "stall_seconds": self.config.stall_seconds,
            "waiting_fetches": self.worker.waiting(),
            "assigned_partitions": len(self.worker.assigned()),
            "seconds_since_batch": round(time.monotonic() - self.last_batch, 1),
            "relay": "active" if self.relay.active else "standby",
            "relayed_position": self.relay.position,
            **self.stage.details(),
        }

    def _measure(self, outcome: BatchOutcome, records: int, seconds: float) -> None:
        stage = self.stage.name
        for kind, count in Counter(event.type for event in outcome.events).items():
            metrics.EVENTS.labels(stage, kind).inc(count)
        for event in outcome.events:
            for code in codes(event.type, event.body):
                metrics.REFUSALS.labels(stage, code).inc()
        cause_seconds = metrics.CAUSE_SECONDS.labels(stage)
        for wait in outcome.waits:
            cause_seconds.observe(wait)
        for name in ("handled", "skipped", "duplicates"):
            if count := getattr(outcome, name):
                metrics.RECORDS.labels(stage, name).inc(count)
        for letter in outcome.dead_letters:
            metrics.DEAD_LETTERS.labels(stage, letter.code).inc()
            log.warning(
                "dead letter",
                kind=letter.code,
                reason=letter.reason,
                record=letter.record.coordinates,
                trace_id=tracing.trace_id(trace_of(letter.record.headers)),
            )
        if outcome.redone:
            metrics.REDONE.labels(stage).inc(outcome.redone)
        metrics.BATCH_RECORDS.labels(stage).observe(records)
        metrics.BATCH_SECONDS.labels(stage).observe(seconds)
