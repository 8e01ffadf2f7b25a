"""One worker of a read model, without servers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiokafka.structs import TopicPartition
from aiokafka.util import commit_structure_validate

from postavka.kernel.projection.worker import LiveProjection


class Consumer:
    """What the worker asks of its consumer: whose partitions are whose, and to commit, as strictly as aiokafka."""

    def __init__(self, *assigned: TopicPartition) -> None:
        self.assigned = set(assigned)
        self.committed: list[dict[TopicPartition, Any]] = []

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed.append(commit_structure_validate(offsets))


def test_what_a_rebalance_took_away_is_not_committed_and_nothing_ends():
    """As happened to a starved read model: its partitions were gone between handling a batch and noting offsets."""
    worker = object.__new__(LiveProjection)
    worker._committed, worker._behind = time.monotonic(), True
    worker.handled = {("orders", 0): 7, ("orders", 1): 4}
    worker.consumer = Consumer()
    asyncio.run(worker._commit())
    assert worker.consumer.committed == []
    worker.consumer = Consumer(TopicPartition("orders", 1))
    asyncio.run(worker._commit())
    assert [list(each) for each in worker.consumer.committed] == [[TopicPartition("orders", 1)]]
    assert not worker._behind
