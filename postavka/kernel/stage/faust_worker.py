"""The Faust worker of a stage: gets records from Kafka to the batch runner, and nothing else.

What differs from Faust's ordinary way, and why:

- Reading starts where PostgreSQL says, not where Kafka's committed offsets say: `StageConsumer` overrides the one
  method with which Faust asks for them. So resetting the group, or restoring PostgreSQL, loses and doubles nothing.
- All that one fetch brought travels through the agent as one event (`WholeFetches`). Record by record, Faust spends
  more on its tasks, queues and acknowledgements than a stage spends on deciding.
- Group offsets in Kafka are a hint for tools that show lag: committed every two seconds for what is in PostgreSQL.
- Short session, rebalance and request time-outs and static membership: with Faust's defaults a worker that was killed
  consumes nothing for a minute.
- It makes no topics of its own, and has neither tables nor a web server. The service has a watchdog and metrics of its
  own in place of Faust's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.transports import SchedulingStrategyT

from postavka.kernel.log.aiokafka_patches.records import install
from postavka.kernel.log.connection import ISOLATION, REQUEST_SECONDS, bootstrap, ssl_context
from postavka.kernel.log.fetch_pacing import Pace
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.settings import Settings
from postavka.kernel.store.checkpoint import Checkpoint

QUEUE = 8
"""Fetches waiting to be handled; Faust stops reading beyond."""
LONGER = 1.3
"""So much longer records gather, at most, while there is more to do than the machine can."""

TakePartitions = Callable[[Iterable[str]], Awaitable[Mapping[str, Checkpoint]]]
Fetched = list[Record]
"""Of one fetch, in order within each partition."""


class WholeFetches(SchedulingStrategyT):  # type: ignore[misc]
    """Hands on everything that a fetch brought as one item, under the first of its partitions, with the last offset in
    that one."""

    def iterate(self, records: Mapping[TP, Fetched]) -> Iterator[tuple[TP, tuple[int, Fetched]]]:
        """All records of one fetch as one item, under the offset of the first partition's last record."""
        if records:
            tp, first = next(iter(records.items()))
            yield tp, (first[-1].offset, [record for batch in records.values() for record in batch])


class AsItCame(faust.Schema):  # type: ignore[misc]
    """A decoder that decodes nothing: the runner does, since it knows what may be skipped."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        """The decoder that Faust asks for: it puts the record into an event as it came."""

        async def decode(message: Message, **_: Any) -> Any:
            return app.create_event(None, message.value, None, message)

        return decode


class PacedThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Fetches at the stage's pace, and what was committed only."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = ISOLATION  # Faust asks for this only where it writes in transactions itself
        return consumer

    async def _fetch_records(self, consumer: Any, *arguments: Any, **options: Any) -> Any:
        records = await super()._fetch_records(consumer, *arguments, **options)
        self.consumer.app.pace.fetched(consumer, bool(records))
        return records


class StageConsumer(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer, seeking to the marks in PostgreSQL, and committing what was written there."""

    def _new_consumer_thread(self) -> PacedThread:
        return PacedThread(self, loop=self.loop, beacon=self.beacon)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Called by Faust whenever partitions were assigned: where does reading go on?"""
        assigned = self.assignment()
        marks = await self.app.take_partitions([partition_name(tp.topic, tp.partition) for tp in assigned])
        offsets = {tp: marks[partition_name(tp.topic, tp.partition)].offset + 1 for tp in assigned}
        await self.seek_wait(offsets)
        return offsets

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Called by Faust every two seconds, and at the end."""
        reached, self.app.reached = self.app.reached, {}
        assigned = self.assignment()
        offsets = {tp: offset + 1 for tp, offset in reached.items() if tp in assigned}
        return bool(offsets) and bool(await self._commit(offsets))

    async def verify_all_partitions_active(self) -> None:
        """Does nothing: `postavka.kernel.process.progress` looks at real progress."""

    def _to_message(self, tp: TP, item: tuple[int, Fetched]) -> Message:
        offset, fetched = item
        return Message(
            *(tp.topic, tp.partition, offset, 0.0, 0, None, None, fetched, None),
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )


class StageTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with that consumer."""

    Consumer = StageConsumer


class StageApp(faust.App):  # type: ignore[misc]
    """A Faust app that knows whom to ask for offsets, and how far everything is handled."""

    take_partitions: TakePartitions
    reached: dict[TP, int]
    pace: Pace

    def _create_directories(self) -> None:
        """Does nothing, since nothing is kept on disk: it would make folders that others can foresee, and could have
        made before."""


class FaustWorker:
    """Consumes the topics of a stage. `batch()` gives what has arrived; `acknowledge()` what is committed."""

    def __init__(
        self, settings: Settings, name: str, topics: Sequence[str], take_partitions: TakePartitions, gather_ms: int
    ) -> None:
        """`gather_ms`: between two fetches while records flow."""
        self._queue: asyncio.Queue[Fetched] = asyncio.Queue(QUEUE)
        self._rest: Fetched = []
        self.app = _app(settings, name)
        self.app.take_partitions = take_partitions
        self.app.reached = {}
        self.app.pace = Pace(gather_ms, int(gather_ms * LONGER))
        self.app.transport = StageTransport(self.app.conf.broker_consumer, self.app)

        async def consume(stream: Any) -> None:
            async for fetched in stream.noack():
                await self._queue.put(fetched)

        self._agent = self.app.agent(self.app.topic(*topics, schema=AsItCame(), acks=False), name=f"{name}.consume")(
            consume
        )

    async def start(self) -> None:
        """Join the consumer group and start reading."""
        install()
        await self.app.start()

    async def stop(self, seconds: float) -> None:
        """Leave within so many seconds, or be left."""
        try:
            await asyncio.wait_for(self.app.stop(), seconds)
        except (TimeoutError, asyncio.CancelledError):
            return

    @property
    def crashed(self) -> BaseException | None:
        """Why Faust gave up, if it did."""
        reason = self.app.crash_reason if self.app.crashed else None
        return reason if reason is not None or not self.app.crashed else RuntimeError("Faust crashed")

    def assigned(self) -> set[tuple[str, int]]:
        """The (topic, partition) pairs that this worker reads now."""
        try:
            return {(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}
        except Exception:  # not connected yet
            return set()

    async def batch(self, most: int) -> list[Record]:
        """Wait for records, then everything that is there, up to `most`: small batches when quiet, large under load."""
        found = self._rest or await self._queue.get()
        while len(found) < most and not self._queue.empty():
            found = found + self._queue.get_nowait()
        self._rest = found[most:]
        return found[:most]

    def acknowledge(self, records: Iterable[Record], seconds: float = 0.0) -> None:
        """Their batch is committed, in so many seconds: Kafka's group offset may follow."""
        self.app.pace.handled(seconds)
        last = {(record.topic, record.partition): record.offset for record in records}
        self.app.reached.update({TP(*place): offset for place, offset in last.items()})

    def waiting(self) -> int:
        """Fetches that have arrived and are not handled yet."""
        return self._queue.qsize() + bool(self._rest)


def _app(settings: Settings, name: str) -> StageApp:
    return StageApp(
        f"postavka-{name}",
        broker=[f"kafka://{server}" for server in bootstrap(settings).split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        ConsumerScheduler=WholeFetches,
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=1,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"postavka-{name}-{settings.worker}",
        broker_session_timeout=10,
        broker_rebalance_timeout=10,
        broker_heartbeat_interval=2,
        broker_request_timeout=REQUEST_SECONDS,
        broker_commit_interval=2,
        broker_max_poll_records=2_000,
        stream_buffer_maxsize=QUEUE,
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
        processing_guarantee="at_least_once",
    )


def _credentials(settings: Settings) -> Any:
    context = ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        secret = settings.kafka_sasl_password
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=secret.get_secret_value() if secret else None,
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
