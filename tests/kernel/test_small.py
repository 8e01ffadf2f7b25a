"""The small parts of the kernel: clock, watchdog, migration, tail and follower, partitioner, settings, connection."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ListOffsetsResultInfo

from postavka.log import tail
from postavka.log.tail import latest_offsets

# The end of a topic


class MovingLeader:
    """An admin client whose broker answers with an error so often, then with the offset."""

    def __init__(self, error: int, times: int) -> None:
        self._error, self._times = error, times
        self.asked: list[int] = []

    def list_offsets(self, wanted: Any, request_timeout: float) -> dict[Any, Future[ListOffsetsResultInfo]]:
        self.asked.append(len(wanted))
        answers: dict[Any, Future[ListOffsetsResultInfo]] = {}
        for place in wanted:
            answers[place] = Future()
            if place.partition == 1 and self._times:
                self._times -= 1
                answers[place].set_exception(KafkaException(KafkaError(self._error)))
            else:
                answers[place].set_result(ListOffsetsResultInfo(40 + place.partition, 0, 0))
        return answers

    def list_topics(self, timeout: float) -> None: ...


def test_a_partition_whose_leader_is_moving_is_asked_again() -> None:
    """So it is right after a topic was made, too."""
    admin: Any = MovingLeader(KafkaError.NOT_LEADER_FOR_PARTITION, 2)
    assert latest_offsets(admin, [("t", 0), ("t", 1)]) == {("t", 0): 40, ("t", 1): 41}
    assert admin.asked == [2, 1, 1]


def test_another_error_of_the_broker_is_told_at_once() -> None:
    admin: Any = MovingLeader(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        latest_offsets(admin, [("t", 0), ("t", 1)])
    assert admin.asked == [2]


def test_a_leader_that_never_comes_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "TIMEOUT_SECONDS", 0.1)
    admin: Any = MovingLeader(KafkaError.LEADER_NOT_AVAILABLE, 1_000_000)
    with pytest.raises(KafkaException):
        latest_offsets(admin, [("t", 1)])
    assert len(admin.asked) > 1


def test_nothing_is_asked_about_no_partitions() -> None:
    admin: Any = None
    assert latest_offsets(admin, []) == {}
