"""The pace at which aiokafka fetches: while records flow, a fetch waits its turn, and then brings all that has
gathered.

That makes a tenth of the fetches, batches and commits, for a little latency. The waiting is done here, not at the
broker: a fetch that the broker holds until enough bytes are there is looked at anew with every record that arrives in
any of its partitions, and that cost more than all else the broker did. When nothing flows, a fetch lies at the broker
and the first record is handed over at once.

A fetch leaves out a partition whose records are still in hand, and one that was assigned or sought meanwhile: what
comes there waits until it returns. So it lies at the broker for longer only after others that have brought nothing.
"""

from __future__ import annotations

import time
from typing import Any

SHORTEST_MS, LONGEST_MS = 500, 4_000
"""How long a fetch lies at the broker when there is nothing: twice as long as the one before."""


class Pace:
    """The pace of one `AIOKafkaConsumer`. `fetched` is called after each of its answers."""

    def __init__(self, gather_ms: int, longest_ms: int | None = None, times: float = 1) -> None:
        """`gather_ms` between two fetches while records flow; when handling a batch takes longer, `times` as long, up
        to `longest_ms`: then the machine has more to do than it can, and larger batches are cheaper."""
        self._times = times
        self._gather = gather_ms / 1000
        self._longest = (longest_ms or gather_ms) / 1000
        self._next = 0.0
        self._handling = 0.0
        self._wait_ms = SHORTEST_MS
        self._fetcher: Any = None
        self._assignment: Any = None

    def handled(self, seconds: float) -> None:
        """So long did the last batch take, from its first decision to its commit."""
        self._handling = seconds

    def fetched(self, consumer: Any, brought_records: bool) -> None:
        """The consumer has given what it had. Its next fetch waits if records flow."""
        if self._fetcher is not consumer._fetcher:
            self._attach(consumer._fetcher)
        if brought_records:
            self._wait_ms = SHORTEST_MS
            self._next = time.monotonic() + min(max(self._gather, self._times * self._handling), self._longest)

    def _attach(self, fetcher: Any) -> None:
        self._fetcher = fetcher
        fetcher._fetch_min_bytes = 1
        actions = fetcher._get_actions_per_node

        def paced(assignment: Any) -> Any:
            left = self._next - time.monotonic()
            if left > 0:  # to look at each partition costs as much as a fetch
                return [], {}, left, False, []
            if fetcher._records or assignment is not self._assignment:
                self._wait_ms, self._assignment = SHORTEST_MS, assignment
            fetcher._fetch_max_wait_ms = self._wait_ms
            found = actions(assignment)
            if found[0]:
                self._wait_ms = min(2 * self._wait_ms, LONGEST_MS)
            return found

        fetcher._get_actions_per_node = paced
