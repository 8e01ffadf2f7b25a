"""Follow partitions as they grow, from given offsets on, without a consumer group, for a caller without an event loop.

Made for who follows everything: librdkafka's consumer hands out message by message and fetches whenever there is room,
so that of the 72 partitions of our logs it asks the broker forty times a second. Here a fetch waits its turn
(`postavka.kernel.log.fetch_pacing`), brings what has gathered in all of them, and is taken apart by aiokafka's
compiled reader.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from postavka.kernel.log.aiokafka_patches.records import install
from postavka.kernel.log.connection import for_aiokafka_consumer
from postavka.kernel.log.fetch_pacing import Pace
from postavka.kernel.log.offsets import end_offsets, offsets_at
from postavka.kernel.log.own_loop import OwnLoop
from postavka.kernel.log.record import Record
from postavka.kernel.log.unreadable import is_marker
from postavka.kernel.settings import PARTITIONS, Settings

STOP_SECONDS = 3.0
MOST_RECORDS = 500
BEAT_SECONDS = 0.1

Place = tuple[str, int]


def beginnings(settings: Settings, topics: Sequence[str], since: datetime | None = None) -> dict[Place, int]:
    """Where to begin to see what comes from a moment on (None: from now): the offsets of all partitions, fixed now. An
    end that is looked up later would miss what comes in between. Raises `OffsetsUnknown`."""
    places = [(topic, number) for topic in topics for number in range(PARTITIONS)]
    if since is None:
        return end_offsets(settings, places)
    return offsets_at(settings, places, int(since.timestamp() * 1000))


class Follower:
    """A reader that follows topics, for one thread at a time; its event loop runs only within `read`. What can't be
    read comes as `postavka.kernel.log.unreadable` says; where the beginning of a partition was cut off, reading goes on
    with the first record that is left."""

    def __init__(self, settings: Settings, start: Mapping[Place, int], gather_ms: int = 0) -> None:
        """Connect. `gather_ms`: between two fetches while records flow (0: as they come). Raises aiokafka's
        `KafkaError` when no broker answers."""
        install()
        self.following = dict(start)
        """The next offset of every partition."""
        self._pace = Pace(gather_ms)
        self._loop = OwnLoop()
        try:
            self._consumer: AIOKafkaConsumer = self._loop.run(_started(settings, start))
        except BaseException:
            self._loop.close()
            raise

    def read(self, most: int, seconds: float) -> list[Record]:
        """What has come, at most so many records; waits so many seconds for the first. Raises `KafkaError` for what a
        later call may be spared, a broker that refuses; `RuntimeError` when nothing will be fetched any more."""
        if self._consumer._fetcher.error_future.done():  # the library itself would say for ever that nothing came
            raise RuntimeError(f"no more is fetched: {self._consumer._fetcher.error_future!r}")
        try:
            fetched = self._loop.run(self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=most))
        except KafkaError:
            self._go_back()
            raise
        self._pace.fetched(self._consumer, bool(fetched))
        for place, records in fetched.items():
            self.following[place.topic, place.partition] = records[-1].offset + 1
        return [record for records in fetched.values() for record in records]

    def records(self, seconds: float) -> Iterator[list[Record]]:
        """Batches as they come, without markers, until nothing came for so many seconds (infinity: for ever); an empty
        one now and then while there is nothing. Raises as `read`."""
        heard = time.monotonic()
        while time.monotonic() - heard < seconds:
            batch = [record for record in self.read(MOST_RECORDS, BEAT_SECONDS) if not is_marker(record)]
            if batch:
                heard = time.monotonic()
            yield batch

    def _go_back(self) -> None:
        """Go back to what was given out last: an error in one partition keeps back what was taken of others before
        it."""
        assignment = self._consumer._subscription.subscription.assignment
        for place, offset in self.following.items():
            state = assignment.state_value(TopicPartition(*place))
            if state.has_valid_position and state.position != offset:
                self._consumer.seek(TopicPartition(*place), offset)

    def lag(self) -> int:
        """Records not read yet, by the ends that came with the last fetches: the broker isn't asked for this."""
        ends = {place: self._consumer.last_stable_offset(TopicPartition(*place)) for place in self.following}
        return sum(max(0, end - self.following[place]) for place, end in ends.items() if end is not None)

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the consumer and the loop it runs in."""
        try:
            self._loop.run(_stopped(self._consumer))
        finally:
            self._loop.close()


async def _started(settings: Settings, start: Mapping[Place, int]) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        **for_aiokafka_consumer(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        check_crcs=False,  # a batch that was damaged on the broker's disk would be fetched for ever
    )
    try:
        await consumer.start()
        consumer.assign([TopicPartition(*place) for place in start])
        for place, offset in start.items():
            consumer.seek(TopicPartition(*place), offset)
    except BaseException:
        await consumer.stop()
        raise
    return consumer


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    try:
        await asyncio.wait_for(consumer.stop(), STOP_SECONDS)
    except (TimeoutError, KafkaError, asyncio.CancelledError):  # the last one comes of a task that waits for a broker
        return
