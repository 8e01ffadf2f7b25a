"""Keys lie where the broker and every other client would have put them."""

from __future__ import annotations

from uuid import uuid4

import pytest

from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.settings import PARTITIONS, Settings
from tests.kernel.log.test_reading import produced


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_partitioner_is_the_murmur2_of_kafkas_own_clients(key: bytes, expected: int) -> None:
    """Vectors from Kafka's UtilsTest.testMurmur2."""
    assert partition_of(key, 2**31) == expected & 0x7FFFFFFF
    assert partition_of(key, PARTITIONS) == (expected & 0x7FFFFFFF) % PARTITIONS


def test_the_broker_has_keys_where_we_say(settings: Settings, topic: str) -> None:
    placed = produced(settings, topic, 200, lambda number: str(uuid4()).encode())
    assert len(placed) == 200
    assert placed == {key: partition_of(key, PARTITIONS) for key in placed}
