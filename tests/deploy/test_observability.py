"""Alert rules, runbooks, dashboards and the page of metrics agree with one another and with the code."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from prometheus_client import REGISTRY

from tests.paths import PROJECT

FOLDER = PROJECT / "deploy" / "observability"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
TESTS = sorted(FOLDER.glob("alerts*_test.yml"))
NAME = re.compile(r"\bpostavka_[a-z_]+")
MEASURING = (
    "postavka.kernel.process.metrics",
    "postavka.web.guard",
    "postavka.web.live",
    "postavka.web.planned.sender",
    "services.notices.channels.email.sender",
    "services.ops.__main__",
    "services.documents.worker",
    "services.payments.metrics",
    "services.audit.metrics",
    "services.webhooks.delivery",
)
"""Modules that define metrics."""
SUFFIXES = ("_total", "_seconds", "_records", "_events", "_info", "_ratio", "_bytes")
COUNTED = (
    "postavka_requests_waiting",
    "postavka_requests_overdue",
    "postavka_broker_segments",
    "postavka_dead_letters_open",
    "postavka_trouble",
    "postavka_live_streams",
    "postavka_letters_due",
    "postavka_letters_failed",
    "postavka_papers_due",
    "postavka_papers_operator_away",
    "postavka_papers_troubled",
    "postavka_payments_refunds_owed",
    "postavka_payments_unmatched",
    "postavka_audit_broken_logs",
    "postavka_webhook_deliveries_due",
    "postavka_webhooks_failing",
)
"""Gauges that count things or say yes or no: they have no unit."""


def ours() -> set[str]:
    """Every name that our services can show, as it stands in the text format."""
    for module in MEASURING:
        importlib.import_module(module)
    names = set()
    for metric in REGISTRY.collect():
        if metric.name.startswith("postavka_"):
            suffix = {"counter": "_total", "info": "_info"}.get(metric.type, "")
            names.add(metric.name + suffix)
    return names


def base(name: str) -> str:
    """A metric's name without what a histogram adds."""
    return re.sub(r"_(bucket|count|sum)$", "", name)


def queries() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of all dashboards and rules."""
    for file in sorted((FOLDER / "grafana").glob("*.json")):
        for panel in orjson.loads(file.read_bytes())["panels"]:
            for target in panel["targets"]:
                yield f"{file.name}: {panel['title']}", target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on this machine")
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_every_alert_fires_on_what_it_is_for_and_not_before(file: Path) -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", file.name], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    tested = "".join(file.read_text() for file in TESTS)
    assert [rule["alert"] for rule in RULES if f"alertname: {rule['alert']}" not in tested] == []


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    linked = {rule["annotations"]["runbook_url"] for rule in RULES}
    written = {f"docs/runbooks/{page.name}" for page in (PROJECT / "docs" / "runbooks").glob("*.md")}
    assert linked == written


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_a_query_names_metrics_that_exist(where: str, query: str) -> None:
    assert {base(name) for name in NAME.findall(query)} <= ours(), where


def test_the_page_of_metrics_lists_exactly_those_that_exist() -> None:
    listed = {
        row.split("`")[1] for row in (PROJECT / "docs" / "metrics.md").read_text().splitlines() if "| `post" in row
    }
    assert listed == ours()


def test_no_module_that_measures_is_forgotten() -> None:
    defining = re.compile(
        r"^\w+ = (Counter|Gauge|Histogram)\($|^\w+ = (Counter|Gauge|Histogram)\(\"postavka_", re.MULTILINE
    )
    found = {
        str(file.relative_to(PROJECT).with_suffix("")).replace("/", ".")
        for part in ("postavka", "services")
        for file in (PROJECT / part).rglob("*.py")
        if defining.search(file.read_text())
    }
    assert found == set(MEASURING)


def test_names_follow_the_conventions() -> None:
    for name in ours():
        assert name.endswith(SUFFIXES) or name in COUNTED or name.startswith("postavka_pool_"), name
