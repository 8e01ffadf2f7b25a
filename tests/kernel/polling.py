"""Waiting for what threads and brokers do, and reading what lies on a topic."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from events.envelope import header_map
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.settings import PARTITIONS, Settings

PATIENCE_SECONDS = 30.0


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until it holds. Fails, naming what was waited for, when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


def on_topic(settings: Settings, topic: str) -> list[Record]:
    """Everything that lies on a topic now, in order within each partition."""
    start = {(topic, partition): 0 for partition in range(PARTITIONS)}
    records = [record for batch in read_records(settings, start) for record in batch]
    return sorted(records, key=lambda record: (record.partition, record.offset))


def position(record: Record) -> int:
    """The place of a published event in its stage's store."""
    return int(header_map(record.headers)["ce_position"])


def positions(records: Iterable[Record]) -> list[int]:
    """Of all of them, sorted."""
    return sorted(position(record) for record in records)


@contextmanager
def at_work(*relays: Relay) -> Iterator[None]:
    """Relays that run meanwhile, and have ended afterwards."""
    for relay in relays:
        relay.start()
    try:
        yield
    finally:
        for relay in relays:
            relay.stop()
        for relay in relays:
            relay.join(PATIENCE_SECONDS)
            assert not relay.is_alive()
