"""Reading by the million gives what every other reader gives: the same records, from offset to offset."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from postavka.kernel.log import range_reader
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.range_reader import Piece, RangeUnread, read_pieces
from postavka.kernel.log.unreadable import MARKER, UNREADABLE, why_unreadable
from postavka.kernel.settings import PARTITIONS, Settings
from tests.kernel.log.odd_records import LZ4, NONE, ZSTD, Written, odd_batch, write_oddly


def written(number: int) -> Written:
    return (b"k%d" % number, b"v%d" % number, [(b"ce_type", b"X.v1"), (b"n", b"%d" % number), (b"none", None)])


def seen(pieces: Iterable[Piece]) -> dict[tuple[str, int], list[tuple[object, ...]]]:
    """By partition, in the order in which it came."""
    found: dict[tuple[str, int], list[tuple[object, ...]]] = {}
    for piece in pieces:
        of_place = found.setdefault((piece.topic, piece.partition), [])
        of_place += [(each.offset, each.timestamp, each.key, each.value, tuple(each.headers)) for each in piece.records]
    return found


def everything(settings: Settings, topic: str) -> Iterable[Piece]:
    ends = end_offsets(settings, [(topic, number) for number in range(PARTITIONS)])
    return read_pieces(settings, dict.fromkeys(ends, 0), ends)


def by_librdkafka(settings: Settings, topic: str, count: int) -> dict[tuple[str, int], list[tuple[object, ...]]]:
    """What another library makes of the same."""
    found: dict[tuple[str, int], list[tuple[object, ...]]] = {}
    with closing(Consumer(for_librdkafka(settings) | {"group.id": topic, "enable.auto.commit": False})) as consumer:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        while sum(map(len, found.values())) < count:
            for each in consumer.consume(count, timeout=0.2):
                of_place = found.setdefault((topic, each.partition()), [])
                headers = tuple(each.headers() or ())
                of_place.append((each.offset(), each.timestamp()[1], each.key(), each.value(), headers))
    return found


@pytest.mark.parametrize("compression", [NONE, LZ4, ZSTD])
async def test_all_of_a_topic_comes_as_it_comes_from_librdkafka(settings: Settings, topic: str, compression: int):
    for partition in (0, 3, 11):
        for batch in range(4):
            await write_oddly(settings, topic, partition, [written(batch * 10 + n) for n in range(10)], compression)
    found = await asyncio.to_thread(lambda: seen(everything(settings, topic)))
    theirs = by_librdkafka(settings, topic, 120)
    assert found == theirs
    assert sum(map(len, found.values())) == 120


async def test_it_begins_and_ends_in_the_middle_of_a_batch(settings: Settings, topic: str):
    for batch in range(3):
        await write_oddly(settings, topic, 0, [written(batch * 10 + n) for n in range(10)], LZ4)
    place = (topic, 0)
    found = await asyncio.to_thread(lambda: seen(read_pieces(settings, {place: 7}, {place: 24})))
    assert [record[0] for record in found[place]] == list(range(7, 24))


async def test_it_reads_within_an_event_loop_as_well(settings: Settings, topic: str):
    """Of a service that is starting: that loop stands meanwhile."""
    await write_oddly(settings, topic, 0, [written(n) for n in range(10)])
    assert [record[0] for record in seen(everything(settings, topic))[topic, 0]] == list(range(10))


def test_of_nothing_comes_nothing(settings: Settings, topic: str):
    assert list(everything(settings, topic)) == []
    assert list(read_pieces(settings, {(topic, 0): 5}, {(topic, 0): 5})) == []


async def test_a_batch_larger_than_an_answer_comes_whole(settings: Settings, topic: str, monkeypatch):
    monkeypatch.setattr(range_reader, "FETCH_BYTES", 2_000)
    monkeypatch.setattr(range_reader, "PARTITION_BYTES", 1_000)
    for partition in range(4):
        for _ in range(3):
            await write_oddly(settings, topic, partition, [(b"k", os.urandom(20_000), [])])
    found = await asyncio.to_thread(lambda: seen(everything(settings, topic)))
    assert {place[1]: [record[0] for record in records] for place, records in found.items()} == {
        partition: [0, 1, 2] for partition in range(4)
    }


async def test_what_no_client_can_read_is_said_and_the_rest_is_read(settings: Settings, topic: str):
    await write_oddly(settings, topic, 0, [written(0), (b"k", b"odd", [(b"na\xffme", b"1")])])
    await write_oddly(settings, topic, 0, [(b"k", bytes(120_000_000), [])], ZSTD)
    await write_oddly(settings, topic, 0, [(b"k", b"nul", [(b"ce_type\x00x", b"1")]), written(1)])
    found = (await asyncio.to_thread(lambda: seen(everything(settings, topic))))[topic, 0]
    whys = [why_unreadable(headers) for *_, headers in found]  # type: ignore[arg-type]
    assert [record[0] for record in found] == [0, 1, 2, 3, 4]
    assert [why is None for why in whys] == [True, False, False, True, True]
    assert found[1][4][0][0] == UNREADABLE  # type: ignore[index]
    assert found[3][4] == (("ce_type", b"1"),)


def test_markers_of_transactions_and_what_was_aborted_are_no_records(settings: Settings, topic: str):
    producer = Producer(for_librdkafka(settings) | {"transactional.id": topic})
    producer.init_transactions()
    for commit in (True, False):
        producer.begin_transaction()
        producer.produce(topic, b"v", b"k", 0)
        producer.flush()
        (producer.commit_transaction if commit else producer.abort_transaction)()
    found = seen(everything(settings, topic))
    assert [(record[0], record[3]) for record in found[topic, 0]] == [(0, b"v")]


async def test_where_the_beginning_was_cut_off_it_begins_with_what_is_left(settings: Settings, topic: str):
    for batch in range(3):
        await write_oddly(settings, topic, 0, [written(batch * 10 + n) for n in range(10)])
    admin = AdminClient(for_librdkafka(settings))
    for future in admin.delete_records([TopicPartition(topic, 0, 12)]).values():
        future.result()
    place = (topic, 0)
    found = await asyncio.to_thread(lambda: seen(read_pieces(settings, {place: 3}, {place: 30})))
    assert [record[0] for record in found[place]] == list(range(12, 30))
    assert list(await asyncio.to_thread(lambda: list(read_pieces(settings, {place: 3}, {place: 9})))) == []


async def test_a_batch_that_comes_damaged_is_asked_for_again(settings: Settings, topic: str, monkeypatch):
    await write_oddly(settings, topic, 0, [written(n) for n in range(10)])
    damaged: list[bytes] = []

    class Damaging(range_reader.CarefulRecords):
        def __init__(self, fetched: bytes) -> None:
            if fetched and not damaged:
                damaged.append(fetched)
                fetched = fetched[:-1] + bytes([fetched[-1] ^ 1])
            super().__init__(fetched)

    monkeypatch.setattr(range_reader, "CarefulRecords", Damaging)
    found = await asyncio.to_thread(lambda: seen(everything(settings, topic)))
    assert [record[0] for record in found[topic, 0]] == list(range(10))
    assert damaged


async def test_a_batch_that_stays_damaged_is_said_and_the_rest_is_read(settings: Settings, topic: str, monkeypatch):
    await write_oddly(settings, topic, 0, [written(n) for n in range(10)])
    bad = len(odd_batch([written(n) for n in range(10)]))
    await write_oddly(settings, topic, 0, [written(n) for n in range(10, 20)])

    class Damaging(range_reader.CarefulRecords):
        def __init__(self, fetched: bytes) -> None:
            if len(fetched) > bad:
                fetched = fetched[: bad - 1] + bytes([fetched[bad - 1] ^ 1]) + fetched[bad:]
            super().__init__(fetched)

    monkeypatch.setattr(range_reader, "CarefulRecords", Damaging)
    found = (await asyncio.to_thread(lambda: seen(everything(settings, topic))))[topic, 0]
    assert [record[0] for record in found] == [9, *range(10, 20)]
    assert "damaged" in str(why_unreadable(found[0][4]))  # type: ignore[arg-type]


async def test_a_record_that_only_looks_like_a_marker_is_a_record(settings: Settings, topic: str):
    marker: Written = (b"k", b"v", [(MARKER.encode(), b"1")])
    await write_oddly(settings, topic, 0, [marker, (b"k", b"odd", [(b"na\xffme", b"1")])])
    found = await asyncio.to_thread(lambda: seen(everything(settings, topic)))
    assert [record[0] for record in found[topic, 0]] == [0, 1]


async def test_a_caller_may_take_its_time(settings: Settings, topic: str, monkeypatch):
    monkeypatch.setattr(range_reader, "TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(range_reader, "FETCH_BYTES", 1_000)
    monkeypatch.setattr(range_reader, "PARTITION_BYTES", 1_000)
    for _ in range(4):
        await write_oddly(settings, topic, 0, [(b"k", os.urandom(2_000), [])])

    def slowly() -> list[int]:
        found = []
        for piece in everything(settings, topic):
            time.sleep(1.5)  # the next answer lies there, and its time is over
            found += [record.offset for record in piece.records]
        return found

    assert await asyncio.to_thread(slowly) == [0, 1, 2, 3]


class TwoBrokers:
    """In place of the client: brokers 1 and 2, of which a test says who leads the partition, and what they answer."""

    def __init__(self) -> None:
        self.cluster = self
        self.leader = 1
        self.answers: dict[int, asyncio.Future[Any]] = {}

    def leader_for_partition(self, place: Any) -> int:
        return self.leader

    async def send(self, node: int, request: Any) -> Any:
        self.answers[node] = asyncio.get_running_loop().create_future()
        return await self.answers[node]

    async def force_metadata_update(self) -> None: ...


def answer(place: tuple[str, int], first: int, count: int) -> Any:
    batch = odd_batch([written(n) for n in range(count)])
    fetched = first.to_bytes(8, "big") + batch[8:]
    return SimpleNamespace(topics=[(place[0], [(place[1], 0, 100, 100, 0, None, -1, fetched)])])


async def test_a_partition_whose_leader_moves_is_not_read_twice(settings: Settings):
    place, brokers = ("t", 0), TwoBrokers()
    fetches = range_reader._Fetches(settings, {place: 0}, {place: 20})
    fetches._client = brokers
    fetches._ask()
    await asyncio.sleep(0)
    brokers.leader = 2
    fetches._ask()
    await asyncio.sleep(0)
    brokers.answers[1].set_result(answer(place, 0, 20))  # late, and more than the new leader gives
    brokers.answers[2].set_result(answer(place, 0, 5))
    found = await fetches.answer()
    assert [(first, batches[0].next_offset) for _, first, batches in found] == [(0, 20)]
    assert fetches.left == {}


def test_a_broker_that_comes_late_is_waited_for(settings: Settings, topic: str):
    asyncio.run(write_oddly(settings, topic, 0, [written(0)]))
    host, _, port = settings.kafka_bootstrap_servers.rpartition(":")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        late = taken.getsockname()[1]

    def come() -> None:
        time.sleep(1.0)
        door.bind(("127.0.0.1", late))
        door.listen()
        ours, _ = door.accept()
        theirs = socket.create_connection((host, int(port)))
        for source, target in ((ours, theirs), (theirs, ours)):
            threading.Thread(target=pass_on, args=(source, target), daemon=True).start()

    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        threading.Thread(target=come, daemon=True).start()
        waiting = settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{late}"})
        found = seen(read_pieces(waiting, {(topic, 0): 0}, {(topic, 0): 1}))
    assert [record[0] for record in found[topic, 0]] == [0]


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with source, target:
        while data := source.recv(65_536):
            target.sendall(data)


@pytest.mark.parametrize("broker", ["127.0.0.1:1", "gone"])
def test_a_broker_that_gives_nothing_is_said(settings: Settings, topic: str, monkeypatch, broker: str):
    monkeypatch.setattr(range_reader, "TIMEOUT_SECONDS", 1.0)
    place = (topic, 0)
    if broker == "gone":  # an end that is not there: nothing ever comes
        asked = read_pieces(settings, {place: 0}, {place: 5})
    else:
        asked = read_pieces(settings.model_copy(update={"kafka_bootstrap_servers": broker}), {place: 0}, {place: 5})
    with pytest.raises(RangeUnread):
        list(asked)


def test_who_stops_reading_leaves_nothing_behind(settings: Settings, topic: str):
    asyncio.run(write_oddly(settings, topic, 0, [written(n) for n in range(10)]))
    before = len(os.listdir("/proc/self/fd"))
    pieces = everything(settings, topic)
    next(iter(pieces))
    del pieces
    assert len(os.listdir("/proc/self/fd")) <= before + 2
