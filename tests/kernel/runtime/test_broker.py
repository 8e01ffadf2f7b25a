"""The broker's doors: nobody comes in without a password, and who has come in may only do what is allowed."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.runtime.broker import CONNECTIONS_PER_ADDRESS, Broker, OpenDoor, OutsideDoor
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from tests.kernel.polling import PATIENCE_SECONDS

DESCRIBE_CLUSTER = bytes.fromhex("00000011 003c 0001 00000001 0003 782d79 00 00 02 00".replace(" ", ""))
"""Request 60 in version 1 as client `x-y`: length, key, version, correlation, client, tags, body. A door without a
password answers it."""


def port(home: Path, door: str) -> int:
    return int(json.loads((home / "ports.json").read_text())[door])


def answers(conf: dict[str, object]) -> bool:
    """Does the broker tell such a client anything? Asks until it has been answered or turned away."""
    turned_away: list[KafkaError] = []
    admin = AdminClient(conf | {"log_level": 0, "error_cb": turned_away.append})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not turned_away:
        assert time.monotonic() < deadline, "neither let in nor turned away"
        try:
            return bool(admin.list_topics(timeout=0.2).brokers)
        except KafkaException:
            admin.poll(0)
    return False


@pytest.mark.parametrize("door", ["kafka", "outside", "controller"])
def test_without_a_password_nobody_is_told_anything(home: Path, door: str):
    with socket.create_connection(("127.0.0.1", port(home, door)), timeout=PATIENCE_SECONDS) as stranger:
        stranger.sendall(DESCRIBE_CLUSTER)
        assert stranger.recv(4) == b"", "an answer instead of a closed door"


@pytest.mark.parametrize("door", ["kafka", "outside"])
@pytest.mark.parametrize("user", ["admin", "broker", "stranger"])
def test_a_wrong_password_is_refused(home: Path, door: str, user: str):
    stranger: dict[str, object] = {
        "bootstrap.servers": f"127.0.0.1:{port(home, door)}",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": "wrong",
    }
    assert not answers(stranger)


def test_with_the_password_both_doors_open(servers: Endpoints, home: Path):
    for door in ("kafka", "outside"):
        assert answers(
            {
                "bootstrap.servers": f"127.0.0.1:{port(home, door)}",
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": servers.admin_username,
                "sasl.password": servers.admin_password,
            }
        )


def test_passwords_lie_in_files_for_their_owner_only(home: Path):
    files = [*(home / "kafka").glob("*.password"), home / "kafka" / "server.properties"]
    assert len(files) == 3
    assert [file.name for file in files if file.stat().st_mode & 0o077] == []


def test_no_password_is_in_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run: list[list[str]] = []

    def formatted(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        run.append(argv)
        (tmp_path / "data").mkdir()
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(subprocess, "run", formatted)
    broker = Broker(tmp_path, "", 1, 2, 3)
    broker.prepare()
    words = " ".join([*run[0], *broker.argv()])
    assert "format" in words
    assert "SCRAM" not in words
    assert broker.admin_password not in words


def test_one_address_does_not_take_all_connections(tmp_path: Path):
    said = dict(line.split("=", 1) for line in Broker(tmp_path, "", 1, 2, 3)._properties().splitlines())
    assert int(said["max.connections.per.ip"]) * 5 <= int(said["listener.name.outside.max.connections"])
    assert said["max.connections.per.ip.overrides"] == f"127.0.0.1:{2**31 - 1}", "our own services"


def test_who_opens_connections_without_end_is_turned_away_and_others_are_not(servers: Endpoints, home: Path):
    with ExitStack() as opened:
        place, patience = ("127.0.0.1", port(home, "outside")), PATIENCE_SECONDS
        lines = [
            opened.enter_context(socket.create_connection(place, patience, ("127.0.0.2", 0)))
            for _ in range(CONNECTIONS_PER_ADDRESS + 1)
        ]
        ended, _, _ = select.select(lines, [], [], patience)
        assert [each.recv(1) for each in ended] == [b""]
        assert answers(for_librdkafka(Settings(**servers.settings())))


def test_what_users_make_the_broker_remember_has_bounds(servers: Endpoints):
    """As the running broker says: a setting whose name it doesn't know it would leave out."""
    bounds = {
        "producer.id.expiration.ms": "3600000",
        "group.max.size": "50",
        "offset.metadata.max.bytes": "256",
        "transaction.max.timeout.ms": "60000",
        "max.connections.per.ip": "100",
        "message.max.bytes": "1048588",  # headers are part of it
    }
    broker = ConfigResource(ResourceType.BROKER, "1")
    admin = AdminClient(for_librdkafka(Settings(**servers.settings())))
    said = admin.describe_configs([broker])[broker].result(PATIENCE_SECONDS)
    assert {name: said[name].value for name in bounds} == bounds


def test_a_door_to_the_network_needs_a_certificate():
    with pytest.raises(OpenDoor, match="POSTAVKA_OUTSIDE_CERTIFICATE"):
        OutsideDoor("kafka.example.org")
    assert OutsideDoor().bind == "127.0.0.1"
    opened = OutsideDoor("kafka.example.org", Path("c.pem"), Path("k.pem"))
    assert (opened.bind, opened.protocol) == ("0.0.0.0", "SASL_SSL")  # noqa: S104
    assert Broker(Path(), "", 1, 2, 3, opened).outside_bootstrap == "kafka.example.org:2"
