"""`postavka serve`: one service as this process."""

from __future__ import annotations

import os
import sys
from typing import Literal

from postavka.app.registry import SERVICES


def serve(service: Literal[tuple(SERVICES)], /) -> None:  # type: ignore[valid-type]  # the registry knows the names
    """Run one service as this process: what systemd, Compose and Kubernetes start. It ends with SIGTERM.

    It finds Kafka and PostgreSQL by KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL; /livez, /readyz and /metrics are at
    POSTAVKA_HTTP_HOST and POSTAVKA_HTTP_PORT.

    Parameters
    ----------
    service
        Which one.
    """
    os.execv(sys.executable, [sys.executable, "-m", SERVICES[service].module])  # noqa: S606
