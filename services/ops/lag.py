"""The lag of all readers: topics with their size and rate, how far each reader is, and what every service says of
itself.

A probe keeps its last look, so that rates and times to drain come from two looks at a distance.
"""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from events.topics import topic_names
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.errors import UserError
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets
from postavka.kernel.log.sizes import SizesUnknown, topic_bytes
from postavka.kernel.process.logs import WAITING, logger
from postavka.kernel.runtime.ports import SERVICE_PORTS, remembered_ports
from postavka.kernel.settings import Settings, database_url
from services.ops.consumers import READERS, Place, lag, reached, relay_delay, unsent
from services.ops.dead_letters import open_by_stage

log = logger(__name__)

FRESH_SECONDS = 0.5
"""A look that is younger is given again: several who look at once would make rates of milliseconds."""
PATIENCE_SECONDS, AGAIN_SECONDS = 5.0, 5.0
"""How long Kafka is asked again, and how long after that nobody asks: people wait for the answer."""
SIZES_SECONDS = 10.0
"""The brokers add up their folders for an answer: not at every look."""


class NothingSeen(UserError):
    """A server is away, and was never seen before."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """The state of a topic: how many records it holds, how many came each second since the last look (None: the first
    look), and how many bytes one copy of it takes (None: the brokers don't say)."""

    name: str
    partitions: int
    records: int
    rate: float | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class ReaderState:
    """The state of a reader: records it has still to handle, records a second it handles, seconds until it is through
    at that rate, beside what comes in meanwhile (None: not known, or it does not get nearer). `relay_delay`: events in
    its store that are not on their topic yet; `unsent`: what else waits to be sent outward. None there: it has no such
    thing."""

    name: str
    lag: int | None
    rate: float | None
    seconds_to_drain: float | None
    relay_delay: int | None
    unsent: int | None
    dead_letters: int | None


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The state of a service by its own word; `trouble` when it is unwell or does not answer. `standing` and
    `patience`: for how long its slowest partition has stood still, and after how long its watchdog ends it, in seconds;
    None where there is no watchdog."""

    name: str
    trouble: str | None
    version: str | None
    standing: float | None
    patience: float | None
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Streams:
    """One look at all topics, readers and services. `sizes_unknown`: why topics have no bytes."""

    topics: list[TopicState]
    readers: list[ReaderState]
    services: list[ServiceState]
    sizes_unknown: str | None


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    records: Mapping[str, int]
    handled: Mapping[str, int]
    lags: Mapping[str, int]


class Probe:
    """Looks at the streams. Keep it: the second look has rates."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._admin = AdminClient(for_librdkafka(config))
        self._offsets = PartitionOffsets(config, PATIENCE_SECONDS)
        self._seen_at = self._failed_at = float("-inf")
        self._lock = threading.Lock()
        self._before: _Look | None = None
        self._last: Streams | None = None
        self._sized_at = float("-inf")
        self._sizes: dict[str, int] = {}
        self._sizes_unknown: str | None = None

    def look(self) -> Streams:
        """The last look while a server is away: `age` says how old it is. Raises `NothingSeen` when there was none.
        Safe from any thread."""
        with self._lock:
            now = time.monotonic()
            if now - self._seen_at > FRESH_SECONDS and now - self._failed_at > AGAIN_SECONDS:
                try:
                    self._last = self._look()
                    self._seen_at = time.monotonic()
                except (KafkaException, OffsetsUnknown, psycopg.OperationalError) as away:
                    self._failed_at = time.monotonic()
                    log.warning(WAITING, why=str(away)[:200])
            if self._last is None:
                raise NothingSeen("Kafka or PostgreSQL does not answer; `postavka doctor` says which")
            return self._last

    @property
    def age(self) -> float:
        """Seconds since what `look` gave was seen."""
        return time.monotonic() - self._seen_at

    def _look(self) -> Streams:
        url = database_url(self._config)
        known = self._admin.list_topics(timeout=10).topics
        names = [name for name in topic_names(distributor_ids(url)) if name in known]
        counts = {name: len(known[name].partitions) for name in names}
        ends = self._offsets.ends([(name, number) for name in names for number in range(counts[name])])
        records = {name: sum(ends[name, number] for number in range(counts[name])) for name in names}
        with psycopg.connect(url, autocommit=True, application_name="postavka-web-ops") as connection:
            readers, look = self._readers(connection, ends, records)
        self._look_at_sizes()
        topics = [
            TopicState(name, counts[name], records[name], self._rate(look, name), self._sizes.get(name))
            for name in names
        ]
        self._before = look
        return Streams(topics, readers, services(self._config), self._sizes_unknown)

    def _rate(self, look: _Look, topic: str) -> float | None:
        before = self._before
        if before is None or topic not in before.records:
            return None
        return max(0, look.records[topic] - before.records[topic]) / max(look.at - before.at, 0.001)

    def _look_at_sizes(self) -> None:
        if time.monotonic() - self._sized_at < SIZES_SECONDS:
            return
        try:
            self._sizes, self._sizes_unknown = topic_bytes(self._config), None
        except SizesUnknown as why:
            self._sizes, self._sizes_unknown = {}, str(why)
        self._sized_at = time.monotonic()

    def _readers(
        self, connection: psycopg.Connection[Any], ends: Mapping[Place, int], records: Mapping[str, int]
    ) -> tuple[list[ReaderState], _Look]:
        found: list[ReaderState] = []
        handled: dict[str, int] = {}
        lags: dict[str, int] = {}
        letters = open_by_stage(connection)
        now = time.monotonic()
        for reader in READERS:
            marks = reached(connection, self._admin, reader)
            if marks is None:
                continue
            name, rate, seconds, behind = reader.name, None, None, None
            if reader.marks is not None or reader.group is not None:
                behind = lags[name] = lag(reader, marks, ends)
                handled[name] = sum(offset + 1 for offset in marks.values())
                if self._before is not None and name in self._before.handled:
                    passed = max(now - self._before.at, 0.001)
                    rate = max(0, handled[name] - self._before.handled[name]) / passed
                    seconds = seconds_to_drain(behind, self._before.lags[name], passed)
            delay = relay_delay(connection, name)
            found.append(ReaderState(name, behind, rate, seconds, delay, unsent(connection, reader), letters.get(name)))
        return found, _Look(now, records, handled, lags)


def seconds_to_drain(lag: int, before: int, passed: float) -> float | None:
    """How long a reader needs to get through, if its lag goes on falling as it has in the `passed` seconds since it was
    `before`: what comes in meanwhile is counted. None when it does not fall."""
    if lag == 0:
        return 0.0
    return lag * passed / (before - lag) if before > lag else None


# Services


def services(config: Settings) -> list[ServiceState]:
    """What services answer on `/healthz`: those of `POSTAVKA_SERVICE_URLS`, else those that run in this folder."""
    urls = dict(config.service_urls) or _here(config.home)
    if not urls:
        return []
    with ThreadPoolExecutor(min(16, len(urls))) as pool:
        return list(pool.map(_ask, urls, urls.values()))


def _here(home: Path) -> dict[str, str]:
    try:
        ports = remembered_ports(home / SERVICE_PORTS)
    except (OSError, ValueError):
        return {}
    return {name.removesuffix(".http"): f"http://127.0.0.1:{port}" for name, port in ports.items()}


def _ask(name: str, url: str) -> ServiceState:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:  # noqa: S310 (a setting, not a user's)
            said: dict[str, Any] = orjson.loads(answer.read())
    except urllib.error.HTTPError as unwell:
        try:
            said = orjson.loads(unwell.read())
        except ValueError:
            said = {}
        return _state(name, str(said.get("trouble") or f"HTTP {unwell.code}"), said)
    except (OSError, ValueError) as away:
        log.info("a service does not answer", service=name, why=str(away)[:200])
        return _state(name, "does not answer", {})
    return _state(name, said.get("trouble"), said)


def _state(name: str, trouble: str | None, said: Mapping[str, Any]) -> ServiceState:
    return ServiceState(
        name, trouble, said.get("version"), said.get("standstill_seconds"), said.get("stall_seconds"), said
    )
