"""A live projection as a process: reads its topics, hands batches to the projection, which writes rows and marks in one
transaction.

Reading starts at the projection's own marks, whatever Kafka's committed offsets say. Partition N of every topic goes to
one worker (range assignor over topics with the same number of partitions), so that a row has one writer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from postavka.kernel.installation.held import HeldPartitions, place_of
from postavka.kernel.log.aiokafka_patches.records import install
from postavka.kernel.log.connection import REQUEST_SECONDS, for_aiokafka_consumer
from postavka.kernel.log.fetch_pacing import Pace
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.log.topics import check_topics
from postavka.kernel.process import liveness, metrics
from postavka.kernel.process.logs import logger
from postavka.kernel.process.progress import Place
from postavka.kernel.process.service import run_service
from postavka.kernel.process.watchdog import KAFKA, POSTGRESQL, POSTGRESQL_AWAY, WATCH_SECONDS, Watchdog
from postavka.kernel.settings import PARTITIONS, Settings
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
STOP_SECONDS = 3.0


class Projection(Protocol):
    """The interface of a projection. Called from one thread at a time."""

    @property
    def name(self) -> str:
        """The name of the service: of its consumer group, schema and process."""
        ...

    @property
    def topics(self) -> Sequence[str]:
        """The topics that are folded."""
        ...

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

    async def run(self) -> None:
        """Do the task's work until it is cancelled."""
        ...

    def details(self) -> dict[str, Any]:
        """Its figures for `/healthz`."""
        ...


def main(
    name: str,
    make: Callable[[Settings], Projection],
    beside: Callable[[Settings, Any], Sequence[BackgroundTask]] = lambda *_: (),
    gather_ms: int = GATHER_MS,
    group: str | None = None,
) -> NoReturn:
    """Run a projection until SIGTERM or SIGINT; exits non-zero when it can't go on. `beside` is called with the
    settings and the projection; `group` is its consumer group, where that is not called after it."""

    def live(config: Settings) -> LiveProjection:
        projection = make(config)
        return LiveProjection(projection, config, beside(config, projection), gather_ms, group)

    run_service(name, live)


class LiveProjection:
    """One worker of a projection: it writes the tables as records come."""

    def __init__(
        self,
        projection: Projection,
        config: Settings,
        beside: Sequence[BackgroundTask] = (),
        gather_ms: int = GATHER_MS,
        group: str | None = None,
    ) -> None:
        self.projection = projection
        self.group = group or f"postavka-{projection.name}"
        self.beside = beside
        self.config = config
        self.handled: dict[Place, int] = {}
        """Offset of the last record handled, of partitions that are read from their marks on. aiokafka fetches from the
        group's offsets as soon as a partition is assigned: what comes before the mark was sought is not taken."""
        self.watchdog = Watchdog(projection.name, config.stall_seconds, turns=TURNS, many=MOST_RECORDS)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="project")
        self.offsets = PartitionOffsets(config)
        self._kafka_keeps = group is not None
        """The group's offsets are the only marks there are: they follow every batch, or a rebalance would repeat it."""
        self.held = None if self._kafka_keeps else HeldPartitions(config, projection.name)
        self._all = [(topic, number) for topic in projection.topics for number in range(PARTITIONS)]
        """Looked at while no partition is ours."""
        self._committed, self._behind = time.monotonic(), False
        self._pace = Pace(gather_ms, LONGEST_MS, TIMES)
        self.consumer: AIOKafkaConsumer = None
        """Once it has started."""
        check_topics(config, projection.topics)

    async def start(self) -> None:
        """The consumer joins its group."""
        install()
        self.consumer = AIOKafkaConsumer(
            **for_aiokafka_consumer(self.config),
            group_id=self.group,
            group_instance_id=f"{self.group}-{self.config.worker}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            rebalance_timeout_ms=10_000,
            request_timeout_ms=REQUEST_SECONDS * 1_000,
            max_poll_records=MOST_RECORDS,
            fetch_max_wait_ms=500,
        )
        self.consumer.subscribe(self.projection.topics, listener=_SeekToMarks(self))
        await self.consumer.start()

    def work(self) -> Sequence[Coroutine[Any, Any, object]]:
        """Read, watch, and what runs beside."""
        return self._read(), self._watch(), *(each.run() for each in self.beside)

    async def close(self) -> None:
        """The consumer leaves its group."""
        if self.consumer is not None:
            try:
                await asyncio.wait_for(self.consumer.stop(), STOP_SECONDS)
            except (TimeoutError, KafkaError):
                log.warning("the consumer did not leave in time")

    async def seek_to_marks(self, assigned: Sequence[TopicPartition]) -> None:
        """Go on where the database says."""
        names = [partition_name(tp.topic, tp.partition) for tp in assigned]
        marks = await asyncio.get_running_loop().run_in_executor(
            self.thread, self.watchdog.patiently, self.projection.marks, names
        )
        if await self._hold(marks):
            marks = await asyncio.get_running_loop().run_in_executor(
                self.thread, self.watchdog.patiently, self.projection.marks, names
            )
        for tp in assigned:
            offset = marks[partition_name(tp.topic, tp.partition)]
            self.handled[tp.topic, tp.partition] = offset
            self.consumer.seek(tp, offset + 1)

    async def _hold(self, marks: Mapping[str, int]) -> bool:
        """Hold what has lost its end; returns whether a mark was set back."""
        if self.held is None:
            return False
        try:
            return await asyncio.to_thread(
                self.watchdog.patiently, self.held.look, {place_of(name): offset for name, offset in marks.items()}
            )
        except OffsetsUnknown as away:  # the watchdog looks again
            self.watchdog.servers.silent(KAFKA, time.monotonic(), away)
            return False

    def _is_sought(self, tp: TopicPartition) -> bool:
        return (tp.topic, tp.partition) in self.handled

    def _is_held(self, tp: TopicPartition) -> bool:
        return self.held is not None and (tp.topic, tp.partition) in self.held

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            given = await self.consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
            fetched = {tp: batch for tp, batch in given.items() if self._is_sought(tp) and not self._is_held(tp)}
            records = [record for batch in fetched.values() for record in batch]
            self._pace.fetched(self.consumer, bool(records))
            if self._behind and time.monotonic() - self._committed > COMMIT_SECONDS:
                await self._commit()
            if not records:
                continue
            started = time.monotonic()
            try:
                with self.watchdog.busy():
                    counted = await loop.run_in_executor(
                        self.thread, self.watchdog.patiently, self.projection.project, records
                    )
            except CheckpointMoved as moved:
                log.info("marks moved, reading them again", why=str(moved))
                await self.seek_to_marks(list(self.consumer.assignment()))
                continue
            took = time.monotonic() - started
            self._pace.handled(took)
            reached = {(tp.topic, tp.partition): batch[-1].offset for tp, batch in fetched.items() if batch}
            self.handled |= {place: offset for place, offset in reached.items() if place in self.handled}
            metrics.RECORDS.labels(self.projection.name, "handled").inc(counted)
            self.watchdog.handled(len(records), took)
            self._behind = True
            if self._kafka_keeps:
                await self._commit()

    async def _commit(self) -> None:
        """Kafka's group offsets follow: as a hint for tools that show lag, or as the marks of who keeps none."""
        self._committed, self._behind = time.monotonic(), False
        ours = {TopicPartition(*place): self.handled[place] + 1 for place in self._assigned() & self.handled.keys()}
        if not ours:  # a rebalance has taken them: who has them now commits them (aiokafka refuses an empty commit)
            return
        try:
            await self.consumer.commit(ours)
        except KafkaError as error:
            self._behind = True
            log.info("group offsets not committed", error=repr(error))

    async def _watch(self) -> None:
        while True:
            liveness.beat("the watchdog")
            await asyncio.sleep(WATCH_SECONDS)
            ours = self._assigned()
            try:
                ends = await asyncio.to_thread(self.offsets.ends, ours or self._all)
                self.watchdog.servers.answered(KAFKA)
                handled = self.handled if ours else await self._kept()
            except (OffsetsUnknown, KafkaException, *POSTGRESQL_AWAY) as away:
                self.watchdog.not_seen(POSTGRESQL if isinstance(away, POSTGRESQL_AWAY) else KAFKA, away)
                continue
            if self.held is not None and ours:
                await self._look_for_lost_ends(self.held, ends)
                ends = {place: end for place, end in ends.items() if place not in self.held}
            self.watchdog.see(ends, handled)

    async def _look_for_lost_ends(self, held: HeldPartitions, ends: Mapping[Place, int]) -> None:
        """Hold what ends before what was handled, and read again what somebody has set back."""
        short = {
            place: reached
            for place, end in ends.items()
            if (reached := self.handled.get(place, -1)) >= end and place not in held
        }
        names = {partition_name(*place): offset for place, offset in short.items()}
        moved = bool(short) and await self._hold(names)
        if moved or await asyncio.to_thread(self.watchdog.patiently, held.let_go):
            raise RuntimeError("a mark was set back: starting anew")

    def _assigned(self) -> set[Place]:
        found = self.consumer.assignment() if self.consumer is not None else ()
        return {(tp.topic, tp.partition) for tp in found}

    async def _kept(self) -> dict[Place, int]:
        """How far all partitions have come, by the projection's marks: another worker may read them, or nobody."""
        names = {partition_name(*place): place for place in self._all}
        marks = await asyncio.get_running_loop().run_in_executor(self.thread, self.projection.marks, list(names))
        self.watchdog.servers.answered(POSTGRESQL)
        return {names[name]: offset for name, offset in marks.items()}

    def trouble(self) -> str | None:
        """What is wrong, as a sentence; None while all is well (`postavka.kernel.process.progress`)."""
        held = None if self.held is None else self.held.trouble(self._assigned())
        return self.watchdog.trouble() or held

    def details(self) -> dict[str, Any]:
        """Its figures for `/healthz`."""
        return {
            "projection": self.projection.name,
            **self.watchdog.details(),
            "assigned_partitions": len(self._assigned()),
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
