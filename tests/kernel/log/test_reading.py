"""Ranges are read to their end, and topics are followed as they grow: nothing is missed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.follower import Follower, beginnings
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.settings import PARTITIONS, Settings
from tests.kernel.polling import PATIENCE_SECONDS


def produced(settings: Settings, topic: str, count: int, key: Callable[[int], bytes]) -> dict[bytes, int]:
    """Send so many records with our partitioner; where the broker has put each key."""
    placed: dict[bytes, int] = {}
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error)
        else:
            placed[message.key()] = message.partition()

    producer = Producer(for_librdkafka(settings) | {"partitioner": "murmur2_random"})
    for number in range(count):
        producer.produce(topic, b"%d" % number, key(number), headers=[("n", b"1"), ("n", None)], on_delivery=delivered)
    assert producer.flush(30) == 0
    assert not failed
    return placed


def everything(topic: str, offset: int = 0) -> dict[tuple[str, int], int]:
    return {(topic, partition): offset for partition in range(PARTITIONS)}


def test_a_range_is_read_to_its_end_in_order(settings: Settings, topic: str) -> None:
    produced(settings, topic, 3_000, lambda number: b"%d" % (number % 50))
    records = [record for batch in read_records(settings, everything(topic)) for record in batch]
    assert sorted(int(record.value or b"") for record in records) == list(range(3_000))
    for partition in range(PARTITIONS):
        assert [each.offset for each in records if each.partition == partition] == list(
            range(sum(each.partition == partition for each in records))
        )
    assert records[0].headers == (("n", b"1"), ("n", None))
    ends = end_offsets(settings, everything(topic))
    assert sum(ends.values()) == 3_000

    behind = {place: max(0, end - 2) for place, end in ends.items()}
    rest = [record for batch in read_records(settings, behind) for record in batch]
    assert len(rest) == sum(min(2, end) for end in ends.values())
    assert list(read_records(settings, ends)) == []
    assert list(read_records(settings, everything(topic, 1_000_000))) == []
    assert len([each for batch in read_records(settings, everything(topic, -1)) for each in batch]) == 3_000


def test_a_range_whose_beginning_was_cut_off_is_read_from_what_is_left(settings: Settings, topic: str) -> None:
    produced(settings, topic, 300, lambda number: b"%d" % (number % 50))
    ends = end_offsets(settings, everything(topic))
    admin = AdminClient(for_librdkafka(settings))
    cut = [TopicPartition(*place, end // 2) for place, end in ends.items()]
    for deleted in admin.delete_records(cut).values():
        deleted.result()
    records = [record for batch in read_records(settings, everything(topic)) for record in batch]
    assert sorted((each.partition, each.offset) for each in records) == [
        (partition, offset) for (_, partition), end in sorted(ends.items()) for offset in range(end // 2, end)
    ]


def test_an_empty_topic_has_no_tail(settings: Settings, topic: str) -> None:
    assert list(read_records(settings, everything(topic))) == []
    assert list(read_records(settings, {})) == []


def followed(follower: Follower, count: int) -> list[bytes]:
    """What comes, until there are so many."""
    found: list[bytes] = []
    for batch in follower.records(PATIENCE_SECONDS):
        found += [record.value or b"" for record in batch]
        if len(found) >= count:
            break
    return found


def test_a_follower_sees_what_comes_from_now_on(settings: Settings, topic: str) -> None:
    produced(settings, topic, 20, lambda number: b"old")
    with Follower(settings, beginnings(settings, [topic])) as follower:
        produced(settings, topic, 20, lambda number: b"k%d" % number)
        assert sorted(followed(follower, 20), key=int) == [b"%d" % number for number in range(20)]


def test_a_follower_from_a_moment_sees_what_came_since(settings: Settings, topic: str) -> None:
    produced(settings, topic, 20, lambda number: b"k%d" % number)
    with Follower(settings, beginnings(settings, [topic], datetime(2020, 1, 1, tzinfo=UTC))) as follower:
        assert len(followed(follower, 20)) == 20
    with Follower(settings, beginnings(settings, [topic], datetime(2100, 1, 1, tzinfo=UTC))) as follower:
        assert [record for batch in follower.records(0.3) for record in batch] == []
