"""The bytes that topics take on the brokers' disks.

Through kafka-python: neither of the other clients can ask brokers for their log directories.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from postavka.kernel.errors import ServerAway
from postavka.kernel.log.connection import for_kafka_python
from postavka.kernel.settings import Settings

SECONDS = 10


class SizesUnknown(ServerAway):
    """The brokers did not say how large their logs are; says why."""


def topic_bytes(settings: Settings) -> dict[str, int]:
    """Topic → bytes of one copy, as compressed on disk; replicas are not added up. Raises `SizesUnknown` when a broker
    is away, or when the user may not describe the cluster."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it warns of every sign-in without TLS
    try:
        admin = KafkaAdminClient(**for_kafka_python(settings), request_timeout_ms=SECONDS * 1_000)
        try:
            answers = admin.describe_log_dirs()
        finally:
            admin.close()
    except (KafkaError, OSError) as away:
        raise SizesUnknown(f"Kafka does not answer ({type(away).__name__})") from away
    folders = [folder for answer in answers for folder in answer["log_dirs"]]
    if not folders:
        # Refused, a broker answers with no folders; newer versions of the answer add a code that is not handed on.
        user = settings.kafka_sasl_username or "this user"
        raise SizesUnknown(f"the broker tells {user} no sizes: that takes the permission to describe the cluster")
    return largest_copies(folders)


def largest_copies(folders: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The bytes of each topic's largest copy, by topic, from the folders of all brokers. Of a partition's replicas the
    largest counts: the others follow it. A log that is being moved to another folder is there twice; the one in the
    making is left out."""
    partitions: dict[tuple[str, int], int] = {}
    for folder in folders:
        for topic in folder["topics"]:
            for each in topic["partitions"]:
                if not each["is_future_key"]:
                    place = topic["name"], each["partition_index"]
                    partitions[place] = max(partitions.get(place, 0), each["partition_size"])
    sizes: dict[str, int] = {}
    for (name, _), size in partitions.items():
        sizes[name] = sizes.get(name, 0) + size
    return sizes
