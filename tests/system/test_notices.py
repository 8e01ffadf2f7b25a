"""A distributor over Kafka, and letters, against the running whole; manufacturing on its two topics."""

from __future__ import annotations

import json
import mailbox
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from psycopg.rows import dict_row

from postavka.app.registry import SERVICES
from postavka.kernel.privacy.vault import ERASED
from tests.system.conftest import System, wait_until
from tests.system.oracle import STAGES, Told, read
from tests.system.test_commands import submit
from tests.system.traffic import Unfinished

NORTH = "dist-north"
NOTICES = f"distributors.{NORTH}.notices"
CONFIRMATIONS = f"distributors.{NORTH}.confirmations"
SOLD = ("through-distributor", "confirmed-before-approval", "everything-told-twice", "no-contract")


class Client:
    """A distributor's own program."""

    def __init__(self, conf: Path) -> None:
        self._conf = dict(line.split("=", 1) for line in conf.read_text().splitlines())
        group = f"distributors.{NORTH}.{uuid4()}"
        self._consumer = Consumer({**self._conf, "group.id": group, "auto.offset.reset": "earliest"})
        self._consumer.subscribe([NOTICES])
        self._producer = Producer({**self._conf, "enable.idempotence": True})
        self._seen: list[tuple[str, dict[str, Any]]] = []

    def answer(self, request_id: str, number: str, accepted: bool = True) -> str:
        """Returns where the record lies."""
        body = {"request_id": request_id, "confirmation_id": number, "accepted": accepted}
        return self.send(request_id, json.dumps(body).encode())

    def send(self, key: str, value: bytes) -> str:
        places: list[str] = []
        self._producer.produce(
            CONFIRMATIONS,
            value,
            key.encode(),
            on_delivery=lambda error, m: places.append(error or f"{m.topic()}/{m.partition()}/{m.offset()}"),
        )
        assert self._producer.flush(30) == 0
        return str(places[0])

    def wait_for(self, fits: Callable[[str, dict[str, Any]], bool]) -> dict[str, Any]:
        """A notice that fits, given key and body."""
        deadline = time.monotonic() + 240
        looked_at = 0
        while time.monotonic() < deadline:
            for key, body in self._seen[looked_at:]:
                if fits(key, body):
                    return body
            looked_at = len(self._seen)
            for message in self._consumer.consume(500, timeout=0.1):
                assert message.error() is None, message.error()
                self._seen.append((message.key().decode(), json.loads(message.value())))
        raise Unfinished(f"no such notice among {len(self._seen)}")

    def receipt(self, record: str) -> dict[str, Any]:
        return self.wait_for(lambda _, body: body["receipt"] is not None and body["receipt"]["record"] == record)

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture(scope="module", autouse=True)
def at_rest(system: System) -> None:
    """Letters give way to everything else: those of thousands of requests of earlier tests are first written now."""
    system.settle("notices", seconds=800)


@pytest.fixture
def client(system: System, tmp_path: Path) -> Iterator[Client]:
    system.cli("distributor", "add", NORTH, "--to", str(tmp_path))
    opened = Client(tmp_path / "kcat.conf")
    yield opened
    opened.close()
    system.cli("distributor", "revoke", NORTH)


def await_event(system: System, request_id: str, type_name: str) -> Told:
    """An event of shipping, from its topic: sooner than through the command line."""
    found: list[Told] = []

    def there() -> bool:
        found[:] = [
            each
            for each in read(system.kafka, ["shipping.events"])
            if each.key == request_id and each.type.startswith(f"{type_name}.")
        ]
        return bool(found)

    wait_until(there, f"{type_name} of {request_id}")
    return found[0]


def letters(system: System, request_id: str | None = None) -> list[dict[str, Any]]:
    with psycopg.connect(system.database_url, row_factory=dict_row) as connection:
        return connection.execute(
            "SELECT * FROM notices.mail WHERE %(id)s::uuid IS NULL OR request_id = %(id)s", {"id": request_id}
        ).fetchall()


def test_a_distributor_sells_over_kafka_alone(system: System, client: Client, measured: Callable[[str], None]):
    request_id = submit(system, "--distributor", NORTH)
    asked = client.wait_for(lambda key, body: key == request_id and body["kind"] == "permission")
    assert asked["sale"]["client"]["name"] == "АО «Завод точных весов»"
    assert len(asked["permission_number"]) == 27
    started = time.monotonic()
    first = client.answer(request_id, "north-1")
    receipt = client.receipt(first)
    measured(f"a distributor's receipt: {time.monotonic() - started:.2f} s after its answer")
    assert (receipt["kind"], receipt["receipt"]["confirmation_id"]) == ("confirmed", "north-1")
    again = client.receipt(client.answer(request_id, "north-1"))
    assert (again["kind"], again["receipt"]["duplicate_of"]) == ("duplicate", first)
    late = client.receipt(client.answer(request_id, "north-2", accepted=False))
    assert (late["kind"], late["receipt"]["reason"]["code"]) == ("refused", "already-answered")
    assert client.wait_for(lambda key, body: key == request_id and body["kind"] == "shipped")["kit_number"]


def test_a_record_that_is_no_answer_is_answered_with_what_is_wrong(system: System, client: Client):
    request_id = str(uuid4())
    broken = client.receipt(client.send(request_id, b'{"request_id": "no uuid"}'))
    assert (broken["kind"], broken["receipt"]["reason"]["code"]) == ("unreadable", "bad-body")
    body = {"request_id": request_id, "confirmation_id": "n-1", "accepted": True}
    keyed = client.receipt(client.send("another", json.dumps(body).encode()))
    assert keyed["receipt"]["reason"]["code"] == "wrong-key"


def test_letters_of_a_sale(system: System):
    request_id = submit(system, "--distributor", NORTH)
    await_event(system, request_id, "PermissionIssued")
    system.cli("confirm", request_id, "--distributor", NORTH)
    await_event(system, request_id, "ShipmentIssued")
    wait_until(lambda: len(letters(system, request_id)) == 4, "four letters")
    wait_until(lambda: {row["status"] for row in letters(system, request_id)} == {"sent"}, "all are sent")
    listed = json.loads(system.cli("notices", "list", "--request", request_id, "--json"))
    assert sorted((row["recipient"], row["kind"]) for row in listed) == [
        ("orders@dist-north.example", "permission"),
        ("vetrova@lukomor.example", "confirmed"),
        ("vetrova@lukomor.example", "permission"),
        ("vetrova@lukomor.example", "shipped"),
    ]
    ids = [each["Message-ID"] for each in mailbox.mbox(system.launch.home / "mail" / "outbox.mbox", create=False)]
    assert {row["message_id"] for row in listed} <= set(ids)


def test_the_service_is_killed_in_the_middle_and_everything_is_told_once(system: System):
    sent = system.traffic()
    running = sent.in_background(120, 40)
    for ended in (20, 50, 80):
        running.wait_for(ended)
        wait_until(lambda: system.launch.processes.pid("notices") != 0, "it has been started again")
        system.kill("notices")
    running.join()
    wait_until(lambda: system.is_well("notices"), "notices is at work again")
    system.settle("notices")
    sold = [request_id for request_id, plan in sent.plans.items() if plan in SOLD]

    def told() -> list[Told]:
        return [each for each in read(system.kafka, [NOTICES]) if each.key in sent.plans]

    wait_until(lambda: sum(each.body["kind"] == "shipped" for each in told()) >= len(sold), "all is told")
    wait_until(lambda: {row["status"] for row in letters(system)} <= {"sent"}, "all letters are sent")
    found = told()
    ids = Counter(each.headers["ce_id"] for each in found)
    assert [each for each, times in ids.items() if times > 1] == []
    kinds = {request_id: Counter(e.body["kind"] for e in found if e.key == request_id) for request_id in sent.plans}
    shipping = read(system.kafka, ["shipping.events"])
    permitted = {each.key for each in shipping if each.type.startswith("PermissionIssued.")}
    for request_id, plan in sent.plans.items():
        counted = kinds[request_id]
        if plan in SOLD:
            expected = {"permission": 1, "document": 1, "confirmed": 1, "shipped": 1}
            expected |= {"duplicate": 1} if plan == "everything-told-twice" else {}
            assert {kind: times for kind, times in counted.items() if kind != "held"} == expected, plan
        elif plan == "declined":
            seen = {kind: times for kind, times in counted.items() if kind != "held"}  # it may come before the approval
            # Shipping may read the refusal before the approval: then no permission is given, and none is told of.
            expected = {"permission": 1, "document": 1} if request_id in permitted else {}
            assert seen == expected | {"declined": 1}
        elif plan in ("incomplete", "direct-in-two-parts", "direct-overpaid"):
            assert counted == {}
    written = [row for row in letters(system) if row["cause"]]
    of_causes = Counter((row["cause"], row["kind"], row["recipient"]) for row in written)
    assert {key: times for key, times in of_causes.items() if times > 1} == {}
    several = ("payment", "dispatched")  # a request may have more than one payment, and more than one document posted
    of_requests = Counter((row["request_id"], row["kind"], row["recipient"]) for row in written)
    assert {key: times for key, times in of_requests.items() if times > 1 and key[1] not in several} == {}
    box = Counter(each["Message-ID"] for each in mailbox.mbox(system.launch.home / "mail" / "outbox.mbox"))
    listed = json.loads(system.cli("notices", "list", "--limit", "100000", "--json"))
    assert {row["message_id"] for row in listed if row["recipient"] != ERASED} == set(box)
    assert max(box.values()) <= 2


def test_manufacturing_is_asked_and_answers_on_its_two_topics(system: System):
    """L17: one order behind the gate, one shipment, with the kit that came."""
    request_id = submit(system, "--distributor", NORTH)
    await_event(system, request_id, "PermissionIssued")
    assert [each for each in read(system.kafka, ["manufacturing.orders"]) if each.key == request_id] == []
    system.stop("desk")
    system.cli("confirm", request_id, "--distributor", NORTH)
    await_event(system, request_id, "ManufacturingOrdered")
    wait_until(lambda: any(e.key == request_id for e in read(system.kafka, ["manufacturing.orders"])), "ordered")
    time.sleep(1)
    of_shipping = [each.type for each in read(system.kafka, ["shipping.events"]) if each.key == request_id]
    assert not [each for each in of_shipping if each.startswith("ShipmentIssued")]
    system.start("desk")
    shipped = await_event(system, request_id, "ShipmentIssued").body
    (kit,) = [each for each in read(system.kafka, ["manufacturing.kits"]) if each.key == request_id]
    assert shipped["kit"] == kit.body["kit"]


AS_USERS = (*STAGES, "cabinet", "payments", "notices", "desk", "timer", "feed")


@pytest.fixture
def as_users(system: System, tmp_path: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Services that run with the permissions of `postavka acls`, in place of those of the fixture."""
    system.cli("acls", "apply", "--to", str(tmp_path))
    env = {
        name: dict(line.split("=", 1) for line in (tmp_path / f"{name}.env").read_text().splitlines())
        for name in SERVICES
    }
    started = []
    for name in AS_USERS:
        system.stop(name)
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", SERVICES[name].module],
                env={
                    **os.environ,
                    "KAFKA_BOOTSTRAP_SERVERS": str(system.config.kafka_bootstrap_servers),
                    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                    "DATABASE_URL": system.database_url,
                    "POSTAVKA_HOME": str(system.launch.home),
                    "POSTAVKA_HTTP_PORT": str(system.launch.ports[f"{name}.http"]),
                    **env[name],
                },
                stdout=(system.launch.home / "log" / f"{name}-as-user.log").open("wb"),
                stderr=subprocess.STDOUT,
            )
        )
    yield env
    for process in started:
        process.kill()
        process.wait()
    for name in AS_USERS:
        system.start(name)
    wait_until(lambda: all(system.is_well(name) for name in AS_USERS), "all are at work again", 120)


def test_every_service_does_its_work_with_no_more_than_its_permissions(
    system: System, as_users: dict[str, dict[str, str]]
):
    wait_until(lambda: all(system.is_well(name) for name in AS_USERS), "all are at work as users of their own", 120)
    sent = system.traffic()
    sent.run(24, 12)
    system.check(sent.plans)
    for name, topic in (
        ("approval", "billing.events"),
        ("billing", "approval.events"),
        ("web", "shipping.events"),
        ("cabinet", "request.events"),
        ("desk", "shipping.events"),
        ("notices", CONFIRMATIONS),
        ("renewal", "commands.services"),
        ("web", "commands.services"),
    ):
        said: list[str] = []
        user = {
            "sasl.username": as_users[name]["KAFKA_SASL_USERNAME"],
            "sasl.password": as_users[name]["KAFKA_SASL_PASSWORD"],
        }
        producer = Producer({**system.kafka, **user, "message.timeout.ms": 20_000})
        producer.produce(topic, b"{}", on_delivery=lambda error, _, said=said: said.append(error and error.name()))
        producer.flush(30)
        assert said == ["TOPIC_AUTHORIZATION_FAILED"], (name, topic)
