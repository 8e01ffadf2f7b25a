"""Where partitions begin and end: a question that fails is asked again, never in a hurry, and told in words of ours."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import NodeNotReadyError
from confluent_kafka import Producer

from postavka.kernel.log import offsets as module
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets, end_offsets, first_offsets, offsets_at
from postavka.kernel.process.logs import WAITING, OncePerMinute
from postavka.kernel.process.progress import UNWELL_SECONDS, Progress, Servers
from postavka.kernel.settings import Settings
from tests.kernel.polling import PATIENCE_SECONDS

NOT_LEADER, NOT_ALLOWED = 6, 29


class Cluster:
    """In place of the client: partition 1 is answered with an error so often, then with the offset."""

    def __init__(self, error: int | Exception, times: int, leader: int | None = 1) -> None:
        self.cluster = self
        self._error, self._times, self._leader = error, times, leader
        self.asked: list[int] = []

    def topics(self) -> set[str]:
        return {"t"}

    def leader_for_partition(self, place: Any) -> int | None:
        return self._leader

    async def force_metadata_update(self) -> None: ...

    async def send(self, node: int, request: Any) -> Any:
        [(topic, wanted)] = request._topics
        self.asked.append(len(wanted))
        answers = []
        for partition, _ in wanted:
            failing = partition == 1 and self._times > 0
            self._times -= failing
            if failing and isinstance(self._error, Exception):
                raise self._error
            answers.append((partition, self._error if failing else 0, -1, 40 + partition))
        return SimpleNamespace(topics=[(topic, answers)])


def asking(cluster: Cluster, seconds: float = 15.0) -> PartitionOffsets:
    made = PartitionOffsets(Settings(kafka_bootstrap_servers="127.0.0.1:1"), seconds)
    made._client = cluster  # type: ignore[assignment]
    return made


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)


def test_a_partition_whose_leader_is_moving_is_asked_again() -> None:
    """So it is right after a topic was made, too."""
    cluster = Cluster(NOT_LEADER, 2)
    assert asking(cluster).ends([("t", 0), ("t", 1)]) == {("t", 0): 40, ("t", 1): 41}
    assert cluster.asked == [2, 1, 1]


def test_a_broker_that_is_away_is_asked_again() -> None:
    cluster = Cluster(NodeNotReadyError("Attempt to send a request to node which is not ready"), 2)
    assert asking(cluster).ends([("t", 1)]) == {("t", 1): 41}
    assert cluster.asked == [1, 1, 1]


def test_what_may_not_be_asked_is_told_at_once() -> None:
    cluster = Cluster(NOT_ALLOWED, 1)
    with pytest.raises(OffsetsUnknown, match=r"TopicAuthorizationFailed \(t/1\)"):
        asking(cluster).ends([("t", 0), ("t", 1)])
    assert cluster.asked == [2]


def test_a_leader_that_never_comes_is_told_in_the_end() -> None:
    with pytest.raises(OffsetsUnknown, match="no leader"):
        asking(Cluster(0, 0, leader=-1), 0.1).ends([("t", 1)])
    with pytest.raises(OffsetsUnknown, match="NotLeaderForPartition"):
        asking(Cluster(NOT_LEADER, 1_000_000), 0.1).ends([("t", 1)])


def test_a_topic_that_nobody_knows_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEW_TOPIC_SECONDS", 0.1)
    with pytest.raises(OffsetsUnknown, match="UnknownTopicOrPartition"):
        asking(Cluster(0, 0, leader=None)).ends([("t", 1)])


def test_nothing_is_asked_about_no_partitions() -> None:
    assert PartitionOffsets(Settings(kafka_bootstrap_servers="127.0.0.1:1")).ends([]) == {}


def test_a_broker_that_nobody_hears_is_told_in_the_end(settings: Settings) -> None:
    away = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    with PartitionOffsets(away, 0.5) as offsets, pytest.raises(OffsetsUnknown, match="Kafka: KafkaConnection"):
        offsets.ends([("t", 0)])


def test_the_broker_says_where_a_partition_begins_and_ends_and_was_at_a_moment(settings: Settings, topic: str) -> None:
    producer = Producer(for_librdkafka(settings))
    for _ in range(2):
        moment = int(time.time() * 1000)
        producer.produce(topic, b"v", b"k", 3)
        assert producer.flush(PATIENCE_SECONDS) == 0
        time.sleep(0.05)
    places = [(topic, 3), (topic, 4)]
    assert end_offsets(settings, places) == {(topic, 3): 2, (topic, 4): 0}
    assert first_offsets(settings, places) == {(topic, 3): 0, (topic, 4): 0}
    assert offsets_at(settings, places, moment) == {(topic, 3): 1, (topic, 4): 0}
    assert offsets_at(settings, places, moment + 3_600_000) == {(topic, 3): 2, (topic, 4): 0}


def test_it_may_be_asked_from_any_thread(settings: Settings, topic: str) -> None:
    with PartitionOffsets(settings) as offsets, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(offsets.ends, [[(topic, each)] for each in range(8)]))
    assert answers == [{(topic, each): 0} for each in range(8)]


# What is well


def test_a_server_that_does_not_answer_once_makes_nobody_unwell() -> None:
    servers = Servers()
    servers.silent("Kafka", 100.0, OffsetsUnknown("Kafka: NodeNotReady"))
    assert not servers.all_answer
    assert servers.trouble(100.0 + UNWELL_SECONDS) is None
    servers.answered("Kafka")
    servers.silent("Kafka", 200.0, "…")
    assert servers.trouble(200.0 + UNWELL_SECONDS) is None
    servers.silent("Kafka", 261.0, "cimpl.KafkaException: …")
    assert servers.trouble(261.0) == "Kafka has not answered for 61 s", "and nothing of what a library said"


def test_who_handles_something_in_a_minute_is_well_however_much_waits() -> None:
    progress, ends = Progress(1_000.0), {("t", 0): 1_000, ("t", 1): 5}
    for second in range(0, 600, 59):
        progress.see(float(second), ends, {("t", 0): second})
        assert progress.trouble(second + 59.0) is None
    progress.see(600.0, ends, {("t", 0): 590})
    assert progress.trouble(700.0) == "records wait and none was handled for 100 s"
    progress.see(701.0, ends, {("t", 0): 999, ("t", 1): 4})
    assert progress.trouble(10_000.0) is None, "nothing waits"


# What is logged meanwhile


def said(at: float, logger: str = "aiokafka", line: int = 1, message: Any = "node %s is away", *args: Any) -> Any:
    made = logging.LogRecord(logger, logging.ERROR, "client.py", line, message, args or None, None)
    made.created = at
    return made


def test_a_line_that_comes_ten_times_a_second_is_written_once_a_minute_with_how_often() -> None:
    let_through, written = OncePerMinute(), []
    for tenth in range(1_250):
        record = said(tenth / 10, "aiokafka", 1, "node %s is away", tenth)
        if let_through.filter(record):
            written.append(record.getMessage())
    assert written == [
        "node 0 is away",
        "node 600 is away (599 times more since it was said last)",
        "node 1200 is away (599 times more since it was said last)",
    ]


def test_ours_are_told_apart_by_server_and_nothing_else_is_held_back() -> None:
    let_through = OncePerMinute()
    waiting = [
        said(0.1 * n, "postavka.x", 1, {"event": WAITING, "server": server}) for n in range(9) for server in "ab"
    ]
    assert [each.msg["server"] for each in waiting if let_through.filter(each)] == ["a", "b"]
    assert let_through.filter(said(70.0, "postavka.x", 1, again := {"event": WAITING, "server": "a"}))
    assert "times_more" not in again, "the event itself stays as it was"
    letters = [said(0.1 * n, "postavka.x", 1, {"event": "dead letter"}) for n in range(9)]
    assert all(map(let_through.filter, letters))
