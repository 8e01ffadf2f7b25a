"""Operations on the running whole: dead letters retried in bulk and put right, and a real Prometheus that looks on."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import yaml

from postavka.app.registry import SERVICES
from tests.paths import PROJECT
from tests.system.conftest import System, wait_until
from tests.system.oracle import STAGES

FOLDER = PROJECT / "deploy" / "observability"
MANY = int(os.environ.get("POSTAVKA_MANY_LETTERS", "1000"))


def poison(system: System, count: int) -> None:
    """So many payments that no release can read."""
    traffic = system.traffic()
    for number in range(count):
        traffic.send("bank.payments", f"poison-{number}", "BankPayment.v1", {"payment_id": f"poison-{number}"})
    traffic.flush()


def open_letters(system: System) -> int:
    with psycopg.connect(system.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM billing.dead_letters WHERE status = 'open'").fetchone()
    return row[0] if row else 0


def acts(system: System, type_name: str) -> int:
    """Events of this type that are on the topic of operations."""
    lines = system.cli("log", "tail", "--stage", "ops", "--since", "0", "--no-follow", "--json").splitlines()
    return sum(json.loads(line)["type"] == type_name for line in lines)


def test_many_dead_letters_are_retried_at_once_and_every_act_is_on_the_log(
    system: System, measured: Callable[[str], None]
) -> None:
    before = open_letters(system)
    poison(system, MANY)
    wait_until(lambda: open_letters(system) == before + MANY, "all poison is put aside")
    foreseen = json.loads(system.cli("dead-letters", "retry", "billing/all", "--dry-run", "--json"))
    assert (foreseen["letters"], foreseen["left"]) == (before + MANY, 0)
    assert open_letters(system) == before + MANY, "a dry run changes nothing"
    started = time.monotonic()
    told = json.loads(system.cli("dead-letters", "retry", "billing/all", "--reason", "a new release", "--json"))
    measured(f"{told['marked']:,} dead letters retried at once in {time.monotonic() - started:.0f} s")
    assert (told["marked"], told["waiting"], told["taken"]) == (before + MANY, 0, 0)
    assert open_letters(system) == before + MANY, "what can't be read is refused again and stays"
    wait_until(lambda: acts(system, "DeadLetterRetried.v1") >= MANY, "the acts are published")


def test_a_corrected_record_is_taken_and_the_letter_is_settled(system: System, tmp_path: Path) -> None:
    traffic = system.traffic()
    request_id = str(uuid4())
    traffic.send("commands.requests", request_id, "SubmitRequest.v1", {"request_id": request_id})
    traffic.flush()
    found: list[dict[str, Any]] = []

    def put_aside() -> bool:
        found[:] = [
            row
            for row in json.loads(system.cli("dead-letters", "list", "--stage", "request", "--json"))
            if row["key"] == request_id
        ]
        return bool(found)

    wait_until(put_aside, "the request is put aside")
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps({"request_id": request_id, "partner_id": "lukomor", "submitted_by": "anna"}))
    system.cli("dead-letters", "correct", found[0]["id"], str(mended), "--reason", "the partner was missing")
    wait_until(
        lambda: (
            "RequestSubmitted" in system.cli("log", "tail", "--request", request_id, "--since", "1h", "--no-follow")
        ),
        "the corrected request is taken",
    )
    again = system.run_cli("dead-letters", "discard", found[0]["id"], "--reason", "too late")
    assert again.returncode != 0
    shown = json.loads(system.cli("dead-letters", "show", found[0]["id"], "--json"))
    assert shown["status"] == "corrected"
    history = [json.loads(line) for line in system.cli("audit", "history", request_id, "--json").splitlines()]
    (who,) = [
        each["who"] for each in history if each["type"] == "SubmitRequest.v1" and each["fields"].get("partner_id")
    ]
    assert who.startswith("cli:"), "not the one whom the record names"
    assert f"corrects {found[0]['id']}" in who
    (submitted,) = [each for each in history if each["type"].startswith("RequestSubmitted")]
    assert submitted["asked_by"] == who
    assert f"input by {who}" in system.cli("audit", "replay", "--request", request_id, "--speed", "1000x")
    system.cli("audit", "export", str(tmp_path / "out"), "--request", request_id)
    lines = (tmp_path / "out" / "inputs" / "commands.requests.jsonl").read_text("utf-8").splitlines()
    exported = [dict(json.loads(line)["headers"]) for line in lines]
    assert {each["dlq_corrects"]: each["dlq_corrected_by"] for each in exported if "dlq_corrects" in each} == {
        found[0]["id"]: who.partition(" (")[0]
    }


def test_the_live_view_shows_every_reader_and_service(system: System) -> None:
    shown = system.cli("top", "--rounds", "1")
    for name in ("approval", "cabinet", "confirmation", "commands.requests"):
        assert name in shown


def test_streams_show_all_readers_services_and_sizes(system: System) -> None:
    system.traffic().run(12, 50)
    found: dict[str, Any] = {}

    def all_read() -> bool:
        found.update(json.loads(system.cli("ops", "streams", "--seconds", "1", "--json")))
        return all(each["lag"] == 0 for each in found["readers"] if each["name"] not in ("ops", "webhooks"))

    wait_until(all_read, "every reader has read everything")
    readers = {each["name"]: each for each in found["readers"]}
    assert readers.keys() == set(SERVICES) - {"web"}
    assert all(each["rate"] is not None for name, each in readers.items() if name not in ("ops", "webhooks"))
    assert {name for name, each in readers.items() if each["relay_delay"] is not None} == {*STAGES, "notices", "ops"}
    assert {name for name, each in readers.items() if each["unsent"] is not None} == {
        "papers", "notices", "ops", "audit", "timer", "webhooks",
    }  # fmt: skip
    services = {each["name"]: each for each in found["services"]}
    assert services.keys() == set(SERVICES)
    assert {each["version"] for each in services.values()} == {version("postavka")}
    guarded = {name for name, each in services.items() if each["patience"] is not None}
    assert guarded == {*STAGES, "cabinet", "papers", "payments", "notices", "desk", "timer", "feed"}
    assert found["sizes_unknown"] is None
    sizes = {each["name"]: each["bytes"] for each in found["topics"]}
    assert sizes["request.events"] > 1_000
    assert None not in sizes.values()


# A real Prometheus


@pytest.fixture
def prometheus(system: System, tmp_path: Path) -> Iterator[str]:
    """Its URL, while it scrapes this system by the rules that ship."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on this machine")
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"service": name.removesuffix(".http")}}
        for name, port in system.launch.ports.items()
    ]
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "alerts.yml")]
    config["scrape_configs"][0]["static_configs"] = targets
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "prometheus.log").open("w")
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=log,
        stderr=log,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def ask(prometheus: str, query: str) -> list[dict[str, Any]]:
    """What a query gives; [] while Prometheus is starting."""
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found
    except OSError:
        return []


def dashboards() -> list[tuple[str, str]]:
    """(panel, query) of all dashboards."""
    return [
        (panel["title"], target["expr"])
        for file in sorted((FOLDER / "grafana").glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel["targets"]
    ]


def test_every_panel_shows_something_on_a_running_system(system: System, prometheus: str) -> None:
    names = {name.removesuffix(".http") for name in system.launch.ports}

    def all_up() -> bool:
        return {each["metric"]["service"] for each in ask(prometheus, "up == 1")} == names

    wait_until(all_up, f"Prometheus reaches {sorted(names)}")
    system.traffic().run(12, 50)
    poison(system, 1)
    empty = ["not asked yet"]
    deadline = time.monotonic() + 60
    while empty and time.monotonic() < deadline:
        time.sleep(1)
        empty = [f"{title}: {query}" for title, query in dashboards() if not ask(prometheus, query)]
    assert empty == [], "panels without data"
    alerts = {each["metric"]["alertname"] for each in ask(prometheus, 'ALERTS{alertstate="firing"}')}
    others = {"PostavkaUnreadRecords"} if system.forged else set()  # of other tests' forged events
    assert not alerts - {"PostavkaDeadLetters", "PostavkaDeciderFails"} - others, "a well system raises no other"
