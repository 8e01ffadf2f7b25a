"""No record can stop a reader: header names that are no text, batches that unpack to more than memory, markers of
transactions; on a real broker, through who follows and who reads a range."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from confluent_kafka import Producer

from postavka.kernel.log.aiokafka_patches import records
from postavka.kernel.log.aiokafka_patches.records import CarefulRecords, install
from postavka.kernel.log.connection import for_aiokafka, for_librdkafka
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.log.unreadable import RAW_HEADERS, UNREADABLE, is_marker, why_unreadable
from postavka.kernel.settings import Settings
from postavka.kernel.stage.runner import StageRunner
from postavka.kernel.store.recorder import EventRecorder
from tests.kernel.log.odd_records import GZIP, LZ4, NONE, SNAPPY, ZSTD, Written, odd_batch, write_oddly
from tests.kernel.toys import COMMANDS, record, toy, toy_inputs

ALL = (NONE, GZIP, SNAPPY, LZ4, ZSTD)
GOOD: Written = (b"k", b"good", [(b"ce_type", b"X.v1"), ("имя".encode(), None)])
ODD: Written = (b"k", b"odd", [(b"ce_type", b"X.v1"), (b"na\xffme", b"\x00\x01"), (b"\xfe", None)])
GOOD_HEADERS = (("ce_type", b"X.v1"), ("имя", None))


def taken_apart(fetched: bytes) -> list[Any]:
    """What the fetcher gets."""
    records, found = CarefulRecords(fetched), []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        found += list(batch)
    return found


def moved(batch: bytes, offset: int) -> bytes:
    """The same batch from another offset on; the checksum does not cover it."""
    return offset.to_bytes(8, "big") + batch[8:]


@asynccontextmanager
async def consuming(settings: Settings, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(**for_aiokafka(settings), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        yield consumer
    finally:
        await consumer.stop()


async def read_with_aiokafka(settings: Settings, topic: str, last: int) -> list[Record]:
    """Everything of partition 0 up to an offset, as a stage reads it."""
    install()
    found: list[Record] = []
    async with consuming(settings, topic) as consumer:
        while not found or found[-1].offset < last:
            for batch in (await consumer.getmany(timeout_ms=1_000)).values():
                found += batch
    return found


def whole_range(settings: Settings, topic: str) -> list[Record]:
    """The same, as rebuilds read it."""
    return [each for batch in read_records(settings, {(topic, 0): 0}) for each in batch]


# The library's own


async def test_aiokafka_itself_never_gets_past_such_a_name(
    settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    await write_oddly(settings, topic, 0, [ODD])
    await write_oddly(settings, topic, 0, [GOOD])
    async with consuming(settings, topic) as consumer:
        for _ in range(3):
            with pytest.raises(UnicodeDecodeError):
                await consumer.getmany(timeout_ms=5_000)


# Taking batches apart


@pytest.mark.parametrize("compression", ALL)
def test_ordinary_batches_are_read_as_the_library_reads_them(compression: int):
    written = [(b"%d" % each, b"x" * each, [(b"a", b"%d" % each), (b"b", None)]) for each in range(50)]
    fetched = odd_batch(written, compression) + moved(odd_batch([(None, None, [])], compression), 50)
    library, theirs = MemoryRecords(fetched), []
    while library.has_next():
        theirs += [to_tuple(each) for each in library.next_batch()]
    assert [to_tuple(each) for each in taken_apart(fetched)] == theirs
    assert len(theirs) == 51


def to_tuple(each: Any) -> tuple[Any, ...]:
    return (each.offset, each.timestamp, each.timestamp_type, each.key, each.value, tuple(each.headers))


@pytest.mark.parametrize("compression", ALL)
def test_of_a_batch_with_an_odd_record_the_others_are_as_ever(compression: int):
    found = taken_apart(moved(odd_batch([GOOD, ODD, GOOD], compression), 7))
    assert [(each.offset, each.timestamp, each.value) for each in found] == [
        (7, 1_000, b"good"),
        (8, 1_001, b"odd"),
        (9, 1_002, b"good"),
    ]
    assert found[0].headers == found[2].headers == GOOD_HEADERS
    (name, why), (raw_name, raw) = found[1].headers
    assert (name, raw_name) == (UNREADABLE, RAW_HEADERS)
    assert b"UTF-8" in why
    assert all(each in raw for each in (b"ce_type", b"X.v1", b"na\xffme", b"\x00\x01", b"\xfe"))


def test_a_batch_that_came_in_part_is_left():
    whole = odd_batch([GOOD])
    for cut in range(1, len(whole)):
        assert taken_apart(whole + moved(whole, 1)[:cut]) != []
        records = CarefulRecords(whole[:cut])
        assert not records.has_next()
        assert records.next_batch() is None
        assert records.size_in_bytes() == cut


def test_damage_on_the_way_is_told_as_damage_and_not_put_aside():
    batch = bytearray(odd_batch([GOOD]))
    batch[-3] ^= 1
    assert not CarefulRecords(bytes(batch)).next_batch().validate_crc()


@pytest.mark.parametrize("compression", [GZIP, LZ4, ZSTD])
@pytest.mark.parametrize("fits", [True, False])
def test_a_batch_that_unpacks_to_too_much_is_one_record(monkeypatch: pytest.MonkeyPatch, compression: int, fits: bool):
    most = 3_000_000 if fits else 2_999_000
    monkeypatch.setattr(records, "LARGEST_UNPACKED", most)
    batch = moved(odd_batch([(b"k", bytes(999_900), [])] * 3, compression), 40)
    found = taken_apart(batch)
    if fits:
        assert [len(each.value) for each in found] == [999_900] * 3
        return
    [one] = found
    assert one.offset == 42
    assert one.value == batch[61:]
    assert "3 records from offset 40" in str(why_unreadable(one.headers))


@pytest.mark.parametrize("compression", ALL)
def test_any_bytes_are_taken_apart_without_an_error(compression: int):
    """Whatever stands in a batch with a good frame: records, or one record for all of it."""
    good = odd_batch([GOOD, ODD], compression)
    for place in range(57, len(good)):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            batch = bytearray(good)
            batch[place] = value
            records = list(CarefulRecords(bytes(batch)).next_batch())
            assert records
            assert all(isinstance(each.headers, list | tuple) for each in records)


# Through a broker


@pytest.mark.parametrize("compression", ALL)
async def test_both_readers_say_the_same_of_every_record(settings: Settings, topic: str, compression: int):
    nul: Written = (b"k", b"nul", [(b"ce_type\x00x", b"1")])
    await write_oddly(settings, topic, 0, [GOOD, ODD, nul], compression)
    last = await write_oddly(settings, topic, 0, [GOOD])
    ours = await read_with_aiokafka(settings, topic, last)
    theirs = await asyncio.to_thread(whole_range, settings, topic)
    assert [each.value for each in ours] == [b"good", b"odd", b"nul", b"good"]
    assert [seen(each) for each in ours] == [seen(each) for each in theirs]
    assert [why_unreadable(each.headers) is None for each in ours] == [True, False, True, True]


def seen(record: Record) -> tuple[Any, ...]:
    headers = tuple(pair for pair in record.headers if pair[0] != RAW_HEADERS)
    return (record.coordinates, record.timestamp_ms, record.key, record.value, headers)


async def test_a_bomb_is_passed(settings: Settings, topic: str):
    """120 MB in 4 kB. Nobody unpacks it, and what lies behind it is read."""
    await write_oddly(settings, topic, 0, [(b"k", bytes(120_000_000), [])], ZSTD)
    last = await write_oddly(settings, topic, 0, [GOOD])
    bomb, good = await read_with_aiokafka(settings, topic, last)
    assert (bomb.offset, good.value) == (0, b"good")
    assert "unpacks to more" in str(why_unreadable(bomb.headers))
    assert (await asyncio.to_thread(whole_range, settings, topic))[-1].value == b"good"


async def test_the_markers_of_transactions_are_counted(settings: Settings, topic: str):
    producer = Producer(for_librdkafka(settings) | {"transactional.id": topic})
    producer.init_transactions()
    for commit in (True, False):
        producer.begin_transaction()
        producer.produce(topic, b"v", b"k", 0)
        (producer.commit_transaction if commit else producer.abort_transaction)()
    found = await read_with_aiokafka(settings, topic, 1)
    assert [(each.offset, each.value, is_marker(each)) for each in found][:2] == [(0, b"v", False), (1, None, True)]
    assert is_marker((await read_with_aiokafka(settings, topic, found[-1].offset))[-1])


# In a stage


def handle(recorder: EventRecorder, records: Sequence[Record]) -> StageRunner:
    runner = StageRunner(toy(), recorder, toy_inputs(), 100)
    runner.handle(records)
    return runner


def test_a_stage_puts_it_aside_as_it_came_and_a_retry_changes_nothing(recorder: EventRecorder):
    headers = ((UNREADABLE, b"why"), (RAW_HEADERS, b"\x02\xff"))
    runner = handle(recorder, [record(COMMANDS, 3, b"k", b"odd", headers)])
    [letter] = recorder.dead_letters()
    assert (letter.code, letter.reason, letter.record.value) == ("unreadable", "why", b"odd")
    assert letter.record.headers == headers
    assert runner.marks[f"{COMMANDS}/0"].offset == 3
    assert runner.retry([letter]).dead_letters[0].code == "unreadable"


def test_a_marker_moves_the_mark_and_nothing_else(recorder: EventRecorder):
    runner = handle(recorder, [record(COMMANDS, 3, None, None, (("postavka-marker", b"1"),))])
    assert runner.marks[f"{COMMANDS}/0"].offset == 3
    assert recorder.dead_letters() == []
