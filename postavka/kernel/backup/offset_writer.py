"""Filling the partitions of empty topics so that every record has the offset that it had. What is kept about the log
elsewhere (marks, inputs of events) names offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from postavka.kernel.errors import UserError
from postavka.kernel.log.connection import for_librdkafka, for_producer
from postavka.kernel.log.topics import set_times
from postavka.kernel.settings import Settings

FILLER_HEADER = "postavka-filler"
"""On a record that stands for an offset without one (a transaction's marker, a compacted record): it says nothing."""


class OffsetsMoved(UserError):
    """A record came to lie at another offset than it had (somebody else writes to the topic), or has another time."""


class OffsetWriter:
    """Writes records so that each comes to lie at a given offset of an empty partition, with the time that it had.

    Meanwhile these topics take their senders' times, from `close` on the broker's again; one that was left open is
    mended by `postavka topics --repair`."""

    def __init__(
        self, config: Settings, topics: Iterable[str], on_progress: Callable[[int], None] = lambda done: None
    ) -> None:
        self._config = config
        self._topics = list(topics)
        set_times(config, self._topics, "CreateTime")
        self._told = on_progress
        self._next: dict[tuple[str, int], int] = {}
        self._first: dict[tuple[str, int], int] = {}
        self._done = 0
        self._failed: str | None = None
        self._producer = Producer(
            for_producer(config)
            | {
                "linger.ms": 20,
                "compression.type": "zstd",
                "message.max.bytes": 10_000_000,
                "queue.buffering.max.messages": 200_000,
            }
        )

    def start_at(self, topic: str, partition: int, offset: int) -> None:
        """The partition shall begin at this offset: what is below is filled and then deleted."""
        self._next[topic, partition] = 0
        self._first[topic, partition] = offset
        self.fill(topic, partition, offset)

    def write(self, topic: str, partition: int, row: Mapping[str, Any]) -> None:
        """A record as `save_topics` keeps it."""
        self.fill(topic, partition, row["offset"])
        headers = [(each["name"], each["value"]) for each in row["headers"] or ()]
        self._produce(topic, partition, row["key"], row["value"], headers, row["timestamp"])

    def fill(self, topic: str, partition: int, offset: int) -> None:
        """Records that say nothing, up to below this offset."""
        while self._next[topic, partition] < offset:
            self._produce(topic, partition, None, None, [(FILLER_HEADER, b"1")], 0)

    def _produce(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Any, timestamp: int
    ) -> None:
        expected = self._next[topic, partition]
        self._next[topic, partition] = expected + 1

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._failed = f"{topic}/{partition}/{expected}: {error.str()}"
            elif message.offset() != expected:
                self._failed = f"{topic}/{partition}/{expected} came to lie at {message.offset()}"
            elif message.timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME:
                self._failed = f"{topic}/{partition}/{expected} has got the broker's time instead of its own"
            self._done += 1

        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition, headers=headers, timestamp=max(timestamp, 0), on_delivery=delivered
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        if expected % 1_000 == 0:
            self._producer.poll(0)
            self._check()
            self._told(self._done)

    def _check(self) -> None:
        if self._failed is not None:
            raise OffsetsMoved(self._failed)

    def close(self) -> None:
        """Wait for the broker; take away what stands for deleted beginnings."""
        while self._producer.flush(1.0) and self._failed is None:
            self._told(self._done)
        self._check()
        set_times(self._config, self._topics, "LogAppendTime")
        self._told(self._done)
        begin = [TopicPartition(*place, offset) for place, offset in self._first.items() if offset]
        if begin:
            admin = AdminClient(for_librdkafka(self._config))  # held: one that is collected never keeps its promises
            for future in admin.delete_records(begin).values():
                future.result(60)
