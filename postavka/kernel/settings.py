"""Every setting of every process, with its default and unit.

Values come from the environment (or a `.env` file in the working folder). Two names are shared with the rest
of the world: `KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL`. When they are set, those servers are used and nothing
embedded is started. Everything else starts with `POSTAVKA_`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from events.envelope import PARTITIONS as PARTITIONS  # the kernel reads it with its settings
from postavka.kernel.errors import UserError
from postavka.kernel.secret_files import CredentialFile, FileSettings


class Settings(FileSettings):
    """Read once a process; frozen. Secrets are `SecretStr`, so that printing the settings never shows them."""

    model_config = SettingsConfigDict(
        env_prefix="POSTAVKA_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    # Where embedded servers keep jars, data, logs and their generated passwords.
    home: Path = Path(".postavka")
    make_keys: bool = Field(
        False, description="make an installation's keys where they are missing: set by `postavka up`, for one machine"
    )

    # Kafka
    kafka_bootstrap_servers: str | None = Field(
        None, validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "POSTAVKA_KAFKA_BOOTSTRAP_SERVERS")
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        "PLAINTEXT", validation_alias=AliasChoices("KAFKA_SECURITY_PROTOCOL")
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", validation_alias=AliasChoices("KAFKA_SASL_MECHANISM")
    )
    kafka_sasl_username: str | None = Field(None, validation_alias=AliasChoices("KAFKA_SASL_USERNAME"))
    kafka_sasl_password: SecretStr | None = Field(None, validation_alias=AliasChoices("KAFKA_SASL_PASSWORD"))
    kafka_ssl_cafile: Path | None = Field(None, validation_alias=AliasChoices("KAFKA_SSL_CAFILE"))
    kafka_ssl_certfile: Path | None = Field(None, validation_alias=AliasChoices("KAFKA_SSL_CERTFILE"))
    kafka_ssl_keyfile: CredentialFile = Field(None, validation_alias=AliasChoices("KAFKA_SSL_KEYFILE"))
    kafka_replication: int = Field(1, ge=1, description="replicas of a topic we create; 3 on a cluster")

    kafka_strimzi_cluster: str | None = Field(
        None, description="the `Kafka` resource whose operator makes users: then we make none, but write a KafkaUser"
    )
    kafka_outside: str | None = Field(
        None, description="a cluster of one's own, as clients outside reach it: host:port"
    )

    # The embedded broker's door for clients outside, such as distributors
    outside_host: str = Field("127.0.0.1", description="the name they know it by; not loopback: open to the network")
    outside_certificate: Path | None = Field(None, description="PEM, with its chain; needed for a network")
    outside_key: CredentialFile = Field(None, description="PEM, without a password")

    # PostgreSQL (sslmode and the like go into the URL's query)
    database_url: SecretStr | None = Field(None, validation_alias=AliasChoices("DATABASE_URL", "POSTAVKA_DATABASE_URL"))

    # Blobs: documents by their SHA-256 (postavka/kernel/blobs)
    blobs: str | None = Field(None, description="a folder, or s3://bucket/prefix; None: the folder `blobs` in `home`")
    blobs_s3_endpoint: str | None = Field(None, description="https://… of an S3-compatible server; None: Amazon's")
    blobs_s3_region: str = "us-east-1"
    blobs_s3_access_key_id: str | None = Field(None, description="None: as AWS_ACCESS_KEY_ID and the like say")
    blobs_s3_secret_access_key: SecretStr | None = None

    # A stage
    batch_records: int = Field(1000, ge=1, description="the most records decided in one transaction")
    state_cache: int = Field(10_000, ge=0, description="requests whose state a worker keeps in memory")
    stall_seconds: float = Field(
        20.0,
        gt=0,
        description="lag above zero and no progress for so long: the process exits and is restarted (a read model with "
        "much to read takes partitions by turns: each may stand ten times as long while others get on)",
    )
    http_host: str = "127.0.0.1"
    http_port: int = Field(0, description="of /healthz and /metrics; 0 lets the system choose")
    worker: str = Field("0", description="names this worker among those of its stage (static membership)")

    service_urls: dict[str, str] = Field(
        {}, description="where operations ask services how they are, as JSON: name → http://host:port; default: here"
    )

    # Traces
    tracing_otlp: str | None = Field(None, description="OTLP collector over HTTP: http://host:4318; unset: no traces")
    tracing_ratio: float = Field(1.0, ge=0, le=1, description="part of the traces that is kept")

    # Logs
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


@cache
def settings() -> Settings:
    """The settings of this process, read from the environment once."""
    return Settings()


class NoDatabase(UserError):
    """No database URL is set."""


class WrongServer(UserError):
    """The database URL asks for a server that the services can't work with."""


LOOKS_FOR_THE_SERVER: dict[str, Any] = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""libpq waits for ever for a server that has accepted a connection and says nothing, and for hours for one that has
vanished. What the URL itself says goes first. Seconds; milliseconds the last."""


def database_url(config: Settings) -> str:
    """Where PostgreSQL is, with how long to look for it. Raises `NoDatabase` when unset: a service never starts servers
    by itself; `WrongServer`."""
    if config.database_url is None:
        raise NoDatabase("DATABASE_URL is not set; start the whole with `postavka up`, or point it at a server")
    return _looked_for(config.database_url.get_secret_value())


@cache  # asked for with every request
def _looked_for(url: str) -> str:
    from psycopg import ProgrammingError  # here: who asks for help alone has no need of it
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        given = conninfo_to_dict(url)
    except ProgrammingError:  # whoever connects with it says so
        return url
    wanted = given.get("target_session_attrs", "any")
    if wanted not in ("any", "primary"):
        raise WrongServer(
            f"DATABASE_URL says target_session_attrs={wanted}: say target_session_attrs=primary. It finds the server "
            "that takes writes, also for sessions that only read, as the auditor's"
        )
    return make_conninfo(url, **{name: value for name, value in LOOKS_FOR_THE_SERVER.items() if name not in given})


SERVERS = {
    "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
    "kafka_security_protocol": "KAFKA_SECURITY_PROTOCOL",
    "kafka_sasl_mechanism": "KAFKA_SASL_MECHANISM",
    "kafka_sasl_username": "KAFKA_SASL_USERNAME",
    "kafka_sasl_password": "KAFKA_SASL_PASSWORD",
    "kafka_ssl_cafile": "KAFKA_SSL_CAFILE",
    "kafka_ssl_certfile": "KAFKA_SSL_CERTFILE",
    "kafka_ssl_keyfile": "KAFKA_SSL_KEYFILE",
    "database_url": "DATABASE_URL",
}
"""Settings that say where the servers are and who we are there → the variable of each."""


def environment(config: Settings) -> dict[str, str]:
    """The variables that give another process the same servers. Holds passwords: never print it."""
    values = ((variable, getattr(config, name)) for name, variable in SERVERS.items())
    return {
        variable: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for variable, value in values
        if value is not None
    }
