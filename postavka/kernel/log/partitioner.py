"""The partition that a key belongs to: murmur2, as Kafka's own Java clients do it.

Every producer of ours is configured with it (librdkafka's default is another one), so that a request has one
partition number in every event topic. Here it is for those who need to know the partition without sending.
"""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=50_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key among `partitions`."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
