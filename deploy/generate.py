"""Writes what of `deploy/` follows from the code: `.venv/bin/python deploy/generate.py`, after a change of services,
topics, permissions or alert rules. A test compares the files with what this writes."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

from events.topics import ALL_TOPICS, STAGE_TOPICS
from postavka.app.broker_access.services import PREFIX, READING_GROUPS, Grant, grants
from postavka.app.broker_access.strimzi import access_rules
from postavka.app.one_box.priorities import NICENESS
from postavka.app.registry import SERVICES
from postavka.kernel.log.broker_access import Permission
from postavka.kernel.log.topics import SETTINGS
from postavka.kernel.settings import PARTITIONS

DEPLOY = Path(__file__).parent
FIRST_PORT = 9101
PAGES_PORT = 8000
DISTRIBUTOR = "{distributor}"
STAGES = tuple(topic.writer for topic in STAGE_TOPICS)
BACKUP = Grant(
    "backup",
    f"{PREFIX}backup",
    (
        *(Permission("topic", "*", operation) for operation in ("describe", "describe-configs", "read")),
        *(Permission("group", group, "read") for group in READING_GROUPS),
    ),
)
"""Copies are taken with a user that reads everything and writes nothing."""
HEADER = "# Written by deploy/generate.py.\n"


def cpu_weight(name: str) -> int:
    """A service's share of a busy processor, as its niceness gives it on one machine: a step is a quarter."""
    return min(10_000, max(1, round(100 * 1.25 ** -NICENESS.get(name, 0))))


def port(name: str) -> int:
    """Where a service answers /livez, /readyz, /healthz and /metrics on a host."""
    return FIRST_PORT + list(SERVICES).index(name)


def drop_in(name: str) -> str:
    """What of a unit is this service's own."""
    ports = {"POSTAVKA_HTTP_PORT": port(name)}
    if name == "web":
        ports = {"POSTAVKA_HTTP_PORT": PAGES_PORT, "POSTAVKA_WEB_PROBES_PORT": port(name)}
    environment = " ".join(f"{variable}={value}" for variable, value in ports.items())
    return f"{HEADER}[Service]\nEnvironment={environment}\nCPUWeight={cpu_weight(name)}\n"


def target() -> str:
    """All services but the desk: it plays the manufacturing department, for trying."""
    wants = "".join(f"Wants=postavka@{name}.service\n" for name in SERVICES if name != "desk")
    return f"{HEADER}[Unit]\nDescription=Postavka, all services\n{wants}\n[Install]\nWantedBy=multi-user.target\n"


def users() -> dict[str, list[dict[str, object]]]:
    """Permissions of each service's user, as Strimzi's `KafkaUser` writes them."""
    wanted = (*grants(SERVICES, [DISTRIBUTOR], PREFIX), BACKUP)
    return {grant.service: access_rules(grant.permissions) for grant in wanted}


def files() -> dict[str, str]:
    """Path under `deploy/` → text."""

    def written(value: object) -> str:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()

    services = [{"name": name, "stage": name in STAGES} for name in SERVICES]
    topics = {
        "names": [topic.name for topic in ALL_TOPICS],
        "partitions": PARTITIONS,
        "config": SETTINGS | {"compression.type": "producer"},
    }
    return {
        "systemd/postavka.target": target(),
        **{f"systemd/postavka@{name}.service.d/own.conf": drop_in(name) for name in SERVICES},
        "chart/files/services.json": written(services),
        "chart/files/topics.json": written(topics),
        "chart/files/users.json": written(users()),
        "chart/files/alerts.yml": (DEPLOY / "observability" / "alerts.yml").read_text(),
    }


def main(folder: Path) -> None:
    """Write them all under this folder."""
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEPLOY)
