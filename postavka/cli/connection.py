"""Where the commands find the servers: the environment, else the embedded ones that run in this folder."""

from __future__ import annotations

from postavka.runtime.embedded import running
from postavka.settings import Settings, settings
from postavka.trouble import Trouble


class NothingRuns(Trouble):
    """No servers are named in the environment and none run here."""


def connected() -> Settings:
    """Settings that name both servers. Raises `NothingRuns` with what to do."""
    config = settings()
    if config.kafka_bootstrap_servers and config.database_url:
        return config
    endpoints = running(config.home)
    if endpoints is None:
        raise NothingRuns(
            "nothing runs here: start it with `postavka up` in another terminal, "
            "or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL"
        )
    return Settings(**endpoints.settings())
