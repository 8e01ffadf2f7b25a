"""The API in front of everything: from a partner's request to the user's activation, told as it happens (L11-L19)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from postavka.kernel.errors import NOT_FOUND
from postavka.kernel.settings import environment
from postavka.web.identity.sample import PASSWORD
from tests.system.conftest import System, wait_until
from tests.web.conftest import Person
from tests.web.test_live import stream

REQUEST = {
    "contact_id": "lukomor-1",
    "distributor_id": "dist-north",
    "base_delivery_id": "upp-13",
    "registration_number": "1000001",
    "product_id": "upp-extension-12",
    "inn": "7707083893",
    "kpp": "773601001",
    "buyer": "АО «Завод точных весов»",
}


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


def cli(system: System, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "postavka"), *arguments],
        env={
            **os.environ,
            **environment(system.config),
            "POSTAVKA_HOME": str(system.launch.home),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        },
        input=typed, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def token(system: System, *tenant: str) -> str:
    done = cli(system, "token", "create", "тест", *tenant)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def address(system: System) -> str:
    return f"http://127.0.0.1:{system.launch.ports['web.http']}"


def client(address: str, secret: str) -> httpx2.Client:
    return httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {secret}"}, timeout=30)


def test_from_the_request_to_the_activation(system: System, address: str, measured: Any):
    partner = client(address, token(system, "--partner", "lukomor"))
    distributor = client(address, token(system, "--distributor", "dist-north"))
    person = Person(base_url=address, timeout=30)
    assert person.sign_in("lukomor", PASSWORD).status_code == 303

    started = time.monotonic()
    sent = partner.post("/api/v1/requests", json=REQUEST, headers=key())
    assert sent.status_code == 202
    request_id = sent.json()["request_id"]
    with stream(person, request_id) as live:
        while '"awaiting-confirmation"' not in live.event()["data"]:
            pass
    measured(f"request sent by API → approved in the page's stream: {(time.monotonic() - started) * 1000:.0f} ms")

    waiting = distributor.get("/api/v1/confirmations/waiting", params={"limit": 200}).json()["items"]
    assert request_id in {each["request_id"] for each in waiting}
    path = f"/api/v1/requests/{request_id}"
    assert distributor.post(f"{path}/confirmation", json={"accepted": True}, headers=key()).status_code == 202
    wait_until(lambda: partner.get(path).json()["status"] == "shipped", "the delivery is sold")
    sold = partner.get(path).json()
    assert sold["permission_number"]
    assert request_id in {each["request_id"] for each in partner.get("/api/v1/deliveries").json()["items"]}

    visitor = Person(base_url=address, timeout=30)
    activated = visitor.post(
        "/api/v1/public/activations",
        json={"registration_number": REQUEST["registration_number"], "code": sold["kit"]["code"]},
        headers={"X-CSRF-Token": visitor.csrf(), **key()},
    )
    assert activated.json()["state"] == "activated", activated.text
    kinds = [each["kind"] for each in partner.get(f"{path}/timeline").json()["moments"]]
    for kind in ("submitted", "approved", "permitted", "confirmed", "ordered", "shipped", "activated"):
        assert kind in kinds
    assert partner.post(f"{path}/withdrawal", json={}, headers=key()).status_code == 409


def test_a_request_with_mistakes_names_them(system: System, address: str):
    partner = client(address, token(system, "--partner", "lukomor"))
    wrong = {**REQUEST, "contact_id": "romashka-1", "product_id": "its-industry-12"}
    sent = partner.post("/api/v1/requests", json=wrong, headers=key())
    path = f"/api/v1/requests/{sent.json()['request_id']}"
    wait_until(lambda: partner.get(path).json()["status"] == "rejected", "it is rejected")
    reasons = partner.get(path).json()["reasons"]
    assert {"contact_id", "contact"} & {each["field"] for each in reasons}
    assert len(reasons) >= 2


def test_users_and_tokens_by_command_line(system: System, address: str):
    login = f"anna-{uuid4().hex[:8]}"
    person = Person(base_url=address, timeout=30)

    refused = cli(system, "user", "add", login, "--role", "partner", "--partner", "nobody", typed="a phrase of words\n")
    assert refused.returncode == NOT_FOUND
    assert "'nobody' is no partner" in refused.stderr
    added = cli(system, "user", "add", login, "--role", "partner", "--partner", "lukomor", typed="a phrase of words\n")
    assert added.returncode == 0, added.stderr
    assert "a phrase of words" not in added.stdout + added.stderr
    assert person.sign_in(login, "a phrase of words").status_code == 303

    assert cli(system, "user", "disable", login).returncode == 0
    assert person.get("/requests").status_code == 303, "its sessions have ended"
    assert cli(system, "user", "enable", login).returncode == 0
    assert cli(system, "user", "password", login, typed="another phrase of words\n").returncode == 0
    assert person.sign_in(login, "a phrase of words").status_code == 401
    assert person.sign_in(login, "another phrase of words").status_code == 303

    secret = token(system, "--partner", "ip-berezin")
    assert client(address, secret).get("/api/v1/me").json()["partner_id"] == "ip-berezin"
    listed = cli(system, "token", "list", "--partner", "ip-berezin", "--json")
    assert secret not in listed.stdout
    (mine,) = [each for each in json.loads(listed.stdout) if each["hint"] == secret[-4:]]
    assert cli(system, "token", "revoke", mine["token_id"]).returncode == 0
    assert client(address, secret).get("/api/v1/me").status_code == 401


def test_tenants_are_confined_after_a_rebuild_too(system: System, address: str):
    partner, stranger = (client(address, token(system, "--partner", each)) for each in ("lukomor", "romashka-it"))
    sent = partner.post("/api/v1/requests", json=REQUEST, headers=key())
    path = f"/api/v1/requests/{sent.json()['request_id']}"
    wait_until(lambda: partner.get(path).json()["status"] == "awaiting-confirmation", "it is approved")
    assert cli(system, "cabinet", "rebuild").returncode == 0
    assert partner.get(path).status_code == 200
    assert stranger.get(path).status_code == 404
    assert partner.get("/api/v1/requests", params={"search": path[-36:]}).json()["items"]
    assert not stranger.get("/api/v1/requests", params={"search": path[-36:]}).json()["items"]
