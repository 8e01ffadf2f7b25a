"""Every client is told the same of the broker: addresses, SASL and TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from postavka.kernel.log.connection import (
    REQUEST_SECONDS,
    NoKafka,
    bootstrap,
    for_aiokafka,
    for_librdkafka,
    for_producer,
)
from postavka.kernel.settings import Settings
from postavka.kernel.stage.faust_worker import _credentials
from tests.kernel.test_settings import secure


def test_librdkafka_is_told_sasl_and_tls(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")}
    config = secure(
        kafka_ssl_cafile=files["ca.pem"], kafka_ssl_certfile=files["cert.pem"], kafka_ssl_keyfile=files["key.pem"]
    )
    assert for_librdkafka(config) == {
        "bootstrap.servers": "kafka-1:9094,kafka-2:9094",
        "security.protocol": "SASL_SSL",
        "log_level": 3,
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "stage-toy",
        "sasl.password": "tops3cret",
        "ssl.ca.location": str(files["ca.pem"]),
        "ssl.certificate.location": str(files["cert.pem"]),
        "ssl.key.location": str(files["key.pem"]),
    }


def test_aiokafka_and_faust_are_told_the_same() -> None:
    arguments = for_aiokafka(secure())
    context = arguments.pop("ssl_context")
    assert arguments == {
        "bootstrap_servers": "kafka-1:9094,kafka-2:9094",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "stage-toy",
        "sasl_plain_password": "tops3cret",
    }
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    credentials = _credentials(secure())
    assert (credentials.username, credentials.password, credentials.mechanism.value) == (
        "stage-toy",
        "tops3cret",
        "SCRAM-SHA-512",
    )
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.ssl_context.verify_mode == ssl.CERT_REQUIRED


def test_a_broker_that_says_nothing_is_waited_for_as_long_by_every_library() -> None:
    """A host that is cut off closes no connection: with librdkafka's own 60 s work stood for a minute."""
    assert for_producer(secure())["socket.timeout.ms"] == REQUEST_SECONDS * 1_000


def test_without_sasl_and_tls_nothing_of_them_is_told() -> None:
    plain = Settings(kafka_bootstrap_servers="k:9092")
    assert for_librdkafka(plain) == {
        "bootstrap.servers": "k:9092",
        "security.protocol": "PLAINTEXT",
        "log_level": 3,
    }
    assert for_aiokafka(plain) == {
        "bootstrap_servers": "k:9092",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }
    assert _credentials(plain) is None
    assert _credentials(secure(kafka_security_protocol="SASL_PLAINTEXT")).protocol.value == "SASL_PLAINTEXT"


def test_a_client_certificate_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        for_aiokafka(secure(kafka_ssl_certfile=tmp_path / "none.pem"))


def test_without_a_broker_nothing_is_started() -> None:
    with pytest.raises(NoKafka):
        bootstrap(Settings(kafka_bootstrap_servers=None))
