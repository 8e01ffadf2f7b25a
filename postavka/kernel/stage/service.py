"""One worker of a stage as a process: `python -m services.approval`.

Start: see that the schema is up to date and that the topics exist, bring back what a restored store lacks. Then three
things run side by side: the Faust worker (reads), this module's loop (handles batches in a thread of their own), the
relay (publishes). The watchdog looks at all of them. Anything that can't go on ends the process with a non-zero status.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError

from events.envelope import trace_of
from postavka.kernel.installation.contract import read_finished
from postavka.kernel.installation.held import HeldPartitions, place_of
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.topics import check_topics
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.process import liveness, metrics, tracing
from postavka.kernel.process.logs import WAITING, logger
from postavka.kernel.process.progress import Progress
from postavka.kernel.process.service import run_service
from postavka.kernel.process.watchdog import KAFKA, POSTGRESQL, POSTGRESQL_AWAY, WATCH_SECONDS, NoProgress, Watchdog
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.stage.batch_run import BatchOutcome
from postavka.kernel.stage.definition import Stage
from postavka.kernel.stage.faust_worker import FaustWorker
from postavka.kernel.stage.recovery import bring_back, complete_inputs, fetch_input, imported_inputs
from postavka.kernel.stage.refusals import codes
from postavka.kernel.stage.runner import StageRunner
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, require
from postavka.kernel.store.recorder import EventRecorder

log = logger(__name__)

INPUTS_SECONDS = 5.0
"""How often the list of inputs is looked at: a new distributor's topic makes the service start anew."""
RETRY_SECONDS = 2.0
"""How often dead letters marked for a retry are looked for."""
RETRIED_AT_ONCE = 200
"""Dead letters tried between two batches: new records must not wait for ten thousand of them."""
STOP_SECONDS = 3.0
STORE_AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError, *POSTGRESQL_AWAY)
"""What a batch meets while PostgreSQL is away: the store says it in its own words, a stage's facts in psycopg's."""
AWAY: tuple[type[Exception], ...] = (OffsetsUnknown, *STORE_AWAY)
STORE = "the event store"
"""The database, as the watchdog asks it; to a batch it is PostgreSQL."""
RELAY = ("the relay", 0)
"""To the watchdog, what is to be published is one more partition."""


def main(stage: Stage) -> NoReturn:
    """Run a worker of this stage until SIGTERM or SIGINT; exits non-zero when it can't go on."""
    run_service(stage.name, lambda config: StageService(stage, config))


class StageService:
    """Everything one worker holds."""

    def __init__(self, stage: Stage, config: Settings) -> None:
        self.stage = stage
        self.config = config
        conninfo = database_url(config)
        require(conninfo, stage.name, EVENT_STORE)
        stage.check(config)
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
        self.watchdog = Watchdog(stage.name, config.stall_seconds, away=STORE_AWAY)
        self.relay_progress = Progress(config.stall_seconds)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="decide")
        self.offsets = PartitionOffsets(config)
        self.held = HeldPartitions(config, stage.name)

    async def start(self) -> None:
        """The relay publishes, the reader reads."""
        self.relay.start()
        await self.worker.start()

    def work(self) -> Sequence[Coroutine[Any, Any, object]]:
        """Handle what is read, try dead letters again, watch; it ends when its inputs have changed."""
        return self._handle(), self._retry(), self._watch()

    async def close(self) -> None:
        """The reader leaves its group, the relay finishes its round."""
        self.relay.stop()
        await self.worker.stop(STOP_SECONDS)
        if self.relay.ident is not None:
            await asyncio.to_thread(self.relay.join, STOP_SECONDS)

    async def _take_partitions(self, names: Any) -> Any:
        # On the deciding thread, behind the batch at hand: marks belong to it.
        return await asyncio.get_running_loop().run_in_executor(
            self.thread, self.watchdog.patiently, self._take, list(names)
        )

    def _take(self, names: list[str]) -> Any:
        marks = self.recorder.marks(names)
        try:
            self.held.look({place_of(name): mark.offset for name, mark in marks.items()})
        except OffsetsUnknown as away:  # the watchdog looks again
            log.warning(WAITING, server=KAFKA, why=str(away)[:200])
        return self.runner.take_partitions(names)

    async def _handle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            fetched = await self.worker.batch(self.config.batch_records)
            records = [record for record in fetched if (record.topic, record.partition) not in self.held]
            if not records:
                continue
            started = time.perf_counter()
            with self.watchdog.busy():
                outcome = await loop.run_in_executor(self.thread, self._handle_batch, records)
            took = time.perf_counter() - started
            self.worker.acknowledge(records, took)
            self._measure(outcome, len(records), took)

    def _handle_batch(self, records: list[Record]) -> BatchOutcome:
        outcome = self.watchdog.patiently(self.runner.handle, records)
        self.relay.feed(outcome.events, outcome.first_position)
        return outcome

    async def _retry(self) -> None:
        """Try dead letters again that somebody has marked for it."""
        loop = asyncio.get_running_loop()
        while True:
            letters = await loop.run_in_executor(
                None, self.watchdog.patiently, self.recorder.dead_letters, "status = 'retry'", RETRIED_AT_ONCE
            )
            if letters:
                outcome = await loop.run_in_executor(self.thread, self.watchdog.patiently, self.runner.retry, letters)
                self.relay.wake()
                self._measure(outcome, len(letters), 0.0)
            if len(letters) < RETRIED_AT_ONCE:
                await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self) -> None:
        """Raises when something can't go on; returns when there are other inputs than at the start."""
        next_inputs = time.monotonic() + INPUTS_SECONDS
        while True:
            liveness.beat("the watchdog")
            await asyncio.sleep(WATCH_SECONDS)
            if self.worker.crashed is not None:
                raise RuntimeError(f"Faust crashed: {self.worker.crashed!r}")
            if self.relay.failed is not None:
                raise RuntimeError(f"the relay failed: {self.relay.failed!r}")
            if await self._look_for_stalls():
                return
            if time.monotonic() > next_inputs:
                if await self._has_new_inputs() or await self._was_set_back():
                    return
                next_inputs = time.monotonic() + INPUTS_SECONDS

    async def _look_for_stalls(self) -> bool:
        """Raises when reading, deciding or publishing does not get on, though both servers answer; returns whether a
        checkpoint was set back, since a topic has lost its end."""
        places = self.worker.assigned() or {(topic, number) for topic in self.topics for number in range(PARTITIONS)}
        asking, servers = KAFKA, self.watchdog.servers
        try:
            ends = await asyncio.to_thread(self.offsets.ends, places)
            servers.answered(asking)
            asking = STORE
            handled = await self._handled(places)
            head = await asyncio.to_thread(self.recorder.head)
            # The ends are older than what is handled: they are asked for again where they lie before it.
            short = {
                place: handled[place]
                for place, end in ends.items()
                if handled.get(place, -1) >= end and place not in self.held
            }
            moved: bool = bool(short) and await asyncio.to_thread(self.held.look, short)
            servers.answered(asking)
        except AWAY as away:
            self.watchdog.not_seen(asking, away)
            self.relay_progress.forgive()
            return False
        metrics.RELAY_DELAY.labels(self.stage.name).set(head - self.relay.position if self.relay.active else 0)
        metrics.note_pool(self.stage.name, self.datastore.pool.get_stats())
        if moved:
            return True
        self.watchdog.see({place: end for place, end in ends.items() if place not in self.held}, handled)
        if not self.watchdog.may_judge():
            return False
        # A producer can stop for good as well, looking alive. A standby publishes nothing.
        to_publish = {RELAY: head + 1} if self.relay.active else {RELAY: 0}
        usable = self.watchdog.time.now()
        if (unpublished := self.relay_progress.see(usable, to_publish, {RELAY: self.relay.position})) is not None:
            raise NoProgress(unpublished)
        return False

    async def _handled(self, places: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The offsets reached: from memory for our own partitions, from the store for those nobody seems to read."""
        names = {place: partition_name(*place) for place in places}
        marks = dict(self.runner.marks)
        if not self.worker.assigned():
            marks = await asyncio.to_thread(self.recorder.marks, list(names.values()))
        return {place: marks[name].offset for place, name in names.items() if name in marks}

    async def _has_new_inputs(self) -> bool:
        try:
            topics = [each.topic for each in await asyncio.to_thread(self.stage.inputs)]
        except Exception as away:
            log.warning("inputs could not be read", error=str(away)[:200])
            return False
        if set(topics) == set(self.topics):
            return False
        log.info("the inputs have changed, starting anew", topics=topics)
        return True

    async def _was_set_back(self) -> bool:
        try:
            moved = await asyncio.to_thread(self.held.let_go)
        except psycopg.OperationalError as away:
            log.warning(WAITING, server=POSTGRESQL, why=str(away)[:200])
            return False
        if moved:
            log.info("a checkpoint was set back, starting anew")
        return moved

    def trouble(self) -> str | None:
        """What is wrong, as a sentence; None while all is well (`postavka.kernel.process.progress`)."""
        if self.worker.crashed is not None:
            return "the reader has failed"
        if self.relay.failed is not None:
            return "the relay has failed"
        held = self.held.trouble(self.worker.assigned())
        return self.watchdog.trouble() or held or self.relay_progress.trouble(self.watchdog.time.now())

    def details(self) -> dict[str, Any]:
        """The figures for `/healthz` that an operator asks for first."""
        return {
            "stage": self.stage.name,
            **self.watchdog.details(),
            "waiting_fetches": self.worker.waiting(),
            "assigned_partitions": len(self.worker.assigned()),
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
        self.watchdog.handled(records, seconds)
