"""The command line as a person or a script uses it, against the running whole."""

from __future__ import annotations

import json
from uuid import uuid4

import psycopg
import pytest

from postavka.app.cli.rebuild import READ_MODELS as READ_MODEL_ADDRESSES
from postavka.app.one_box.launcher import SAMPLE
from postavka.kernel.errors import CANT_BE_DONE, NOT_FOUND, REFUSED, UNREACHABLE
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.topics import set_times
from postavka.kernel.projection.read_model import find
from postavka.kernel.settings import PARTITIONS
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
    found: dict[str, dict[str, object]] = {}

    def there() -> bool:
        found.update(events_of(system, request_id))
        return type_name in found

    wait_until(there, f"{type_name} of {request_id}")
    return found[type_name]


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
    assert "Активирована" in shown


def test_a_direct_sale_is_paid_and_activated_with_the_code(system: System):
    request_id = submit(system)
    invoice = wait_for(system, request_id, "InvoiceIssued")["body"]
    assert isinstance(invoice, dict)
    system.cli("pay", invoice["number"], invoice["amount"], "--payer-inn", invoice["payer_inn"])
    shipment = wait_for(system, request_id, "ShipmentIssued")["body"]
    assert isinstance(shipment, dict)
    refused = system.run_cli("activate", request_id, "--code", "WRONG-CODE", "--json")
    assert refused.returncode == REFUSED
    told = json.loads(refused.stdout)
    assert (told["outcome"], [each["type"] for each in told["events"]]) == ("refused", ["ActivationRefused.v2"])
    assert told["reasons"][0] in refused.stderr
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
    refused = system.run_cli("request", "withdraw", request_id, "--partner", "romashka-it")
    assert refused.returncode == REFUSED
    assert "no-such-request" in refused.stderr

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
    assert [json.loads(line)["type"] for line in lines] == ["Approved.v3"]
    assert "Approved" in system.cli("log", "tail", "--request", request_id, "--since", "10m", "--no-follow")


def test_the_beginning_of_an_id_is_enough_everywhere(system: System):
    request_id = submit(system, "--distributor", "dist-north")
    begun = request_id[:13]
    wait_for(system, request_id, "ShippingOpened")
    assert "DistributorConfirmed" in system.cli("confirm", begun, "--distributor", "dist-north")
    wait_for(system, request_id, "ShipmentIssued")
    assert "Activated" in system.cli("activate", begun, "--partner", "lukomor")
    wait_until(lambda: bool(row_of(system, request_id)), "the cabinet shows it")
    asked = row_of(system, request_id)["request"]
    assert isinstance(asked, dict)
    assert asked["number"] in system.cli("cabinet", "show", "--partner", "lukomor")
    for command in ("audit as-of now --request {}", "documents list --request {}", "log tail --request {} --no-follow"):
        said = {system.cli(*command.format(each).split(), "--json") for each in (begun, request_id, asked["number"])}
        assert len(said) == 1
        assert request_id in said.pop()


@pytest.mark.parametrize("command", ["confirm {} --distributor dist-north", "activate {} --partner lukomor"])
def test_what_is_asked_for_a_request_that_is_not_there_is_not_sent(system: System, command: str):
    done = system.run_cli(*command.format("11111111-1111-4111-8111-111111111111").split())
    assert done.returncode == NOT_FOUND
    assert "there is no request" in done.stderr
    assert "sent" not in done.stdout


def test_a_command_that_does_not_wait_says_only_that_it_is_sent(system: System):
    request_id = submit(system, "--distributor", "dist-north", "--no-wait")
    wait_for(system, request_id, "Approved")
    said = json.loads(system.cli("request", "withdraw", request_id, "--partner", "lukomor", "--no-wait", "--json"))
    assert said["outcome"] == "sent"
    wait_for(system, request_id, "ShippingClosed")
    again = json.loads(system.cli("request", "withdraw", request_id, "--partner", "lukomor", "--json"))
    assert again["outcome"] == "nothing"


def test_a_request_with_mistakes_is_refused_with_every_reason(system: System):
    done = system.run_cli("request", "submit", "--partner", "lukomor", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == REFUSED
    assert [each["type"].partition(".")[0] for each in told["events"]] == ["RequestSubmitted", "Rejected"]
    assert len(told["reasons"]) > 3


def test_the_whole_log_comes_in_the_order_of_its_clocks(system: System):
    submit(system, "--distributor", "dist-north")
    lines = system.cli("log", "tail", "--since", "0", "--no-follow", "--json").splitlines()
    clocks = [json.loads(line)["clock"] for line in lines]
    assert clocks == sorted(clocks)
    assert len(clocks) > 5


READ_MODELS: dict[str, tuple[str, ...]] = {
    "cabinet": ("requests",),
    "payments": ("reported", "booked", "parts", "invoices", "refunds", "sales", "documents", "orders"),
    "papers": ("sales", "invoices", "documents", "answers"),
    "notices": ("stories", "answers", "mail"),
    "timer": ("services",),
}
CATALOGUE = """
SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = %(schema)s
UNION ALL SELECT 'view', viewname || ': ' || definition FROM pg_views WHERE schemaname = %(schema)s
UNION ALL SELECT 'policy', p::text FROM pg_policies p WHERE schemaname = %(schema)s
UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = %(schema)s::regnamespace
UNION ALL SELECT 'table', concat_ws(' ', relname, relkind, reloptions::text, relrowsecurity, relforcerowsecurity,
    array(SELECT a::text FROM unnest(coalesce(relacl, acldefault('r', relowner))) AS a ORDER BY 1)::text,
    obj_description(oid, 'pg_class'))
    FROM pg_class WHERE relnamespace = %(schema)s::regnamespace
UNION ALL SELECT 'column', concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default,
    generation_expression, col_description((table_schema || '.' || table_name)::regclass, ordinal_position))
    FROM information_schema.columns WHERE table_schema = %(schema)s
ORDER BY 1, 2
"""


def behind(system: System) -> int:
    """Records that some live projection has yet to read."""
    count = 0
    with psycopg.connect(system.database_url) as connection:
        for name in READ_MODELS:
            model = find(READ_MODEL_ADDRESSES[name][0])
            query = f'SELECT name, "offset" FROM {name}.marks'  # noqa: S608
            if name == "notices":
                query = "SELECT application_name, notification_id FROM notices.notification_tracking"
            reached = dict(connection.execute(query).fetchall())
            places = [(topic, number) for topic in model.topics(system.config) for number in range(PARTITIONS)]
            ends = end_offsets(system.config, places)
            count += sum(end - 1 - reached.get(f"{place[0]}/{place[1]}", -1) for place, end in ends.items())
    return count


def shown_of(system: System, model: str) -> dict[str, list[str]]:
    """Every row of a read model, and all that its schema has beside rows."""
    with psycopg.connect(system.database_url, options="-c app.scope=all") as connection:
        found = {
            table: sorted(row[0] for row in connection.execute(f"SELECT t::text FROM {model}.{table} t"))  # noqa: S608
            for table in READ_MODELS[model]
        }
        found["catalogue"] = [" ".join(row) for row in connection.execute(CATALOGUE, {"schema": model})]
        return found


def test_every_read_model_is_rebuilt_while_it_serves(system: System):
    """What the live projections have written is what the log says; nobody is told anything twice."""
    sent = system.traffic()
    running = sent.in_background(120, 40)
    running.wait_for(50)
    reports = json.loads(system.cli("rebuild", "all", "--json"))
    assert reports.keys() == READ_MODELS.keys()
    assert reports["cabinet"]["rows"]["requests"] >= 50
    assert all(report["unread"] == 0 for report in reports.values()) or system.forged
    running.join()
    system.check(sent.plans)
    while True:
        wait_until(lambda: system.is_at_rest() and not behind(system), "all read models have read a log at rest", 240)
        heads, before = system.heads(), {model: shown_of(system, model) for model in READ_MODELS}
        assert json.loads(system.cli("cabinet", "rebuild", "--json")).keys() == {"cabinet"}
        for model in ("payments", "papers", "notices"):
            assert system.cli("rebuild", model).startswith(f"{model}: ")
        after = {model: shown_of(system, model) for model in READ_MODELS}
        if system.heads() == heads:  # papers of earlier tests may have been drawn up meanwhile
            break
    for model, shown in before.items():
        for table, rows in shown.items():
            assert after[model][table] == rows, f"{model}.{table}"


def test_topics_that_take_their_senders_times_are_mended(system: System):
    answers = "distributors.dist-ural.confirmations"
    set_times(system.config, [answers], "CreateTime")
    assert f"{answers}: set right (was message.timestamp.type=CreateTime)" in system.cli("topics", "--repair")
    assert system.cli("topics", "--repair").splitlines() == ["all topics are there"]


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
        (("cabinet", "show", "--partner", "lukomorr"), "Did you mean 'lukomor'?"),
        (("request", "submit", "--partner", "lukomorr"), "Did you mean 'lukomor'?"),
        (("log", "tail", "--stage", "biling", "--no-follow"), "Did you mean 'billing'?"),
        (("cabinet", "show"), "--partner is missing"),
        (("cabinet", "show", "--partner"), "--partner needs a value"),
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
    assert done.returncode == UNREACHABLE
    assert "postavka up" in done.stderr
    half = system.run_cli("up", POSTAVKA_HOME=str(tmp_path), DATABASE_URL="postgresql://nowhere/x")
    assert half.returncode == CANT_BE_DONE
    assert "only one of" in half.stderr


@pytest.mark.parametrize("command", ["up", "demo", "request submit", "confirm", "pay", "activate", "log tail"])
def test_help_tells_what_it_is_for(system: System, command: str):
    said = system.cli(*command.split(), "--help")
    assert "Usage" in said
    assert len(said) > 200
