"""Topics, and what is read from them and sent to them: tail and follower, partitions, topics, commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from postavka.kernel.log import topics
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.follower import Follower, beginnings
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.topics import WrongTopics, check_topics, ensure_topics
from postavka.kernel.outbox.command_sender import NoTopic, NotSent, Sender
from postavka.kernel.settings import PARTITIONS, Settings
from tests.kernel.conftest import MakeTopics
from tests.kernel.polling import PATIENCE_SECONDS
from tests.kernel.toys import unique_name

# Tail and follower


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


# Partitions


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_partitioner_is_the_murmur2_of_kafkas_own_clients(key: bytes, expected: int) -> None:
    """Vectors from Kafka's UtilsTest.testMurmur2."""
    assert partition_of(key, 2**31) == expected & 0x7FFFFFFF
    assert partition_of(key, PARTITIONS) == (expected & 0x7FFFFFFF) % PARTITIONS


def test_the_broker_has_keys_where_we_say(settings: Settings, topic: str) -> None:
    placed = produced(settings, topic, 200, lambda number: str(uuid4()).encode())
    assert len(placed) == 200
    assert placed == {key: partition_of(key, PARTITIONS) for key in placed}


# Topics


def test_topics_are_made_to_be_kept_for_ever_and_found_again(settings: Settings, topic: str) -> None:
    assert ensure_topics(settings, [topic]) == []
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient(for_librdkafka(settings))
    config = {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result().items()}
    assert (config["retention.ms"], config["cleanup.policy"], config["compression.type"]) == (
        "-1",
        "delete",
        "producer",
    )
    check_topics(settings, [topic])


def test_a_topic_that_the_broker_does_not_tell_of_yet_is_waited_for(
    settings: Settings, make_topics: MakeTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, told = unique_name(), topics._partitions
    answers: list[dict[str, int]] = []

    def slowly(admin: AdminClient) -> dict[str, int]:
        answers.append(told(admin))
        return {known: count for known, count in answers[-1].items() if known != name or len(answers) > 4}

    monkeypatch.setattr(topics, "_partitions", slowly)
    make_topics(name)
    assert len(answers) > 4
    assert answers[-1][name] == PARTITIONS


def test_a_missing_topic_is_named(settings: Settings) -> None:
    with pytest.raises(WrongTopics, match="no-such-topic: missing"):
        check_topics(settings, ["no-such-topic"])


def test_a_topic_with_another_number_of_partitions_is_refused(settings: Settings, make_topics: MakeTopics) -> None:
    name = unique_name()
    admin = AdminClient(for_librdkafka(settings))
    admin.create_topics([NewTopic(name, 3, 1)], operation_timeout=30)[name].result()
    try:
        with pytest.raises(WrongTopics, match=f"{name}: 3 partitions instead of 12"):
            ensure_topics(settings, [name])
    finally:
        admin.delete_topics([name])[name].result()


# Sending


def test_a_command_for_a_topic_that_is_not_there_is_refused_at_once_by_name(settings: Settings) -> None:
    missing = unique_name()
    with pytest.raises(NoTopic, match=missing):
        Sender(settings, "/test").send_raw(missing, b"key", b"{}")


def test_what_was_sent_is_on_the_topic_when_flush_returns(settings: Settings, topic: str) -> None:
    sender = Sender(settings, "/test")
    sender.send_raw(topic, b"key", b"value", [("name", b"header")])
    sender.flush()
    batches = list(read_records(settings, {(topic, number): 0 for number in range(PARTITIONS)}))
    assert [(each.key, each.value, each.headers) for batch in batches for each in batch] == [
        (b"key", b"value", (("name", b"header"),))
    ]


def test_a_broker_that_does_not_answer_is_told_as_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postavka.kernel.outbox.command_sender.TIMEOUT_SECONDS", 1)
    nobody = Settings(kafka_bootstrap_servers="127.0.0.1:9", database_url="postgresql://unused")
    with pytest.raises(NotSent):
        Sender(nobody, "/test").send_raw("any", b"key", b"{}")
