"""Runbooks are tried: what they say to type is typed, against the running whole. What would change something is typed
with --dry-run, SQL that ends sessions is only explained."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from services.ops import dead_letters
from services.payments.sample import Order, sample_statement
from tests.docs.runbooks import PLACEHOLDER, commands
from tests.system.conftest import System, wait_until

ACTS = re.compile(r"postavka (dead-letters (retry|correct|discard)|ops remind|statement load)\b")
"""What has --dry-run."""
NOT_HERE = re.compile(r"postavka (up|topics|acls|reference load|backup|restore|rebuild)\b")
"""What would start, make or change something, or needs a broker with users of its own: only read, by
`tests/docs/test_runbooks.py`."""


@pytest.fixture(scope="module")
def at_hand(system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the words in capitals stand for: a dead letter, a request that waits for its distributor, a file."""
    folder = tmp_path_factory.mktemp("runbooks")
    traffic = system.traffic()
    traffic.send("bank.payments", "runbook", "BankPayment.v9", {"payment_id": "runbook"})
    request_id = str(uuid4())
    traffic.send("commands.requests", request_id, "SubmitRequest.v1", {
        "request_id": request_id, "partner_id": "lukomor", "submitted_by": "anna",
        "request_type": "1c8-updates-and-addons", "contact_id": "lukomor-1", "distributor_id": "dist-north",
        "base_delivery_id": "upp-13", "registration_number": "1000001", "product_id": "upp-extension-12",
        "inn": "7707083893", "kpp": "773601001", "buyer": "АО «Завод точных весов»",
    })  # fmt: skip
    traffic.flush()
    found: list[dead_letters.KeptDeadLetter] = []

    def there() -> bool:
        found[:] = dead_letters.letters(system.database_url, "billing", "unknown-type")
        with psycopg.connect(system.database_url) as connection:
            row = connection.execute(
                "SELECT status FROM cabinet.requests WHERE request_id = %s", (request_id,)
            ).fetchone()
        return bool(found) and row is not None and row[0] == "awaiting-confirmation"

    wait_until(there, "a dead letter, and a request that waits")
    statement = folder / "statement.txt"
    order = Order("7", Decimal(100), "ООО «Лукоморье Софт»", "7707083893", "Оплата")
    statement.write_bytes(sample_statement(date(2026, 3, 16), [order]).encode("cp1251"))
    (folder / "fixed.json").write_text('{"payment_id": "runbook"}')
    return {
        "STAGE": "billing", "LETTER": found[0].id, "REQUEST": request_id, "PID": "0",
        "HOME": str(system.launch.home), "FILE": str(statement), "folder": str(folder),
    }  # fmt: skip


def filled(command: str, system: System, at_hand: dict[str, str], page: str) -> str:
    service = {"exchange": "papers", "papers": "papers", "letters": "notices", "web": "web", "checkpoints": "audit"}
    name = service.get(page.split("-")[0].removesuffix(".md"), "billing")
    words: dict[str, Any] = {
        **at_hand, "SERVICE": name, "URL": f"http://127.0.0.1:{system.launch.ports[name + '.http']}"
    }  # fmt: skip
    return PLACEHOLDER.sub(lambda found: str(words[found[0]]), command)


@pytest.mark.parametrize("page", sorted({page for page, _ in commands("sh")}))
def test_commands_of_a_page_do_what_it_says(page: str, system: System, at_hand: dict[str, str]) -> None:
    environment = {**os.environ, "POSTAVKA_HOME": str(system.launch.home), "NO_COLOR": "1", "COLUMNS": "200"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    for where, command in commands("sh"):
        if where != page or NOT_HERE.match(command):
            continue
        typed = filled(command, system, at_hand, page)
        if ACTS.match(typed) and "--help" not in typed and "--dry-run" not in typed:
            typed += " --dry-run"
        done = subprocess.run(
            ["bash", "-c", typed], cwd=at_hand["folder"], env=environment, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        # A log without the line that is looked for is what we hope for.
        fine = done.returncode == 0 or (typed.startswith("grep ") and done.returncode == 1 and not done.stderr)
        if typed.startswith("postavka ops remind") and "does not wait for kit" in said:
            continue  # the desk here has answered already
        if typed.startswith("postavka doctor") and done.returncode == 1:
            assert "dead letter" in said, said  # the one that this test has made
            continue
        if typed.startswith("postavka audit verify") and done.returncode == 1 and system.forged:
            assert said.count("this release can't read it") == system.forged, said  # those of other tests
            continue
        assert fine, f"{typed}\n{said}"
        if "--dry-run" in shlex.split(typed):
            assert re.search("would|nothing is open|0", said), said


@pytest.mark.parametrize(("page", "statement"), commands("sql"))
def test_statements_are_what_postgresql_takes(page: str, statement: str, system: System) -> None:
    typed = PLACEHOLDER.sub("0", statement)
    with psycopg.connect(system.database_url, options="-c default_transaction_read_only=on") as connection:
        ends = "pg_terminate_backend" in typed
        connection.execute(f"EXPLAIN {typed}" if ends else typed)  # type: ignore[arg-type]
