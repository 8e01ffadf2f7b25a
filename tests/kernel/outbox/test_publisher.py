"""What a relay writes for programs that aren't ours is compressed so that every client can read it."""

from __future__ import annotations

import gzip
from typing import Any, cast

import pytest

from events.topics import MANUFACTURING_ORDERS, notices_of
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.outbox import publisher as publisher_module
from postavka.kernel.outbox.publisher import LZ4, Publisher
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.settings import PARTITIONS, Settings
from services.notices.channels.topic.publisher import ToDistributors
from services.shipping.stage import STAGE as SHIPPING

NOTICES, OWN = notices_of("dist-north"), "shipping.events"
KEY, VALUE = b"7927d160-0f0c-4e3c-8f2a-1a1f0e6f7c55", "{«ёлочки»}".encode() * 50
ATTRIBUTES, RECORDS = slice(21, 23), slice(61, None)
"""Of a batch in version 2 of Kafka's format."""


class Away:
    """Stands for the connection: nothing is sent here."""

    async def stop(self) -> None: ...


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch):
    async def started(settings: Settings) -> Any:
        return Away()

    monkeypatch.setattr(publisher_module, "_started", started)
    made = Publisher(Settings(), {}, {NOTICES})
    yield made
    made.close()


def written(publisher: Publisher, topic: str) -> bytes:
    publisher.send(topic, KEY, VALUE, [("ce_id", b"1")])
    (batch,) = publisher._round[topic, partition_of(KEY, PARTITIONS)]
    batch.close()
    return bytes(batch._build())


def test_a_distributor_s_topic_is_gzip_and_our_own_is_lz4(publisher: Publisher):
    batch = written(publisher, NOTICES)
    assert int.from_bytes(batch[ATTRIBUTES]) & 0x07 == 1
    assert VALUE in gzip.decompress(batch[RECORDS])
    assert int.from_bytes(written(publisher, OWN)[ATTRIBUTES]) & 0x07 == LZ4


def test_a_relay_knows_which_of_its_topics_are_for_outsiders():
    recorder = cast(Any, None)
    to_distributors = Relay(Settings(), recorder, "notices", "/n", {}, route=ToDistributors(["dist-north"]))
    of_shipping = Relay(Settings(), recorder, OWN, "/s", SHIPPING.copies)
    assert to_distributors.for_outsiders == {NOTICES}
    assert of_shipping.for_outsiders == {MANUFACTURING_ORDERS.name}
