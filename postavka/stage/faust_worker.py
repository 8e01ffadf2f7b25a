"""The Faust worker of a stage: gets records from Kafka to the batch runner, and nothing else.

What differs from Faust's ordinary way, and why:

- Reading starts where PostgreSQL says, not where Kafka's committed offsets say: `PostgresOffsets` overrides the one
  method with which Faust asks for them. So resetting the group, or restoring PostgreSQL, loses and doubles nothing.
- Short session, rebalance and request time-outs and static membership: with Faust's defaults a worker that was killed
  consumes nothing for a minute.
- It makes no topics of its own, and has neither tables nor a web server.
- A record is acknowledged after its batch is committed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from postavka.log.connection import bootstrap, ssl_context
from postavka.log.record import Record, partition_name
from postavka.settings import Settings
from postavka.store.recorder import Mark

QUEUE = 20_000
"""Records waiting to be handled; Faust stops reading beyond."""

TakePartitions = Callable[[Iterable[str]], Awaitable[Mapping[str, Mark]]]


class PostgresOffsets(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer, seeking to the marks in PostgreSQL."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Called by Faust whenever partitions were assigned: where does reading go on?"""
        assigned = self.assignment()
        marks = await self.app.take_partitions([partition_name(tp.topic, tp.partition) for tp in assigned])
        offsets = {tp: marks[partition_name(tp.topic, tp.partition)].offset + 1 for tp in assigned}
        await self.seek_wait(offsets)
        return offsets


class PostgresOffsetsTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with that consumer."""

    Consumer = PostgresOffsets


class StageApp(faust.App):  # type: ignore[misc]
    """A Faust app that knows whom to ask for offsets."""

    take_partitions: TakePartitions


class FaustWorker:
    """Consumes the topics of a stage. `batches()` gives what has arrived; `acknowledge()` what is committed."""

    def __init__(self, settings: Settings, name: str, topics: Sequence[str], take_partitions: TakePartitions) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(QUEUE)
        self.app = _app(settings, name)
        self.app.take_partitions = take_partitions
        self.app.transport = PostgresOffsetsTransport(self.app.conf.broker_consumer, self.app)
        topic = self.app.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

        async def consume(stream: Any) -> None:
            put = self._queue.put
            async for event in stream.noack().events():
                await put(event)

        self._agent = self.app.agent(topic, name=f"{name}.consume")(consume)

    async def start(self) -> None:
        """Join the consumer group and start reading."""
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

    async def batch(self, most: int) -> list[Any]:
        """Wait for records, then everything that is there, up to `most`: small batches when quiet, large under load."""
        queue = self._queue
        events = [await queue.get()]
        while len(events) < most and not queue.empty():
            events.append(queue.get_nowait())
        return events

    @staticmethod
    def acknowledge(events: Iterable[Any]) -> None:
        """Their batch is committed: Kafka's group offset may follow (a hint for tools that show lag)."""
        for event in events:
            event.ack()

    def waiting(self) -> int:
        """Records that have arrived and are not handled yet."""
        return self._queue.qsize()


def to_record(event: Any) -> Record:
    """Faust's event as a record."""
    message = event.message
    return Record(
        message.topic,
        message.partition,
        message.offset,
        int(message.timestamp * 1000) if message.timestamp else 0,
        message.key,
        message.value,
        tuple(message.headers or ()),
    )


def _app(settings: Settings, name: str) -> StageApp:
    return StageApp(
        f"postavka-{name}",
        broker=[f"kafka://{server}" for server in bootstrap(settings).split(",")],
        broker_credentials=_credentials(settings),
        datadir=tempfile.gettempdir() + f"/postavka-faust-{name}",
        store="memory://",
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
        broker_request_timeout=15,
        broker_commit_interval=2,
        broker_max_poll_records=2_000,
        stream_buffer_maxsize=8_192,
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
