"""The servers: do they answer, and does the broker keep what it is given?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import conninfo_to_dict

from postavka.app.broker_access.distributors import QUOTA, Distributors
from postavka.app.one_box.doctor.check import Check, listed
from postavka.kernel.log.broker_access import NoAccess
from postavka.kernel.log.connection import bootstrap, for_librdkafka
from postavka.kernel.log.topics import KEEP_FOR_EVER, topic_settings, wrong_settings
from postavka.kernel.runtime.broker_files import BrokerFiles
from postavka.kernel.server_errors import kafka_error, postgresql_error
from postavka.kernel.settings import PARTITIONS, Settings, database_url

PATIENCE_SECONDS = 3
"""For each server to answer."""
MOST_FILES_USED = 0.5
REPAIR = "postavka topics --repair"


@dataclass(frozen=True, slots=True)
class BrokerState:
    """A broker that answers: number of partitions of each topic, and of the fewest replicas among them."""

    admin: AdminClient
    topics: Mapping[str, int]
    replicas: Mapping[str, int]


def ask_broker(config: Settings) -> tuple[Check, BrokerState | None]:
    """Does Kafka answer, and who is it?"""
    address = bootstrap(config)
    heard: list[KafkaError] = []
    try:
        admin = AdminClient(for_librdkafka(config) | {"log_level": 0, "error_cb": heard.append})
        try:
            metadata = admin.list_topics(timeout=PATIENCE_SECONDS)
            cluster = admin.describe_cluster(request_timeout=PATIENCE_SECONDS).result().cluster_id
        except KafkaException:
            admin.poll(0)
            raise
    except KafkaException as away:
        said = kafka_error(next((each for each in heard if each.code() != KafkaError._ALL_BROKERS_DOWN), away))
        return Check("Kafka", "wrong", f"{address} {said.meaning}", said.advice), None
    topics = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
    replicas = {
        name: min((len(partition.replicas) for partition in topic.partitions.values()), default=0)
        for name, topic in metadata.topics.items()
    }
    found = f"{address}: cluster {cluster}, {len(metadata.brokers)} broker{'s' if len(metadata.brokers) > 1 else ''}"
    return Check("Kafka", "ok", found), BrokerState(admin, topics, replicas)


def ask_database(config: Settings) -> tuple[Check, psycopg.Connection[Any] | None]:
    """Does PostgreSQL answer, and in which version?"""
    url, address = database_url(config), ""
    try:
        address = address_of(url)
        connection = psycopg.connect(url, autocommit=True, connect_timeout=PATIENCE_SECONDS)
        row = connection.execute("SELECT current_setting('server_version')").fetchone()
        connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{PATIENCE_SECONDS}s",))
    except psycopg.Error as away:
        said = postgresql_error(away)
        return Check("PostgreSQL", "wrong", f"{address} {said.meaning}".lstrip(), said.advice), None
    return Check("PostgreSQL", "ok", f"{address}: version {row[0] if row else '?'}"), connection


def address_of(url: str) -> str:
    """Host, port and database of a connection URL, and nothing secret."""
    parts = conninfo_to_dict(url)
    return f"{parts.get('host') or 'local'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


def check_topics(existing: Mapping[str, int], wanted: Iterable[str]) -> Check:
    """Are all topics there, with the right number of partitions?"""
    names = list(wanted)
    missing = [name for name in names if name not in existing]
    wrong = [f"{name} ({existing[name]})" for name in names if existing.get(name, PARTITIONS) != PARTITIONS]
    if wrong:
        found = f"not {PARTITIONS} partitions: {listed(wrong)}"
        return Check("topics", "wrong", found, "partitions can't be changed: take other topics or another cluster")
    if missing:
        return Check("topics", "wrong", f"missing: {listed(missing)}", "postavka topics")
    return Check("topics", "ok", f"{len(names)}, with {PARTITIONS} partitions each")


def ask_topic_settings(admin: AdminClient, topics: Sequence[str]) -> Check:
    """The check of the settings that topics have on the broker."""
    return check_topic_settings(topic_settings(admin, topics, PATIENCE_SECONDS))


def check_topic_settings(found: Mapping[str, Mapping[str, str]]) -> Check:
    """Will everything be kept for ever, in no more files than it needs? `found`: topic → its settings."""
    wrong = [
        (f"{topic} {name}={value}", name)
        for topic, values in wrong_settings(found).items()
        for name, value in values.items()
    ]
    losing = [said for said, name in wrong if name in KEEP_FOR_EVER]
    if losing:
        return Check("topic settings", "wrong", f"records will be deleted: {listed(losing)}", f"{REPAIR}, soon")
    if wrong:
        found_wrong = f"a sender's times can open files without end: {listed([said for said, _ in wrong])}"
        return Check("topic settings", "wrong", found_wrong, REPAIR)
    return Check("topic settings", "ok", "nothing is ever deleted, times are the broker's")


def check_broker_files(found: BrokerFiles) -> Check:
    """Will the system go on giving the broker files?"""
    said = f"{found.segments} segments" + (f", {found.used:.0%} of what it may open" if found.used is not None else "")
    if found.used is not None and found.used > MOST_FILES_USED:
        return Check("broker's files", "wrong", said, "docs/runbooks/broker-files.md, before it has no more and ends")
    return Check("broker's files", "ok", said)


def other_limits(config: Settings) -> list[str] | None:
    """Users of distributors whose limits are not those of this release; None where our user may not ask."""
    if config.kafka_strimzi_cluster is not None:  # users are its own
        return None
    try:
        with Distributors(config, "", "") as known:
            return known.with_other_limits()
    except NoAccess:
        return None


def check_distributor_limits(others: Sequence[str] | None) -> Check:
    """Is every distributor slowed down before it fills the disk? `others`: users whose limits are not those of this
    release; None: our user may not ask."""
    name = "distributors' limits"
    if others is None:
        return Check(name, "unknown", "not looked at: that takes a user that may alter the cluster")
    if others:
        return Check(name, "wrong", f"not those of this release: {listed(others)}", "postavka distributor limits")
    return Check(name, "ok", f"{QUOTA.written_bytes // 1_000} kB a second each")


def check_replicas(replicas: Mapping[str, int]) -> Check:
    """The check of copies: on how many brokers does a record lie? One is allowed, and said."""
    fewest = min(replicas.values(), default=0)
    if fewest > 1:
        return Check("replicas", "ok", f"{fewest} or more")
    found = "1: a power cut can lose the last records; for data that counts, replicate or set flush.messages=1"
    return Check("replicas", "ok", found) if fewest else Check("replicas", "unknown", "no topics")
