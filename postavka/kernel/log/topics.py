"""Topics are made first, by us, with settings that never lose anything; a service that misses one refuses to start."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from postavka.kernel.errors import Trouble
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.process import liveness
from postavka.kernel.settings import PARTITIONS, Settings

TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.05
KEEP_FOR_EVER = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "compression.type": "producer",
}


class WrongTopics(Trouble):
    """Topics are missing, or have another number of partitions than the system stands on."""


def ensure_topics(settings: Settings, names: Iterable[str]) -> list[str]:
    """Create what is missing of `names`; returns what was created. Raises `WrongTopics` for a wrong partition count."""
    wanted = list(names)
    admin = AdminClient(for_librdkafka(settings))
    existing = _partitions(admin)
    missing = [name for name in wanted if name not in existing]
    config = KEEP_FOR_EVER | {"min.insync.replicas": str(min(2, settings.kafka_replication))}
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


def _wait_until_known(admin: AdminClient, names: Iterable[str]) -> None:
    """A broker may answer that a topic is made before it tells of it."""
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
