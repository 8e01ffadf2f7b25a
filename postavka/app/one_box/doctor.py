"""`postavka doctor`: is everything there and well? One line a check, and what to do about what is not.

It only looks: no topic, schema or setting is changed. What can't be looked at because something before it is away is
shown as not looked at, not as wrong. Each server has `PATIENCE_SECONDS` to answer, both at the same time.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psycopg
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier
from pydantic import ValidationError
from rich.markup import escape

from events.topics import STAGE_TOPICS, topic_names
from postavka.app.broker_access.distributors import QUOTA, Distributors
from postavka.app.migrations import migration_sets
from postavka.app.one_box.cgroup import Division, division
from postavka.app.registry import SERVICES
from postavka.domain.openssl import find_openssl, gost_environment
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.console import console, print_json
from postavka.kernel.installation.held import HeldPartition, all_held
from postavka.kernel.log.broker_access import NoAccess
from postavka.kernel.log.connection import bootstrap, for_librdkafka
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets
from postavka.kernel.log.topics import KEEP_FOR_EVER, topic_settings, wrong_settings
from postavka.kernel.runtime import kafka_jars
from postavka.kernel.runtime.broker_files import BrokerFiles, broker_files
from postavka.kernel.runtime.connection import NothingRuns, connected
from postavka.kernel.runtime.java import NoJava, find_java
from postavka.kernel.runtime.ports import SERVICE_PORTS, remembered_ports
from postavka.kernel.settings import PARTITIONS, Settings, database_url, settings
from postavka.kernel.store.migration import pending
from postavka.web.identity.sample import with_known_password
from postavka.web.settings import WebSettings, is_public
from services.shipping.list_survey import Survey, survey
from services.shipping.revocation import RevocationLists
from services.shipping.settings import shipping_settings

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 1_000_000_000
"""Below this the disk is as good as full: one Kafka segment has 256 MB, PostgreSQL's log may take 4 GB under load."""
PATIENCE_SECONDS = 3
"""For each server to answer."""
STILL_SECONDS = 3.0
"""Lag that doesn't get smaller for so long is not load but a standstill."""
STAGES = tuple(topic.writer for topic in STAGE_TOPICS)
MOST_FILES_USED = 0.5
REPAIR = "postavka topics --repair"
START = "start it with `postavka up` in another terminal, or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL"
SIGNS = {"ok": "[green]✓[/]", "wrong": "[red]✗[/]", "unknown": "[dim]–[/]"}

Marks = Mapping[str, Mapping[tuple[str, int], int]]
"""Reader → input partition → offset of the last record handled, -1 for none."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, what was found, and what to do if that is wrong."""

    name: str
    status: Literal["ok", "wrong", "unknown"]
    found: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class BrokerState:
    """A broker that answers: number of partitions of each topic, and of the fewest replicas among them."""

    admin: AdminClient
    topics: Mapping[str, int]
    replicas: Mapping[str, int]


def doctor(*, json: bool = False) -> None:
    """Look at everything that is needed, and say what to do about what is not well. Exit status 1 if anything is wrong.

    Parameters
    ----------
    json
        As one JSON object: `well`, and `checks` with `name`, `status` (ok, wrong, unknown), `found` and `todo`.
    """
    try:
        checks = examine(settings())
    except ValidationError as wrong:
        checks = [check_settings_error(wrong)]
    well = all(check.status != "wrong" for check in checks)
    if json:
        print_json({"well": well, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            print_check(check)
    if not well:
        sys.exit(1)


def examine(config: Settings) -> list[Check]:
    """All checks, in the order in which a person would repair things."""
    outside = bool(config.kafka_bootstrap_servers and config.database_url)
    checks = [check_python(sys.version_info[:3]), check_settings(config), check_disk(config.home, free_bytes)]
    checks += [
        check_java(outside),
        check_jars(config.home / "jars", outside),
        check_processor(outside, _division(config.home)),
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
        checks.append(_checked("topic settings", lambda: _ask_topic_settings(broker.admin, present)))
        if (files := broker_files(config.home)) is not None:
            checks.append(check_broker_files(files))
        checks.append(_checked("distributors' limits", lambda: check_distributor_limits(_other_limits(config))))
        checks.append(check_replicas({name: broker.replicas[name] for name in present}))
    if connection is None:
        checks += [not_looked_at(name, "PostgreSQL") for name in ("schemas", "dead letters", "sample accounts")]
    else:
        checks.append(_checked("schemas", lambda: check_schemas(_pending(connection))))
        checks.append(_checked("dead letters", lambda: check_dead_letters(*_waiting_letters(connection))))
        checks.append(_checked("sample accounts", lambda: _sample_accounts(config)))
    if broker is None or connection is None:
        checks.append(not_looked_at("lag", "Kafka" if broker is None else "PostgreSQL"))
    else:
        checks.append(_checked("lag", lambda: _check_lag(config, connection)))
    return checks + check_services(remembered_ports(config.home / SERVICE_PORTS), ask_service)


def _sample_accounts(config: Settings) -> Check:
    known = asyncio.run(with_known_password(database_url(config)))
    return check_sample_accounts(known, is_public(WebSettings(), config.http_host))


def check_sample_accounts(known: Sequence[str], public: bool) -> Check:
    """Can anybody sign in with the password that the demo prints? `public`: others than this machine reach it."""
    name = "sample accounts"
    if not known:
        return Check(name, "ok", "nobody has the demo's password")
    found = f"{len(known)} accounts have the demo's password: {', '.join(known[:10])}"
    if not public:
        return Check(name, "ok", f"{found}; the pages are for this machine alone")
    return Check(name, "wrong", found, "`postavka user disable` each, or `postavka user password`")


# This machine


def check_python(version: Sequence[int]) -> Check:
    """Is Python new enough?"""
    found = ".".join(map(str, version))
    if tuple(version[:2]) >= OLDEST_PYTHON:
        return Check("Python", "ok", found)
    needed = ".".join(map(str, OLDEST_PYTHON))
    return Check("Python", "wrong", found, f"{needed} or later is needed: make PYTHON=python3.12 install")


def check_settings(config: Settings) -> Check:
    """The check that either both servers are named or none."""
    named = {
        "KAFKA_BOOTSTRAP_SERVERS": config.kafka_bootstrap_servers is not None,
        "DATABASE_URL": config.database_url is not None,
    }
    if all(named.values()):
        return Check("settings", "ok", "servers named in the environment")
    if not any(named.values()):
        return Check("settings", "ok", f"servers of this folder ({config.home})")
    there = next(name for name, is_set in named.items() if is_set)
    away = next(name for name, is_set in named.items() if not is_set)
    return Check(
        "settings", "wrong", f"{there} is set, {away} is not: neither is used", f"set {away}, or unset {there}"
    )


def check_settings_error(wrong: ValidationError) -> Check:
    """Settings that can't be read. Values are left out: one may be a password."""
    found = "; ".join(
        f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
        for error in wrong.errors(include_url=False, include_input=False, include_context=False)
    )
    advice = "correct them in the environment or in .env; postavka/kernel/settings.py has all"
    return Check("settings", "wrong", found, advice)


def free_bytes(path: Path) -> int:
    """Free on the disk of this path, or of the nearest folder above it that exists."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def check_disk(home: Path, free: Callable[[Path], int]) -> Check:
    """Is there room for data and logs?"""
    left = free(home)
    found = f"{left / 1e9:.1f} GB free for {home}"
    if left >= LEAST_FREE_BYTES:
        return Check("disk", "ok", found)
    needed = f"{LEAST_FREE_BYTES / 1e9:.0f} GB"
    return Check("disk", "wrong", found, f"make room ({needed} at least), or set POSTAVKA_HOME to a folder elsewhere")


def check_java(outside: bool) -> Check:
    """Is there a Java that Kafka can run on?"""
    if outside:
        return Check("Java", "ok", "not needed: Kafka is not started here")
    try:
        return Check("Java", "ok", _short(find_java()))
    except NoJava as none:
        return Check("Java", "wrong", str(none), "make install, or set JAVA_HOME")


def check_jars(jars: Path, outside: bool) -> Check:
    """Are Kafka's jars here? Missing ones are no mistake: the next start fetches them (and checks every SHA-256)."""
    if outside:
        return Check("Kafka's jars", "ok", "not needed: Kafka is not started here")
    locked = kafka_jars.read_lock()
    folder = jars / f"kafka-{kafka_jars.VERSION}"
    missing = sum(1 for jar in locked if not (folder / jar.file).exists())
    found = f"Kafka {kafka_jars.VERSION}, {len(locked)} jars"
    return Check("Kafka's jars", "ok", f"{found}; {missing} to be fetched at the next start" if missing else found)


def check_gost(command: str | None) -> Check:
    """Can GOST signatures be checked and made here?"""
    todo = "apt install openssl libengine-gost-openssl (make debian), if counterparties sign with GOST keys"
    if command is None:
        return Check("GOST", "unknown", "there is no command openssl", todo)
    if gost_environment(command) is None:
        return Check("GOST", "unknown", f"{command} has no engine gost", todo)
    return Check("GOST", "ok", f"{command} has the engine gost")


def check_revocation_lists(found: Survey) -> Check:
    """Can all the revocation lists that `POSTAVKA_SIGNATURE_REVOCATION_LISTS` names be used?"""
    wrong = found.sentences()
    if wrong:
        todo = "fetch them anew, or take them out: no certificate of their issuers can be judged without"
        return Check("revocation lists", "wrong", _listed(wrong), todo)
    if not found.usable:
        return Check("revocation lists", "wrong", "none are there", "fetch them: signatures wait in the dead letters")
    return Check("revocation lists", "ok", f"{found.usable}, all read")


def check_processor(outside: bool, divided: Division | None) -> Check:
    """Do programs give way to each other as they were told? A slow system is no broken one: never wrong."""
    if outside:
        return Check("processor", "ok", "PostgreSQL is not started here: nothing to be arranged with it")
    if divided is None or (divided.in_root and os.access(divided.root, os.W_OK)):
        return Check("processor", "ok", "who follows the log gives way to who decides")
    found = "each of PostgreSQL's processes has as much of it as all services together: slow under load"
    return Check("processor", "unknown", found, "sudo sysctl kernel.sched_autogroup_enabled=0, before the start")


def _division(home: Path) -> Division | None:
    """The division among what runs in this folder, else among what would be started now."""
    try:
        found = division(int((home / "run" / "supervisord.pid").read_text()))
    except (OSError, ValueError):
        return division()
    return Division(found.root, in_root=False) if found is not None else None  # too late for a group


# The servers


def ask_broker(config: Settings) -> tuple[Check, BrokerState | None]:
    """Does Kafka answer, and who is it?"""
    address, heard = bootstrap(config), []

    def hear(error: KafkaError) -> None:
        heard.append(error.str())

    try:
        admin = AdminClient(for_librdkafka(config) | {"log_level": 0, "error_cb": hear})
        try:
            metadata = admin.list_topics(timeout=PATIENCE_SECONDS)
            cluster = admin.describe_cluster(request_timeout=PATIENCE_SECONDS).result().cluster_id
        except KafkaException:
            admin.poll(0)
            raise
    except KafkaException as away:
        why = next((text for text in heard if "brokers are down" not in text), _kafka_words(away))
        todo = "is it up, is the address right, do KAFKA_SECURITY_PROTOCOL and the SASL and SSL settings fit?"
        return Check("Kafka", "wrong", f"{address}: {why}", todo), None
    topics = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
    replicas = {
        name: min((len(partition.replicas) for partition in topic.partitions.values()), default=0)
        for name, topic in metadata.topics.items()
    }
    found = f"{address}: cluster {cluster}, {len(metadata.brokers)} broker{'s' if len(metadata.brokers) > 1 else ''}"
    return Check("Kafka", "ok", found), BrokerState(admin, topics, replicas)


def ask_database(config: Settings) -> tuple[Check, psycopg.Connection[Any] | None]:
    """Does PostgreSQL answer, and in which version?"""
    url = database_url(config)
    try:
        address = address_of(url)
        connection = psycopg.connect(url, autocommit=True, connect_timeout=PATIENCE_SECONDS)
        row = connection.execute("SELECT current_setting('server_version')").fetchone()
        connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{PATIENCE_SECONDS}s",))
    except psycopg.Error as away:
        # Only the class for a URL that can't be read: its words may have the password in them.
        why = _first_line(away) if isinstance(away, psycopg.OperationalError) else type(away).__name__
        todo = "is it up, is DATABASE_URL right (host, port, database, user, password, sslmode)?"
        return Check("PostgreSQL", "wrong", why, todo), None
    return Check("PostgreSQL", "ok", f"{address}: version {row[0] if row else '?'}"), connection


def address_of(url: str) -> str:
    """Host, port and database of a connection URL, and nothing secret."""
    parts = conninfo_to_dict(url)
    return f"{parts.get('host') or 'local'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


def not_looked_at(name: str, server: str) -> Check:
    """What can't be known while a server is away."""
    return Check(name, "unknown", f"not looked at: {server} does not answer")


# What is on the servers


def check_topics(existing: Mapping[str, int], wanted: Iterable[str]) -> Check:
    """Are all topics there, with the right number of partitions?"""
    names = list(wanted)
    missing = [name for name in names if name not in existing]
    wrong = [f"{name} ({existing[name]})" for name in names if existing.get(name, PARTITIONS) != PARTITIONS]
    if wrong:
        found = f"not {PARTITIONS} partitions: {_listed(wrong)}"
        return Check("topics", "wrong", found, "partitions can't be changed: take other topics or another cluster")
    if missing:
        return Check("topics", "wrong", f"missing: {_listed(missing)}", "postavka topics")
    return Check("topics", "ok", f"{len(names)}, with {PARTITIONS} partitions each")


def check_topic_settings(found: Mapping[str, Mapping[str, str]]) -> Check:
    """Will everything be kept for ever, in no more files than it needs? `found`: topic → its settings."""
    wrong = [
        (f"{topic} {name}={value}", name)
        for topic, values in wrong_settings(found).items()
        for name, value in values.items()
    ]
    losing = [said for said, name in wrong if name in KEEP_FOR_EVER]
    if losing:
        return Check("topic settings", "wrong", f"records will be deleted: {_listed(losing)}", f"{REPAIR}, soon")
    if wrong:
        found_wrong = f"a sender's times can open files without end: {_listed([said for said, _ in wrong])}"
        return Check("topic settings", "wrong", found_wrong, REPAIR)
    return Check("topic settings", "ok", "nothing is ever deleted, times are the broker's")


def check_broker_files(found: BrokerFiles) -> Check:
    """Will the system go on giving the broker files?"""
    said = f"{found.segments} segments" + (f", {found.used:.0%} of what it may open" if found.used is not None else "")
    if found.used is not None and found.used > MOST_FILES_USED:
        return Check("broker's files", "wrong", said, "docs/runbooks/broker-files.md, before it has no more and ends")
    return Check("broker's files", "ok", said)


def _other_limits(config: Settings) -> list[str] | None:
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
        return Check(name, "wrong", f"not those of this release: {_listed(others)}", "postavka distributor limits")
    return Check(name, "ok", f"{QUOTA.written_bytes // 1_000} kB a second each")


def check_replicas(replicas: Mapping[str, int]) -> Check:
    """The check of copies: on how many brokers does a record lie? One is allowed, and said."""
    fewest = min(replicas.values(), default=0)
    if fewest > 1:
        return Check("replicas", "ok", f"{fewest} or more")
    found = "1: a power cut can lose the last records; for data that counts, replicate or set flush.messages=1"
    return Check("replicas", "ok", found) if fewest else Check("replicas", "unknown", "no topics")


def check_schemas(missing: Mapping[str, Sequence[str]]) -> Check:
    """Is every schema up to date? `missing`: schema → SQL files that have not run in this form."""
    behind = [f"{schema} ({', '.join(files)})" for schema, files in missing.items() if files]
    if behind:
        todo = "postavka migrate"
        return Check("schemas", "wrong", f"not up to date: {_listed(behind)}", todo)
    return Check("schemas", "ok", f"{len(missing)}, up to date")


def check_dead_letters(letters: Mapping[str, int], unread: int) -> Check:
    """Does a record wait for somebody? `letters`: stage → open ones; `unread`: records the cabinet couldn't read."""
    waiting = [f"{stage} {count}" for stage, count in letters.items() if count]
    if waiting:
        todo = "postavka dead-letters list; when the cause is gone: postavka dead-letters retry STAGE/all"
        return Check("dead letters", "wrong", f"waiting: {_listed(waiting)}", todo)
    if unread:
        todo = "see the table cabinet.unread; with a release that can read them: postavka rebuild cabinet"
        return Check("dead letters", "wrong", f"the cabinet could not read {unread} records", todo)
    return Check("dead letters", "ok", "none wait")


def check_held(held: Sequence[HeldPartition]) -> Check | None:
    """Wrong if a reader holds a partition that has lost its end."""
    if not held:
        return None
    todo = "postavka topics --set-back; docs/how-it-recovers.md, “A log that has lost its end”"
    return Check("lag", "wrong", _listed([str(each) for each in held]), todo)


def check_marks(marks: Marks, ends: Mapping[tuple[str, int], int]) -> Check | None:
    """Wrong if a topic ends before what was handled: it has lost records, and new ones at these offsets are skipped."""
    short = sorted(
        f"{topic}/{partition} ends at {ends[topic, partition]}, {reader} has handled {offset}"
        for reader, reached in marks.items()
        for (topic, partition), offset in reached.items()
        if (topic, partition) in ends and offset >= ends[topic, partition]
    )
    if not short:
        return None
    todo = "its reader holds it when it runs: docs/how-it-recovers.md, “A log that has lost its end”"
    return Check("lag", "wrong", f"Kafka has lost records: {_listed(short)}", todo)


def lag_of(marks: Marks, ends: Mapping[tuple[str, int], int]) -> dict[str, int]:
    """Records not handled yet, by reader."""
    return {
        reader: sum(max(0, ends[place] - 1 - offset) for place, offset in reached.items() if place in ends)
        for reader, reached in marks.items()
    }


def check_lag(before: Mapping[str, int], after: Mapping[str, int], moved: Iterable[str]) -> Check:
    """Does every reader with lag get on? `moved`: readers that have handled something between the two looks."""
    getting_on = set(moved)
    stuck = [
        f"{reader} {lag}" for reader, lag in after.items() if lag and before.get(reader) and reader not in getting_on
    ]
    if stuck:
        todo = "is the service up (see below)? its log says why it stands still"
        return Check("lag", "wrong", f"records wait and nothing moves: {_listed(stuck)}", todo)
    total = sum(after.values())
    return Check("lag", "ok", f"{total} records, being handled" if total else "none")


# The services


def ask_service(port: int) -> dict[str, Any] | None:
    """What `/healthz` of a service says, well or not; None when nothing answers there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            said: dict[str, Any] = jsonlib.loads(answer.read())
    except urllib.error.HTTPError as unwell:
        try:
            said = jsonlib.loads(unwell.read())
        except ValueError:
            return None
    except (OSError, ValueError):
        return None
    return said


def check_services(ports: Mapping[str, int], ask: Callable[[int], dict[str, Any] | None]) -> list[Check]:
    """Each service that `postavka up` runs here. Without ports none was ever started in this folder."""
    known = [name for name in SERVICES if f"{name}.http" in ports]
    if not known:
        return [Check("services", "unknown", "none was started in this folder; ask those elsewhere for /healthz")]
    with ThreadPoolExecutor(len(known)) as pool:
        answers = list(pool.map(ask, (ports[f"{name}.http"] for name in known)))
    return [check_service(name, said) for name, said in zip(known, answers, strict=True)]


def check_service(name: str, said: Mapping[str, Any] | None) -> Check:
    """The check of one service by what it says of itself."""
    if said is None or name not in (said.get("stage"), said.get("projection"), said.get("service")):
        return Check(name, "wrong", "does not answer", f"postavka up; if it runs: .postavka/log/{name}.log")
    if said.get("status") != "ok":
        return Check(name, "wrong", str(said.get("trouble") or "unwell"), f"see .postavka/log/{name}.log")
    facts = [f"{said['assigned_partitions']} partitions"] if "assigned_partitions" in said else []
    facts += [f"lag {said['lag_records']}"] if "lag_records" in said else []
    facts += [f"relay {said['relay']}"] if "relay" in said else []
    return Check(name, "ok", ", ".join(facts) or "well")


# Asking


def _checked(name: str, ask: Callable[[], Check]) -> Check:
    """The check, or one that says why it could not be made: a server may go away meanwhile."""
    try:
        return ask()
    except OffsetsUnknown as unknown:
        return Check(name, "unknown", f"not looked at: {unknown}", "try again; if it stays, see the server's log")
    except (psycopg.Error, KafkaException) as away:
        words = _kafka_words(away) if isinstance(away, KafkaException) else _first_line(away)
        return Check(name, "wrong", f"could not be looked at: {words}", "try again; if it stays, see the server's log")


def _ask_topic_settings(admin: AdminClient, topics: Sequence[str]) -> Check:
    return check_topic_settings(topic_settings(admin, topics, PATIENCE_SECONDS))


def _pending(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    return {schema: pending(connection, schema, *sets) for schema, sets in migration_sets().items()}


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return bool(row and row[0])


def _waiting_letters(connection: psycopg.Connection[Any]) -> tuple[dict[str, int], int]:
    letters: dict[str, int] = {}
    for stage in STAGES:
        if _exists(connection, f"{stage}.dead_letters"):
            query = SQL("SELECT count(*) FROM {}.dead_letters WHERE status <> 'done'").format(Identifier(stage))
            row = connection.execute(query).fetchone()
            letters[stage] = int(row[0]) if row else 0
    unread = 0
    if _exists(connection, "cabinet.unread"):
        row = connection.execute("SELECT count(*) FROM cabinet.unread").fetchone()
        unread = int(row[0]) if row else 0
    return letters, unread


def _marks(connection: psycopg.Connection[Any]) -> dict[str, dict[tuple[str, int], int]]:
    tables = dict.fromkeys(STAGES, ("notification_tracking", "application_name", "notification_id"))
    tables["notices"] = ("notification_tracking", "application_name", "notification_id")
    tables["cabinet"] = ("marks", "name", "offset")
    marks: dict[str, dict[tuple[str, int], int]] = {}
    for schema, (table, name, offset) in tables.items():
        if _exists(connection, f"{schema}.{table}"):
            query = SQL("SELECT {}, {} FROM {}").format(Identifier(name), Identifier(offset), Identifier(schema, table))
            marks[schema] = {_place(key): int(reached) for key, reached in connection.execute(query)}
    return marks


def _place(name: str) -> tuple[str, int]:
    topic, _, partition = name.rpartition("/")
    return topic, int(partition)


def _check_lag(config: Settings, connection: psycopg.Connection[Any]) -> Check:
    before = _marks(connection)
    places = {place for reached in before.values() for place in reached}
    with PartitionOffsets(config) as offsets:
        ends = offsets.ends(places)
    if (lost := check_held(all_held(connection)) or check_marks(before, ends)) is not None:
        return lost
    lag = lag_of(before, ends)
    if not any(lag.values()):
        return check_lag(lag, lag, ())
    time.sleep(STILL_SECONDS)
    after = _marks(connection)
    moved = [reader for reader in after if after[reader] != before.get(reader)]
    return check_lag(lag, lag_of(after, ends), moved)


# Words


def print_check(check: Check) -> None:
    """Print a check on one line, and on a second one what to do."""
    console.print(
        f"{SIGNS[check.status]} [bold]{check.name:<15}[/] {escape(check.found)}", highlight=False, soft_wrap=True
    )
    if check.todo:
        console.print(f"  {'':<15} → {escape(check.todo)}", highlight=False, soft_wrap=True)


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _kafka_words(error: KafkaException) -> str:
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(first)


def _short(path: Path) -> str:
    """Relative to the working folder where it lies below it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
