"""Read millions of records, from offsets to offsets: for rebuilds and audits, whose time is mostly the reading.

librdkafka hands out message by message, and Python asks each for its topic, offset, headers and value: 12 µs of CPU a
record. Here a fetch is answered with the batches of a partition as they lie in the log, and aiokafka's compiled reader
takes a batch apart in one go: 3 µs. The next fetch is on its way meanwhile.

What can't be read comes as in `aiokafka_records`: one record that says so. Markers of transactions are left out.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import uvloop
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest

from postavka.log.aiokafka_records import CarefulRecord, CarefulRecords
from postavka.log.connection import for_aiokafka
from postavka.log.record import Piece
from postavka.log.tail import TIMEOUT_SECONDS, TailUnread, first_offsets
from postavka.log.unreadable import MARKER
from postavka.settings import Settings

FETCH_BYTES = 4 * 1024 * 1024
PARTITION_BYTES = 1024 * 1024
"""Of one answer of the broker: packed, so that it may hold some ten times as much. A larger batch comes alone."""
WAIT_MS = 500
RETRY_SECONDS = 0.1

Place = tuple[str, int]


def read_pieces(settings: Settings, start: Mapping[Place, int], ends: Mapping[Place, int]) -> Iterator[Piece]:
    """Everything of these partitions from `start` on, up to before `ends`, which must be there. Where the beginning was
    cut off, reading starts with the first record that is left. Raises `TailUnread` when the broker gives nothing for
    `TIMEOUT_SECONDS`."""
    left = {place: max(offset, 0) for place, offset in start.items() if ends[place] > max(offset, 0)}
    if not left:
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        fetches = _Fetches(settings, left, ends)
        try:
            runner.run(fetches.open())
            while fetches.left or fetches.asked:
                for place, first, batches in runner.run(fetches.answer()):
                    for batch in batches:
                        if records := _wanted(batch, first, ends[place]):
                            yield Piece(*place, records)
        finally:
            runner.run(fetches.close())


def _wanted(batch: Any, first: int, end: int) -> Sequence[Any]:
    """Records of a batch that lie in the range, markers left out. All is asked of the batch: record by record it would
    take a fifth of the reading."""
    records: list[Any] = list(batch)
    if batch.base_offset < first or batch.next_offset > end:  # a batch is fetched whole
        records = [each for each in records if first <= each.offset < end]
    if records and type(records[0]) is CarefulRecord:
        records = [each for each in records if each.headers != ((MARKER, b"1"),)]
    if "\x00" in "".join([name for each in records for name, _ in each.headers]):
        records = [_cut(each) for each in records]
    return records


def _cut(record: Any) -> CarefulRecord:
    """A header's name ends at a NUL, as it does for every other reader."""
    headers = tuple((name.partition("\x00")[0], value) for name, value in record.headers)
    return CarefulRecord(record.offset, record.timestamp, record.timestamp_type, record.key, record.value, headers)


class _Fetches:
    """One fetch on its way to each broker that has something of ours."""

    def __init__(self, settings: Settings, left: dict[Place, int], ends: Mapping[Place, int]) -> None:
        self.left = left
        """The next offset of every partition that is not at its end; what was asked for longest ago comes first."""
        self.asked: dict[int, asyncio.Task[Any]] = {}
        self._settings = settings
        self._ends = ends
        self._heard = time.monotonic()
        self._trouble = "nothing comes"

    async def open(self) -> None:
        """Connect. Raises `TailUnread`."""
        # The client's own patience with an answer is ours, so that one that never comes is noticed here.
        self._client = AIOKafkaClient(**for_aiokafka(self._settings), request_timeout_ms=int(TIMEOUT_SECONDS * 1000))
        try:
            await self._client.bootstrap()
        except KafkaError as away:
            raise TailUnread(f"no broker answers: {away}") from away
        await self._client.set_topics({topic for topic, _ in self.left})

    async def close(self) -> None:
        for task in self.asked.values():
            task.cancel()
        await asyncio.gather(*self.asked.values(), return_exceptions=True)
        await self._client.close()

    async def answer(self) -> list[tuple[Place, int, list[Any]]]:
        """The batches that came next, by partition, with the offset that was asked for: the first batch may begin
        before it. Others are asked for before this returns."""
        self._ask()
        if not self.asked:  # nobody leads these partitions now
            await self._again("no broker leads them")
            return []
        done, _ = await asyncio.wait(self.asked.values(), return_when=asyncio.FIRST_COMPLETED)
        found: list[tuple[Place, int, list[Any]]] = []
        for node in [node for node, task in self.asked.items() if task in done]:
            task = self.asked.pop(node)
            try:
                answered = task.result()
            except KafkaError as error:
                await self._again(repr(error))
                continue
            for topic, partitions in answered.topics:
                for partition, code, _, *rest in partitions:
                    place = (topic, partition)
                    first = self.left[place]
                    if code:
                        await self._mend(place, for_code(code))
                    elif batches := self._batches(place, rest[-1] or b""):
                        found.append((place, first, batches))
        if found:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > TIMEOUT_SECONDS:
            raise TailUnread(f"{self._trouble} for {TIMEOUT_SECONDS:.0f} s of {sorted(self.left)[:3]}")
        self._ask()
        return found

    def _ask(self) -> None:
        wanted: dict[int, dict[str, list[tuple[int, int, int]]]] = {}
        for place, offset in self.left.items():
            node = self._client.cluster.leader_for_partition(TopicPartition(*place))
            if node is not None and node >= 0 and node not in self.asked:
                of_node = wanted.setdefault(node, defaultdict(list))
                of_node[place[0]].append((place[1], offset, PARTITION_BYTES))
        for node, topics in wanted.items():
            request = FetchRequest(WAIT_MS, 1, FETCH_BYTES, 0, list(topics.items()))
            self.asked[node] = asyncio.ensure_future(self._client.send(node, request))

    def _batches(self, place: Place, fetched: bytes) -> list[Any]:
        records = CarefulRecords(fetched)
        batches = []
        while (batch := records.next_batch()) is not None:
            if not batch.validate_crc():
                self._trouble = f"{place[0]}/{place[1]}: a batch came damaged"
                break  # and is fetched again
            batches.append(batch)
        if batches:
            # Out and in again: a broker fills its answer in the order of the question.
            del self.left[place]
            if batches[-1].next_offset < self._ends[place]:
                self.left[place] = batches[-1].next_offset
        return batches

    async def _mend(self, place: Place, error: type[KafkaError]) -> None:
        if error is OffsetOutOfRangeError:
            first = await asyncio.to_thread(first_offsets, self._settings, [place])
            if first[place] > self.left[place]:
                self.left[place] = first[place]
                if first[place] >= self._ends[place]:
                    del self.left[place]
                return
        await self._again(f"{place[0]}/{place[1]}: {error.__name__}")

    async def _again(self, why: str) -> None:
        """Leaders move, brokers come back: look anew, for as long as patience lasts."""
        self._trouble = why
        if time.monotonic() - self._heard > TIMEOUT_SECONDS:
            raise TailUnread(f"{why} for {TIMEOUT_SECONDS:.0f} s")
        await asyncio.sleep(RETRY_SECONDS)
        await self._client.force_metadata_update()
