"""The auditor's commands on a running system: history, as-of, diff, replay, verify (L20 and all that is on record)."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
import pandas
import psycopg
import pytest

from events.approval import Approved, Rejected
from postavka.kernel.errors import NOT_FOUND, REFUSED
from services.audit.history.as_of import StoodRequest, as_of, diff
from services.audit.history.export import ExportRange, FolderNotEmpty, export
from services.audit.history.history import as_json, history
from services.audit.replay.replay import ForeignSchema, ReplayOrder, replay
from services.audit.verification.verify import verify
from tests.paths import PROJECT
from tests.system.conftest import System
from tests.system.oracle import STAGES
from tests.system.traffic import DECLINED, DIRECT, INCOMPLETE, NO_CONTRACT, PLANS, TOLD_TWICE, Traffic


def check_manifest(folder: Path) -> dict[str, str]:
    """Files of an export that are not as its manifest says: by path, what is wrong."""
    wrong: dict[str, str] = {}
    for name, about in json.loads((folder / "manifest.json").read_bytes())["files"].items():
        path = folder / name
        if not path.exists():
            wrong[name] = "missing"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != about["sha256"]:
            wrong[name] = "changed"
    return wrong


@pytest.fixture(scope="module")
def sent(system: System) -> tuple[Traffic, datetime, datetime]:
    """Two requests of every plan, with the moments before and after. Their sender puts records into other partitions
    than ours would: whoever looks for a request's inputs must find them there."""
    before = datetime.now(UTC)
    traffic = Traffic(system.kafka, partitioner="consistent_random")
    traffic.run(2 * len(PLANS), 50)
    system.settle()
    return traffic, before, datetime.now(UTC)


def of_plan(traffic: Traffic, plan: str) -> str:
    return next(request for request, of in traffic.plans.items() if of == plan)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def read(system: System, request: str) -> list[dict[str, object]]:
    """The history, as `--json` writes it."""
    return [as_json(entry) for entry in history(system.config, UUID(request)).entries]


def stood(system: System, moment: datetime, **chosen: object) -> dict[str, StoodRequest]:
    """Request → how it stood."""
    return {str(each.request): each for each in as_of(system.config, moment, **chosen)}


# History


def test_a_history_has_everything_in_causal_order_with_its_causes(system: System, sent):
    request = of_plan(sent[0], TOLD_TWICE)
    entries = lines(system.cli("audit", "history", request, "--json"))
    at = {str(entry["type"]).partition(".")[0]: entry for entry in reversed(entries)}
    order = ["SubmitRequest", "RequestSubmitted", "Approved", "DistributorConfirmation", "DistributorConfirmed"]
    order += ["ManufacturingOrdered", "KitManufactured", "ShipmentIssued", "ActivateDelivery", "Activated"]
    assert [at[name]["number"] for name in order] == sorted(at[name]["number"] for name in order)
    causes = {name: entries[at[name]["cause"] - 1]["type"] for name in order if at[name]["cause"]}
    assert causes["Approved"] == "RequestSubmitted.v1"
    # Billing may read the answer before the approval: then it is held, and taken up with the approval.
    answered = "ConfirmationHeld" if "ConfirmationHeld" in at else "DistributorConfirmed"
    assert entries[int(str(at[answered]["cause"])) - 1]["type"] == "DistributorConfirmation.v1"
    assert at[answered]["asked_by"] == "dist-north"
    # So may shipping read billing's word before the approval.
    opened_by = "Approved.v3" if "BasisHeld" in at else "DistributorConfirmed.v1"
    assert causes["ManufacturingOrdered"] == opened_by
    assert at["Approved"]["who"] == "approval"
    assert "traffic" in str(at["RequestSubmitted"]["asked_by"])
    for entry in entries:
        assert (entry["cause"] or 0) < entry["number"]
        assert entry["offset"] is not None
        if entry["kind"] == "event":
            assert entry["position"]


def test_what_a_sender_has_put_into_another_partition_is_found(system: System, sent):
    elsewhere = 0
    for request in sent[0].plans:
        entries = [entry for entry in read(system, request) if entry["topic"] != "bank.payments"]
        of_events = {entry["partition"] for entry in entries if entry["kind"] == "event"}
        assert len(of_events) == 1
        elsewhere += sum(entry["partition"] not in of_events for entry in entries if entry["kind"] == "input")
        submitted = next(entry for entry in entries if entry["type"] == "RequestSubmitted.v1")
        assert entries[int(str(submitted["cause"])) - 1]["type"].startswith("SubmitRequest")
    assert elsewhere


def test_what_was_told_twice_is_in_the_history_and_said_to_have_led_to_nothing(system: System, sent):
    entries = read(system, of_plan(sent[0], TOLD_TWICE))
    repeated = [entry for entry in entries if entry["kind"] == "input" and entry["note"]]
    assert {entry["type"] for entry in repeated} >= {"SubmitRequest.v1"}
    assert all("led to no event" in str(entry["note"]) for entry in repeated)


def test_payments_are_found_although_they_lie_under_another_key(system: System, sent):
    entries = read(system, of_plan(sent[0], DIRECT))
    payments = [entry for entry in entries if entry["topic"] == "bank.payments"]
    assert len(payments) == 2
    received = [entry for entry in entries if entry["type"] == "PaymentReceived.v1"]
    assert {entry["cause"] for entry in received} == {entry["number"] for entry in payments}


def test_the_table_and_the_page_show_the_same(system: System, sent, tmp_path):
    request = of_plan(sent[0], DIRECT)
    assert "PaymentReceived.v1" in system.cli("audit", "history", request)
    page = tmp_path / "history.html"
    system.cli("audit", "history", request, "--html", str(page))
    text = page.read_text("utf-8")
    assert "Оплата получена" in text
    assert "http" not in text.replace("http://www.w3.org", "")  # nothing is loaded from elsewhere
    assert text.count('class="arrow') >= 15


def test_dead_letters_of_a_request_are_in_its_history(system: System, sent):
    request = of_plan(sent[0], DECLINED)
    assert system.run_cli("request", "withdraw", request, "--partner", "romashka-it").returncode == REFUSED
    system.settle()
    entries = read(system, request)
    letter = next(entry for entry in entries if entry["kind"] == "dead-letter")
    assert letter["type"] == "no-such-request"
    assert entries[int(str(letter["cause"])) - 1]["type"] == "WithdrawRequest.v1"


def test_an_unknown_request_is_said_to_be_unknown(system: System):
    done = system.run_cli("audit", "history", "00000000-0000-4000-8000-000000000000")
    assert done.returncode == NOT_FOUND
    assert "nothing is known" in done.stderr


# As of, diff


def test_as_of_now_is_the_cabinet(system: System, sent):
    found = stood(system, datetime.now(UTC), partner="lukomor")
    with psycopg.connect(system.database_url) as connection:
        rows = connection.execute(
            f"SELECT request_id::text, status, {', '.join(STAGES)} FROM cabinet.requests "  # noqa: S608
            "WHERE partner_id = 'lukomor'"
        ).fetchall()
    assert rows
    for request, status, *groups in rows:
        assert found[request].status == status
        assert [found[request].row.get(name) for name in STAGES] == groups


def test_as_of_a_moment_shows_what_was_there_then(system: System, sent):
    traffic, before, after = sent
    request = of_plan(traffic, DIRECT)
    assert not stood(system, before, requests=[UUID(request)])
    entries = read(system, request)
    billed = next(entry for entry in entries if entry["type"] == "InvoiceIssued.v1")
    assert isinstance(billed["time"], datetime)
    assert stood(system, billed["time"], requests=[UUID(request)])[request].status == "awaiting-payment"
    (row,) = lines(system.cli("audit", "as-of", after.isoformat(), "--request", request, "--json"))
    assert row["status"] == "activated"
    assert "Активирована" in system.cli("audit", "as-of", after.isoformat(), "--partner", "lukomor", "--limit", "100")


def test_a_diff_names_what_changed_between_two_moments(system: System, sent):
    traffic, before, after = sent
    changed = {str(change.request): change for change in diff(system.config, before, after)}
    assert changed.keys() >= traffic.plans.keys()
    assert changed[of_plan(traffic, INCOMPLETE)].after.status == "rejected"
    assert "approval.reasons" in changed[of_plan(traffic, INCOMPLETE)].fields
    assert changed[of_plan(traffic, DIRECT)].before is None
    assert not list(diff(system.config, after, after))
    assert "Активирована" in system.cli("audit", "diff", before.isoformat(), "now", "--partner", "lukomor")


# Replay


def test_everything_is_decided_again_as_it_was_and_makes_the_same_cabinet(system: System, sent):
    report = json.loads(system.cli("audit", "replay", "--into", "replayed", "--json"))
    assert report["requests"] == {}, report["differences"][:3]
    assert report["decisions"] > len(sent[0].plans) * 5
    columns = f"request_id, status, partner_id, {', '.join(STAGES)}"
    with psycopg.connect(system.database_url) as connection:
        heads = [
            connection.execute(f"SELECT position FROM {stage}.head").fetchone()  # noqa: S608
            for stage in STAGES
        ]
        assert report["events"] == sum(head[0] for head in heads if head)
        differ = connection.execute(
            f"SELECT count(*) FROM (SELECT {columns} FROM cabinet.requests EXCEPT "  # noqa: S608
            f"SELECT {columns} FROM replayed.requests) AS d"
        ).fetchone()
        assert differ == (0,)
        connection.execute("DROP SCHEMA replayed CASCADE")


def test_a_schema_of_somebody_else_is_left_alone(system: System):
    with pytest.raises(ForeignSchema, match="was not made by a replay"):
        replay(system.config, ReplayOrder(into="billing"))


def test_a_change_of_rules_is_a_list_of_requests_that_would_go_otherwise(system: System, sent, monkeypatch):
    traffic, before, _ = sent
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    done = system.run_cli("audit", "replay", "--rules", "tests.system.stricter", "--from", before.isoformat(), "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    otherwise = {request for request, plan in traffic.plans.items() if plan == NO_CONTRACT}
    by_approval = {each["request"] for each in report["differences"] if each["stage"] == "approval"}
    assert by_approval == otherwise
    first = report["requests"][min(otherwise)]
    assert first["stage"] == "approval"
    assert first["first"] == f"{Approved.TYPE} then, {Rejected.TYPE} now"
    assert first["position"]


def test_a_decider_that_sends_is_stopped_and_told(system: System, sent, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    asked = ReplayOrder(rules="tests.system.stricter", requests=(of_plan(sent[0], DECLINED),))
    said = [each.first for each in replay(system.config, asked).differences]
    assert any("a replay sends nothing" in each for each in said), said
    assert not any("a producer was made" in each for each in said)


def test_a_replay_at_a_pace_shows_every_decision(system: System, sent):
    request = of_plan(sent[0], DIRECT)
    shown = system.cli("audit", "replay", "--speed", "50x", "--request", request)
    assert "InvoiceIssued.v1" in shown
    assert "Activated.v1" in shown
    assert "all the same" in shown


# Verify


def test_all_is_well(system: System, sent):
    report = json.loads(system.run_cli("audit", "verify", "--json").stdout)
    problems = [each for each in report["problems"] if each["code"] != "foreign"]  # other tests forge records
    assert problems == []
    assert report["counts"].get("foreign", 0) == system.forged
    assert report["events"] == sum(report["heads"].values()) > 0


def test_what_was_changed_is_found_and_named(system: System, sent):
    request = UUID(of_plan(sent[0], DIRECT))
    changes = (
        ("cabinet.requests", "request_id", "billing", "jsonb", 'billing || \'{"paid": "1.00"}\''),
        ("approval.stored_events", "originator_id", "causation", "text", "causation || 'x'"),
    )
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # events are guarded against this
        kept = []
        for table, key, name, kind, changed in changes:
            row = connection.execute(f"SELECT {name}::text FROM {table} WHERE {key} = %s", (request,)).fetchone()  # noqa: S608
            assert row is not None
            kept.append((f"UPDATE {table} SET {name} = %s::{kind} WHERE {key} = %s", row[0]))  # noqa: S608
            connection.execute(f"UPDATE {table} SET {name} = {changed} WHERE {key} = %s", (request,))  # noqa: S608
        try:
            done = system.run_cli("audit", "verify")
            problems = verify(system.config).findings.problems
            found = {each.code: each.place for each in problems if each.code != "foreign"}
            for each in problems:
                system.cli(
                    "audit", "acknowledge", each.code, each.place, "--by", "auditor-1", "--reason", "a test's doing"
                )
            accepted = system.run_cli("audit", "verify", "--json")
            unknown = system.run_cli("audit", "acknowledge", "gate", "shipping/0", "--by", "x", "--reason", "no such")
        finally:
            for back, value in kept:
                connection.execute(back, (value, request))
    assert done.returncode == 1, done.stderr
    assert "it is NOT all as it was written" in done.stdout
    assert found.keys() == {"cabinet-differs", "differs"}
    assert found["cabinet-differs"] == str(request)
    assert found["differs"].startswith("approval/")
    # An auditor has acknowledged all of it: shown and counted, and no reason to fail any more.
    report = json.loads(accepted.stdout)
    assert (accepted.returncode, report["well"], report["problems"]) == (0, True, []), accepted.stderr
    assert {(each["code"], each["place"]) for each in report["acknowledged"]} == {
        (each.code, each.place) for each in problems
    }
    assert {(each["acknowledged_by"], each["reason"]) for each in report["acknowledged"]} == {
        ("auditor-1", "a test's doing")
    }
    assert report["counts"]["differs"] == 1
    assert unknown.returncode != 0
    assert "no open problem gate at shipping/0" in unknown.stderr


# Export


def test_an_export_of_json_lines_holds_against_its_manifest_and_what_was_signed(system: System, sent, tmp_path):
    folder = tmp_path / "out"
    system.cli("audit", "checkpoint", "--now")
    written = json.loads(system.cli("audit", "export", str(folder), "--json"))
    assert written["records"] > 100
    assert not check_manifest(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    with psycopg.connect(system.database_url) as connection:
        head = connection.execute("SELECT position FROM approval.head").fetchone()
    assert head is not None
    assert manifest["positions"]["approval"] <= head[0]
    rows = pandas.read_json(folder / "events/approval.events.jsonl", lines=True)
    assert sorted(rows["position"].dropna()) == list(range(1, manifest["positions"]["approval"] + 1))
    with duckdb.connect() as questions:
        counted = questions.execute(
            f"SELECT count(*) FROM read_json_auto('{folder}/events/*.jsonl') WHERE type LIKE 'Activated.%'"  # noqa: S608
        ).fetchone()
        assert counted is not None
        assert counted[0] >= 2
    said = subprocess.run(
        [
            *(sys.executable, "verifier.py", "events", "events/approval.events.jsonl", "--log", "approval.events"),
            *("--evidence", "evidence", "--keys", "evidence/keys.pub"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "as signed for" in said.stdout
    (folder / "dead-letters.jsonl").write_text("{}")
    assert check_manifest(folder) == {"dead-letters.jsonl": "changed"}


def test_the_guide_s_questions_can_be_asked_of_parquet(system: System, sent, tmp_path):
    folder = tmp_path / "out"
    request = of_plan(sent[0], DIRECT)
    system.cli("audit", "export", str(folder), "--format", "parquet", "--request", request)
    guide = (folder / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", guide, re.S)
    with duckdb.connect() as questions:
        questions.execute(f"SET file_search_path = '{folder}'")
        answers = [
            questions.execute(each.replace("0" * 8 + "-0000-0000-0000-" + "0" * 12, request)).fetchall()
            for each in block.split(";")
            if each.strip()
        ]
    history_of, _, sold, why = answers
    assert [row[1] for row in history_of] == [
        str(entry["type"]) for entry in read(system, request) if entry["kind"] == "event"
    ]
    assert len(sold) == 1
    assert any(row[2] == "bank.payments" for row in why)
    frame = pandas.read_parquet(folder / "events/billing.events.parquet")
    assert set(frame["subject"]) == {request}
    assert json.loads(frame["value"][0])
    assert {"request", "subject"} <= set(pandas.read_parquet(folder / "dead-letters.parquet").columns)
    with pytest.raises(FolderNotEmpty):
        export(system.config, folder, "parquet", ExportRange())


def test_an_export_can_be_of_a_stretch_of_time(system: System, sent, tmp_path):
    _, before, after = sent
    everything = export(system.config, tmp_path / "all", "jsonl", ExportRange(before, after))
    assert everything.records > 100
    nothing = export(
        system.config, tmp_path / "none", "jsonl", ExportRange(before - timedelta(days=2), before - timedelta(days=1))
    )
    assert nothing.records == 0
