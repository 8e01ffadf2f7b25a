"""One Kafka broker (KRaft: broker and controller in one process).

Three doors, and nobody comes in through any of them without a password: INSIDE for our own services, OUTSIDE for
clients such as distributors (both SASL/SCRAM), CONTROLLER for the broker itself (SASL/PLAIN, since SCRAM needs what the
controller alone knows). A door without a password on loopback would let every user of the machine write any topic.
Behind all doors stands the authorizer: who has no permission is refused. Only `admin` and the broker may do everything.

Passwords are made at the first start and lie in files that only their owner may read. None is ever in a command line:
the broker's own user signs in with what lies in its configuration, and sets the administrator's at the broker.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from events.envelope import PARTITIONS
from postavka.kernel.errors import UserError
from postavka.kernel.log.broker_access import Access
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.runtime.file_access import sync_tree, write_secret
from postavka.kernel.runtime.java import find_java
from postavka.kernel.runtime.parent_death import bare_environment
from postavka.kernel.settings import Settings

HEAP, YOUNG = "704m", "448m"
"""Of what is alive when Java collects the young, 8 MB as a rule, nothing depends on how much room they had: each time
the broker stands for 20 to 40 ms. So they have much, and it is seldom."""
ROOM = ("-XX:MetaspaceSize=96m", "-XX:ReservedCodeCacheSize=128m")
"""For classes and compiled code. Java begins with 21 MB and, with one compiler, 48: whenever one of them was full, all
of the heap was collected, for 40 to 190 ms with nothing answered."""
SEGMENT_BYTES = 256 * 1024 * 1024
"""Of a partition, until a new file is begun. Its indexes need at most 12 bytes for every 4,096 of it. They are mapped
files with room for the whole of it, and a system that reads far ahead fills that with zeros at every first touch."""
TRANSACTION_SECONDS = 60
"""How long a sender may keep a transaction open: what others write behind its first record is not read until then."""
OUTSIDE_CONNECTIONS, OUTSIDE_CONNECTIONS_PER_SECOND = 1_000, 50
"""Of all clients outside together: a connection takes a file, and each sign-in some milliseconds of the processor. Our
own services come in through another door."""
CONNECTIONS_PER_ADDRESS = 100
"""Of clients on one other machine; on this one there are our own services, whose addresses are all 127.0.0.1."""
PRODUCER_ID_SECONDS = 3_600
"""The broker remembers every producer that wrote to a partition for so long; Kafka's own day is enough for a sender of
one record a producer to fill its memory."""
START_SECONDS = 240
ADMIN = "admin"
BROKER = "broker"
"""The user under which the broker talks to itself."""
LOOPBACK = ("127.0.0.1", "localhost")


class NoBroker(UserError):
    """The broker does not answer; the message ends with the last lines of its log."""


class OpenDoor(UserError):
    """The outside door is to be opened to a network without encryption."""


@dataclass(frozen=True, slots=True)
class OutsideDoor:
    """The address and the certificate by which clients outside reach the broker. By default only from this machine.

    `host` is the name they know it by. For any other than loopback the door listens on all interfaces and needs a
    certificate (`certificate`: PEM with its chain; `key`: PEM without a password)."""

    host: str = "127.0.0.1"
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and (self.certificate is None or self.key is None):
            raise OpenDoor(
                f"POSTAVKA_OUTSIDE_HOST is {self.host}: clients would send personal data in the clear; set "
                "POSTAVKA_OUTSIDE_CERTIFICATE and POSTAVKA_OUTSIDE_KEY as well"
            )

    @property
    def bind(self) -> str:
        """What it listens on."""
        return "127.0.0.1" if self.host in LOOPBACK else "0.0.0.0"  # noqa: S104

    @property
    def protocol(self) -> str:
        """The name that Kafka gives its protocol."""
        return "SASL_SSL" if self.certificate is not None else "SASL_PLAINTEXT"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker lives: its folder, its ports, its jars."""

    folder: Path
    class_path: str
    port: int
    outside_port: int
    controller_port: int
    outside: OutsideDoor = field(default_factory=OutsideDoor)

    @property
    def bootstrap(self) -> str:
        """The address for our own services."""
        return f"127.0.0.1:{self.port}"

    @property
    def outside_bootstrap(self) -> str:
        """The address for clients outside."""
        return f"{self.outside.host}:{self.outside_port}"

    @property
    def admin_password(self) -> str:
        """Made at the first start; in a file that only its owner may read."""
        return self._password(ADMIN)

    def prepare(self) -> None:
        """Write the configuration; format the storage once."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(self.folder / "server.properties", self._properties())
        if self.outside.certificate is not None and self.outside.key is not None:
            write_secret(self.folder / "outside.pem", _pem(self.outside.certificate, self.outside.key))
        write_secret(self.folder / "log4j2.properties", LOG4J)
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()

    def argv(self) -> list[str]:
        """The command line of the broker."""
        return [
            str(find_java()),
            f"-Xms{HEAP}",
            f"-Xmx{HEAP}",
            f"-Xmn{YOUNG}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *ROOM,
            "-XX:+AutoCreateSharedArchive",
            f"-XX:SharedArchiveFile={self.folder / 'classes.jsa'}",
            "-Xshare:auto",
            "-Xlog:disable",
            "-Xlog:all=error:stderr",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            f"-Dpostavka.log={self.folder / 'kafka.log'}",
            "-cp",
            self.class_path,
            "kafka.Kafka",
            str(self.folder / "server.properties"),
        ]

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until the broker answers its administrator. A broker that does not know the password in the file is told
        it: at the first start, or after the file was taken away for a new one. Raises `NoBroker`."""
        deadline = time.monotonic() + seconds
        refused: list[KafkaError] = []
        client = AdminClient(
            for_librdkafka(self._signed_in(ADMIN, "SCRAM-SHA-512"))
            | {"reconnect.backoff.max.ms": 500, "log_level": 0, "error_cb": refused.append}
        )
        while time.monotonic() < deadline:
            try:
                if client.list_topics(timeout=2).brokers:
                    return
            except KafkaException:
                time.sleep(0.1)
            client.poll(0)
            if any(each.code() == KafkaError._AUTHENTICATION for each in refused):
                with Access(self._signed_in(BROKER, "PLAIN")) as access:
                    access.set_password(ADMIN, self.admin_password)
                refused.clear()
        log = self.folder / "kafka.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(no log)"
        raise NoBroker(f"Kafka did not answer on {self.bootstrap} within {seconds:.0f} s\n{tail}")

    def _signed_in(self, user: str, mechanism: Literal["PLAIN", "SCRAM-SHA-512"]) -> Settings:
        return Settings(
            kafka_bootstrap_servers=self.bootstrap,
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_sasl_mechanism=mechanism,
            kafka_sasl_username=user,
            kafka_sasl_password=SecretStr(self._password(user)),
        )

    def _format(self) -> None:
        java = [str(find_java()), "-XX:TieredStopAtLevel=1", "-cp", self.class_path, "kafka.tools.StorageTool"]
        done = subprocess.run(  # noqa: S603
            [
                *java,
                "format",
                f"--cluster-id={self._cluster_id()}",  # one argument: it may begin with a dash
                "--config",
                str(self.folder / "server.properties"),
            ],
            env=bare_environment(),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise NoBroker(f"Kafka's storage could not be formatted: {(done.stderr or done.stdout)[-2000:]}")
        sync_tree(self.folder / "data")  # without these files Kafka does not start again

    def _cluster_id(self) -> str:
        """The id of the cluster that this broker is formatted for: one of its own."""
        return secrets.token_urlsafe(16)

    def _password(self, user: str) -> str:
        """The password of one of the broker's own users; made when it is first asked for. Letters, digits, `-` and `_`
        only."""
        file = self.folder / f"{user}.password"
        if not file.exists():
            write_secret(file, secrets.token_urlsafe(24))
        return file.read_text()

    def _properties(self) -> str:
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        password = self._password(BROKER)
        plain = (
            f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{BROKER}" '
            f'password="{password}" user_{BROKER}="{password}";'
        )
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"INSIDE://127.0.0.1:{self.port},OUTSIDE://{self.outside.bind}:{self.outside_port},"
            f"CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"INSIDE://127.0.0.1:{self.port},OUTSIDE://{self.outside.host}:{self.outside_port}",
            "listener.security.protocol.map": f"CONTROLLER:SASL_PLAINTEXT,INSIDE:SASL_PLAINTEXT,"
            f"OUTSIDE:{self.outside.protocol}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INSIDE",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.controller.plain.sasl.jaas.config": plain,
            "listener.name.inside.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.inside.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.inside.plain.sasl.jaas.config": plain,
            "listener.name.outside.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.outside.scram-sha-512.sasl.jaas.config": scram,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:{BROKER};User:{ADMIN}",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "num.partitions": str(PARTITIONS),
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "2",
            "transaction.max.timeout.ms": str(TRANSACTION_SECONDS * 1_000),
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "listener.name.outside.max.connections": str(OUTSIDE_CONNECTIONS),
            "listener.name.outside.max.connection.creation.rate": str(OUTSIDE_CONNECTIONS_PER_SECOND),
            "max.connections.per.ip": str(CONNECTIONS_PER_ADDRESS),
            "max.connections.per.ip.overrides": f"127.0.0.1:{2**31 - 1}",
            "producer.id.expiration.ms": str(PRODUCER_ID_SECONDS * 1_000),
            "offset.metadata.max.bytes": "256",
            "group.max.size": "50",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.retention.ms": "-1",
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            "compression.type": "producer",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "num.recovery.threads.per.data.dir": "2",
            "log.segment.bytes": str(SEGMENT_BYTES),
            "log.index.size.max.bytes": str(SEGMENT_BYTES // 256),
            "controlled.shutdown.enable": "true",
        }
        if self.outside.certificate is not None:
            settings["listener.name.outside.ssl.keystore.type"] = "PEM"
            settings["listener.name.outside.ssl.keystore.location"] = str(self.folder / "outside.pem")
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def _pem(certificate: Path, key: Path) -> str:
    """Key and certificates in one text, the key in the one form that Kafka reads (PKCS#8)."""
    private = load_pem_private_key(key.read_bytes(), None)
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode() + certificate.read_text()


LOG4J = """status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:postavka.log}
appender.file.filePattern = ${sys:postavka.log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %-5p %m (%c{1})%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""
