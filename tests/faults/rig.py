"""Everything that a storm needs, started: both servers, a proxy before each, all services behind the proxies.

Services and servers run under the product's own process manager, so that what dies comes back as it does for a user.
The load and the oracle speak to the servers directly: they are never cut off.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from postavka.app.one_box.launcher import Launch
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.runtime import kafka_jars
from postavka.kernel.runtime.broker import ADMIN, Broker
from postavka.kernel.runtime.database import DatabaseServer
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.runtime.ports import choose_ports
from postavka.kernel.runtime.processes import Processes, Program
from postavka.kernel.runtime.progress import Spoken
from postavka.kernel.settings import Settings
from tests.faults.clocks import Clocks
from tests.faults.disk import Disk
from tests.faults.proxy import Proxy
from tests.faults.schedule import OLD, STAGES
from tests.system.conftest import System

PATIENCE_SECONDS = 900.0
"""For a machine that is busy with something else."""
OLD_MESSAGES = {"approval": ["Approved"], "activation": ["ActivationRefused"]}
"""What an older release of a service writes in its first version."""


WEBHOOKS = {"POSTAVKA_WEBHOOK_NETWORKS": '["127.0.0.0/8"]', "POSTAVKA_WEBHOOK_LADDER": str([1] * 9)}
"""They may post to this machine, and again a second later."""


class BehindAProxy(Broker):
    """A broker that tells its clients inside to come through the proxy."""

    advertised: int

    def _properties(self) -> str:
        text = super()._properties()
        inside = f"advertised.listeners=INSIDE://127.0.0.1:{self.port}"
        assert inside in text
        return text.replace(inside, f"advertised.listeners=INSIDE://127.0.0.1:{BehindAProxy.advertised}")


class Whole(Launch):
    """The product, with second workers in reserve and clocks that can be set. Nobody gives way: a storm is no matter of
    who has the processor."""

    clocks: Clocks

    def _programs(self) -> list[Program]:
        programs = [self._with_clock(each) for each in super()._programs()]
        second = {"POSTAVKA_HOME": str(self.home.resolve()), "POSTAVKA_HTTP_PORT": "0", "POSTAVKA_WORKER": "second"}
        programs += [
            Program(f"{stage}-second", [sys.executable, "-m", f"services.{stage}"], env=second) for stage in STAGES
        ]
        old = [sys.executable, "-m", "tests.system.old_release"]
        second = second | {"POSTAVKA_WORKER": "old"}
        return programs + [Program(f"{name}-old", [*old, name, *OLD_MESSAGES[name]], env=second) for name in OLD]

    def _with_clock(self, program: Program) -> Program:
        return replace(program, env={**program.env, **WEBHOOKS, **self.clocks.environment(program.name)})


@dataclass
class Rig:
    """What is running."""

    servers: Processes
    launch: Whole
    system: System
    proxies: dict[str, Proxy]
    disks: dict[str, Disk]
    """Empty where there can be none."""
    clocks: Clocks
    direct: dict[str, object]
    """How a client signs in that is not to be cut off."""
    direct_url: str

    def processes_of(self, target: str) -> Processes:
        """Who keeps this program running."""
        return self.servers if target in self.proxies else self.launch.processes


@contextlib.contextmanager
def rig(home: Path, jars: Path, seed: int, services: Sequence[str], own_disks: bool) -> Iterator[Rig]:
    """Start everything under `home`; stop it in the end. `own_disks`: may disks be mounted?"""
    progress = Spoken()
    place = home / "servers"
    place.mkdir(parents=True)
    disks = {name: Disk(place / name) for name in ("kafka", "postgres")} if own_disks else {}
    ports = choose_ports(place / "ports.json", ("kafka", "outside", "controller", "postgres"))
    proxies = {name: Proxy(ports[name], seed=seed) for name in ("kafka", "postgres")}
    BehindAProxy.advertised = proxies["kafka"].port
    class_path = kafka_jars.class_path(jars.resolve(), progress)
    broker = BehindAProxy(place / "kafka", class_path, ports["kafka"], ports["outside"], ports["controller"])
    database = DatabaseServer(place / "postgres", ports["postgres"])
    with contextlib.ExitStack() as stack:
        for proxy in proxies.values():
            stack.callback(proxy.close)
        stack.callback(database.remove)
        broker.prepare()
        database.prepare()
        programs = [
            Program("kafka", broker.argv(), "servers", stop_seconds=15),
            Program("postgres", database.argv(), "servers", stop_signal="INT", user=database.user),
        ]
        servers = stack.enter_context(Processes(place, programs))
        for program in programs:
            servers.start(program.name)
        database.wait_until_ready()
        broker.wait_until_ready()
        url = urlsplit(database.url)
        through = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxies['postgres'].port}"))
        inside = Endpoints(f"127.0.0.1:{proxies['kafka'].port}", through.geturl(), None, ADMIN, broker.admin_password)
        outside = Endpoints(broker.outside_bootstrap, database.url, None, ADMIN, broker.admin_password)
        clocks = Whole.clocks = Clocks(home / "clocks")
        launch = stack.enter_context(
            Whole(
                Settings(home=home / "whole", **inside.settings()),
                progress,
                services,
                PATIENCE_SECONDS,
                gives_way=False,
            )
        )
        direct = Settings(home=home / "whole", **outside.settings())
        system = System(launch, config=direct)
        yield Rig(servers, launch, system, proxies, disks, clocks, for_librdkafka(direct), database.url)
