"""Records as a hostile sender may write them: any bytes as a header's name, more than memory holds in a small batch.
No client library writes such by itself; here aiokafka's builder is told to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from postavka.kernel.log.connection import for_aiokafka
from postavka.kernel.settings import Settings

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
Written = tuple[bytes | None, bytes | None, Sequence[tuple[bytes, bytes | None]]]
"""Key, value, and headers with any bytes as names."""


class _Name(str):
    """A header's name with bytes that are no text."""

    raw: bytes

    def encode(self, *_: Any) -> bytes:
        return self.raw


def _name(raw: bytes) -> str:
    name = _Name(raw.decode("utf-8", "replace"))
    name.raw = raw
    return name


def odd_batch(records: Iterable[Written], compression: int = NONE) -> bytes:
    """A batch as it lies on Kafka, from offset 0."""
    builder = _DefaultRecordBatchBuilderPy(2, compression, 0, -1, -1, -1, 1_000_000_000)
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, 1_000 + offset, key, value, [(_name(name), each) for name, each in headers])
    return bytes(builder.build())


async def write_oddly(
    config: Settings, topic: str, partition: int, records: Sequence[Written], compression: int = NONE
) -> int:
    """Put one batch on a topic; returns the offset of its first record. The broker must take it."""
    producer = AIOKafkaProducer(**for_aiokafka(config), max_request_size=10_000_000)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._relative_offset, batch._buffer, batch._closed = len(records), odd_batch(records, compression), True
        return int((await (await producer.send_batch(batch, topic, partition=partition))).offset)
    finally:
        await producer.stop()
