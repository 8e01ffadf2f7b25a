"""A reader that asks seldom misses nothing, and says what can't be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.follower import Follower
from postavka.kernel.log.record import Record
from postavka.kernel.log.unreadable import why_unreadable
from postavka.kernel.settings import PARTITIONS, Settings
from tests.kernel.log.odd_records import LZ4, Written, write_oddly
from tests.kernel.polling import PATIENCE_SECONDS


@pytest.fixture
def reader(settings: Settings, topic: str) -> Iterator[Follower]:
    opened = Follower(settings, {(topic, number): 0 for number in range(PARTITIONS)}, gather_ms=50)
    yield opened
    opened.close()


def produce(settings: Settings, topic: str, numbers: range) -> None:
    producer = Producer(for_librdkafka(settings))
    for number in numbers:
        producer.produce(topic, str(number).encode(), partition=number % PARTITIONS, headers=[("n", b"1")])
    producer.flush(30)


def read(reader: Follower, count: int, most: int = 1_000) -> list[Record]:
    found: list[Record] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count and time.monotonic() < deadline:
        came = reader.read(most, 0.2)
        assert len(came) <= most
        found += came
    return found


def written(number: int) -> Written:
    return (b"k", b"%d" % number, [])


def test_everything_comes_once_and_in_order_while_it_is_written(settings: Settings, topic: str, reader: Follower):
    found: list[Record] = []
    for first in range(0, 600, 200):
        produce(settings, topic, range(first, first + 200))
        found += read(reader, 200, most=70)
    assert sorted(int(each.value or b"") for each in found) == list(range(600))
    for number in range(PARTITIONS):
        of_place = [each for each in found if each.partition == number]
        assert [each.offset for each in of_place] == list(range(50))
        assert reader.following[topic, number] == 50
    assert found[0].headers == (("n", b"1"),)
    assert reader.lag() == 0


def test_what_is_left_to_read_is_counted(settings: Settings, topic: str, reader: Follower):
    produce(settings, topic, range(120))
    first = read(reader, 1, most=10)
    assert 0 < reader.lag() <= 120 - len(first)


def test_nothing_comes_of_nothing(reader: Follower):
    assert reader.read(10, 0.1) == []


def test_an_error_in_one_partition_loses_nothing_of_another(
    settings: Settings, topic: str, reader: Follower, monkeypatch: pytest.MonkeyPatch
):
    produce(settings, topic, range(240))
    take, taken = FetchResult.getall, []

    def stumble(self: FetchResult, max_records: int | None = None) -> object:
        taken.append(self)
        if len(taken) == 3:
            raise CorruptRecordException
        return take(self, max_records)

    monkeypatch.setattr(FetchResult, "getall", stumble)
    found: list[Record] = []
    with pytest.raises(CorruptRecordException):
        found += read(reader, 240)
    found += read(reader, 240)
    assert sorted(int(each.value or b"") for each in found) == list(range(240))


def test_a_reader_that_will_not_fetch_any_more_says_so(reader: Follower):
    reader.read(10, 0.1)
    reader._consumer._fetcher._fetch_task.cancel()
    with pytest.raises(RuntimeError, match="no more is fetched"):
        read(reader, 1)


def test_it_begins_where_it_is_told_or_with_the_first_that_is_left(settings: Settings, topic: str):
    produce(settings, topic, range(0, 20 * PARTITIONS, PARTITIONS))  # all to the first partition
    admin = AdminClient(for_librdkafka(settings))
    for future in admin.delete_records([TopicPartition(topic, 0, 8)]).values():
        future.result(30)
    for start, expected in ((15, range(15, 20)), (3, range(8, 20))):
        reader = Follower(settings, {(topic, 0): start}, gather_ms=50)
        try:
            assert [each.offset for each in read(reader, len(expected))] == list(expected)
        finally:
            reader.close()


async def test_what_no_client_can_read_is_said_and_the_rest_is_read(settings: Settings, topic: str, reader: Follower):
    await write_oddly(settings, topic, 0, [written(0), (b"k", b"odd", [(b"na\xffme", b"1")]), written(1)], LZ4)
    found = await asyncio.to_thread(read, reader, 3)
    assert [why_unreadable(each.headers) is None for each in found] == [True, False, True]
