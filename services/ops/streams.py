"""How the streams do: topics with their size and rate, how far each reader is, and what every service says of itself.

A probe keeps its last look, so that rates and times to drain come from two looks at a distance.
"""

from __future__ import annotations

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
from confluent_kafka.admin import AdminClient
from psycopg.sql import SQL, Identifier

from events.topics import STAGE_TOPICS, topic_names
from postavka.log.connection import for_librdkafka
from postavka.log.tail import latest_offsets
from postavka.settings import PARTITIONS, Settings, database_url
from services.ops.letters import open_by_stage
from services.reference.store import distributor_ids

READERS: Mapping[str, tuple[str, str]] = {
    **{topic.writer: ("notification_tracking", "application_name") for topic in STAGE_TOPICS},
    "notices": ("notification_tracking", "application_name"),
    "cabinet": ("marks", "name"),
}
"""Who reads topics with marks in PostgreSQL: schema → table and column of its marks."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic: how many records it holds, and how many came each second since the last look (None: the first look)."""

    name: str
    partitions: int
    records: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class ReaderState:
    """A reader: records it has still to handle, records a second it handles, seconds until it is through (None: not
    known, or it stands still), events in its store that are not on its topic yet (stages only)."""

    name: str
    lag: int
    rate: float | None
    seconds_to_drain: float | None
    relay_delay: int | None
    dead_letters: int | None


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What a service says of itself; `trouble` when it is unwell or does not answer."""

    name: str
    trouble: str | None
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Streams:
    """One look at all of it."""

    topics: list[TopicState]
    readers: list[ReaderState]
    services: list[ServiceState]


class Probe:
    """Looks at the streams. Keep it: the second look has rates."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._admin = AdminClient(for_librdkafka(config))
        self._before: tuple[float, dict[str, int], dict[str, int]] | None = None

    def look(self) -> Streams:
        """Raises `KafkaException` or psycopg's `OperationalError` when a server is away."""
        url = database_url(self._config)
        known = self._admin.list_topics(timeout=10).topics
        names = [name for name in topic_names(distributor_ids(url)) if name in known]
        counts = {name: len(known[name].partitions) for name in names}
        places = [(name, partition) for name in names for partition in range(counts[name])]
        ends = latest_offsets(self._admin, places)
        now = time.monotonic()
        records = {name: sum(ends[name, partition] for partition in range(counts[name])) for name in names}
        with psycopg.connect(url, autocommit=True, application_name="postavka-ops") as connection:
            readers, handled = self._readers(connection, ends, now)
        topics = [TopicState(name, counts[name], records[name], self._rate(now, name, records[name])) for name in names]
        self._before = (now, records, handled)
        return Streams(topics, readers, services(self._config))

    def _rate(self, now: float, topic: str, records: int) -> float | None:
        if self._before is None or topic not in self._before[1]:
            return None
        then, before, _ = self._before
        return max(0, records - before[topic]) / max(now - then, 0.001)

    def _readers(
        self, connection: psycopg.Connection[Any], ends: Mapping[tuple[str, int], int], now: float
    ) -> tuple[list[ReaderState], dict[str, int]]:
        found: list[ReaderState] = []
        handled: dict[str, int] = {}
        letters = open_by_stage(connection)
        for schema in READERS:
            marks = _marks(connection, schema)
            if marks is None:
                continue
            lag = sum(max(0, ends[place] - 1 - offset) for place, offset in marks.items() if place in ends)
            handled[schema] = sum(offset + 1 for offset in marks.values())
            rate = seconds = None
            if self._before is not None and schema in self._before[2]:
                rate = max(0, handled[schema] - self._before[2][schema]) / max(now - self._before[0], 0.001)
                seconds = 0.0 if lag == 0 else lag / rate if rate > 0 else None
            delay = _relay_delay(connection, schema)
            found.append(ReaderState(schema, lag, rate, seconds, delay, letters.get(schema)))
        return found, handled


def _marks(connection: psycopg.Connection[Any], schema: str) -> dict[tuple[str, int], int] | None:
    table, column = READERS[schema]
    row = connection.execute("SELECT to_regclass(%s)", (f"{schema}.{table}",)).fetchone()
    if row is None or row[0] is None:
        return None
    offset = "notification_id" if table == "notification_tracking" else "offset"
    rows = connection.execute(
        SQL("SELECT {}, {} FROM {}.{}").format(*map(Identifier, (column, offset, schema, table)))
    ).fetchall()
    places = {}
    for name, reached in rows:
        topic, _, partition = name.rpartition("/")
        if partition.isdigit() and int(partition) < PARTITIONS:
            places[topic, int(partition)] = reached
    return places


def _relay_delay(connection: psycopg.Connection[Any], schema: str) -> int | None:
    """Events not relayed yet, by the checkpoint, which is up to a second old; None for what has no event store."""
    row = connection.execute("SELECT to_regclass(%s)", (f"{schema}.relay",)).fetchone()
    if row is None or row[0] is None:
        return None
    found = connection.execute(
        SQL("SELECT (SELECT position FROM {0}.head) - (SELECT position FROM {0}.relay)").format(Identifier(schema))
    ).fetchone()
    assert found is not None  # noqa: S101
    return max(0, int(found[0]))


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
        ports: dict[str, int] = orjson.loads((home / "services.json").read_bytes())
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
        return ServiceState(name, str(said.get("trouble") or f"HTTP {unwell.code}"), said)
    except (OSError, ValueError) as away:
        return ServiceState(name, f"does not answer: {away}", {})
    return ServiceState(name, said.get("trouble"), said)
