"""Topics as files and back: every record as it was, at the offset that it had."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from postavka.kernel.backup.manifest import BadCopy, Manifest
from postavka.kernel.backup.offset_writer import FILLER_HEADER
from postavka.kernel.backup.topics import TopicNotEmpty, file_of, put_topics_back, save_topics
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.log.topics import TIMEOUT_SECONDS, TIMESTAMP_TYPE, ensure_topics, topic_settings
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import PARTITIONS, Settings


@pytest.fixture
def config(servers: Endpoints) -> Settings:
    return Settings(**servers.settings())


@pytest.fixture
def topics(config: Settings) -> Iterator[list[str]]:
    """Two topics, gone afterwards."""
    names = [f"backup-{uuid4().hex[:10]}" for _ in range(2)]
    ensure_topics(config, names)
    yield names
    admin = AdminClient(for_librdkafka(config))
    for future in admin.delete_topics(names).values():
        future.exception(60)


def records(config: Settings, topic: str) -> list[Record]:
    places = dict.fromkeys(((topic, number) for number in range(PARTITIONS)), 0)
    found = [record for batch in read_records(config, places) for record in batch]
    return sorted(found, key=lambda each: (each.partition, each.offset))


def produce(config: Settings, topic: str, **options: object) -> Producer:
    return Producer(for_librdkafka(config) | {"linger.ms": 1, **options})


def test_every_record_comes_back_as_it_was_where_it_was(config: Settings, topics: list[str], tmp_path: Path):
    topic = topics[0]
    producer = produce(config, topic)
    for number in range(500):
        producer.produce(
            topic,
            None if number % 50 == 3 else b"value %d \x00\xff" % number,
            None if number % 7 == 0 else b"key %d" % number,
            number % 3,
            timestamp=1_700_000_000_000 + number,
            headers=[("a", b"1"), ("a", None), ("ё", b"\xff")] if number % 2 else [],
        )
    producer.flush(30)
    # A partition whose beginning is gone, and one with a transaction: its marker takes an offset.
    admin = AdminClient(for_librdkafka(config))
    for future in admin.delete_records([TopicPartition(topic, 1, 40)]).values():
        future.result(60)
    paid = produce(config, topic, **{"transactional.id": uuid4().hex})
    paid.init_transactions(30)
    paid.begin_transaction()
    paid.produce(topic, b"within", b"key", 2)
    paid.commit_transaction(30)
    producer.produce(topic, b"behind", b"key", 2)
    producer.flush(30)
    before, deadline = records(config, topic), time.monotonic() + 30
    while b"behind" not in {each.value for each in before}:  # the broker writes the marker when it has answered
        assert time.monotonic() < deadline, "a committed transaction is not told of"
        before = records(config, topic)

    saved = save_topics(config, tmp_path, topics=[topic])
    assert (saved[topic][1].first, saved[topic][2].records) == (40, saved[topic][2].end - 1)
    back = topics[1]
    file_of(tmp_path, topic, 0).parent.rename(tmp_path / back)
    put_topics_back(config, tmp_path, {back: saved[topic]})

    after = [each for each in records(config, back) if (FILLER_HEADER, b"1") not in each.headers]
    assert [(each.partition, each.offset, each.timestamp_ms, each.key, each.value, each.headers) for each in after] == [
        (each.partition, each.offset, each.timestamp_ms, each.key, each.value, each.headers) for each in before
    ]
    times = topic_settings(AdminClient(for_librdkafka(config)), [back], TIMEOUT_SECONDS)[back][TIMESTAMP_TYPE]
    assert times == "LogAppendTime", "what is written from now on has the broker's time"
    places = [(back, number) for number in range(PARTITIONS)]
    assert {number: end for (_, number), end in end_offsets(config, places).items()} == {
        number: each.end for number, each in saved[topic].items()
    }
    fillers = [each for each in records(config, back) if (FILLER_HEADER, b"1") in each.headers]
    assert [(each.partition, each.value) for each in fillers] == [(2, None)]  # what stands for the marker
    with pytest.raises(TopicNotEmpty, match=back):
        put_topics_back(config, tmp_path, {back: saved[topic]})


def test_a_copy_has_the_causes_of_what_it_has(config: Settings, topics: list[str], tmp_path: Path):
    """A cause that came while the topics were read, beyond what was going to be read of its topic."""
    causes, effects = topics
    producer = produce(config, causes)

    def on_progress(done: int, total: int) -> None:
        if not said:
            said.append(done)
            producer.produce(causes, b"the cause", b"k", 0)
            producer.flush(30)
            producer.produce(effects, b"the effect", b"k", 0, headers=[("ce_input", f"{causes}/0/1".encode())])
            producer.flush(30)

    said: list[int] = []
    producer.produce(causes, b"earlier", b"k", 0)
    producer.flush(30)
    saved = save_topics(config, tmp_path, first=[causes], topics=topics, on_progress=on_progress)
    assert saved[effects][0].records == 1
    assert saved[causes][0].records == 2


def test_a_copy_that_was_changed_is_refused(tmp_path: Path):
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics" / "one").write_bytes(b"content")
    (tmp_path / "two").write_bytes(b"content")
    with pytest.raises(BadCopy, match="no manifest"):
        Manifest.read(tmp_path)
    Manifest(schemas=["request"]).write(tmp_path)
    assert Manifest.read(tmp_path).schemas == ["request"]
    (tmp_path / "topics" / "one").write_bytes(b"Content")
    with pytest.raises(BadCopy, match=r"topics/one in .* is not what was written"):
        Manifest.read(tmp_path)
    (tmp_path / "topics" / "one").unlink()
    with pytest.raises(BadCopy, match="topics/one is missing"):
        Manifest.read(tmp_path)
