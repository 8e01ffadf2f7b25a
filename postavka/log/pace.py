"""How eagerly aiokafka fetches: while records flow, the broker gathers them for some milliseconds before it answers.

That makes a tenth of the answers, batches and commits, for a little latency. When nothing flows, the first record is
handed over at once, and a waiting fetch costs nothing. aiokafka reads both values for every fetch.
"""

from __future__ import annotations

from typing import Any

LEAST_BYTES = 65_536
"""With so much waiting the broker answers at once."""
IDLE_MS = 1_000


def keep_pace(consumer: Any, flowing: bool, wait_ms: int) -> None:
    """Tell an `AIOKafkaConsumer` after each of its answers whether it brought records."""
    fetcher = consumer._fetcher
    fetcher._fetch_max_wait_ms = wait_ms if flowing else IDLE_MS
    fetcher._fetch_min_bytes = LEAST_BYTES if flowing else 1
