"""A consistent cut through a running system: how far every store is, with what its stage has handled, and ends of the
topics that hold all of that. What comes later is left for the next time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg.sql import Identifier

from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.queries import load_queries
from services.audit.reading import Place, logs_there, reading, topics_there

QUERIES = load_queries("services.audit")

PATIENCE_SECONDS = 20.0
"""How long relays are waited for. What is unpublished after that is reported as missing."""
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Cut:
    """`heads`: the last position of each store. `marks`: per stage and `topic/partition` the last offset handled.
    `ends`: the offset after the last record of each partition, taken after the stores were published up to `heads`.
    `unpublished`: stages whose relay did not get there in time."""

    heads: dict[str, int]
    marks: dict[str, dict[str, int]]
    ends: dict[Place, int]
    unpublished: tuple[str, ...]


def make_cut(config: Settings, patience: float = PATIENCE_SECONDS) -> Cut:
    """Take it. Waits for the relays of stores that have grown within the last second or so."""
    heads: dict[str, int] = {}
    marks: dict[str, dict[str, int]] = {}
    with reading(config) as connection:
        for stage in logs_there(connection):
            row = connection.execute(QUERIES.store_head.format(Identifier(stage))).fetchone()
            heads[stage] = int(row[0]) if row else 0
            query = QUERIES.checkpoints
            marks[stage] = dict(connection.execute(query.format(Identifier(stage))).fetchall())
    behind = _wait_for_relays(config, heads, patience)
    places = [(topic, partition) for topic in topics_there(config) for partition in range(PARTITIONS)]
    return Cut(heads, marks, end_offsets(config, places), tuple(behind))


def _wait_for_relays(config: Settings, heads: dict[str, int], patience: float) -> list[str]:
    deadline = time.monotonic() + patience
    while True:
        with reading(config) as connection:
            behind = []
            for stage, head in heads.items():
                row = connection.execute(QUERIES.relay_position.format(Identifier(stage))).fetchone()
                if row is None or row[0] < head:
                    behind.append(stage)
        if not behind or time.monotonic() > deadline:
            return behind
        time.sleep(POLL_SECONDS)
