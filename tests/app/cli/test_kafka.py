"""What `postavka kafka` prints is what tools of others sign in with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from postavka.app.cli import kafka as printed
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings

EMBEDDED = Settings(**Endpoints("127.0.0.1:9092", "postgresql://x", None, "admin", "words").settings())


def test_kcat_gets_the_names_of_its_library() -> None:
    assert printed.kcat(EMBEDDED) == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "admin",
        "sasl.password": "words",
    }


def test_kafbat_gets_the_variables_of_its_image_and_may_only_read() -> None:
    found = printed.kafbat(EMBEDDED)
    assert found["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"] == "127.0.0.1:9092"
    assert found["KAFKA_CLUSTERS_0_READONLY"] == "true"
    assert found["KAFKA_CLUSTERS_0_PROPERTIES_SASL_JAAS_CONFIG"].endswith('username="admin" password="words";')


def test_a_broker_without_users_gets_none() -> None:
    plain = Settings(kafka_bootstrap_servers="broker:9092", database_url="postgresql://x")
    assert printed.java(plain) == {"bootstrap.servers": "broker:9092", "security.protocol": "PLAINTEXT"}


def test_a_file_is_for_its_owner_alone_and_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "connected", lambda: EMBEDDED)
    file = tmp_path / "kcat.conf"
    printed.kafka("kcat", to=file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(UserError, match="there already"):
        printed.kafka("kcat", to=file)
    file.chmod(0o644)
    printed.kafka("kcat", to=file, force=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_library_of_kcat_signs_in_with_what_is_printed(servers: Endpoints) -> None:
    conf = printed.kcat(Settings(**servers.settings()))
    assert AdminClient(dict(conf)).list_topics(timeout=30).brokers
