"""Whatever dies or is set back in the middle of a run: every request ends as it should, nothing lost, nothing twice."""

from __future__ import annotations

import ast
import math
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg.sql import SQL, Identifier

from tests.attack import judge, outsider, records
from tests.faults import load, planted
from tests.system import oracle, traffic
from tests.system.conftest import System, wait_until
from tests.system.oracle import STAGES

pytestmark = pytest.mark.load
"""Documents and letters of thousands of requests are made and sent for minutes afterwards; whoever needs one of its own
would wait behind them."""
REQUESTS = 500
RATE = 100.0
BACK_AT_WORK = 10.0
"""Seconds after a kill -9 within which a worker must be consuming again."""
AFTER_THE_BROKER = 15.0
"""Seconds after the broker's return within which everything must move."""
TRIES = 3
"""The best of so many counts, for a machine that is busy with something else only ever makes it slower. With the
defaults of the libraries every try takes over a minute."""
Measured = Callable[[str], None]


@pytest.mark.parametrize("module", [oracle, traffic, load, planted, records, outsider, judge])
def test_the_oracle_and_the_traffic_import_nothing_of_the_product(module: object):
    tree = ast.parse(Path(str(module.__file__)).read_text())
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert not names & {"events", "postavka", "services", "bench"}


@pytest.mark.parametrize("service", [*STAGES, "cabinet", "desk"])
def test_a_service_is_killed_in_the_middle(system: System, service: str, measured: Measured):
    sent = system.traffic()
    running = sent.in_background(REQUESTS, RATE)
    running.wait_for(REQUESTS // 4)
    before = system.kill(service)
    pid = wait_until_started(system, service, before)
    seconds = wait_until(lambda: system.is_well(service), f"{service} is consuming again")
    measured(f"{service}, killed under load: at work {seconds:.1f} s after its start")
    running.join()
    assert system.launch.processes.pid(service) == pid, "it died again"
    system.check(sent.plans)


def wait_until_started(system: System, service: str, before: int) -> int:
    wait_until(lambda: system.launch.processes.pid(service) not in (0, before), f"{service} is started again")
    return system.launch.processes.pid(service)


@pytest.mark.parametrize("stage", ["request", "shipping"])
def test_a_killed_worker_is_consuming_again_soon(system: System, stage: str, measured: Measured):
    """From the kill until it has decided on what was sent after it."""
    best = math.inf
    for _ in range(TRIES):
        sent = system.traffic()
        system.settle()
        before = head_of(system.database_url, stage)
        killed = time.monotonic()
        system.kill(stage)
        sending = sent.in_background(1, RATE)
        wait_until(lambda before=before: head_of(system.database_url, stage) > before, f"{stage} decides again")
        best = min(best, time.monotonic() - killed)
        sending.join()
        if best < BACK_AT_WORK:
            break
    measured(f"{stage}, killed: consuming again after {best:.1f} s, at most {BACK_AT_WORK:.0f}")
    assert best < BACK_AT_WORK


@pytest.mark.parametrize("to", ["zero", "the end"])
def test_group_offsets_are_reset_while_requests_flow(system: System, to: str):
    sent = system.traffic()
    running = sent.in_background(REQUESTS, RATE)
    running.wait_for(REQUESTS // 4)
    admin = AdminClient(system.kafka)
    for service in (*STAGES, "cabinet"):
        system.stop(service)
        reset_offsets(admin, f"postavka-{service}", to)
        system.start(service)
    running.join()
    system.check(sent.plans)


def reset_offsets(admin: AdminClient, group: str, to: str) -> None:
    """Set what Kafka remembers of a group; only possible while it has no members."""
    listed = next(iter(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values())).result()
    places = listed.topic_partitions
    assert places, f"{group} has committed nothing"
    moved = [TopicPartition(each.topic, each.partition, 0 if to == "zero" else 10**9) for each in places]

    def done() -> bool:
        future = next(iter(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, moved)]).values()))
        try:
            future.result()
        except KafkaException as busy:
            if busy.args[0].code() in (KafkaError.NON_EMPTY_GROUP, KafkaError.UNKNOWN_MEMBER_ID):
                return False
            raise
        return True

    wait_until(done, f"{group} has no members", 40)


@pytest.mark.parametrize("stage", ["approval", "billing", "shipping"])
def test_a_schema_is_restored_from_an_earlier_copy(system: System, stage: str):
    sent = system.traffic()
    running = sent.in_background(REQUESTS, RATE)
    running.wait_for(REQUESTS // 5)
    copied = copy_schema(system.database_url, stage)
    running.wait_for(REQUESTS // 2)
    system.stop(stage)
    restore_schema(system.database_url, stage, copied)
    system.gaps.add(stage)
    system.start(stage)
    running.join()
    system.check(sent.plans)


def tables_of(connection: psycopg.Connection[tuple[str]], schema: str) -> list[str]:
    rows = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        (schema,),
    )
    return [name for (name,) in rows]


def copy_schema(url: str, schema: str) -> str:
    """What a backup holds: all tables of the schema at one moment."""
    backup = f"backup_{schema}"
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(SQL("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}").format(Identifier(backup)))
        for name in tables_of(connection, schema):
            connection.execute(
                SQL("CREATE TABLE {}.{} AS TABLE {}.{}").format(
                    Identifier(backup), Identifier(name), Identifier(schema), Identifier(name)
                )
            )
    return backup


def restore_schema(url: str, schema: str, backup: str) -> None:
    """The tables are again as they were."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")  # events are guarded against this
        for name in tables_of(connection, backup):
            table = Identifier(schema, name)
            connection.execute(SQL("TRUNCATE {} CASCADE").format(table))
            columns = [
                column
                for (column,) in connection.execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
                    (backup, name),
                )
            ]
            listed = SQL(", ").join(map(Identifier, columns))
            connection.execute(
                SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
                    table, listed, listed, Identifier(backup, name)
                )
            )
        connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(backup)))


def test_postgresql_is_killed_in_the_middle(system: System):
    sent = system.traffic()
    running = sent.in_background(REQUESTS, RATE)
    running.wait_for(REQUESTS // 4)
    system.kill("postgres")
    running.join()
    system.check(sent.plans)


@pytest.mark.timeout(900)
def test_the_broker_is_away_for_a_minute(system: System, measured: Measured):
    best = math.inf
    for _ in range(TRIES):
        best = min(best, without_the_broker(system, 60))
        if best < AFTER_THE_BROKER:
            break
    measured(f"the broker, away for 60 s: everything moves after {best:.1f} s, at most {AFTER_THE_BROKER:.0f}")
    assert best < AFTER_THE_BROKER


def without_the_broker(system: System, outage: float) -> float:
    """Take it away while requests flow; seconds from its return until every stage has written something new."""
    sent = system.traffic()
    running = sent.in_background(200, RATE, patience=240)
    running.wait_for(50)
    fresh = system.traffic()
    system.stop("kafka")
    time.sleep(outage)
    before = {stage: head_of(system.database_url, stage) for stage in STAGES}
    system.start("kafka")
    wait_until_answering(system)
    again = fresh.in_background(50, RATE)
    seconds = wait_until(
        lambda: all(head_of(system.database_url, stage) > before[stage] for stage in STAGES), "all stages move", 120
    )
    running.join()
    again.join()
    system.check(sent.plans | fresh.plans)
    return seconds


def head_of(url: str, stage: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(SQL("SELECT position FROM {}.head").format(Identifier(stage))).fetchone()
    assert row
    return int(row[0])


def wait_until_answering(system: System) -> None:
    admin = AdminClient(system.kafka | {"log_level": 0})

    def answers() -> bool:
        try:
            return bool(admin.list_topics(timeout=1).brokers)
        except Exception:
            return False

    wait_until(answers, "the broker answers", 60)
