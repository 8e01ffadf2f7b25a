"""A sender can't end the broker with the times of its records, nor with what else the broker would keep for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from postavka.app.one_box.doctor.servers import check_topic_settings
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.topics import TIMEOUT_SECONDS, repair_topics, topic_settings
from postavka.kernel.runtime.broker_files import broker_files
from postavka.kernel.settings import PARTITIONS, Settings
from tests.kernel.polling import PATIENCE_SECONDS
from tests.kernel.toys import unique_name

RECORDS = 40
WEEK_MS = 7 * 86_400 * 1_000


@pytest.fixture
def home(servers: object, pytestconfig: pytest.Config) -> Path:
    """Of the broker, whose files are counted."""
    found: Path | None = getattr(pytestconfig, "postavka_home", None)
    if found is None:
        pytest.skip("the test looks at the files of a broker that it has started, not at those of yours")
    return found


@pytest.fixture
def as_kafka_makes_it(settings: Settings) -> Iterator[str]:
    """A topic without any settings of ours but this: the broker doesn't delete what is older than a week meanwhile."""
    name, admin = unique_name(), AdminClient(for_librdkafka(settings))
    for made in admin.create_topics([NewTopic(name, PARTITIONS, 1, config={"retention.ms": "-1"})]).values():
        made.result(PATIENCE_SECONDS)
    yield name
    for deleted in admin.delete_topics([name]).values():
        deleted.exception(PATIENCE_SECONDS)


def climb(settings: Settings, topic: str) -> None:
    """Records of one byte, each a week and a second younger than the one before."""
    producer = Producer(for_librdkafka(settings) | {"linger.ms": 0, "batch.num.messages": 1})
    failed: list[KafkaError] = []
    for number in range(RECORDS):
        at = 1 + number * (WEEK_MS + 1_000)
        producer.produce(topic, b"x", b"k", 0, timestamp=at, on_delivery=lambda e, _: failed.append(e) if e else None)
    assert producer.flush(PATIENCE_SECONDS) == 0
    assert not failed


def segments(home: Path, topic: str) -> int:
    return len(list((home / "kafka" / "data" / f"{topic}-0").glob("*.log")))


def test_times_that_climb_by_weeks_open_no_files(settings: Settings, topic: str, home: Path) -> None:
    climb(settings, topic)
    assert segments(home, topic) == 1


def test_a_topic_that_takes_senders_times_is_named_and_mended(
    settings: Settings, as_kafka_makes_it: str, home: Path
) -> None:
    topic = as_kafka_makes_it
    before = broker_files(home)
    climb(settings, topic)
    after = broker_files(home)
    assert segments(home, topic) == RECORDS, "what the attack does where nothing holds it up"
    assert before is not None
    assert after is not None
    assert after.segments >= before.segments + RECORDS - 1
    assert before.used is not None
    assert after.used is not None
    assert 0 < before.used < after.used < 0.5

    admin = AdminClient(for_librdkafka(settings))
    check = check_topic_settings(topic_settings(admin, [topic], TIMEOUT_SECONDS))
    assert check.status == "wrong"
    assert topic in check.found
    assert repair_topics(settings, [topic, "no-such-topic"])[topic]["message.timestamp.type"] == "CreateTime"
    assert check_topic_settings(topic_settings(admin, [topic], TIMEOUT_SECONDS)).status == "ok"
    assert repair_topics(settings, [topic]) == {}
    climb(settings, topic)
    assert segments(home, topic) == RECORDS


def test_a_group_keeps_little_beside_its_offsets(settings: Settings, topic: str) -> None:
    consumer = Consumer(for_librdkafka(settings) | {"group.id": unique_name()})
    with pytest.raises(KafkaException) as refused:
        consumer.commit(offsets=[TopicPartition(topic, 0, 1, metadata="x" * 257)], asynchronous=False)
    assert refused.value.args[0].code() == KafkaError.OFFSET_METADATA_TOO_LARGE
    consumer.close()
