"""Commands are on their topic when sending returns, or the sender is told why not."""

from __future__ import annotations

import pytest

from postavka.kernel.log.range_reader import read_records
from postavka.kernel.outbox.command_sender import CommandNotSent, NoTopic, Sender
from postavka.kernel.settings import PARTITIONS, Settings
from tests.kernel.toys import unique_name


def test_a_command_for_a_topic_that_is_not_there_is_refused_at_once_by_name(settings: Settings) -> None:
    missing = unique_name()
    with pytest.raises(NoTopic, match=missing):
        Sender(settings, "/test").send_raw(missing, b"key", b"{}")


def test_what_was_sent_is_on_the_topic_when_flush_returns(settings: Settings, topic: str) -> None:
    sender = Sender(settings, "/test")
    sender.send_raw(topic, b"key", b"value", [("name", b"header")])
    sender.flush()
    batches = list(read_records(settings, {(topic, number): 0 for number in range(PARTITIONS)}))
    assert [(each.key, each.value, each.headers) for batch in batches for each in batch] == [
        (b"key", b"value", (("name", b"header"),))
    ]


def test_a_broker_that_does_not_answer_is_told_as_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postavka.kernel.outbox.command_sender.TIMEOUT_SECONDS", 1)
    nobody = Settings(kafka_bootstrap_servers="127.0.0.1:9", database_url="postgresql://unused")
    with pytest.raises(CommandNotSent):
        Sender(nobody, "/test").send_raw("any", b"key", b"{}")
