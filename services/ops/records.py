"""The records of any topic as they lie on the log: read by offset or by time, a screen at a time, within bounds of
time, bytes and records.

Markers of transactions and what was aborted are left out, so that a stretch of offsets may have fewer records, or none:
the answer then says how far the reader looked, and where to go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
import psycopg

from postavka.kernel.log.offsets import PartitionOffsets
from postavka.kernel.log.range_reader import RangeUnread, read_records
from postavka.kernel.log.record import Record
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from services.ops.identity import requests_named

QUERIES = load_queries("services.ops")

PAGE = 25
"""Records on a screen."""
LOOKED, LOOKED_FILTERED = 64, 1_024
"""Offsets of each partition that one round looks at, without and with a filter."""
ROUNDS = 4
MOST_BYTES = 16 * 1024 * 1024
MOST_SECONDS = 4.0
"""After so much no further piece of the log is taken: what was found till then is shown, and where to go on."""
AT_ONCE, TURN_SECONDS = 2, 10.0
"""So many screens are read at the same time in one process; the others wait at most so long for their turn."""
FILTER_MS = 2_000

Place = tuple[str, int]


class BadWhere(ValueError):
    """The condition is no jsonpath, or takes too long; the message is PostgreSQL's."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """The filter of records; empty: all. `where`: a jsonpath of PostgreSQL over the body, such as `$.amount > 1000`."""

    key: str = ""
    type: str = ""
    text: str = ""
    where: str = ""

    @property
    def is_empty(self) -> bool:
        """Does every record fit?"""
        return not (self.key or self.type or self.text or self.where)

    def fits(self, record: Record) -> bool:
        """Is it wanted, but for `where`?"""
        if self.key and self.key.encode().lower() not in (record.key or b"").lower():
            return False
        if self.type and self.type.lower() not in type_of(record).lower():
            return False
        return not self.text or self.text.lower() in (record.value or b"").decode("utf-8", "replace").lower()


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A screen of records. `next`: where to go on, by partition; empty when there is no more. `looked`: records that
    were looked at for it."""

    records: Sequence[Record]
    next: Mapping[int, int]
    looked: int


def type_of(record: Record) -> str:
    """The type that the envelope names; nothing where it names none."""
    return next((value.decode("utf-8", "replace") for name, value in record.headers if name == "ce_type" and value), "")


def about(record: Record) -> set[UUID]:
    """The requests that the record names."""
    return requests_named(record.key, record.value, record.headers)


class RecordBrowser:
    """Reads records for pages; from any thread. Keep it: it keeps its connection to the brokers."""

    def __init__(self, config: Settings, conninfo: str) -> None:
        self._config = config
        self._conninfo = conninfo
        self._offsets = PartitionOffsets(config)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def start(
        self, topic: str, partition: int | None, offset: int | None, since: datetime | None, oldest_first: bool
    ) -> dict[int, int]:
        """Where reading begins, by partition: at an offset, at a moment, or at the end where it goes back from. Going
        back, the offset given is the first that is shown. Raises `OffsetsUnknown`."""
        numbers = range(PARTITIONS) if partition is None else (partition,)
        places = [(topic, number) for number in numbers]
        if offset is not None:
            return dict.fromkeys(numbers, offset if oldest_first else offset + 1)
        if since is not None:
            found = self._offsets.at(places, int(since.timestamp() * 1000))
        else:
            found = self._offsets.beginnings(places) if oldest_first else self._offsets.ends(places)
        return {number: at for (_, number), at in found.items()}

    def page(self, topic: str, start: Mapping[int, int], wanted: RecordFilter, oldest_first: bool) -> RecordPage:
        """A screen of records from these offsets on: the oldest first and upwards, or the newest first and downwards,
        partitions merged by time. Raises `OffsetsUnknown`, `RangeUnread`, `BadWhere`."""
        deadline = time.monotonic() + MOST_SECONDS
        places = [(topic, number) for number in start]
        first, ends = self._offsets.beginnings(places), self._offsets.ends(places)
        at = {place: min(max(start[place[1]], first[place]), ends[place]) for place in places}
        found: dict[Place, list[Record]] = {place: [] for place in places}
        looked = size = 0
        window = LOOKED if wanted.is_empty else LOOKED_FILTERED
        for _ in range(ROUNDS):
            # A partition that fills the screen alone need not be looked at further.
            left = {place: at[place] for place in places if len(found[place]) < PAGE}
            ranges = _ranges(left, first, ends, window if oldest_first else -window)
            if not ranges or time.monotonic() > deadline or size > MOST_BYTES:
                break
            read, whole = self._read(ranges, deadline, MOST_BYTES - size)
            if not whole:  # large records: fewer of them
                window = max(1, window // 16)
                continue
            looked += len(read)
            size += sum(map(_size, read))
            for record in self._that_fit(read, wanted):
                found[record.topic, record.partition].append(record)
            at |= {place: ranges[place][1 if oldest_first else 0] for place in whole}
            if sum(map(len, found.values())) >= PAGE:
                break
        shown, places_left = _merged(found, at, oldest_first)
        ended = ends if oldest_first else first
        going_on = {number: to for (_, number), to in places_left.items() if to != ended[topic, number]}
        return RecordPage(shown, going_on, looked)

    def one(self, topic: str, partition: int, offset: int) -> Record | None:
        """The record at this place; None where there is none: a marker of a transaction, an aborted record, or nothing
        at all. Raises `OffsetsUnknown`, `RangeUnread`."""
        place = (topic, partition)
        if not self._offsets.beginnings([place])[place] <= offset < self._offsets.ends([place])[place]:
            return None
        batches = read_records(self._config, {place: offset}, {place: offset + 1})
        return next((record for batch in batches for record in batch), None)

    def _read(
        self, ranges: Mapping[Place, tuple[int, int]], deadline: float, most_bytes: int
    ) -> tuple[list[Record], set[Place]]:
        """The records of these ranges, and which ranges were read to their ends. Where time or bytes run out the others
        count as not looked at, and what was read of them is dropped."""
        if not self._turns.acquire(timeout=TURN_SECONDS):
            raise RangeUnread("too many look at records at the same time")
        try:
            return self._read_in_turn(ranges, deadline, most_bytes)
        finally:
            self._turns.release()

    def _read_in_turn(
        self, ranges: Mapping[Place, tuple[int, int]], deadline: float, most_bytes: int
    ) -> tuple[list[Record], set[Place]]:
        read: list[Record] = []
        taken = 0
        for batch in read_records(
            self._config,
            {place: begin for place, (begin, _) in ranges.items()},
            {place: end for place, (_, end) in ranges.items()},
        ):
            read += batch
            taken += sum(map(_size, batch))
            if time.monotonic() > deadline or taken > most_bytes:
                reached = {(record.topic, record.partition): record.offset + 1 for record in read}
                whole = {place for place, (_, end) in ranges.items() if reached.get(place, 0) >= end}
                return [each for each in read if (each.topic, each.partition) in whole], whole
        return read, set(ranges)

    def _that_fit(self, read: Sequence[Record], wanted: RecordFilter) -> list[Record]:
        fitting = [record for record in read if wanted.fits(record)]
        if not wanted.where or not fitting:
            return fitting
        bodies = [_json_of(record.value) for record in fitting]
        parameters = {"statement_timeout": str(FILTER_MS), "jit": "off"}
        try:
            with open_session(self._conninfo, parameters, application_name="postavka-web-ops") as connection:
                rows = connection.execute(QUERIES.where, {"bodies": bodies, "where": wanted.where}).fetchall()
        except (psycopg.errors.SyntaxError, psycopg.DataError) as wrong:
            raise BadWhere(wrong.diag.message_primary or str(wrong)) from None
        except psycopg.errors.QueryCanceled:
            raise BadWhere(f"it takes more than {FILTER_MS / 1000:.0f} s") from None
        return [fitting[number - 1] for (number,) in rows]


def _json_of(body: bytes | None) -> str | None:
    """The body as PostgreSQL reads it; None for what is no JSON, or has a NUL, which it does not keep."""
    try:
        text = orjson.dumps(orjson.loads(body or b"")).decode()
    except ValueError:
        return None
    return None if "\\u0000" in text else text


def _ranges(
    at: Mapping[Place, int], first: Mapping[Place, int], ends: Mapping[Place, int], window: int
) -> dict[Place, tuple[int, int]]:
    """The offsets to look at next, of each partition that has more; `window` below zero goes down."""
    found = {}
    for place, offset in at.items():
        other = min(max(offset + window, first[place]), ends[place])
        if other != offset:
            found[place] = (min(offset, other), max(offset, other))
    return found


def _merged(
    found: Mapping[Place, Iterable[Record]], at: Mapping[Place, int], oldest_first: bool
) -> tuple[list[Record], dict[Place, int]]:
    """A screen of what was found, by time, and from where each partition goes on: what was found and is not shown comes
    with the next screen."""
    everything = sorted(
        (record for records in found.values() for record in records), key=_when, reverse=not oldest_first
    )
    going_on = dict(at)
    for record in reversed(everything[PAGE:]):  # those that come soonest last
        going_on[record.topic, record.partition] = record.offset + (0 if oldest_first else 1)
    return everything[:PAGE], going_on


def _when(record: Record) -> tuple[int, int, int]:
    return record.timestamp_ms, record.partition, record.offset


def _size(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"") + sum(len(value or b"") for _, value in record.headers)
