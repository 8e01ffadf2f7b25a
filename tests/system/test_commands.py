"""The command line as a person or a script uses it, against the running whole."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from postavka.cli.launch import SAMPLE
from tests.system.conftest import System, wait_until

GOOD = (
    *("--contact", "lukomor-1", "--base-delivery", "upp-13", "--registration", "1000001"),
    *("--product", "upp-extension-12", "--inn", "7707083893", "--kpp", "773601001"),
    *("--buyer", "АО «Завод точных весов»"),
)


def events_of(system: System, request_id: str) -> dict[str, dict[str, object]]:
    """Type without version → the last such event of the request."""
    lines = system.cli("log", "tail", "--request", request_id, "--since", "1h", "--no-follow", "--json").splitlines()
    return {line["type"].partition(".")[0]: line for line in map(json.loads, lines)}


def wait_for(system: System, request_id: str, type_name: str) -> dict[str, object]:
    wait_until(lambda: type_name in events_of(system, request_id), f"{type_name} of {request_id}")
    return events_of(system, request_id)[type_name]


def submit(system: System, *more: str) -> str:
    said = json.loads(system.cli("request", "submit", "--partner", "lukomor", *GOOD, *more, "--json"))
    assert said["topic"] == "commands.requests"
    return str(said["request"])


def row_of(system: System, request_id: str) -> dict[str, object]:
    rows = json.loads(system.cli("cabinet", "show", "--partner", "lukomor", "--limit", "500", "--json"))
    return next((row for row in rows if row["request_id"] == request_id), {})


def test_a_whole_sale_through_a_distributor(system: System):
    request_id = submit(system, "--distributor", "dist-north")
    wait_for(system, request_id, "PermissionIssued")
    system.cli("confirm", request_id, "--distributor", "dist-north", "--note", "счёт оплатим")
    wait_for(system, request_id, "ShipmentIssued")
    system.cli("activate", request_id, "--partner", "lukomor")
    wait_for(system, request_id, "Activated")
    wait_until(lambda: row_of(system, request_id).get("status") == "activated", "the cabinet shows it")
    shown = system.cli("cabinet", "show", "--partner", "lukomor")
    assert request_id[:8] in shown
    assert "активирована" in shown


def test_a_direct_sale_is_paid_and_activated_with_the_code(system: System):
    request_id = submit(system)
    invoice = wait_for(system, request_id, "InvoiceIssued")["body"]
    assert isinstance(invoice, dict)
    system.cli("pay", invoice["number"], invoice["amount"], "--payer-inn", invoice["payer_inn"])
    shipment = wait_for(system, request_id, "ShipmentIssued")["body"]
    assert isinstance(shipment, dict)
    refused = system.cli("activate", request_id, "--code", "WRONG-CODE")
    assert request_id in refused
    wait_for(system, request_id, "ActivationRefused")
    system.cli("activate", request_id, "--code", shipment["kit"]["code"])
    wait_for(system, request_id, "Activated")


def test_a_request_is_withdrawn(system: System):
    request_id = submit(system, "--distributor", "dist-north")
    system.cli("request", "withdraw", request_id, "--partner", "lukomor", "--reason", "передумали")
    wait_for(system, request_id, "RequestWithdrawn")
    wait_until(lambda: row_of(system, request_id).get("status") == "withdrawn", "the cabinet shows it")


def test_another_partner_can_not_withdraw_and_the_mistake_is_visible(system: System):
    request_id = submit(system, "--distributor", "dist-north")
    wait_for(system, request_id, "Approved")
    system.cli("request", "withdraw", request_id, "--partner", "romashka-it")

    def letters() -> list[dict[str, object]]:
        listed = json.loads(system.cli("dead-letters", "list", "--stage", "request", "--json"))
        return [letter for letter in listed if letter["request"] == request_id]

    wait_until(lambda: bool(letters()), "the dead letter is listed")
    letter = letters()[0]
    assert "RequestWithdrawn" not in events_of(system, request_id)
    shown = system.cli("dead-letters", "show", str(letter["id"]))
    assert "romashka-it" in shown
    system.cli("dead-letters", "retry", str(letter["id"]))
    wait_until(lambda: letters()[0]["tries"] == 1, "it was tried again, and refused again")
    assert letters()[0]["status"] == "open"


def test_the_log_is_filtered(system: System):
    request_id = submit(system, "--distributor", "dist-north")
    wait_for(system, request_id, "ShippingOpened")
    lines = system.cli(
        *("log", "tail", "--stage", "approval", "--type", "Approved", "--request", request_id[:8]),
        *("--since", "10m", "--no-follow", "--json"),
    ).splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["Approved.v2"]
    assert "Approved" in system.cli("log", "tail", "--request", request_id, "--since", "10m", "--no-follow")


def test_the_cabinet_is_rebuilt_while_it_serves(system: System):
    sent = system.traffic()
    running = sent.in_background(200, 50)
    running.wait_for(50)
    report = json.loads(system.cli("cabinet", "rebuild", "--json"))
    assert report["rows"] >= 50
    assert report["unread"] == 0 or system.forged
    running.join()
    system.check(sent.plans)
    assert json.loads(system.cli("cabinet", "rebuild", "--json"))["rows"] >= 200
    system.check(sent.plans)


def test_reference_data_is_loaded_from_a_file(system: System, tmp_path):
    good = tmp_path / "more.toml"
    sample = SAMPLE.read_text()
    good.write_text(sample)
    assert system.run_cli("reference", "load", str(good)).returncode == 0
    bad = tmp_path / "bad.toml"
    bad.write_text(sample.replace('inn = "0012045782"', 'inn = "0012045783"'))
    refused = system.run_cli("reference", "load", str(bad))
    assert refused.returncode != 0
    assert "0012045783" in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("activate", str(uuid4())), "either --partner"),
        (("dead-letters", "show", "nonsense"), "billing/12"),
        (("log", "tail", "--stage", "nonsense", "--no-follow"), "request, approval"),
        (("log", "tail", "--since", "yesterday"), "15m"),
        (("pay", "2026-0000001", "-5.00", "--payer-inn", "7707083893"), "amount"),
        (("confirm", str(uuid4()), "--distributor", "nobody"), "'nobody' is no distributor"),
        (("request", "withdraw", "not-an-id", "--partner", "lukomor"), "not-an-id"),
    ],
)
def test_a_mistake_gets_a_clear_message(system: System, arguments: tuple[str, ...], said: str):
    done = system.run_cli(*arguments)
    assert done.returncode != 0
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_without_servers_the_commands_say_what_to_do(system: System, tmp_path):
    done = system.run_cli("cabinet", "show", "--partner", "lukomor", POSTAVKA_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "postavka up" in done.stderr
    half = system.run_cli("up", POSTAVKA_HOME=str(tmp_path), DATABASE_URL="postgresql://nowhere/x")
    assert half.returncode == 2
    assert "only one of" in half.stderr


@pytest.mark.parametrize("command", ["up", "demo", "request submit", "confirm", "pay", "activate", "log tail"])
def test_help_tells_what_it_is_for(system: System, command: str):
    said = system.cli(*command.split(), "--help")
    assert "Usage" in said
    assert len(said) > 200
