"""Everything that a drill needs, started: three brokers, two PostgreSQL, all services, two workers of each stage."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from postavka.app.one_box.launcher import Launch
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.runtime import kafka_jars
from postavka.kernel.runtime.ports import choose_ports
from postavka.kernel.runtime.processes import Processes, Program
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import PARTITIONS, Settings, environment
from tests.cluster.brokers import REPLICAS, ClusterBroker, active_controller, make_brokers
from tests.cluster.databases import Pair
from tests.cluster.hosts import Hosts, why_no_hosts
from tests.faults.schedule import STAGES
from tests.paths import PROJECT
from tests.system.conftest import System, wait_until

PATIENCE_SECONDS = 300.0
"""For a machine that is busy with something else."""
LATER = ("nice", "-n", "5")
"""On two cores services take the processor from brokers: one that waits too long for it is given up by its peers."""


TOPIC = "drill"
"""A topic that no service knows: to see whether a broker takes what is written to it."""


class TwoWorkers(Launch):
    """The product on servers of one's own, with a second worker of every stage. Each program has its release, a link
    to a tree: to begin with, this one."""

    def _programs(self) -> list[Program]:
        replicas = {"POSTAVKA_KAFKA_REPLICATION": str(REPLICAS)}
        first = [replace(each, env=each.env | replicas) for each in super()._programs()]
        second = {"POSTAVKA_HOME": str(self.home.resolve()), "POSTAVKA_HTTP_PORT": "0", "POSTAVKA_WORKER": "second"}
        workers = [
            Program(f"{stage}-second", [sys.executable, "-m", f"services.{stage}"], env=second) for stage in STAGES
        ]
        self.releases = self.home.resolve() / "releases"
        self.releases.mkdir(exist_ok=True)
        self.this = copy_release(self.home.resolve() / "this-release")
        return [self._of_its_release(each) for each in (*first, *workers)]

    def _of_its_release(self, program: Program) -> Program:
        self.use(self.this, program.name)
        return replace(program, env=program.env | path_of(self.releases / program.name), launched_by=LATER)

    def use(self, release: Path, name: str) -> None:
        """From its next start on this program is of the release in this folder."""
        link = self.releases / name
        link.unlink(missing_ok=True)
        link.symlink_to(release)

    def ends(self) -> list[str]:
        """Names of services that have ended without being told to, each as often as it did."""
        log = (self.home / "log" / "supervisord.log").read_text(errors="replace")
        return [line.split("exited: ")[1].split()[0] for line in log.splitlines() if "exited: " in line]


def copy_release(folder: Path) -> Path:
    """This release in a folder of its own: whoever edits it while a drill runs changes nothing there."""
    for package in ("events", "postavka", "services"):
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def path_of(release: Path) -> dict[str, str]:
    """Variables of a process that is of the release in this folder, wherever it is started."""
    return {"PYTHONPATH": str(release), "PYTHONSAFEPATH": "1"}


@dataclass
class Rig:
    """What is running."""

    servers: Processes
    brokers: list[ClusterBroker]
    databases: Pair
    hosts: Hosts | None
    """Where brokers can be cut off."""
    launch: TwoWorkers
    system: System
    direct: dict[str, Any]
    """How a client signs in."""
    release: Path = PROJECT
    """Of the commands."""

    def controller(self) -> ClusterBroker:
        """The active one."""
        return active_controller([each for each in self.brokers if self.servers.pid(each.name)])

    def follower(self) -> ClusterBroker:
        """A broker that is not the active controller."""
        controller = self.controller()
        return next(each for each in self.brokers if each is not controller)

    def kill(self, *names: str) -> None:
        """kill -9 all at once, and leave them dead."""
        for name in names:
            os.kill(self.servers.pid(name), signal.SIGKILL)
        for name in names:
            self.servers.stop(name)

    def partitions_led_by(self, broker: ClusterBroker) -> list[int]:
        """Partitions of the rig's own topic."""
        admin = AdminClient(self.direct)
        if TOPIC not in admin.list_topics(timeout=PATIENCE_SECONDS).topics:
            for made in admin.create_topics([NewTopic(TOPIC, PARTITIONS, REPLICAS)]).values():
                made.result(PATIENCE_SECONDS)
            self.wait_for_replicas()
        partitions = admin.list_topics(TOPIC, timeout=PATIENCE_SECONDS).topics[TOPIC].partitions
        return [number for number, each in partitions.items() if each.leader == broker.number]

    def restart(self, release: Path, *names: str) -> None:
        """With the release in this folder, one after another, as an operator would; returns when all are well."""
        for name in names:
            self.launch.processes.stop(name)
            self.launch.use(release, name)
            self.launch.processes.start(name)
        told = [name for name in names if name in self.launch.services]
        wait_until(lambda: all(map(self.system.is_well, told)), f"{told} are well", PATIENCE_SECONDS)

    def postavka(self, *arguments: str, release: Path | None = None) -> str:
        """What is wrong with a command, as this release or another one has it; an empty text when all is well."""
        self.release = release or self.release
        env = environment(self.launch.config) | path_of(self.release)
        done = self.system.run_cli(*arguments, **env)
        return "" if done.returncode == 0 else (done.stdout + done.stderr)[-2_000:]

    def stage_workers(self) -> list[str]:
        """Second workers that run."""
        return [each.name for each in self.launch.processes.status() if each.name.endswith("-second") and each.pid]

    def wait_for_replicas(self) -> None:
        """Until each partition has all its replicas in sync: only then may another broker die."""
        admin = AdminClient(self.direct)

        def in_sync() -> bool:
            try:
                topics = admin.list_topics(timeout=10).topics.values()
            except KafkaException:
                return False
            counts = [len(each.isrs) for topic in topics for each in topic.partitions.values()]
            return len(counts) > PARTITIONS and min(counts) == REPLICAS

        wait_until(in_sync, "all replicas are in sync", PATIENCE_SECONDS)

    def start_second_workers(self) -> None:
        """Of every stage; returns when partitions are shared."""
        for stage in STAGES:
            self.launch.processes.start(f"{stage}-second")
        wait_until(lambda: all(self._is_shared(each) for each in STAGES), "partitions are shared", PATIENCE_SECONDS)

    def stop_second_workers(self) -> None:
        """The first workers have everything again, and publish."""
        for stage in STAGES:
            self.launch.processes.stop(f"{stage}-second")

    def _is_shared(self, stage: str) -> bool:
        said = self.launch.health(stage) or {}
        topics = int(str(said.get("assigned_partitions", 0)))
        return topics > 0 and topics < self._alone[stage]

    def note_partitions(self) -> None:
        """Remember how many partitions the first worker of each stage has alone."""
        self._alone = {
            stage: int(str((self.launch.health(stage) or {}).get("assigned_partitions", 0))) for stage in STAGES
        }


@contextlib.contextmanager
def rig(home: Path, jars: Path, services: Sequence[str], *, standby: bool, own_hosts: bool) -> Iterator[Rig]:
    """Start everything under `home`; stop it in the end. `standby`: two PostgreSQL in place of one. `own_hosts`:
    brokers on hosts that can be cut off, where that is possible."""
    progress = Spoken()
    home.chmod(0o755)  # PostgreSQL and its copy run as another user, if this one is root
    place = home / "servers"
    place.mkdir(parents=True)
    names = [f"{door}-{number}" for door in ("kafka", "outside", "controller") for number in range(1, REPLICAS + 1)]
    ports = choose_ports(place / "ports.json", [*names, "postgres-1", "postgres-2"])
    class_path = kafka_jars.class_path(jars.resolve(), progress)
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(Hosts(REPLICAS)) if own_hosts and why_no_hosts() is None else None
        addresses = hosts.addresses if hosts else ["127.0.0.1"] * REPLICAS
        launched_by = [hosts.on(number) if hosts else () for number in range(1, REPLICAS + 1)]
        with progress.step("three brokers and PostgreSQL: preparing"):
            brokers = make_brokers(place, class_path, ports, addresses, launched_by)
            databases = Pair(place, ports)
            stack.callback(databases.remove)
        programs = [each.program() for each in (*brokers, databases.primary, databases.standby)]
        servers = stack.enter_context(Processes(place, programs))
        with progress.step("three brokers and PostgreSQL: starting"):
            for broker in brokers:
                servers.start(broker.name)
            if standby:
                databases.start(servers)
            else:
                servers.start(databases.primary.name)
                databases.primary.wait_until_ready()
            for broker in brokers:
                broker.wait_until_ready()
        all_of_them = ",".join(each.bootstrap for each in brokers)
        config = Settings(
            home=home / "whole",
            database_url=databases.url() if standby else databases.primary.url,
            **brokers[0].client(kafka_bootstrap_servers=all_of_them),
        )
        launch = stack.enter_context(TwoWorkers(config, progress, services, PATIENCE_SECONDS))
        running = Rig(servers, brokers, databases, hosts, launch, System(launch, config=config), for_librdkafka(config))
        running.note_partitions()
        yield running
