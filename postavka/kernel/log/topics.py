"""Topics are made first, by us, with settings that never lose anything; a service that misses one refuses to start."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from postavka.kernel.errors import UserError
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.process import liveness
from postavka.kernel.settings import PARTITIONS, Settings

TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.05
KEEP_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
TIMESTAMP_TYPE = "message.timestamp.type"
BOUNDED_FILES = {TIMESTAMP_TYPE: "LogAppendTime", "segment.ms": str(2**63 - 1)}
"""A record's time is the broker's, not its sender's: a segment is closed when a record is `segment.ms` (a week) younger
than its first, and none is ever deleted, so that a sender whose times climb by a week opens a file with every record
until the broker has no more. Nor does an honest one need a new file every week."""
SETTINGS = KEEP_FOR_EVER | BOUNDED_FILES
"""What a topic must never be without."""


class WrongTopics(UserError):
    """Topics are missing, or have another number of partitions than the system stands on."""


def ensure_topics(settings: Settings, names: Iterable[str]) -> list[str]:
    """Create what is missing of `names`; returns what was created. Raises `WrongTopics` for a wrong partition count."""
    wanted = list(names)
    admin = AdminClient(for_librdkafka(settings))
    existing = _partitions(admin)
    missing = [name for name in wanted if name not in existing]
    config = SETTINGS | {
        "compression.type": "producer",
        "min.insync.replicas": str(min(2, settings.kafka_replication)),
    }
    new = [NewTopic(name, PARTITIONS, settings.kafka_replication, config=config) for name in missing]
    if new:
        for name, future in admin.create_topics(new, operation_timeout=TIMEOUT_SECONDS).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                    raise WrongTopics(f"the topic {name} could not be created: {error.args[0].str()}") from error
        _wait_until_known(admin, missing)
    check_topics(settings, wanted)
    return missing


def topic_settings(admin: AdminClient, names: Iterable[str], seconds: float) -> dict[str, dict[str, str]]:
    """Topic → all its settings. Raises `KafkaException`."""
    wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = admin.describe_configs(wanted, request_timeout=seconds) if wanted else {}
    return {
        resource.name: {name: entry.value for name, entry in answer.result().items()}
        for resource, answer in answers.items()
    }


def wrong_settings(found: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Topic → settings that are not as they must be, with the values that they have. `found`: as `topic_settings`."""
    wrong = {
        topic: {name: values[name] for name, right in SETTINGS.items() if values.get(name, right) != right}
        for topic, values in found.items()
    }
    return {topic: values for topic, values in wrong.items() if values}


def repair_topics(settings: Settings, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Give topics that exist the settings that they must have; returns what was wrong, as `wrong_settings`. What lies
    on them stays as it is, times included. Raises `WrongTopics` when the broker refuses."""
    admin = AdminClient(for_librdkafka(settings))
    existing = _partitions(admin)
    wrong = wrong_settings(topic_settings(admin, [name for name in names if name in existing], TIMEOUT_SECONDS))
    _alter(admin, {topic: {name: SETTINGS[name] for name in values} for topic, values in wrong.items()})
    return wrong


def set_times(settings: Settings, names: Iterable[str], whose: Literal["CreateTime", "LogAppendTime"]) -> None:
    """Set whose times records get that are written from now on: their senders' (to put a copy back) or the broker's.
    Returns when the broker says so. Raises `WrongTopics`."""
    admin, topics = AdminClient(for_librdkafka(settings)), list(names)
    _alter(admin, {topic: {TIMESTAMP_TYPE: whose} for topic in topics})
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while any(values[TIMESTAMP_TYPE] != whose for values in topic_settings(admin, topics, TIMEOUT_SECONDS).values()):
        if time.monotonic() > deadline:
            raise WrongTopics(f"the broker does not take {TIMESTAMP_TYPE}={whose} for {', '.join(topics)[:200]}")
        time.sleep(POLL_SECONDS)


def _alter(admin: AdminClient, wanted: Mapping[str, Mapping[str, str]]) -> None:
    if not wanted:
        return
    changes = [
        ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in values.items()
            ],
        )
        for topic, values in wanted.items()
    ]
    for resource, future in admin.incremental_alter_configs(changes, request_timeout=TIMEOUT_SECONDS).items():
        try:
            future.result()
        except KafkaException as refused:
            raise WrongTopics(f"the settings of {resource.name}: {refused.args[0].str()}") from refused


def _wait_until_known(admin: AdminClient, names: Iterable[str]) -> None:
    """A broker may answer that a topic is made before it lists it."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not _partitions(admin).keys() >= set(names) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def check_topics(settings: Settings, names: Iterable[str]) -> None:
    """Raises `WrongTopics` naming every topic that is missing or has a wrong number of partitions."""
    existing = _partitions(AdminClient(for_librdkafka(settings)))
    wrong = [
        f"{name}: missing" if name not in existing else f"{name}: {existing[name]} partitions instead of {PARTITIONS}"
        for name in names
        if existing.get(name) != PARTITIONS
    ]
    if wrong:
        raise WrongTopics("; ".join(wrong) + ". Create them with `postavka topics`.")


def _partitions(admin: AdminClient) -> dict[str, int]:
    with liveness.question("which topics there are"):
        metadata = admin.list_topics(timeout=TIMEOUT_SECONDS)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}
