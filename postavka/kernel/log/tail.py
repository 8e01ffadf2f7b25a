"""Read a range of a topic, from known offsets to the end as it is now: for the relay's start, for recovery, for tools.

Reads through librdkafka without a consumer group, so nothing is committed anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from postavka.kernel.errors import Trouble
from postavka.kernel.log.connection import ISOLATION, for_librdkafka
from postavka.kernel.log.record import Record
from postavka.kernel.log.unreadable import headers_of
from postavka.kernel.process import liveness
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings

log = logger(__name__)

BATCH = 1_000
WAIT_SECONDS = 0.05
"""librdkafka waits so long for a full batch: the price of the last one."""
TIMEOUT_SECONDS = 15.0

LEADER_MOVES = frozenset(
    (
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    )
)
"""Errors that pass by themselves."""

TopicOffsets = Mapping[tuple[str, int], int]


class TailUnread(Trouble):
    """The broker did not give up a range in time."""


def read_to_end(settings: Settings, start: TopicOffsets) -> Iterator[list[Record]]:
    """Batches of records of each (topic, partition) in `start`, from that offset (below zero: the beginning) up to the
    end as it was when the call began. Order is kept within a partition. A batch that librdkafka can't unpack (a stage
    makes a dead letter of it) is passed over with a warning. Raises `TailUnread` when the broker stalls.
    """
    for batch in read_messages_to_end(settings, start):
        yield [to_record(message) for message in batch]


def read_messages_to_end(
    settings: Settings, start: TopicOffsets, ends: TopicOffsets | None = None, batch: int = BATCH
) -> Iterator[list[Message]]:
    """The same as librdkafka's own messages, for who reads millions. `ends`: stop before these offsets instead; each
    must be there (an end that was asked for earlier is).
    """
    consumer = Consumer(
        for_librdkafka(settings)
        | {
            "group.id": "postavka-tail",
            "log_level": 2,  # to be closed while it looks for its coordinator, whom nobody needs, is no failure
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": ISOLATION,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
        }
    )
    try:
        left: set[tuple[str, int]] = set()
        assignment = []
        bounded = ends is not None
        ends = ends if ends is not None else end_offsets(settings, start)
        for (topic, partition), offset in start.items():
            if ends[topic, partition] > max(offset, 0):
                left.add((topic, partition))
                # Never OFFSET_BEGINNING: librdkafka would ask the broker for it first, and that takes half a second.
                # Where the beginning was cut off, `auto.offset.reset` finds the first record that is left.
                assignment.append(TopicPartition(topic, partition, max(offset, 0)))
        if not left:
            return
        consumer.assign(assignment)
        heard = time.monotonic()
        while left:
            messages = consumer.consume(batch, timeout=WAIT_SECONDS)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > TIMEOUT_SECONDS:
                raise TailUnread(f"no answer from the broker within {TIMEOUT_SECONDS:.0f} s for {sorted(left)[:3]}")
            found: list[Message] = []
            for message in messages:
                error = message.error()
                if error is None:
                    if bounded:
                        place = (message.topic(), message.partition())
                        if message.offset() >= ends[place] - 1:
                            if place in left:
                                left.remove(place)
                                consumer.incremental_unassign([TopicPartition(*place)])
                            if message.offset() >= ends[place]:
                                continue
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((message.topic(), message.partition()))
                elif error.code() == KafkaError._BAD_COMPRESSION:
                    pass_over(settings, consumer, message)
                else:
                    raise KafkaException(error)
            if found:
                yield found
    finally:
        consumer.close()


def pass_over(settings: Settings, consumer: Consumer, refused: Message) -> None:
    """Go on behind a batch that librdkafka can't unpack; it would fetch it for ever. Where that is, the batch says."""
    from postavka.kernel.log.aiokafka_patches.records import (
        end_of_batch,  # seldom needed, and aiokafka takes a while to import
    )

    topic, partition, offset = refused.topic(), refused.partition(), refused.offset()
    behind = end_of_batch(settings, topic, partition, offset)
    log.warning("a batch was passed over", topic=topic, partition=partition, offset=offset, why=refused.error().str())
    consumer.seek(TopicPartition(topic, partition, behind))


def end_offsets(settings: Settings, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The offset after the last record of each partition that may be read (its last stable offset), asked in one go."""
    return latest_offsets(AdminClient(for_librdkafka(settings)), partitions)


def offsets_at(
    settings: Settings, partitions: Iterable[tuple[str, int]], timestamp_ms: int
) -> dict[tuple[str, int], int]:
    """The first offset of each partition whose record's time is not before this one; of a partition without such a
    record its end."""
    wanted = list(partitions)
    admin = AdminClient(for_librdkafka(settings))
    ends = latest_offsets(admin, wanted)
    spec = {TopicPartition(*place): OffsetSpec.for_timestamp(timestamp_ms) for place in wanted}
    found = dict(ends)
    for place, future in admin.list_offsets(spec, request_timeout=TIMEOUT_SECONDS).items():
        if (offset := future.result().offset) >= 0:
            found[place.topic, place.partition] = offset
    return found


def first_offsets(settings: Settings, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The offset of the first record that is left of each partition."""
    return latest_offsets(AdminClient(for_librdkafka(settings)), partitions, OffsetSpec.earliest())


def latest_offsets(
    admin: AdminClient, partitions: Iterable[tuple[str, int]], which: OffsetSpec | None = None
) -> dict[tuple[str, int], int]:
    """The same with a client that is kept (`which`: other offsets than the latest). A partition whose leader is moving,
    or whose topic has only just been made, is asked about again. Raises `KafkaException` when the broker does not
    answer in time."""
    with liveness.question("where topics end"):
        return _latest_offsets(admin, set(partitions), which)


def _latest_offsets(
    admin: AdminClient, left: set[tuple[str, int]], which: OffsetSpec | None
) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while left:
        wanted = {TopicPartition(*place): which or OffsetSpec.latest() for place in left}
        asked = admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=TIMEOUT_SECONDS
        )
        for place, future in asked.items():
            try:
                found[place.topic, place.partition] = future.result().offset
            except KafkaException as error:
                if error.args[0].code() not in LEADER_MOVES or time.monotonic() > deadline:
                    raise
        left -= found.keys()
        if left:
            time.sleep(WAIT_SECONDS)
            admin.list_topics(timeout=TIMEOUT_SECONDS)  # the client learns of new leaders
    return found


def to_record(message: Message) -> Record:
    """librdkafka's message as a `Record`."""
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        headers_of(message),
    )
