"""One Kafka broker (KRaft: broker and controller in one process) on loopback.

Two doors: a plain one for our own services, and one with SASL/SCRAM for outside clients such as distributors. Behind
both stands the authorizer: who has no permission is refused. Only the plain door's nameless user and `admin` may do
everything.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from postavka.runtime.java import find_java
from postavka.trouble import Trouble

HEAP = "512m"
START_SECONDS = 90
ADMIN = "admin"


class NoBroker(Trouble):
    """The broker does not answer; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker lives: its folder, its ports, its jars."""

    folder: Path
    class_path: str
    port: int
    outside_port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        """For our own services."""
        return f"127.0.0.1:{self.port}"

    @property
    def outside_bootstrap(self) -> str:
        """For clients that sign in (SASL_PLAINTEXT, SCRAM-SHA-512)."""
        return f"127.0.0.1:{self.outside_port}"

    @property
    def admin_password(self) -> str:
        """Made at the first start; in a file that only its owner may read."""
        return (self.folder / "admin.password").read_text()

    def prepare(self) -> None:
        """Write the configuration; format the storage once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "server.properties").write_text(self._properties())
        (self.folder / "log4j2.properties").write_text(LOG4J)
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()

    def argv(self) -> list[str]:
        """The command line of the broker."""
        return [
            str(find_java()),
            f"-Xms{HEAP}",
            f"-Xmx{HEAP}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
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
        """Until it answers. Raises `NoBroker`."""
        deadline = time.monotonic() + seconds
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        while time.monotonic() < deadline:
            try:
                if client.list_topics(timeout=2).brokers:
                    return
            except KafkaException:
                time.sleep(0.1)
        log = self.folder / "kafka.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(no log)"
        raise NoBroker(f"Kafka did not answer on {self.bootstrap} within {seconds:.0f} s\n{tail}")

    def _format(self) -> None:
        password = secrets.token_urlsafe(24)
        (self.folder / "admin.password").touch(mode=0o600)
        (self.folder / "admin.password").write_text(password)
        java = [str(find_java()), "-XX:TieredStopAtLevel=1", "-cp", self.class_path, "kafka.tools.StorageTool"]
        cluster = secrets.token_urlsafe(16)
        done = subprocess.run(  # noqa: S603
            [
                *java,
                "format",
                f"--cluster-id={cluster}",  # one argument: it may begin with a dash
                "--config",
                str(self.folder / "server.properties"),
                "--add-scram",
                f"SCRAM-SHA-512=[name={ADMIN},password={password}]",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise NoBroker(f"Kafka's storage could not be formatted: {(done.stderr or done.stdout)[-2000:]}")

    def _properties(self) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},OUTSIDE://127.0.0.1:{self.outside_port},"
            f"CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},OUTSIDE://127.0.0.1:{self.outside_port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,OUTSIDE:SASL_PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.outside.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:ANONYMOUS;User:{ADMIN}",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "num.partitions": "12",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "2",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.retention.ms": "-1",
            "compression.type": "producer",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "num.recovery.threads.per.data.dir": "2",
            "log.segment.bytes": str(256 * 1024 * 1024),
            "controlled.shutdown.enable": "true",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


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
