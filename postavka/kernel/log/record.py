"""A record as it lies on Kafka: coordinates and raw bytes, nothing decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

RawHeaders = tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):
    """One record as it lies on Kafka. `timestamp_ms` is the broker's or producer's, in milliseconds since 1970.

    A tuple: a frozen dataclass takes three times as long to make, and one is made for every record.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders

    @property
    def coordinates(self) -> str:
        """The coordinates `topic/partition/offset`: names this record for ever."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of one partition, in order, as they were unpacked: each has `offset`, `timestamp` (ms), `key`,
    `value` and `headers`, pairs of name and value."""

    topic: str
    partition: int
    records: Sequence[Any]


def partition_name(topic: str, partition: int) -> str:
    """The name `topic/partition`: how an input partition is named in the tracking table."""
    return f"{topic}/{partition}"
