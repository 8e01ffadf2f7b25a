"""The offsets at which partitions begin and end, asked of the brokers: by watchdogs every other second, by tools once.

Through aiokafka's client. librdkafka's `AdminClient.list_offsets` (2.16) connects to a leader that is away ten thousand
times a second until it has moved, whatever its settings of back-off: one dead broker of three kept all services busy.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.offset import OffsetRequest

from postavka.kernel.errors import ServerAway
from postavka.kernel.log.connection import for_aiokafka
from postavka.kernel.log.own_loop import OwnLoop
from postavka.kernel.process import liveness
from postavka.kernel.settings import Settings

TIMEOUT_SECONDS = 15.0
RETRY_SECONDS = 0.1
"""Between two questions, and twice as long with each further one, up to `LONGEST_RETRY_SECONDS`."""
LONGEST_RETRY_SECONDS = 1.0
NEW_TOPIC_SECONDS = 3.0
"""So long a broker may not know a topic that another has made."""
LATEST, EARLIEST = -1, -2
"""In place of a time, in Kafka's protocol."""

Place = tuple[str, int]
AWAY = (KafkaError, OSError, TimeoutError)
"""What may pass by itself."""


class OffsetsUnknown(ServerAway):
    """The brokers have not said where topics begin or end; says why."""


class PartitionOffsets:
    """Asks the brokers, from any thread, one question at a time. Kept by who asks again and again; between two
    questions nothing runs. A context manager."""

    def __init__(self, settings: Settings, seconds: float = TIMEOUT_SECONDS) -> None:
        """`seconds`: how long a question that fails is asked again."""
        self._settings = settings
        self._seconds = seconds
        self._lock = threading.Lock()
        self._loop = OwnLoop()
        self._client: AIOKafkaClient | None = None

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset behind the last record that may be read (the last stable offset). Raises `OffsetsUnknown`."""
        return self._asked(dict.fromkeys(places, LATEST))

    def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset of the first record that is left. Raises `OffsetsUnknown`."""
        return self._asked(dict.fromkeys(places, EARLIEST))

    def at(self, places: Iterable[Place], timestamp_ms: int) -> dict[Place, int]:
        """The first offset whose record's time is not before this one; the end of a partition without such a record.
        Raises `OffsetsUnknown`."""
        wanted = list(places)
        ends = self.ends(wanted)
        found = self._asked(dict.fromkeys(wanted, timestamp_ms))
        return {place: found[place] if found[place] >= 0 else end for place, end in ends.items()}

    def _asked(self, wanted: Mapping[Place, int]) -> dict[Place, int]:
        if not wanted:
            return {}
        with self._lock, liveness.question("where topics end"):
            return self._loop.run(self._ask(wanted))

    async def _ask(self, wanted: Mapping[Place, int]) -> dict[Place, int]:
        began, pause = time.monotonic(), RETRY_SECONDS
        found: dict[Place, int] = {}
        while True:
            why: Exception | None = None
            try:
                client = await self._connected({topic for topic, _ in wanted})
                left = {place: when for place, when in wanted.items() if place not in found}
                why = await _ask_leaders(client, left, found)
            except AWAY as away:
                why = away
            if len(found) == len(wanted):
                return found
            waited = time.monotonic() - began
            unknown = isinstance(why, UnknownTopicOrPartitionError) and waited > NEW_TOPIC_SECONDS
            if waited > self._seconds or unknown or isinstance(why, TopicAuthorizationFailedError):
                raise OffsetsUnknown(_words(why)) from why
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)
            if self._client is not None:
                await self._client.force_metadata_update()

    async def _connected(self, topics: set[str]) -> AIOKafkaClient:
        if self._client is None:
            client = AIOKafkaClient(
                **for_aiokafka(self._settings), request_timeout_ms=int(TIMEOUT_SECONDS * 1000), retry_backoff_ms=500
            )
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
            self._client = client
        if not topics <= self._client.cluster.topics():
            await self._client.set_topics(topics)
        return self._client

    def close(self) -> None:
        """Close the connection, if there is one, and the loop it runs in."""
        with self._lock:
            if self._client is not None:
                self._loop.run(self._client.close())
                self._client = None
            self._loop.close()

    def __enter__(self) -> PartitionOffsets:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


async def _ask_leaders(
    client: AIOKafkaClient, wanted: Mapping[Place, int], found: dict[Place, int]
) -> Exception | None:
    """Ask each leader for what it leads; adds to `found`. Returns why something is missing, if one can say."""
    by_node: dict[int, dict[str, list[tuple[int, int]]]] = {}
    why: Exception | None = None
    for place, when in wanted.items():
        leader = client.cluster.leader_for_partition(TopicPartition(*place))
        if leader is None:
            why = UnknownTopicOrPartitionError(f"{place[0]}/{place[1]}")
        elif leader >= 0:
            by_node.setdefault(leader, {}).setdefault(place[0], []).append((place[1], when))
    asked = [
        client.send(node, OffsetRequest(-1, READ_COMMITTED, list(topics.items()))) for node, topics in by_node.items()
    ]
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, AWAY):
            why = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            why = _take(answer, found) or why
    return why


def _take(answer: Any, found: dict[Place, int]) -> KafkaError | None:
    why: KafkaError | None = None
    for topic, partitions in answer.topics:
        for partition, code, _, offset in partitions:
            if code:
                why = for_code(code)(f"{topic}/{partition}")
            else:
                found[topic, partition] = offset
    return why


def _words(why: Exception | None) -> str:
    if why is None:
        return "Kafka: partitions have no leader"
    named = type(why).__name__.removesuffix("Error")
    return f"Kafka: {named}" + (f" ({why.args[0]})" if why.args and isinstance(why.args[0], str) else "")


def end_offsets(settings: Settings, places: Iterable[Place]) -> dict[Place, int]:
    """Ask `PartitionOffsets.ends` once."""
    with PartitionOffsets(settings) as offsets:
        return offsets.ends(places)


def first_offsets(settings: Settings, places: Iterable[Place]) -> dict[Place, int]:
    """Ask `PartitionOffsets.beginnings` once."""
    with PartitionOffsets(settings) as offsets:
        return offsets.beginnings(places)


def offsets_at(settings: Settings, places: Iterable[Place], timestamp_ms: int) -> dict[Place, int]:
    """Ask `PartitionOffsets.at` once."""
    with PartitionOffsets(settings) as offsets:
        return offsets.at(places, timestamp_ms)
