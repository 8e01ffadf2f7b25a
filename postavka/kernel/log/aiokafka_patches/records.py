"""How aiokafka takes records out of what a fetch brought, made so that no record can stop a partition.

The library's fetcher asks `MemoryRecords` for batches and each batch for its records. `install` puts `CarefulRecords`
in its place, for every consumer of the process, whose `getmany` gives records of ours then: one object for each instead
of three. Batches are still read by the library; what differs:

- A record with a header name that is not UTF-8 comes with `postavka-unreadable` in place of its headers. The library
  raises, with every fetch, for ever.
- A batch that would unpack to more than `LARGEST_UNPACKED`, or that can't be taken apart, comes as one such record at
  its last offset, with the packed bytes as its value. The library unpacks whatever it is given: a megabyte of zstd can
  hold more than any memory.
- A batch without records for readers (the marker of a transaction, and a batch whose transaction was aborted) comes
  as one record, which `is_marker` recognises. The library skips it silently, and a partition that ends in one would
  never count as handled.
- A header's name ends at a NUL, as it does for librdkafka: all readers must see the same.

Consumers must read committed records only (`connection.for_aiokafka_consumer`), and take keys and values as they are.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cramjam
from aiokafka import TopicPartition, codec
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBase, DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from postavka.kernel.log.record import RawHeaders, Record
from postavka.kernel.log.unreadable import MARKER, NOT_UTF_8, RAW_HEADERS, UNREADABLE

LARGEST_UNPACKED = 32 * 1024 * 1024
"""Bytes of one batch. Senders close a batch at a megabyte, packed or not; a record of ours has a few kilobytes."""

_LENGTH = struct.Struct(">i")
_LENGTH_AT, _MAGIC_AT, _COUNT_AT, _HEADER_BYTES = 8, 16, 57, DefaultRecordBase.HEADER_STRUCT.size
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_UNPACK = {
    _GZIP: codec.gzip_decode,
    _SNAPPY: codec.snappy_decode,
    _LZ4: codec.lz4_decode,
    _ZSTD: codec.zstd_decode,
}
_HIGHEST_RATIO = {_GZIP: 1_032, _SNAPPY: 22, _LZ4: 255}
"""Of the formats that have one."""


@dataclass(frozen=True, slots=True)
class CarefulRecord:
    """What the fetcher asks of a record."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders
    checksum: None = None


class CarefulBatch:
    """A batch of today's format: the library's, and the bytes it was made from."""

    def __init__(self, raw: bytes) -> None:
        self._batch = DefaultRecordBatch(raw)
        self._raw = raw
        self._given_up = False
        self._aborted = False
        self.is_control_batch = False  # the fetcher would skip it
        self.is_transactional: bool = self._batch.is_transactional
        self.producer_id: int = self._batch.producer_id
        self.base_offset: int = self._batch.base_offset
        self.next_offset: int = self._batch.next_offset

    def give_up(self) -> None:
        """Give up on a batch that stays damaged: now it is one record that says so."""
        self._given_up = True

    def abort(self) -> None:
        """Its transaction was aborted: now it is one record without content, which only takes its offsets."""
        self._aborted = True

    @property
    def is_marker(self) -> bool:
        """Does the broker say with it that a transaction of its producer has ended?"""
        return bool(self._batch.is_control_batch)

    def validate_crc(self) -> bool:
        """Whether the batch is undamaged; False for bytes that were damaged on their way or on a disk: the library
        fetches again."""
        return bool(self._batch.validate_crc())

    def __iter__(self) -> Iterator[Any]:
        return iter(cut_at_nul(self.uncut()))

    def uncut(self) -> Sequence[Any]:
        """Its records, names of headers as they are."""
        packed = memoryview(self._raw)[_HEADER_BYTES:]
        if self._aborted:
            return [self._instead(None, ((MARKER, b"1"),))]
        if self._given_up:
            return [self._unreadable("is damaged: its checksum does not fit", bytes(packed))]
        if self._batch.is_control_batch:
            return [self._instead(None, ((MARKER, b"1"),))]
        if not unpacks_within(self._batch.compression_type, packed, LARGEST_UNPACKED):
            return [self._unreadable(f"unpacks to more than {LARGEST_UNPACKED} bytes", bytes(packed))]
        try:
            return list(self._batch) or [self._instead(None, ((MARKER, b"1"),))]
        except Exception:  # a name that is not UTF-8, or anything else that the broker took and the library does not
            try:
                return self._one_by_one(packed)
            except Exception as odd:
                return [self._unreadable(f"can't be taken apart ({type(odd).__name__})", bytes(packed))]

    def _one_by_one(self, packed: memoryview) -> list[CarefulRecord]:
        unpack = _UNPACK.get(self._batch.compression_type)
        data = bytearray(packed if unpack is None else unpack(packed.tobytes()))
        (count,) = _LENGTH.unpack_from(self._raw, _COUNT_AT)
        records, at = [], 0
        for _ in range(count):
            length, at = decode_varint(data, at)
            records.append(self._record(data, at, at + length))
            at += length
        if at != len(data):
            raise ValueError("bytes are left over")
        return records

    def _record(self, data: bytearray, at: int, end: int) -> CarefulRecord:
        batch = self._batch
        delta, at = decode_varint(data, at + 1)  # behind the attributes, which mean nothing yet
        offset, at = decode_varint(data, at)
        key, at = _nullable(data, at)
        value, at = _nullable(data, at)
        timestamp = batch.max_timestamp if batch.timestamp_type == 1 else batch.first_timestamp + delta
        if not 0 <= at <= end <= len(data):
            raise ValueError("a length that leads out of the record")
        headers = _headers(bytes(data[at:end]))
        return CarefulRecord(batch.base_offset + offset, timestamp, batch.timestamp_type, key, value, headers)

    def _unreadable(self, why: str, value: bytes) -> CarefulRecord:
        (count,) = _LENGTH.unpack_from(self._raw, _COUNT_AT)
        text = f"a batch of {count} records from offset {self.base_offset} on {why}"
        return self._instead(value, ((UNREADABLE, text.encode()),))

    def _instead(self, value: bytes | None, headers: RawHeaders) -> CarefulRecord:
        """The one record that stands for the whole batch, at its last offset: the mark moves over all of it."""
        batch = self._batch
        return CarefulRecord(
            batch.next_offset - 1, batch.max_timestamp, batch.timestamp_type, key=None, value=value, headers=headers
        )


class CarefulRecords:
    """What a fetch brought of one partition, as batches. A batch that came only in part is left for the next fetch."""

    def __init__(self, fetched: bytes) -> None:
        self._fetched = fetched
        self._at = 0
        self._ahead: deque[tuple[int, int]] = deque()
        self._aborting: set[int] = set()

    def leave_out(self, aborted: Iterable[tuple[int, int]] | None) -> None:
        """Transactions that the broker says were aborted, as (producer id, first offset): their batches come without
        content, each until the marker with which its producer's transaction ended."""
        self._ahead = deque(sorted((first, producer) for producer, first in aborted or ()))

    def size_in_bytes(self) -> int:
        """The size of all that was fetched, in bytes."""
        return len(self._fetched)

    def has_next(self) -> bool:
        """Is there another whole batch?"""
        end = self._end()
        return end is not None and end <= len(self._fetched)

    def next_batch(self) -> Any:
        """The next batch of records; None behind the last whole one."""
        end = self._end()
        if end is None or end > len(self._fetched):
            return None
        raw, self._at = bytes(self._fetched[self._at : end]), end
        if len(raw) < _HEADER_BYTES or raw[_MAGIC_AT] < 2:
            return MemoryRecords(raw).next_batch()  # of Kafka before 0.11: no headers in it
        batch = CarefulBatch(raw)
        if self._ahead or self._aborting:
            self._compare(batch)
        return batch

    def _compare(self, batch: CarefulBatch) -> None:
        while self._ahead and self._ahead[0][0] <= batch.base_offset:
            self._aborting.add(self._ahead.popleft()[1])
        if not batch.is_transactional or batch.producer_id not in self._aborting:
            return
        if batch.is_marker:
            self._aborting.discard(batch.producer_id)
        else:
            batch.abort()

    def _end(self) -> int | None:
        if len(self._fetched) - self._at < _LENGTH_AT + _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._fetched, self._at + _LENGTH_AT)
        return int(self._at + _LENGTH_AT + _LENGTH.size + length)


class OurRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """What a fetch brought of one partition, for the fetcher: hands out records of ours. What was aborted is told by
    `CarefulRecords`; the library would drop it, offsets and all."""

    def __init__(self, tp: TopicPartition, records: Any, aborted: Any, *others: Any) -> None:
        if others[-1] == fetcher.READ_COMMITTED:
            records.leave_out(aborted)
        super().__init__(tp, records, None, *others[:-1], fetcher.READ_UNCOMMITTED)

    def _consumer_record(self, tp: TopicPartition, record: Any) -> Record:
        return Record(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(record.headers),
        )


def install() -> None:
    """Let every aiokafka consumer of this process read carefully, and give `Record`s."""
    fetcher.MemoryRecords = CarefulRecords
    fetcher.PartitionRecords = OurRecords


def cut_at_nul(records: Sequence[Any]) -> Sequence[Any]:
    """Records whose headers' names end at a NUL. All are asked at once: one by one it takes twice as long."""
    if "\x00" not in "".join([name for each in records for name, _ in each.headers]):
        return records
    return [_cut(each) for each in records]


def _cut(record: Any) -> CarefulRecord:
    headers = tuple((name.partition("\x00")[0], value) for name, value in record.headers)
    return CarefulRecord(record.offset, record.timestamp, record.timestamp_type, record.key, record.value, headers)


def unpacks_within(compression: int, packed: memoryview, most: int) -> bool:
    """Does it unpack to at most so many bytes? Takes no more memory than that to find out. What is no such format at
    all is none of this function's business: True."""
    if compression not in _UNPACK or len(packed) * _HIGHEST_RATIO.get(compression, most) <= most:
        return True
    if compression == _GZIP:
        return _gzip_within(bytes(packed), most)
    if compression == _SNAPPY:
        return True  # a batch of more than a megabyte, whose every part says how long it is
    into = cramjam.lz4.decompress_into if compression == _LZ4 else cramjam.zstd.decompress_into
    with mmap.mmap(-1, most + 1) as room:  # memory that costs nothing until it is written to
        try:
            return int(into(packed.tobytes(), room)) <= most
        except cramjam.DecompressionError as error:
            return "whole buffer" not in str(error)


def _gzip_within(packed: bytes, most: int) -> bool:
    unpacked = 0
    while packed:
        one = zlib.decompressobj(31)
        try:
            unpacked += len(one.decompress(packed, most + 1 - unpacked))
        except zlib.error:
            return True
        if unpacked > most:
            return False
        packed = one.unused_data
    return True


def _nullable(data: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(data, at)
    if length < 0:
        return None, at
    if at + length > len(data):
        raise ValueError("a length that leads out of the batch")
    return bytes(data[at : at + length]), at + length


def raw_headers(raw: bytes) -> list[tuple[bytes, bytes | None]]:
    """Headers as they lie in a record, taken apart. Raises `ValueError` or `IndexError` when they are cut."""
    data = bytearray(raw)
    count, at = decode_varint(data, 0)
    found = []
    for _ in range(count):
        name, at = _nullable(data, at)
        value, at = _nullable(data, at)
        found.append((name or b"", value))
    return found


def _headers(raw: bytes) -> RawHeaders:
    try:
        return tuple((name.decode(), value) for name, value in raw_headers(raw))
    except UnicodeDecodeError:
        return ((UNREADABLE, NOT_UTF_8), (RAW_HEADERS, raw))
