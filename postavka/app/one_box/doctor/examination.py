"""All checks, in the order in which a person would repair things."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
from aiokafka.errors import KafkaError as AiokafkaError
from confluent_kafka import KafkaException
from pydantic import ValidationError

from events.topics import topic_names
from postavka.app.one_box.doctor.check import Check, not_looked_at
from postavka.app.one_box.doctor.lag import ask_lag
from postavka.app.one_box.doctor.machine import (
    check_disk,
    check_gost,
    check_jars,
    check_java,
    check_processor,
    check_python,
    check_revocation_lists,
    check_settings,
    check_settings_error,
    free_bytes,
    processor_division,
)
from postavka.app.one_box.doctor.servers import (
    BrokerState,
    ask_broker,
    ask_database,
    ask_topic_settings,
    check_broker_files,
    check_distributor_limits,
    check_replicas,
    check_topics,
    other_limits,
)
from postavka.app.one_box.doctor.services import ask_service, check_services
from postavka.app.one_box.doctor.tables import (
    ask_sample_accounts,
    ask_webhooks,
    check_dead_letters,
    check_schemas,
    pending_migrations,
    waiting_letters,
)
from postavka.domain.openssl import find_openssl
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.log.offsets import OffsetsUnknown
from postavka.kernel.runtime.broker_files import broker_files
from postavka.kernel.runtime.connection import NothingRuns, connected
from postavka.kernel.runtime.ports import SERVICE_PORTS, remembered_ports
from postavka.kernel.server_errors import kafka_error, postgresql_error
from postavka.kernel.settings import Settings, database_url, settings
from services.shipping.list_survey import survey
from services.shipping.revocation import RevocationLists
from services.shipping.settings import shipping_settings

AGAIN = "try again; if it stays, see the server's log"
START = "start it with `postavka up` in another terminal, or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL"


def look() -> list[Check]:
    """All checks, or the one that the settings can't be read."""
    try:
        config = settings()
    except ValidationError as wrong:
        return [check_settings_error(wrong)]
    return examine(config)


def examine(config: Settings) -> list[Check]:
    """All checks, in the order in which a person would repair things."""
    outside = bool(config.kafka_bootstrap_servers and config.database_url)
    checks = [check_python(sys.version_info[:3]), check_settings(config), check_disk(config.home, free_bytes)]
    checks += [
        check_java(outside),
        check_jars(config.home / "jars", outside),
        check_processor(outside, processor_division(config.home)),
        check_gost(find_openssl()),
    ]
    lists = shipping_settings().signature_revocation_lists
    checks += [check_revocation_lists(survey(RevocationLists(lists), datetime.now(UTC)))] if lists is not None else []
    try:
        servers = connected() if not outside else config
    except NothingRuns:
        return checks + [Check(name, "wrong", "nothing runs in this folder", START) for name in ("Kafka", "PostgreSQL")]
    with ThreadPoolExecutor(2) as pool:
        asked_broker, asked_database = pool.submit(ask_broker, servers), pool.submit(ask_database, servers)
        kafka, broker = asked_broker.result()
        postgres, connection = asked_database.result()
    checks += [kafka, postgres]
    try:
        return checks + _examine_servers(servers, broker, connection)
    finally:
        if connection is not None:
            connection.close()


def _examine_servers(
    config: Settings, broker: BrokerState | None, connection: psycopg.Connection[Any] | None
) -> list[Check]:
    checks = []
    wanted = topic_names(distributor_ids(database_url(config)) if connection is not None else [])
    if broker is None:
        checks.append(not_looked_at("topics", "Kafka"))
    else:
        checks.append(check_topics(broker.topics, wanted))
        present = [name for name in wanted if name in broker.topics]
        checks.append(_checked("topic settings", lambda: ask_topic_settings(broker.admin, present)))
        if (files := broker_files(config.home)) is not None:
            checks.append(check_broker_files(files))
        checks.append(_checked("distributors' limits", lambda: check_distributor_limits(other_limits(config))))
        checks.append(check_replicas({name: broker.replicas[name] for name in present}))
    if connection is None:
        checks += [
            not_looked_at(name, "PostgreSQL") for name in ("schemas", "dead letters", "webhooks", "sample accounts")
        ]
    else:
        checks.append(_checked("schemas", lambda: check_schemas(pending_migrations(connection))))
        checks.append(_checked("dead letters", lambda: check_dead_letters(*waiting_letters(connection))))
        checks.append(_checked("webhooks", lambda: ask_webhooks(connection)))
        checks.append(_checked("sample accounts", lambda: ask_sample_accounts(config)))
    if broker is None or connection is None:
        checks.append(not_looked_at("lag", "Kafka" if broker is None else "PostgreSQL"))
    else:
        checks.append(_checked("lag", lambda: ask_lag(config, connection, broker.admin)))
    return checks + check_services(remembered_ports(config.home / SERVICE_PORTS), ask_service)


def _checked(name: str, ask: Callable[[], Check]) -> Check:
    """The check, or one that says why it could not be made: a server may go away meanwhile."""
    try:
        return ask()
    except OffsetsUnknown as unknown:
        cause = unknown.__cause__
        why = str(kafka_error(cause)) if isinstance(cause, AiokafkaError) else str(unknown)
        return Check(name, "unknown", f"not looked at: {why}", AGAIN)
    except (psycopg.Error, KafkaException) as away:
        said = kafka_error(away) if isinstance(away, KafkaException) else postgresql_error(away)
        return Check(name, "wrong", f"could not be looked at: {said.server} {said.meaning}", f"{said.advice}; {AGAIN}")
