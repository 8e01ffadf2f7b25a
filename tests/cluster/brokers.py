"""Three brokers as in production: KRaft, three replicas, two in sync, SASL and TLS on every connection of ours.

Each is the broker that the product ships, with other settings; where there are hosts of their own
(`hosts.py`), each runs on one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from postavka.kernel.runtime.broker import ADMIN, BROKER, HEAP, YOUNG, Broker
from postavka.kernel.runtime.file_access import write_secret
from postavka.kernel.runtime.processes import Program
from postavka.kernel.settings import Settings
from tests.cluster.certificates import Certificates, make_certificates

REPLICAS = 3
SMALLER = {f"-Xms{HEAP}": "-Xms320m", f"-Xmx{HEAP}": "-Xmx320m", f"-Xmn{YOUNG}": "-Xmn128m"}
"""The heap of one of three brokers on a machine that has them all."""


NO_CERTIFICATES = Certificates(Path(), Path())


@dataclass(frozen=True)
class ClusterBroker(Broker):
    """One of three. `peers`: address and controller's port of each, by number."""

    number: int = 1
    cluster: str = ""
    peers: dict[int, tuple[str, int]] = field(default_factory=dict)
    certificates: Certificates = NO_CERTIFICATES
    on: Sequence[str] = ()
    """A command that runs it on its host."""

    @property
    def name(self) -> str:
        return f"kafka-{self.number}"

    @property
    def address(self) -> str:
        return self.peers[self.number][0]

    @property
    def bootstrap(self) -> str:
        return f"{self.address}:{self.port}"

    def program(self) -> Program:
        """How it is kept running. Whoever stops it kills it (SIGKILL): a host that has died does not sign off."""
        return Program(self.name, self.argv(), "servers", stop_signal="KILL", launched_by=self.on)

    def argv(self) -> list[str]:
        return [SMALLER.get(each, each) for each in super().argv()]

    def leader_seen(self) -> tuple[int, int]:
        """Epoch and number of the active controller, as this one has seen it last."""
        file = self.folder / "data" / "__cluster_metadata-0" / "quorum-state"
        said: dict[str, Any] = json.loads(file.read_text())
        return int(said["leaderEpoch"]), int(said["leaderId"])

    def client(self, **others: Any) -> dict[str, Any]:
        """Arguments of `Settings`: how a client signs in."""
        return {
            "kafka_bootstrap_servers": self.bootstrap,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_sasl_username": ADMIN,
            "kafka_sasl_password": SecretStr(self.admin_password),
            "kafka_ssl_cafile": self.certificates.authority,
            "kafka_replication": REPLICAS,
        } | others

    def _signed_in(self, user: str, mechanism: Literal["PLAIN", "SCRAM-SHA-512"]) -> Settings:
        password = SecretStr(self._password(user))
        return Settings(
            **self.client(kafka_sasl_username=user, kafka_sasl_mechanism=mechanism, kafka_sasl_password=password)
        )

    def _cluster_id(self) -> str:
        return self.cluster

    def _properties(self) -> str:
        settings = dict(line.split("=", 1) for line in super()._properties().splitlines())
        here, controller = self.peers[self.number]
        voters = ",".join(f"{number}@{address}:{port}" for number, (address, port) in self.peers.items())
        settings |= {
            "node.id": str(self.number),
            "controller.quorum.voters": voters,
            "listeners": f"INSIDE://{here}:{self.port},OUTSIDE://127.0.0.1:{self.outside_port},"
            f"CONTROLLER://{here}:{controller}",
            "advertised.listeners": f"INSIDE://{here}:{self.port},OUTSIDE://127.0.0.1:{self.outside_port}",
            "listener.security.protocol.map": "CONTROLLER:SASL_SSL,INSIDE:SASL_SSL,OUTSIDE:SASL_PLAINTEXT",
            "default.replication.factor": str(REPLICAS),
            "min.insync.replicas": "2",
            "offsets.topic.replication.factor": str(REPLICAS),
            "transaction.state.log.replication.factor": str(REPLICAS),
            "transaction.state.log.min.isr": "2",
            "share.coordinator.state.topic.replication.factor": str(REPLICAS),
            "share.coordinator.state.topic.min.isr": "2",
        }
        for door in ("inside", "controller"):
            settings |= {
                f"listener.name.{door}.ssl.keystore.type": "PEM",
                f"listener.name.{door}.ssl.keystore.location": str(self.certificates.brokers),
                f"listener.name.{door}.ssl.truststore.type": "PEM",
                f"listener.name.{door}.ssl.truststore.location": str(self.certificates.authority),
            }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def make_brokers(
    home: Path, class_path: str, ports: dict[str, int], addresses: Sequence[str], launched_by: Sequence[Sequence[str]]
) -> list[ClusterBroker]:
    """Three brokers of one cluster, ready to be started. `ports`: `kafka-N`, `outside-N`, `controller-N`."""
    certificates = make_certificates(home / "certificates", dict.fromkeys(addresses))
    peers = {number: (address, ports[f"controller-{number}"]) for number, address in enumerate(addresses, 1)}
    cluster = secrets.token_urlsafe(16).replace("-", "_")
    passwords = {user: secrets.token_urlsafe(24) for user in (ADMIN, BROKER)}
    made = [
        ClusterBroker(
            home / f"kafka-{number}",
            class_path,
            ports[f"kafka-{number}"],
            ports[f"outside-{number}"],
            ports[f"controller-{number}"],
            number=number,
            cluster=cluster,
            peers=peers,
            certificates=certificates,
            on=launched_by[number - 1],
        )
        for number in peers
    ]
    for each in made:
        each.folder.mkdir(mode=0o700)
        for user, password in passwords.items():
            write_secret(each.folder / f"{user}.password", password)
        each.prepare()
    return made


def active_controller(brokers: Sequence[ClusterBroker]) -> ClusterBroker:
    """The one that the newest election has chosen."""
    _, number = max(each.leader_seen() for each in brokers)
    return next(each for each in brokers if each.number == number)
