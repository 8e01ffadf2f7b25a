"""The search of commands for the servers: the environment, else the embedded ones that run in this folder."""

from __future__ import annotations

from postavka.kernel.errors import UNREACHABLE, UserError
from postavka.kernel.log.connection import bootstrap
from postavka.kernel.settings import Settings, settings


class NothingRuns(UserError):
    """No servers are named in the environment and none run here."""

    exit_status = UNREACHABLE


class HalfNamed(UserError):
    """One server is named, the other is not."""


def require_both_or_neither(config: Settings) -> None:
    """Where servers may be started here. Raises `HalfNamed`."""
    if bool(config.kafka_bootstrap_servers) != bool(config.database_url):
        raise HalfNamed(
            "only one of KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL is set: set both to use servers of your own, "
            "or neither to have both started here"
        )


def connected() -> Settings:
    """Settings that name both servers. Raises `NothingRuns` with what to do."""
    config = settings()
    if config.kafka_bootstrap_servers and config.database_url:
        return config
    from postavka.kernel.runtime.embedded import running  # an image without servers has no need of what starts them

    endpoints = running(config.home)
    if endpoints is None:
        raise NothingRuns(
            "nothing runs here: start it with `postavka up` in another terminal, "
            "or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL"
        )
    return Settings(**endpoints.settings(make_keys=True))


def outside(config: Settings) -> tuple[str, str]:
    """Where clients outside reach the broker, and by which protocol: the embedded broker's outer door; of servers of
    one's own what `POSTAVKA_KAFKA_OUTSIDE` says, else where we reach it ourselves."""
    from postavka.kernel.runtime.embedded import outside_door, running

    endpoints = running(config.home, outside_door(config)) if not settings().kafka_bootstrap_servers else None
    if endpoints is not None and endpoints.kafka_outside_bootstrap is not None:
        return endpoints.kafka_outside_bootstrap, outside_door(config).protocol
    protocol = config.kafka_security_protocol
    return config.kafka_outside or bootstrap(config), "SASL_SSL" if protocol == "SSL" else protocol
