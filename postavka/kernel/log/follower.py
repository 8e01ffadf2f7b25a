"""Follow topics as they grow, from now or from a moment in the past."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from postavka.kernel.log.connection import ISOLATION, for_librdkafka
from postavka.kernel.log.record import Record
from postavka.kernel.log.tail import TIMEOUT_SECONDS, end_offsets, pass_over, to_record
from postavka.kernel.settings import PARTITIONS, Settings


class Follower:
    """Reads topics from a moment on (None: from now), without a consumer group. A context manager."""

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        since: datetime | None = None,
        start: Mapping[tuple[str, int], int] | None = None,
    ) -> None:
        """`start`: from these offsets instead."""
        self._settings = settings
        self._consumer = Consumer(
            for_librdkafka(settings)
            | {
                "group.id": "postavka-follow",
                "enable.auto.commit": False,
                "isolation.level": ISOLATION,
                "fetch.wait.max.ms": 100,
            }
        )
        places = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
        if start is not None:
            for place in places:
                place.offset = start[place.topic, place.partition]
        elif since is None:
            # Fixed now: an end that is looked up later would miss what comes in between.
            ends = end_offsets(settings, [(place.topic, place.partition) for place in places])
            for place in places:
                place.offset = ends[place.topic, place.partition]
        else:
            stamp = int(since.timestamp() * 1000)
            wanted = [TopicPartition(place.topic, place.partition, stamp) for place in places]
            places = self._consumer.offsets_for_times(wanted, timeout=TIMEOUT_SECONDS)
            for place in places:
                if place.offset < 0:
                    place.offset = OFFSET_END
        self._consumer.assign(places)

    def records(self, seconds: float) -> Iterator[list[Record]]:
        """Batches as they come, until there was nothing new for so many seconds (infinity: for ever)."""
        heard = time.monotonic()
        while time.monotonic() - heard < seconds:
            batch = []
            for message in self._consumer.consume(500, timeout=0.1):
                error = message.error()
                if error is None:
                    batch.append(to_record(message))
                elif error.code() == KafkaError._BAD_COMPRESSION:
                    pass_over(self._settings, self._consumer, message)
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
            if batch:
                heard = time.monotonic()
            yield batch

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *exc: object) -> None:
        self._consumer.close()
