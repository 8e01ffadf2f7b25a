"""The writing side of a relay: round by round, with one request to the broker for all partitions of a round.

librdkafka makes a request for every partition (its issue 1700), and with one in flight, as must be (`for_producer`),
twelve partitions were twelve round trips one after another. aiokafka puts all that goes to one broker in one request,
never has two of a partition in flight, and an idempotent producer of its tries until the broker has taken a batch: a
retry neither repeats nor reorders. Batches are made here, not by aiokafka record by record: that takes a third longer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from postavka.kernel.log.connection import REQUEST_SECONDS, for_aiokafka
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.settings import PARTITIONS, Settings

LARGEST_BATCH = 1_000_000
"""Bytes of a partition's batch before compression; a single record may be larger, and the broker refuses it if its own
bound (1 MiB, compressed) is passed."""
STOP_SECONDS = 2.0
GZIP, LZ4 = 1, 3
"""Codecs, by number. Our own readers have LZ4; others' may be without it (KafkaJS), but not without gzip."""

Place = tuple[str, int]


class RelayFailed(RuntimeError):
    """The producer can't go on (the broker refused an event for good). The process ends and starts anew."""


class Publisher:
    """Belongs to one thread; its event loop runs while a round is delivered. `offsets`: the next offset of every
    partition it wrote, beginning with those given."""

    def __init__(self, settings: Settings, offsets: dict[Place, int], for_outsiders: Collection[str] = ()) -> None:
        """Connect. Topics `for_outsiders` are read by programs that aren't ours: they get gzip. Raises aiokafka's
        `KafkaError` when no broker answers."""
        self.offsets = offsets
        self._for_outsiders = frozenset(for_outsiders)
        self._round: dict[Place, list[Any]] = {}
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        try:
            self._producer: AIOKafkaProducer = self._runner.run(_started(settings))
        except BaseException:
            self._runner.close()
            raise

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> None:
        """Take one record into the round. Its partition is the key's; without a key, any."""
        partition = partition_of(key, PARTITIONS) if key is not None else random.randrange(PARTITIONS)  # noqa: S311
        batches = self._round.setdefault((topic, partition), [])
        if not batches or batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
            batches.append(BatchBuilder(LARGEST_BATCH, GZIP if topic in self._for_outsiders else LZ4))
            batches[-1].append(timestamp=None, key=key, value=value, headers=headers)

    def wait(self, waiting: Callable[[], None] = lambda: None) -> None:
        """Wait until the broker has the whole round, however long it is away; `waiting` is called every second
        meanwhile. Raises `RelayFailed` when it refused something."""
        if self._round:
            taken, self._round = self._round, {}
            self._runner.run(_beside(self._deliver(taken), waiting))

    def close(self) -> None:
        """What is not delivered yet may be given up."""
        try:
            self._runner.run(_stopped(self._producer))
        finally:
            self._runner.close()

    async def _deliver(self, batches: dict[Place, list[Any]]) -> None:
        sent = [
            (place, batch.record_count(), await self._producer.send_batch(batch, place[0], partition=place[1]))
            for place, of_place in batches.items()
            for batch in of_place
        ]
        answers = await asyncio.gather(*(future for _, _, future in sent), return_exceptions=True)
        for (place, count, _), answer in zip(sent, answers, strict=True):
            if isinstance(answer, BaseException):
                raise RelayFailed(f"{place[0]}/{place[1]}: {answer!r}") from answer
            if answer.offset >= 0:  # below: a repetition that the broker had already, and no longer says where
                self.offsets[place] = max(self.offsets.get(place, 0), answer.offset + count)


async def _beside(work: Coroutine[Any, Any, None], waiting: Callable[[], None]) -> None:
    async def wait() -> None:
        while True:
            await asyncio.sleep(1)
            waiting()

    beating = asyncio.create_task(wait())
    try:
        await work
    finally:
        beating.cancel()


async def _started(settings: Settings) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        **for_aiokafka(settings),
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        max_batch_size=LARGEST_BATCH,
        request_timeout_ms=REQUEST_SECONDS * 1_000,
    )
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer


async def _stopped(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), STOP_SECONDS)
    except (TimeoutError, KafkaError):
        return
