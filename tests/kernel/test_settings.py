"""Settings of the kernel: where they come from, their bounds, and that secrets are not shown."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from postavka.kernel.settings import Settings, WrongServer, database_url


def secure(**changes: Any) -> Settings:
    """Those of a cluster with SASL over TLS."""
    values: dict[str, Any] = {
        "kafka_bootstrap_servers": "kafka-1:9094,kafka-2:9094",
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_sasl_username": "stage-toy",
        "kafka_sasl_password": "tops3cret",
        "database_url": "postgresql://toy:dbs3cret@db/postavka?sslmode=require",
    }
    return Settings(**(values | changes))


def test_secrets_are_not_shown() -> None:
    config = secure()
    shown = f"{config} {config!r} {config.model_dump()} {config.model_dump_json()}"
    assert "s3cret" not in shown
    assert config.kafka_sasl_password is not None
    assert config.kafka_sasl_password.get_secret_value() == "tops3cret"


def test_settings_come_from_the_environment_and_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "k:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("POSTAVKA_BATCH_RECORDS", "7")
    config = Settings()
    assert config.kafka_bootstrap_servers == "k:1"
    assert config.database_url == SecretStr("postgresql://h/d")
    assert (config.kafka_security_protocol, config.batch_records) == ("SASL_PLAINTEXT", 7)
    with pytest.raises(ValidationError):
        config.batch_records = 8  # type: ignore[misc]


@pytest.mark.parametrize("wanted", ["read-write", "read-only", "standby", "prefer-standby"])
def test_another_server_than_the_primary_is_not_asked_for(wanted: str) -> None:
    url = f"postgresql://toy:dbs3cret@a,b/postavka?target_session_attrs={wanted}"
    with pytest.raises(WrongServer, match="target_session_attrs=primary") as refused:
        database_url(secure(database_url=url))
    assert "s3cret" not in str(refused.value)
    database_url(secure(database_url=url.replace(wanted, "primary")))


@pytest.mark.parametrize(
    "wrong", [{"kafka_security_protocol": "TLS"}, {"batch_records": 0}, {"stall_seconds": 0}, {"kafka_replication": 0}]
)
def test_a_setting_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        secure(**wrong)
