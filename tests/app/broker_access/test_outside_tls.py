"""The door to the network, encrypted: what a distributor's client (librdkafka, aiokafka) gets through it, and who stays
outside. A broker of its own, with a certificate of a real authority's."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, Producer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import NameOID

from events.topics import confirmations_of, notices_of
from postavka.app.broker_access.distributors import Credentials, Distributors
from postavka.domain.reference.file import ReferenceFile
from postavka.domain.reference.store import load
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.runtime.broker import ADMIN, Broker, OutsideDoor
from postavka.kernel.runtime.kafka_jars import class_path
from postavka.kernel.runtime.ports import choose_ports
from postavka.kernel.runtime.progress import Silent
from postavka.kernel.settings import Settings
from tests.app.broker_access.test_distributors import ACCEPTED, client, read, write
from tests.app.broker_access.test_examples import EXAMPLES
from tests.kernel.polling import PATIENCE_SECONDS
from tests.paths import JARS

NAME = "127.0.0.2"
"""No loopback as the door knows it, so that it listens to the network; and needs no name server."""
OTHER_NAME = "127.0.0.3"
"""Leads to the same door, and is not in its certificate."""


def signed(subject: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None, *names: str):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    issuer_name, issuer_key = issuer or (name, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=10))
        .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(each)) for each in names]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256()), key, name


@dataclass(frozen=True)
class Door:
    """The broker, and what its clients know of it."""

    access: Distributors
    settings: Settings
    authority: Path
    stranger: Path
    """Another authority, of the same name."""
    ids: tuple[str, str]

    def client(self, made: Credentials, **changes: Any) -> dict[str, Any]:
        """As the distributor signs in: the file it was given, and the authority that it trusts."""
        return client(made, **{"ssl.ca.location": str(self.authority), **changes})


@pytest.fixture(scope="module")
def door(reference_url: str, sample: ReferenceFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    there = tmp_path_factory.mktemp("door")
    for file in ("authority", "stranger"):
        certificate, key, name = signed("Удостоверяющий центр", None)
        (there / f"{file}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        if file == "authority":
            leaf, leaf_key, _ = signed("Postavka", (name, key), NAME)
            (there / "door.pem").write_bytes(leaf.public_bytes(Encoding.PEM) + certificate.public_bytes(Encoding.PEM))
            pem = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            (there / "door.key").write_bytes(pem)
    ports = choose_ports(there / "ports.json", ("kafka", "outside", "controller"))
    outside = OutsideDoor(NAME, there / "door.pem", there / "door.key")
    paths = class_path(JARS, Silent())
    broker = Broker(there / "kafka", paths, ports["kafka"], ports["outside"], ports["controller"], outside)
    broker.prepare()
    ids = (f"d{uuid4().hex[:10]}", f"d{uuid4().hex[:10]}")
    rows = tuple(sample.distributors[0].model_copy(update={"id": each}) for each in ids)
    load(reference_url, sample.model_copy(update={"distributors": rows}), "test")
    settings = Settings(
        kafka_bootstrap_servers=broker.bootstrap,
        database_url=reference_url,
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username=ADMIN,
        kafka_sasl_password=broker.admin_password,
    )
    with (there / "out").open("wb") as out, subprocess.Popen(broker.argv(), stdout=out, stderr=out) as process:
        try:
            broker.wait_until_ready()
            with Distributors(settings, broker.outside_bootstrap, outside.protocol) as access:
                yield Door(access, settings, there / "authority.pem", there / "stranger.pem", ids)
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def mine(door: Door) -> Credentials:
    return door.access.add(door.ids[0])


def turned_away(conf: dict[str, Any]) -> str:
    """What the client says when it does not get in."""
    heard: list[KafkaError] = []
    producer = Producer({**conf, "error_cb": heard.append})
    deadline = time.monotonic() + PATIENCE_SECONDS
    known = (KafkaError._SSL, KafkaError._AUTHENTICATION)
    while not any(each.code() in known for each in heard):
        assert time.monotonic() < deadline, f"neither let in nor turned away: {heard}"
        producer.poll(0.1)
    return next(each.name() for each in heard if each.code() in known)


def test_the_right_password_opens_ones_own_topics(door: Door, mine: Credentials):
    own = mine.distributor_id
    assert mine.security_protocol == "SASL_SSL"
    assert write(door.client(mine), confirmations_of(own)) == ACCEPTED
    assert write(for_librdkafka(door.settings), notices_of(own)) == ACCEPTED
    assert read(door.client(mine), notices_of(own), f"distributors.{own}.erp") == ACCEPTED


def test_anothers_topics_stay_closed(door: Door, mine: Credentials):
    other = door.access.add(door.ids[1]).distributor_id
    for topic in (confirmations_of(other), notices_of(other), notices_of(mine.distributor_id)):
        assert write(door.client(mine), topic) == "TOPIC_AUTHORIZATION_FAILED"
    group = f"distributors.{mine.distributor_id}.erp"
    assert read(door.client(mine), notices_of(other), group) == "TOPIC_AUTHORIZATION_FAILED"


def test_a_wrong_password_and_a_stranger_stay_outside(door: Door, mine: Credentials):
    topic = confirmations_of(mine.distributor_id)
    assert write(door.client(mine, **{"sasl.password": "not-the-password"}), topic) == "_AUTHENTICATION"
    assert write(door.client(mine, **{"sasl.username": "stranger"}), topic) == "_AUTHENTICATION"


def test_a_client_sees_when_it_is_not_our_door(door: Door, mine: Credentials):
    """Another authority's certificate, or a certificate of another name: no password is told to that."""
    _, _, port = mine.bootstrap.rpartition(":")
    assert turned_away(door.client(mine, **{"ssl.ca.location": str(door.stranger)})) == "_SSL"
    assert turned_away(door.client(mine, **{"bootstrap.servers": f"{OTHER_NAME}:{port}"})) == "_SSL"


def test_the_example_of_the_documentation_goes_through(door: Door, mine: Credentials, tmp_path: Path):
    conf = tmp_path / "kcat.conf"
    conf.write_text(mine.kcat() + f"ssl.ca.location={door.authority}\n")
    request_id = str(uuid4())
    arguments = [sys.executable, str(EXAMPLES / "confirm.py"), str(conf), request_id, "yes"]
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True).stdout
    topic, partition, offset = said.strip().split("/")
    assert (topic, int(partition) >= 0, int(offset) >= 0) == (confirmations_of(mine.distributor_id), True, True)
    conf.write_text(mine.kcat() + f"ssl.ca.location={door.stranger}\n")
    failed = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert failed.returncode != 0
    assert "certificate verify failed" in failed.stderr.lower() or "KafkaConnectionError" in failed.stderr
