"""The doctor: what it finds wrong, and what it says to do. No servers: they are away, or their answers are given."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from postavka.app.one_box.cgroup import Division
from postavka.app.one_box.doctor import examination
from postavka.app.one_box.doctor import servers as asking
from postavka.app.one_box.doctor.check import Check
from postavka.app.one_box.doctor.command import doctor
from postavka.app.one_box.doctor.examination import examine
from postavka.app.one_box.doctor.lag import check_held, check_lag, check_marks, lag_of
from postavka.app.one_box.doctor.machine import (
    LEAST_FREE_BYTES,
    check_disk,
    check_gost,
    check_jars,
    check_processor,
    check_python,
    check_revocation_lists,
    check_settings,
    check_settings_error,
    free_bytes,
)
from postavka.app.one_box.doctor.servers import (
    address_of,
    check_broker_files,
    check_distributor_limits,
    check_replicas,
    check_topic_settings,
    check_topics,
)
from postavka.app.one_box.doctor.services import check_service, check_services
from postavka.app.one_box.doctor.tables import (
    check_dead_letters,
    check_sample_accounts,
    check_schemas,
    check_webhooks,
)
from postavka.kernel.installation.held import HeldPartition
from postavka.kernel.log.offsets import OffsetsUnknown
from postavka.kernel.runtime import connection, kafka_jars
from postavka.kernel.runtime.broker_files import BrokerFiles
from postavka.kernel.runtime.ports import is_free
from postavka.kernel.settings import PARTITIONS, Settings
from services.shipping.list_survey import Survey, survey
from services.shipping.revocation import RevocationLists
from services.shipping.settings import ShippingSettings

PASSWORD = "s3cret-word"


def settings(home: Path, **given: Any) -> Settings:
    """Settings of a home folder, whatever the environment says."""
    named = {"kafka_bootstrap_servers": None, "database_url": None} | given
    return Settings(_env_file=None, home=home, **named)  # type: ignore[call-arg]


@pytest.fixture
def away(tmp_path: Path) -> Settings:
    """Two servers where nobody listens."""
    port = next(port for port in range(20_000, 30_000) if is_free(port))
    return settings(
        tmp_path,
        kafka_bootstrap_servers=f"127.0.0.1:{port}",
        database_url=f"postgresql://somebody:{PASSWORD}@127.0.0.1:{port}/postavka",
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is said: how long a server is waited for is another's."""
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 1)


def named(checks: list[Check]) -> dict[str, Check]:
    """Checks by their name."""
    return {check.name: check for check in checks}


# Servers that are away


def test_servers_that_are_away_are_named_soon_and_without_secrets(away: Settings):
    started = time.monotonic()
    checks = named(examine(away))
    assert time.monotonic() - started < 8
    for name in ("Kafka", "PostgreSQL"):
        assert checks[name].status == "wrong"
        assert "refused" in checks[name].found
        assert checks[name].todo
    for name in ("topics", "schemas", "dead letters", "lag"):
        assert checks[name].status == "unknown"
        assert "does not answer" in checks[name].found
    assert not any(PASSWORD in check.found + check.todo for check in checks.values())


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("url", [f"postgresql://u:{PASSWORD}@[::1/x", f"password={PASSWORD} nonsense"])
def test_a_database_url_that_can_not_be_read_is_not_shown(away: Settings, url: str):
    checks = named(examine(away.model_copy(update={"database_url": Settings(database_url=url).database_url})))
    assert checks["PostgreSQL"].status == "wrong"
    assert PASSWORD not in checks["PostgreSQL"].found


def test_where_nothing_runs_it_is_said_how_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    nothing = settings(tmp_path)
    monkeypatch.setattr(connection, "settings", lambda: nothing)
    checks = named(examine(nothing))
    assert checks["Kafka"].status == checks["PostgreSQL"].status == "wrong"
    assert "postavka up" in checks["Kafka"].todo


@pytest.mark.usefixtures("impatient")
def test_exit_status_and_json(away: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(examination, "settings", lambda: away)
    with pytest.raises(SystemExit) as ended:
        doctor(json=True)
    assert ended.value.code == 1
    said = orjson.loads(capsys.readouterr().out)
    assert said["well"] is False
    assert {"name", "status", "found", "todo"} == set(said["checks"][0])


@pytest.mark.usefixtures("impatient")
def test_lines_for_people(away: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(examination, "settings", lambda: away)
    with pytest.raises(SystemExit):
        doctor()
    out = capsys.readouterr().out
    assert "✓ Python" in out
    assert "✗ Kafka" in out
    assert "→" in out
    assert PASSWORD not in out


def test_all_well_is_exit_status_zero(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(examination, "look", lambda: [Check("a", "ok", "b"), Check("c", "unknown", "d")])
    doctor()
    assert "✓ a" in capsys.readouterr().out


# Settings and this machine


@pytest.mark.parametrize(
    "given", [{"kafka_bootstrap_servers": "a:1"}, {"database_url": f"postgresql://u:{PASSWORD}@h/x"}]
)
def test_one_server_named_without_the_other_is_a_mistake(tmp_path: Path, given: dict[str, str]):
    check = check_settings(settings(tmp_path, **given))
    assert check.status == "wrong"
    assert "neither is used" in check.found
    assert PASSWORD not in check.found


def test_settings_that_can_not_be_read_are_named_without_their_value():
    with pytest.raises(ValidationError) as wrong:
        Settings(kafka_sasl_mechanism=PASSWORD)  # type: ignore[arg-type]
    check = check_settings_error(wrong.value)
    assert check.status == "wrong"
    assert "sasl_mechanism" in check.found.lower()
    assert PASSWORD not in check.found


@pytest.mark.parametrize(("version", "status"), [((3, 10, 9), "wrong"), ((3, 11, 0), "ok"), ((4, 0, 0), "ok")])
def test_python(version: tuple[int, int, int], status: str):
    assert check_python(version).status == status


def test_the_running_python_will_do():
    assert check_python(sys.version_info[:3]).status == "ok"


def test_a_full_disk(tmp_path: Path):
    assert check_disk(tmp_path, lambda _: LEAST_FREE_BYTES).status == "ok"
    full = check_disk(tmp_path, lambda _: LEAST_FREE_BYTES - 1)
    assert full.status == "wrong"
    assert "POSTAVKA_HOME" in full.todo


def test_room_is_told_for_a_folder_that_does_not_exist_yet(tmp_path: Path):
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_missing_jars_are_told_and_are_no_mistake(tmp_path: Path):
    locked = kafka_jars.read_lock()
    check = check_jars(tmp_path, outside=False)
    assert check.status == "ok"
    assert f"{len(locked)} to be fetched" in check.found
    folder = tmp_path / f"kafka-{kafka_jars.VERSION}"
    folder.mkdir()
    for jar in locked:
        (folder / jar.file).touch()
    assert "fetched" not in check_jars(tmp_path, outside=False).found
    assert "not needed" in check_jars(tmp_path, outside=True).found


def test_sessions_that_divide_the_processor_are_no_mistake_but_told(tmp_path: Path) -> None:
    assert check_processor(outside=False, divided=None).status == "ok"
    assert check_processor(outside=False, divided=Division(tmp_path, in_root=True)).status == "ok", (
        "a group can be made"
    )
    assert check_processor(outside=True, divided=Division(tmp_path, in_root=False)).status == "ok"
    for divided in (Division(tmp_path, in_root=False), Division(tmp_path / "nothing", in_root=True)):
        check = check_processor(outside=False, divided=divided)
        assert check.status == "unknown"
        assert "sched_autogroup_enabled=0" in check.todo


def test_an_address_has_no_secret():
    assert address_of(f"postgresql://u:{PASSWORD}@db:6543/x?sslmode=require") == "db:6543/x"
    assert address_of("postgresql:///x") == "local:5432/x"


# What is on the servers


def test_topics():
    assert check_topics({"a": PARTITIONS, "b": PARTITIONS, "strange": 1}, ["a", "b"]).status == "ok"
    missing = check_topics({"a": PARTITIONS}, ["a", "b"])
    assert (missing.status, missing.todo) == ("wrong", "postavka topics")
    assert "b" in missing.found
    other = check_topics({"a": 3}, ["a", "b"])
    assert other.status == "wrong"
    assert "a (3)" in other.found


def test_a_topic_that_forgets_is_a_mistake():
    kept = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete", "compression.type": "lz4"}
    kept |= {"message.timestamp.type": "LogAppendTime", "segment.ms": str(2**63 - 1)}
    assert check_topic_settings({"a": kept}).status == "ok"
    for wrong in ({"retention.ms": "604800000"}, {"retention.bytes": "1"}, {"cleanup.policy": "compact"}):
        check = check_topic_settings({"a": kept | wrong})
        assert check.status == "wrong"
        assert "a " in check.found
        assert "deleted" in check.found
        assert check.todo == "postavka topics --repair, soon"


def test_a_topic_whose_senders_say_the_time_is_a_mistake():
    kept = {"message.timestamp.type": "LogAppendTime", "segment.ms": str(2**63 - 1)}
    for wrong in ({"message.timestamp.type": "CreateTime"}, {"segment.ms": "604800000"}):
        check = check_topic_settings({"a": kept, "b": kept | wrong})
        assert (check.status, check.todo) == ("wrong", "postavka topics --repair")
        assert "deleted" not in check.found
        assert "b " in check.found


def test_the_files_of_the_broker():
    assert check_broker_files(BrokerFiles(300, None)).status == "ok"
    assert check_broker_files(BrokerFiles(300, 0.02)).found == "300 segments, 2% of what it may open"
    assert check_broker_files(BrokerFiles(9_000, 0.51)).status == "wrong"


def test_the_limits_of_distributors():
    assert check_distributor_limits([]).status == "ok"
    assert check_distributor_limits(None).status == "unknown"
    found = check_distributor_limits(["dist-north.1"])
    assert (found.status, "dist-north.1" in found.found) == ("wrong", True)
    assert found.todo == "postavka distributor limits"


def test_one_replica_is_allowed_and_said():
    assert check_replicas({"a": 3, "b": 3}).found == "3 or more"
    one = check_replicas({"a": 3, "b": 1})
    assert one.status == "ok"
    assert "flush.messages=1" in one.found
    assert check_replicas({}).status == "unknown"


def test_schemas():
    assert check_schemas({"billing": [], "cabinet": []}).status == "ok"
    behind = check_schemas({"billing": ["001_store.sql"], "cabinet": []})
    assert behind.status == "wrong"
    assert "billing (001_store.sql)" in behind.found


def test_dead_letters():
    assert check_dead_letters({"billing": 0}, 0).status == "ok"
    assert "billing 2" in check_dead_letters({"billing": 2, "request": 0}, 0).found
    assert "rebuild" in check_dead_letters({"billing": 0}, 1).todo


def test_webhooks():
    assert check_webhooks(4, 2.5, 1) == Check("webhooks", "ok", "4 events wait, receivers of 1 webhooks take none")
    assert (check_webhooks(4, 301, 0).status, check_webhooks(4, 301, 0).found[-5:]) == ("wrong", "301 s")


def test_accounts_with_the_password_of_the_demo():
    assert check_sample_accounts([], public=True).status == "ok"
    assert check_sample_accounts(["ops"], public=False).status == "ok"
    found = check_sample_accounts(["ops"], public=True)
    assert (found.status, "ops" in found.found, "user disable" in found.todo) == ("wrong", True, True)


PLACE = ("approval.events", 3)


def test_lag_is_what_lies_behind_the_mark():
    ends = {PLACE: 10}
    assert lag_of({"billing": {PLACE: 9}}, ends) == {"billing": 0}
    assert lag_of({"billing": {PLACE: -1}}, ends) == {"billing": 10}
    assert lag_of({"billing": {PLACE: 20}}, ends) == {"billing": 0}
    assert lag_of({"billing": {("gone", 0): 5}}, ends) == {"billing": 0}


def test_lag_that_moves_is_load_and_lag_that_stands_is_not():
    assert check_lag({"billing": 0}, {"billing": 0}, []).found == "none"
    assert check_lag({"billing": 9}, {"billing": 4}, ["billing"]).status == "ok"
    assert check_lag({"billing": 0}, {"billing": 4}, []).status == "ok"
    stuck = check_lag({"billing": 9}, {"billing": 9}, ["approval"])
    assert stuck.status == "wrong"
    assert "billing 9" in stuck.found


def test_what_is_held_is_named() -> None:
    assert check_held([]) is None
    found = check_held([HeldPartition("billing", ("bank.payments", 3), 41, 30)])
    assert found is not None
    assert found.status == "wrong"
    assert "bank.payments/3 ended at offset 30, and billing had handled 41" in found.found
    assert "postavka topics --set-back" in found.todo


def test_a_topic_that_ends_before_its_mark_has_lost_records():
    assert check_marks({"billing": {PLACE: 9}}, {PLACE: 10}) is None
    assert check_marks({"billing": {PLACE: -1}}, {PLACE: 0}) is None
    lost = check_marks({"billing": {PLACE: 10}}, {PLACE: 10})
    assert lost is not None
    assert lost.status == "wrong"
    assert "approval.events/3 ends at 10" in lost.found


# The services


def test_a_question_that_kafka_did_not_answer_says_nothing_of_the_services():
    def ask() -> Check:
        raise OffsetsUnknown("Kafka: no leader (approval.events/3)")

    check = examination._checked("lag", ask)
    assert (check.status, check.found) == ("unknown", "not looked at: Kafka: no leader (approval.events/3)")


def test_a_service_by_its_own_word():
    well = {"status": "ok", "stage": "billing", "assigned_partitions": 12, "lag_records": 0, "relay": "active"}
    assert check_service("billing", well) == Check("billing", "ok", "12 partitions, lag 0, relay active")
    assert check_service("desk", {"status": "ok", "service": "desk"}).status == "ok"
    assert check_service("billing", None).status == "wrong"
    unwell = check_service("billing", {**well, "status": "unwell", "trouble": "PostgreSQL: gone"})
    assert (unwell.status, unwell.found) == ("wrong", "PostgreSQL: gone")


def test_somebody_else_on_the_remembered_port_is_not_the_service():
    assert check_service("billing", {"status": "ok", "stage": "shipping"}).status == "wrong"


def test_services_are_asked_at_their_ports():
    ports = {"billing.http": 1, "desk.http": 2}
    answers: dict[int, dict[str, Any] | None] = {1: {"status": "ok", "stage": "billing"}, 2: None}
    checks = named(check_services(ports, answers.get))
    assert checks["billing"].status == "ok"
    assert checks["desk"].status == "wrong"
    assert [check.status for check in check_services({}, answers.get)] == ["unknown"]


def test_a_bad_revocation_list_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "ca.crl").write_bytes(b"<html>403 Forbidden</html>")
    trust = ShippingSettings(_env_file=None, signature_revocation_lists=tmp_path)  # type: ignore[call-arg]
    monkeypatch.setattr(examination, "shipping_settings", lambda: trust)
    monkeypatch.setattr(examination, "connected", _nothing_runs)
    (check,) = (each for each in examine(settings(tmp_path)) if each.name == "revocation lists")
    assert check.status == "wrong"
    assert "ca.crl" in check.found
    (tmp_path / "ca.crl").unlink()
    assert check_revocation_lists(survey(RevocationLists(tmp_path), datetime.now(UTC))).status == "wrong"
    assert check_revocation_lists(Survey(2, (), (), ())).status == "ok"


def test_gost_is_told_of_but_no_mistake():
    """Who has no GOST keys to deal with needs no engine."""
    for command in (None, "/bin/false", "/no/such/command"):
        check = check_gost(command)
        assert check.status == "unknown"
        assert "libengine-gost-openssl" in check.todo


def _nothing_runs() -> Settings:
    raise connection.NothingRuns("nothing")
