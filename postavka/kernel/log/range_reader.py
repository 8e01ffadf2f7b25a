"""Read a range of the log, from offsets to offsets: for a relay's start, recovery, tools, and for rebuilds and audits,
which read millions of records and do little else.

librdkafka hands out message by message, and Python asks each for its topic, offset, headers and value: 12 µs of CPU a
record. Here a fetch is answered with the batches of a partition as they lie in the log, and aiokafka's compiled reader
takes a batch apart in one go: 3 µs. The next fetch is on its way meanwhile.

What can't be read comes as in `aiokafka_patches.records`: one record that says so. Markers of transactions, and what
was aborted, are left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest

from postavka.kernel.errors import ServerAway
from postavka.kernel.log.aiokafka_patches.records import CarefulBatch, CarefulRecord, CarefulRecords, cut_at_nul
from postavka.kernel.log.connection import for_aiokafka
from postavka.kernel.log.offsets import TIMEOUT_SECONDS, end_offsets, first_offsets
from postavka.kernel.log.own_loop import OwnLoop
from postavka.kernel.log.record import Piece, Record
from postavka.kernel.log.unreadable import is_marker
from postavka.kernel.settings import Settings

FETCH_BYTES = 4 * 1024 * 1024
PARTITION_BYTES = 1024 * 1024
"""Of one answer of the broker: packed, so that it may hold some ten times as much. A larger batch comes alone."""
WAIT_MS = 500
RETRY_SECONDS = 0.1
ABORTED = 2
"""Where an answer's partition has its aborted transactions, counted from its last stable offset."""

Place = tuple[str, int]


class RangeUnread(ServerAway):
    """The broker did not give up a range in time."""


def read_records(
    settings: Settings, start: Mapping[Place, int], ends: Mapping[Place, int] | None = None
) -> Iterator[list[Record]]:
    """The records of a range as `read_pieces` finds it, as lists of `Record`. `ends`: as they are when the call begins,
    if none are given."""
    for piece in read_pieces(settings, start, ends if ends is not None else end_offsets(settings, start)):
        place = (piece.topic, piece.partition)
        yield [
            Record(*place, each.offset, each.timestamp, each.key, each.value, tuple(each.headers))
            for each in piece.records
        ]


def read_pieces(settings: Settings, start: Mapping[Place, int], ends: Mapping[Place, int]) -> Iterator[Piece]:
    """Everything of these partitions from `start` on (below zero: from the beginning), up to before `ends`, which must
    be there. Order is kept within a partition. Where the beginning was cut off, reading starts with the first record
    that is left. Raises `RangeUnread` when the broker gives nothing for `TIMEOUT_SECONDS`; how long the caller takes
    for a piece does not count."""
    left = {place: max(offset, 0) for place, offset in start.items() if ends[place] > max(offset, 0)}
    if not left:
        return
    with OwnLoop() as loop:
        fetches = _Fetches(settings, left, ends)
        try:
            loop.run(fetches.open())
            while fetches.left:
                for place, first, batches in loop.run(fetches.answer()):
                    for batch in batches:
                        if records := _wanted(batch, first, ends[place]):
                            yield Piece(*place, records)
        finally:
            loop.run(fetches.close())


def _wanted(batch: Any, first: int, end: int) -> Sequence[Any]:
    """Records of a batch that lie in the range; markers and aborted records left out. All is asked of the batch: record
    by record it would take a fifth of the reading."""
    records: Sequence[Any] = batch.uncut() if isinstance(batch, CarefulBatch) else list(batch)
    if batch.base_offset < first or batch.next_offset > end:  # a batch is fetched whole
        records = [each for each in records if first <= each.offset < end]
    if records and type(records[0]) is CarefulRecord:
        records = [each for each in records if not is_marker(each)]
    return cut_at_nul(records)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A fetch on its way: what of each partition was asked for."""

    answer: asyncio.Task[Any]
    offsets: Mapping[Place, int]


class _Fetches:
    """One fetch on its way to each broker that has something of ours."""

    def __init__(self, settings: Settings, left: dict[Place, int], ends: Mapping[Place, int]) -> None:
        self.left = left
        """The next offset of every partition that is not at its end; what was asked for longest ago comes first."""
        self._asked: dict[int, _Asked] = {}
        self._settings = settings
        self._ends = ends
        self._client: AIOKafkaClient | None = None
        self._damaged: set[tuple[Place, int]] = set()
        """Batches that came damaged once."""
        self._troubles: list[str] = ["nothing comes"]
        self._silent = 0.0
        """Seconds that were waited for an answer with records."""

    async def open(self) -> None:
        """Connect to the brokers. Raises `RangeUnread`."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        # The client's own patience with an answer is ours, so that one that never comes is noticed here.
        self._client = AIOKafkaClient(**for_aiokafka(self._settings), request_timeout_ms=int(TIMEOUT_SECONDS * 1000))
        while True:
            try:
                await self._client.bootstrap()
                break
            except KafkaError as away:
                if time.monotonic() > deadline:
                    raise RangeUnread(f"no broker answers: {away}") from away
                await asyncio.sleep(RETRY_SECONDS)
        await self._client.set_topics({topic for topic, _ in self.left})

    async def close(self) -> None:
        tasks = [asked.answer for asked in self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def answer(self) -> list[tuple[Place, int, list[Any]]]:
        """The batches that came next, by partition, with the offset that was asked for: the first batch may begin
        before it. Others are asked for before this returns."""
        started, known_troubles = time.monotonic(), len(self._troubles)
        found: list[tuple[Place, int, list[Any]]] = []
        self._ask()
        if self._asked:
            tasks = [asked.answer for asked in self._asked.values()]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for node in [node for node, asked in self._asked.items() if asked.answer.done()]:
                await self._take(self._asked.pop(node), found)
        else:
            self._troubles.append("no broker leads them")
        if len(self._troubles) > known_troubles:  # leaders move, brokers come back
            await asyncio.sleep(RETRY_SECONDS)
            assert self._client is not None  # noqa: S101
            await self._client.force_metadata_update()
        self._silent = 0.0 if found else self._silent + time.monotonic() - started
        if self._silent > TIMEOUT_SECONDS:
            raise RangeUnread(f"{self._troubles[-1]} for {TIMEOUT_SECONDS:.0f} s of {sorted(self.left)[:3]}")
        self._ask()
        return found

    async def _take(self, asked: _Asked, found: list[tuple[Place, int, list[Any]]]) -> None:
        try:
            answered = asked.answer.result()
        except KafkaError as error:
            self._troubles.append(repr(error))
            return
        for topic, partitions in answered.topics:
            for partition, code, _, *rest in partitions:
                place = (topic, partition)
                first = asked.offsets[place]
                if self.left.get(place) != first:
                    continue  # its leader moved, and the new one was faster
                if code:
                    await self._mend(place, for_code(code))
                elif batches := self._batches(place, first, rest):
                    found.append((place, first, batches))

    def _ask(self) -> None:
        assert self._client is not None  # noqa: S101
        wanted: dict[int, dict[Place, int]] = {}
        for place, offset in self.left.items():
            node = self._client.cluster.leader_for_partition(TopicPartition(*place))
            if node is not None and node >= 0 and node not in self._asked:
                wanted.setdefault(node, {})[place] = offset
        for node, offsets in wanted.items():
            topics: dict[str, list[tuple[int, int, int]]] = {}
            for (topic, partition), offset in offsets.items():
                topics.setdefault(topic, []).append((partition, offset, PARTITION_BYTES))
            request = FetchRequest(WAIT_MS, 1, FETCH_BYTES, READ_COMMITTED, list(topics.items()))
            self._asked[node] = _Asked(asyncio.ensure_future(self._client.send(node, request)), offsets)

    def _batches(self, place: Place, first: int, answered: Sequence[Any]) -> list[Any]:
        """`answered`: last stable offset and start of the log, then the aborted transactions, which node is better
        asked (of version 11 on), and the batches."""
        records = CarefulRecords(answered[-1] or b"")
        records.leave_out(answered[ABORTED])
        batches = []
        behind = first
        while (batch := records.next_batch()) is not None:
            if not batch.validate_crc():
                if (place, batch.base_offset) not in self._damaged:
                    self._damaged.add((place, batch.base_offset))
                    self._troubles.append(f"{place[0]}/{place[1]}: a batch came damaged")
                    break  # on its way, perhaps: it is asked for again
                batch.give_up()
            batches.append(batch)
            behind = max(behind + 1, batch.next_offset)
        if batches:
            # Out and in again: a broker fills its answer in the order of the question.
            del self.left[place]
            if behind < self._ends[place]:
                self.left[place] = behind
        return batches

    async def _mend(self, place: Place, error: type[KafkaError]) -> None:
        if error is OffsetOutOfRangeError:
            there = (await asyncio.to_thread(first_offsets, self._settings, [place]))[place]
            if there > self.left[place]:
                self.left[place] = there
                if there >= self._ends[place]:
                    del self.left[place]
                return
        self._troubles.append(f"{place[0]}/{place[1]}: {error.__name__}")
