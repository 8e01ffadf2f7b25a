"""A live projection as a process: reads its topics, hands batches to the projection, which writes rows and marks in one
transaction.

Reading starts at the projection's own marks, whatever Kafka's committed offsets say. Partition N of every topic goes to
one worker (range assignor over topics with the same number of partitions), so that a row has one writer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import psycopg
import stamina
import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from postavka.kernel.installation.held import HeldPartitions, place_of
from postavka.kernel.log.aiokafka_patches.records import install
from postavka.kernel.log.connection import for_aiokafka_consumer
from postavka.kernel.log.fetch_pacing import Pace
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.topics import check_topics
from postavka.kernel.process import liveness, metrics, tracing
from postavka.kernel.process.garbage import collect_seldom
from postavka.kernel.process.health import serve_health
from postavka.kernel.process.logs import configure_logs, logger
from postavka.kernel.process.progress import Progress, Servers
from postavka.kernel.settings import Settings, settings
from postavka.kernel.store.checkpoint import CheckpointMoved

log = logger(__name__)

MOST_RECORDS = 2_000
POLL_MS = 1_000
GATHER_MS, LONGEST_MS, TIMES = 300, 500, 4
"""Between two fetches while records flow; the first record after a pause is taken at once. When there is more to do
than the machine can, four times what a batch takes, at most the longer one: who follows the log gives way to who
decides."""
TURNS = 10
"""With much to read, a client gives all that it has fetched of one partition before it comes to the next: with a
hundred of them, and two cores that have other things to do, a minute can pass until one has its turn."""
COMMIT_SECONDS = 2.0
WATCH_SECONDS = 2.0
KAFKA, POSTGRESQL = "Kafka", "PostgreSQL"
BUSY_SECONDS = 120.0
"""A batch that takes longer while PostgreSQL is not known to be away hangs."""


class Projection(Protocol):
    """The interface of a projection. Called from one thread at a time."""

    @property
    def name(self) -> str: ...

    @property
    def topics(self) -> Sequence[str]: ...

    def marks(self, names: Sequence[str]) -> dict[str, int]:
        """Offset of the last record folded in, by `topic/partition`; -1 for none."""
        ...

    def project(self, records: Sequence[Record]) -> int:
        """Fold these records in and move the marks, in one transaction; returns how many counted. Raises
        `CheckpointMoved`;
        psycopg's `OperationalError` when PostgreSQL is away (it is called again with the same records)."""
        ...


class BackgroundTask(Protocol):
    """The interface of a task in the projection's process beside it: when one ends, all end."""

    async def run(self) -> None: ...

    def details(self) -> dict[str, Any]:
        """Its figures for `/healthz`."""
        ...


def main(
    make: Callable[[Settings], Projection],
    beside: Callable[[Settings, Any], Sequence[BackgroundTask]] = lambda *_: (),
    gather_ms: int = GATHER_MS,
) -> None:
    """Run a projection until SIGTERM or SIGINT; exits non-zero when it can't go on. `beside` is told the settings and
    the projection."""
    config = settings()
    liveness.watch()
    projection = make(config)
    configure_logs(config, projection.name)
    tracing.start(config, projection.name)
    try:
        uvloop.install()
        collect_seldom()
        asyncio.run(_run(projection, config, beside, gather_ms))
    except Exception as error:
        log.exception("the projection ends", projection=projection.name, error=str(error)[:500])
        os._exit(1)
    os._exit(0)


async def _run(
    projection: Projection,
    config: Settings,
    beside: Callable[[Settings, Any], Sequence[BackgroundTask]],
    gather_ms: int,
) -> None:
    await LiveProjection(projection, config, beside(config, projection), gather_ms).run()


class LiveProjection:
    """One worker of a projection: it writes the tables as records come."""

    def __init__(
        self,
        projection: Projection,
        config: Settings,
        beside: Sequence[BackgroundTask] = (),
        gather_ms: int = GATHER_MS,
    ) -> None:
        self.projection = projection
        self.beside = beside
        self.config = config
        self.handled: dict[tuple[str, int], int] = {}
        self.progress = Progress(config.stall_seconds, TURNS, MOST_RECORDS)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="project")
        self.servers = Servers()
        self.offsets = PartitionOffsets(config)
        self.held = HeldPartitions(config, projection.name)
        self.lag = 0
        self.last_batch = time.monotonic()
        self._committed = time.monotonic()
        self._pace = Pace(gather_ms, LONGEST_MS, TIMES)
        self._busy_since: float | None = None
        self._away_at = -BUSY_SECONDS
        """When PostgreSQL was last found away: what was then tried again may hang by now."""
        check_topics(config, projection.topics)
        self.consumer: AIOKafkaConsumer

    async def run(self) -> None:
        """Run until told to stop; raises when it can't go on."""
        install()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, stop.set)
        self.consumer = AIOKafkaConsumer(
            **for_aiokafka_consumer(self.config),
            group_id=f"postavka-{self.projection.name}",
            group_instance_id=f"postavka-{self.projection.name}-{self.config.worker}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            rebalance_timeout_ms=10_000,
            request_timeout_ms=15_000,
            max_poll_records=MOST_RECORDS,
            fetch_max_wait_ms=500,
        )
        self.consumer.subscribe(self.projection.topics, listener=_SeekToMarks(self))
        http, port = await serve_health(self.config.http_host, self.config.http_port, self.health)
        await self.consumer.start()
        liveness.rest(liveness.START)
        log.info("at work", projection=self.projection.name, topics=list(self.projection.topics), port=port)
        tasks = [asyncio.create_task(each) for each in (self._read(), self._watch(), stop.wait())]
        tasks += [asyncio.create_task(each.run()) for each in self.beside]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            try:
                await asyncio.wait_for(self.consumer.stop(), 3)
            except (TimeoutError, KafkaError):
                log.warning("the consumer did not leave in time")
            await http.cleanup()

    async def seek_to_marks(self, assigned: Sequence[TopicPartition]) -> None:
        """Go on where the database says."""
        names = [partition_name(tp.topic, tp.partition) for tp in assigned]
        marks = await asyncio.get_running_loop().run_in_executor(
            self.thread, self._patiently, self.projection.marks, names
        )
        if await self._hold(marks):
            marks = await asyncio.get_running_loop().run_in_executor(
                self.thread, self._patiently, self.projection.marks, names
            )
        for tp in assigned:
            offset = marks[partition_name(tp.topic, tp.partition)]
            self.handled[tp.topic, tp.partition] = offset
            self.consumer.seek(tp, offset + 1)

    async def _hold(self, marks: Mapping[str, int]) -> bool:
        """Hold what has lost its end; returns whether a mark was set back."""
        try:
            return await asyncio.to_thread(
                self._patiently, self.held.look, {place_of(name): offset for name, offset in marks.items()}
            )
        except OffsetsUnknown as away:  # the watchdog looks again
            self.servers.silent(KAFKA, time.monotonic(), away)
            return False

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            given = await self.consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
            fetched = {tp: batch for tp, batch in given.items() if (tp.topic, tp.partition) not in self.held}
            records = [record for batch in fetched.values() for record in batch]
            self._pace.fetched(self.consumer, bool(records))
            if not records:
                continue
            started = self._busy_since = time.monotonic()
            try:
                counted = await loop.run_in_executor(self.thread, self._patiently, self.projection.project, records)
            except CheckpointMoved as moved:
                log.info("marks moved, reading them again", why=str(moved))
                await self.seek_to_marks(list(self.consumer.assignment()))
                continue
            finally:
                self._busy_since = None
            took = time.monotonic() - started
            self._pace.handled(took)
            self.handled |= {(tp.topic, tp.partition): batch[-1].offset for tp, batch in fetched.items() if batch}
            self.last_batch = time.monotonic()
            metrics.RECORDS.labels(self.projection.name, "handled").inc(counted)
            metrics.BATCH_RECORDS.labels(self.projection.name).observe(len(records))
            metrics.BATCH_SECONDS.labels(self.projection.name).observe(took)
            if time.monotonic() - self._committed > COMMIT_SECONDS:
                await self._commit()

    async def _commit(self) -> None:
        """Kafka's group offsets follow, as a hint for tools that show lag."""
        self._committed = time.monotonic()
        ours = {tp: self.handled[tp.topic, tp.partition] + 1 for tp in self.consumer.assignment()}
        try:
            await self.consumer.commit(ours)
        except KafkaError as error:
            log.info("group offsets not committed", error=repr(error))

    def _patiently(self, function: Any, *arguments: Any) -> Any:
        for attempt in stamina.retry_context(
            on=(psycopg.OperationalError, psycopg.InterfaceError), timeout=300, attempts=None, wait_max=2.0
        ):
            with attempt:
                try:
                    result = function(*arguments)
                    self.servers.answered(POSTGRESQL)
                    return result
                except (psycopg.OperationalError, psycopg.InterfaceError) as away:
                    self._away_at = time.monotonic()
                    self.servers.silent(POSTGRESQL, self._away_at, away)
                    raise
        raise AssertionError("unreachable")

    async def _watch(self) -> None:
        while True:
            liveness.beat("the watchdog")
            await asyncio.sleep(WATCH_SECONDS)
            places = {(tp.topic, tp.partition) for tp in self.consumer.assignment()}
            try:
                ends = await asyncio.to_thread(self.offsets.ends, places)
            except OffsetsUnknown as away:
                self.servers.silent(KAFKA, time.monotonic(), away)
                metrics.TROUBLE.labels(self.projection.name).set(self.trouble() is not None)
                self.progress.forgive()
                continue
            self.servers.answered(KAFKA)
            await self._look_for_lost_ends(ends)
            ends = {place: end for place, end in ends.items() if place not in self.held}
            self.lag = Progress.lag(ends, self.handled)
            metrics.LAG.labels(self.projection.name).set(self.lag)
            metrics.OLDEST_BATCH.labels(self.projection.name).set(time.monotonic() - self.last_batch)
            stalled = self.progress.see(time.monotonic(), ends, self.handled)
            metrics.STANDSTILL.labels(self.projection.name).set(self.progress.standstill(time.monotonic()))
            metrics.TROUBLE.labels(self.projection.name).set(self.trouble() is not None)
            if self.servers.all_answer or time.monotonic() - self._away_at > BUSY_SECONDS:
                self._end_if_stuck(stalled)

    async def _look_for_lost_ends(self, ends: Mapping[tuple[str, int], int]) -> None:
        """Hold what ends before what was handled, and read again what somebody has set back."""
        short = {
            place: reached
            for place, end in ends.items()
            if (reached := self.handled.get(place, -1)) >= end and place not in self.held
        }
        names = {partition_name(*place): offset for place, offset in short.items()}
        moved = bool(short) and await self._hold(names)
        if moved or await asyncio.to_thread(self._patiently, self.held.let_go):
            raise RuntimeError("a mark was set back: starting anew")

    def _end_if_stuck(self, stalled: str | None) -> None:
        """Raises when it does not get on though both servers answer. A batch at hand may take its time."""
        busy = self._busy_since
        if busy is not None:
            stood = time.monotonic() - max(busy, self._away_at)
            if stood > BUSY_SECONDS:
                raise RuntimeError(f"no progress: one batch for {stood:.0f} s")
        elif stalled is not None:
            raise RuntimeError(f"no progress: {stalled}")

    def trouble(self) -> str | None:
        """What is wrong, as a sentence; None while all is well (`postavka.kernel.process.progress`)."""
        now = time.monotonic()
        assigned = [(tp.topic, tp.partition) for tp in self.consumer.assignment()]
        return self.servers.trouble(now) or self.held.trouble(assigned) or self.progress.trouble(now)

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether it is well, and its figures, for `/healthz`."""
        trouble = self.trouble()
        return trouble is None, {
            "projection": self.projection.name,
            "trouble": trouble,
            "worker": self.config.worker,
            "lag_records": self.lag,
            "standstill_seconds": round(self.progress.standstill(time.monotonic()), 1),
            "stall_seconds": self.config.stall_seconds,
            "seconds_since_batch": round(time.monotonic() - self.last_batch, 1),
            "assigned_partitions": len(self.consumer.assignment()),
            **{name: value for each in self.beside for name, value in each.details().items()},
        }


class _SeekToMarks(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, live: LiveProjection) -> None:
        self._live = live

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        for tp in revoked:
            self._live.handled.pop((tp.topic, tp.partition), None)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        await self._live.seek_to_marks(list(assigned))
