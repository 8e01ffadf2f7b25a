"""What an earlier release has left behind is put back, starts, and goes on (`tests/fixtures/release_6c4deb1`).

Names of topics, types, schemas, migrations and files of the home folder are bound by installations that are there
already; this one is real. What is compared was written down when it was made.
"""

from __future__ import annotations

import json
import mailbox
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from events.registry import decode
from postavka.app.one_box.launcher import SERVICES, Launch
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import Settings
from tests.paths import JARS, RELEASE_6C4DEB1
from tests.system.conftest import System, wait_until
from tests.system.test_commands import READ_MODELS, behind, shown_of

EXPECTED: dict[str, Any] = json.loads((RELEASE_6C4DEB1 / "expected.json").read_text("utf-8"))
REQUESTS: dict[str, dict[str, str]] = EXPECTED["requests"]
POSTAVKA = str(Path(sys.executable).parent / "postavka")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release_6c4deb1")
    shutil.unpack_archive(RELEASE_6C4DEB1 / "installation.tar.xz", folder)
    return folder


class OldInstallation(Launch):
    """Puts the copy back when the servers are up and have nothing yet, as `postavka restore` beside `postavka up`."""

    unpacked: Path

    def _prepare(self) -> None:
        restore = [POSTAVKA, "restore", str(self.unpacked / "copy"), "--keys", str(self.unpacked / "keys")]
        env = {**os.environ, "POSTAVKA_HOME": str(self.home), "NO_COLOR": "1"}
        done = subprocess.run(restore, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.config.database_url is not None
        self.migrations = migrations_of(self.config.database_url.get_secret_value())
        super()._prepare()


@pytest.fixture(scope="module")
def old(unpacked: Path) -> Iterator[System]:
    """The old installation in a new home, with today's services at work."""
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.skip("a copy goes into empty servers of our own, not into yours")
    home = Path(tempfile.mkdtemp(prefix="postavka-old-"))
    home.chmod(0o755)
    (home / "jars").symlink_to(JARS)
    shutil.copytree(unpacked / "home", home, dirs_exist_ok=True)
    launch = OldInstallation(Settings(home=home), Spoken())
    launch.unpacked = unpacked
    try:
        with launch:
            yield System(launch)
            launch.close()
            launch.remove_data()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def migrations_of(database: str) -> dict[str, dict[str, tuple[str, datetime]]]:
    """Schema → file → its checksum, and when it was applied."""
    found = {}
    with psycopg.connect(database) as connection:
        schemas = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'migrations'").fetchall()
        for (schema,) in schemas:
            rows = connection.execute(f"SELECT name, sha256, applied_at FROM {schema}.migrations").fetchall()  # noqa: S608
            found[schema] = {name: (sha256, applied_at) for name, sha256, applied_at in rows}
    return found


def status_of(system: System) -> dict[str, str]:
    with psycopg.connect(system.database_url) as connection:
        return dict(connection.execute("SELECT request_id::text, status FROM cabinet.requests").fetchall())


def comes_to(system: System, request: str, status: str) -> None:
    wait_until(lambda: status_of(system).get(request) == status, f"{request} is {status}")


def named(stands_for: str) -> str:
    """The request of the installation that stands for this."""
    return next(request for request, each in REQUESTS.items() if each["stands_for"] == stands_for)


def test_every_service_becomes_well_and_every_request_stands_where_it_stood(old: System):
    for service in SERVICES:
        wait_until(lambda service=service: old.is_well(service), f"{service} is well")
    expected = {request: each.get("then", each["status"]) for request, each in REQUESTS.items()}
    assert len(set(expected.values())) == 7
    wait_until(lambda: status_of(old) == expected, "what was underway went on, and nothing else has moved")
    text = old.cli("cabinet", "show", "--partner", "lukomor", "--limit", "100", "--json")
    shown = json.loads(text)
    assert {each["request_id"]: each["status"] for each in shown}.items() <= expected.items()
    assert len(shown) > 20
    assert "vetrova@lukomor.example" in text, "the keys of personal data came back"
    assert "стёрто" in text, "who was forgotten is forgotten"
    users = {each["login"]: each for each in json.loads(old.cli("user", "list", "--json"))}
    assert {"lukomor", "fixture-partner", "fixture-closed"} <= users.keys()


def test_what_was_applied_stays_applied(old: System):
    assert isinstance(old.launch, OldInstallation)
    before, after = old.launch.migrations, migrations_of(old.database_url)
    assert sum(map(len, before.values())) > 60
    for schema, files in before.items():
        for name, applied in files.items():
            if not name.rpartition("/")[2].startswith("fn_"):  # functions may be made anew
                assert after[schema][name] == applied, f"{schema}: {name}"


def test_every_stored_event_is_read_and_decided_again_as_it_was(old: System):
    stored: Counter[str] = Counter()
    with psycopg.connect(old.database_url) as connection:
        for store in sorted({name.partition(":")[0] for name in EXPECTED["events"]}):
            rows = connection.execute(f"SELECT topic, state FROM {store}.stored_events").fetchall()  # noqa: S608
            for type_name, state in rows:
                decode(type_name, bytes(state))
                stored[f"{store}: {type_name}"] += 1
    assert {name: stored[name] for name, count in EXPECTED["events"].items() if stored[name] < count} == {}
    assert json.loads(old.cli("audit", "replay", "--json"))["different"] == 0


def test_old_requests_go_on_and_new_ones_come(old: System):
    old.cli("confirm", named("waits for the distributor, which was reminded"), "--distributor", "dist-north")
    new = str(uuid4())
    old.cli(
        *("request", "submit", "--request-id", new, "--partner", "lukomor", "--contact", "lukomor-1"),
        *("--distributor", "dist-north", "--base-delivery", "upp-13", "--registration", "1000001"),
        *("--product", "upp-extension-12", "--inn", "7707083893", "--kpp", "773601001", "--buyer", "АО «Весы»"),
    )
    comes_to(old, new, "awaiting-confirmation")
    with psycopg.connect(old.database_url) as connection:
        written = connection.execute("SELECT topic FROM approval.stored_events WHERE originator_id = %s", (new,))
        assert written.fetchall() == [("Approved.v2",)], "the old release could read it: nothing is finished yet"
    comes_to(old, named("waits for the distributor, which was reminded"), "shipped")
    old.cli("activate", named("confirmed by a corrected dead letter"), "--partner", "lukomor")
    comes_to(old, named("confirmed by a corrected dead letter"), "activated")


def test_the_keys_that_it_has_are_registered(old: System):
    keys = json.loads(old.cli("keys", "--json"))
    assert {each["key"] for each in keys} == {"personal data", "letters", "checkpoints"}
    assert [each["key"] for each in keys if each["fingerprint"] != each["registered"]] == []


def test_services_that_run_when_the_release_comes_have_their_terms(old: System):
    old.settle()
    of = "SELECT originator_id FROM {}.stored_events WHERE topic = %s"
    with psycopg.connect(old.database_url) as connection:
        active = connection.execute(of.format("activation"), ("Activated.v1",)).fetchall()
        started = connection.execute(of.format("renewal"), ("ServiceStarted.v1",)).fetchall()
    assert active
    assert sorted(active) == sorted(started)


def test_no_letter_is_sent_twice(old: System):
    old.settle("notices")
    letters = [each["Message-ID"] for each in mailbox.mbox(old.launch.home / "mail" / "outbox.mbox")]
    assert len(letters) > 50
    assert len(set(letters)) == len(letters)


def test_what_is_read_is_built_anew_from_the_old_log(old: System):
    wait_until(lambda: old.is_at_rest() and not behind(old), "all is handled and read", 240)
    before = {model: shown_of(old, model) for model in READ_MODELS}
    reports = json.loads(old.cli("rebuild", "all", "--processes", "1", "--json"))
    assert {name: report["unread"] for name, report in reports.items()} == dict.fromkeys(READ_MODELS, 0)
    for model, shown in before.items():
        after = shown_of(old, model)
        for table, rows in shown.items():
            assert without_news(after[table]) == without_news(rows), f"{model}.{table}"


def without_news(rows: list[str]) -> list[str]:
    """Rows without the vendor and the request's number in the stories of the notices: those that the old release built
    have none until they are built anew, those of requests that went on here have them already."""
    return sorted(re.sub(r', ""(vendor"": ""[^"]*|number"": ""\d{4}-\d{6})""', "", row) for row in rows)


def test_it_verifies(old: System):
    old.cli("audit", "verify")
