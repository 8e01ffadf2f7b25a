"""Topics are made to be kept for ever, and wrong ones are named."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from postavka.kernel.log import topics
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.topics import WrongTopics, check_topics, ensure_topics
from postavka.kernel.settings import PARTITIONS, Settings
from tests.kernel.conftest import MakeTopics
from tests.kernel.toys import unique_name


def test_topics_are_made_to_be_kept_for_ever_and_found_again(settings: Settings, topic: str) -> None:
    assert ensure_topics(settings, [topic]) == []
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient(for_librdkafka(settings))
    config = {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result().items()}
    assert (config["retention.ms"], config["cleanup.policy"], config["compression.type"]) == (
        "-1",
        "delete",
        "producer",
    )
    check_topics(settings, [topic])


def test_a_topic_that_the_broker_does_not_tell_of_yet_is_waited_for(
    settings: Settings, make_topics: MakeTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, told = unique_name(), topics._partitions
    answers: list[dict[str, int]] = []

    def slowly(admin: AdminClient) -> dict[str, int]:
        answers.append(told(admin))
        return {known: count for known, count in answers[-1].items() if known != name or len(answers) > 4}

    monkeypatch.setattr(topics, "_partitions", slowly)
    make_topics(name)
    assert len(answers) > 4
    assert answers[-1][name] == PARTITIONS


def test_a_missing_topic_is_named(settings: Settings) -> None:
    with pytest.raises(WrongTopics, match="no-such-topic: missing"):
        check_topics(settings, ["no-such-topic"])


def test_a_topic_with_another_number_of_partitions_is_refused(settings: Settings, make_topics: MakeTopics) -> None:
    name = unique_name()
    admin = AdminClient(for_librdkafka(settings))
    admin.create_topics([NewTopic(name, 3, 1)], operation_timeout=30)[name].result()
    try:
        with pytest.raises(WrongTopics, match=f"{name}: 3 partitions instead of 12"):
            ensure_topics(settings, [name])
    finally:
        admin.delete_topics([name])[name].result()
