"""Kafka and PostgreSQL of one home folder: prepared side by side, started, waited for, stopped."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postavka.kernel.errors import UserError
from postavka.kernel.runtime import kafka_jars
from postavka.kernel.runtime.broker import ADMIN, Broker, OutsideDoor
from postavka.kernel.runtime.database import DatabaseServer
from postavka.kernel.runtime.file_access import StrangeFolder, close_home, require_ours
from postavka.kernel.runtime.ports import SERVER_PORTS, SERVICE_PORTS, choose_ports, remembered_ports
from postavka.kernel.runtime.processes import Processes, Program
from postavka.kernel.runtime.progress import Silent, StepReporter
from postavka.kernel.settings import Settings, environment


class HomeInUse(UserError):
    """Another process runs servers in this folder."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of the servers, and as whom to sign in there. Holds passwords: never print it."""

    kafka_bootstrap: str
    database_url: str
    kafka_outside_bootstrap: str | None = None
    admin_username: str | None = None
    """None: the broker asks for no password (servers of one's own)."""
    admin_password: str | None = None

    def settings(self, **others: Any) -> dict[str, Any]:
        """Arguments of `Settings`, with others beside them or in their place."""
        named: dict[str, Any] = {"kafka_bootstrap_servers": self.kafka_bootstrap, "database_url": self.database_url}
        if self.admin_username is not None:
            named |= {
                "kafka_security_protocol": "SASL_PLAINTEXT",
                "kafka_sasl_mechanism": "SCRAM-SHA-512",
                "kafka_sasl_username": self.admin_username,
                "kafka_sasl_password": self.admin_password,
            }
        return named | others


class EmbeddedServers:
    """Both servers, and the programs that shall run beside them. A context manager: `start` inside `with`."""

    def __init__(
        self,
        home: Path,
        jars: Path | None = None,
        outside: OutsideDoor | None = None,
        launched_by: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`home`: data, logs, passwords. `jars`: where Kafka's jars are kept (default: under home). `outside`: how
        clients outside reach the broker (default: from this machine only). `launched_by`: commands that run `kafka`
        or `postgres` (`postavka.kernel.runtime.processes.Program`). Raises `HomeInUse`, `StrangeFolder`."""
        home.mkdir(parents=True, exist_ok=True)
        self.home = home.resolve()
        require_ours(self.home)
        self._jars = (jars or home / "jars").resolve()
        self._outside = outside or OutsideDoor()
        self._launched_by = launched_by or {}
        self._lock = _lock(self.home)
        close_home(self.home)
        self.broker: Broker
        self.database: DatabaseServer
        self.processes: Processes

    def start(
        self,
        progress: StepReporter | None = None,
        services: Callable[[Endpoints], Sequence[Program]] = lambda endpoints: (),
    ) -> Endpoints:
        """Bring both servers up; `services` says which programs the process manager shall know besides (they are
        started by the caller). Returns when both answer."""
        progress = progress or Silent()
        class_path = kafka_jars.class_path(self._jars, progress)
        names = ("kafka", "outside", "controller", "postgres")
        ports = choose_ports(self.home / SERVER_PORTS, names, self.home / SERVICE_PORTS)
        self.broker = Broker(
            self.home / "kafka", class_path, ports["kafka"], ports["outside"], ports["controller"], self._outside
        )
        self.database = DatabaseServer(self.home / "postgres", ports["postgres"])
        with progress.step("Kafka and PostgreSQL: preparing"), ThreadPoolExecutor(2) as pool:
            for prepared in [pool.submit(self.broker.prepare), pool.submit(self.database.prepare)]:
                prepared.result()
        endpoints = Endpoints(
            self.broker.bootstrap, self.database.url, self.broker.outside_bootstrap, ADMIN, self.broker.admin_password
        )
        servers = [
            Program(
                "kafka", self.broker.argv(), "servers", stop_seconds=15, launched_by=self._launched_by.get("kafka", ())
            ),
            Program(
                "postgres",
                self.database.argv(),
                "servers",
                stop_signal="INT",
                user=self.database.user,
                launched_by=self._launched_by.get("postgres", ()),
            ),
        ]
        variables = environment(Settings(**endpoints.settings()))
        self.processes = Processes(self.home, [*servers, *services(endpoints)], variables)
        try:
            with progress.step("Kafka and PostgreSQL: starting"):
                for server in servers:
                    self.processes.start(server.name)
                self.database.wait_until_ready()
                self.broker.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return endpoints

    def close(self) -> None:
        """Stop everything that was started here."""
        if hasattr(self, "processes"):
            self.processes.close()
        os.close(self._lock)
        self._lock = os.open(os.devnull, os.O_RDONLY)

    def remove_data(self) -> None:
        """Delete what lies outside the home folder (tests delete the rest)."""
        if hasattr(self, "database"):
            self.database.remove()

    def __enter__(self) -> EmbeddedServers:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def outside_door(config: Settings) -> OutsideDoor:
    """How clients outside reach the embedded broker."""
    return OutsideDoor(config.outside_host, config.outside_certificate, config.outside_key)


def running(home: Path, outside: OutsideDoor | None = None) -> Endpoints | None:
    """Endpoints of the servers that another process runs in this folder; None when nothing runs there."""
    try:
        os.close(_lock(home.resolve()))
    except FileNotFoundError:
        return None
    except HomeInUse:
        ports = remembered_ports(home / SERVER_PORTS)
        if not ports or not (home / "postgres" / "password").exists():
            return None
        broker = Broker(
            home / "kafka", "", ports["kafka"], ports["outside"], ports["controller"], outside or OutsideDoor()
        )
        url = DatabaseServer(home / "postgres", ports["postgres"]).url
        return Endpoints(broker.bootstrap, url, broker.outside_bootstrap, ADMIN, broker.admin_password)
    return None


def _lock(home: Path) -> int:
    try:
        handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise StrangeFolder(f"{home / 'lock'} is a link: remove it") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise HomeInUse(
            f"servers are running in {home} already; stop them first (Ctrl-C where they were started)"
        ) from None
    return handle
