"""Drills: what breaks on a cluster, how long work stood, and whether anything was lost.

Each is a function that gets a `Scene`: everything runs, requests flow. It breaks something, does what an operator has
to do (most need nobody), and returns when all is as before. Then every request must come to its end, and the storm's
oracle and `audit verify` judge.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from confluent_kafka import Producer

from postavka.kernel.log.connection import REQUEST_SECONDS
from tests.cluster.rig import TOPIC, Rig
from tests.cluster.scene import PATIENCE_SECONDS, Scene
from tests.cluster.upgrade import upgrade
from tests.faults.load import Load
from tests.system.conftest import wait_until
from tests.system.oracle import Oracle, cabinet_rows, headers_of, read_raw

WARM = 10
"""Requests that have come to their end before anything breaks."""
SECONDS = 30.0
"""How long what is broken stays so, at the least: longer than a session of a broker, of a worker, of a connection."""
DECIDING_SECONDS = 3.0
"""An operator, or a manager in its place, needs to see that a primary is dead."""
REFUSED_SECONDS = 15.0


@dataclass
class Sent:
    """All that was sent in all drills: the log keeps it all, and the oracle looks at all of it."""

    plans: dict[str, str] = field(default_factory=dict)
    payments: dict[str, Decimal] = field(default_factory=dict)
    poison: dict[str, str] = field(default_factory=dict)


@dataclass
class Report:
    """What one drill has shown."""

    name: str
    figures: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"  {name}: {value}" for name, value in self.figures.items()]
        return "\n".join([self.name, *lines, f"  violations: {len(self.violations)}", *self.violations[:10]])


def kill_a_broker(scene: Scene) -> None:
    """One broker of three dies, and comes back when everything is done without it."""
    _die(scene, scene.rig.follower().name)


def kill_the_controller(scene: Scene) -> None:
    """The same of the active controller."""
    _die(scene, scene.rig.controller().name)


def _die(scene: Scene, name: str) -> None:
    scene.rig.kill(name)
    time.sleep(scene.seconds)
    scene.figures["all requests done without it, after the last one was sent"] = f"{scene.finish():.1f} s"
    scene.rig.servers.start(name)


def pause_a_broker(scene: Scene) -> None:
    """A broker stands (SIGSTOP) until the others have given it up; then it goes on, and believes that it leads."""
    pid = scene.rig.servers.pid(scene.rig.follower().name)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(scene.seconds)
    os.kill(pid, signal.SIGCONT)


def lose_two_brokers(scene: Scene) -> None:
    """Two of three die: nothing is acknowledged until one of them is back."""
    names = [scene.rig.controller().name, scene.rig.follower().name]
    led = scene.rig.partitions_led_by(next(each for each in scene.rig.brokers if each.name not in names))
    scene.rig.kill(*names)
    time.sleep(1)
    acknowledged = scene.load.inputs
    refused = _refusals(scene.rig.direct, led)
    assert all(refused), "a record was acknowledged that one broker alone has"
    time.sleep(scene.seconds)
    assert scene.load.inputs == acknowledged, "records were acknowledged that one broker alone has"
    scene.figures["writes to the one that is left"] = f"{len(refused)}, refused: {', '.join(sorted(set(refused)))}"
    for name in names:
        scene.rig.servers.start(name)


def _refusals(kafka: dict[str, Any], partitions: Sequence[int]) -> list[str]:
    """Why a record to each of these partitions of the rig's own topic is not acknowledged; an empty text if it is."""
    said: list[str] = []
    producer = Producer({**kafka, "message.timeout.ms": int(REFUSED_SECONDS * 1_000), "log_level": 0})
    for number in partitions:
        producer.produce(
            TOPIC, b"x", partition=number, on_delivery=lambda error, _: said.append(error.str() if error else "")
        )
    assert producer.flush(REFUSED_SECONDS * 4) == 0
    return said


def promote(scene: Scene) -> None:
    """The primary dies; an operator promotes the standby, and then takes the names of standbys away."""
    pair, servers = scene.rig.databases, scene.rig.servers
    dead = pair.primary.name
    scene.rig.kill(dead)  # 1. it is dead, and stays so: nobody may promote before that is sure
    time.sleep(DECIDING_SECONDS)
    pair.promote()  # 2. the standby has every commit that was acknowledged
    promoted = time.monotonic()
    with pair.waiting_commits() as waiting:  # it has its own standby list, and commits wait
        wait_until(waiting, "a commit waits for a second copy", PATIENCE_SECONDS)
        scene.figures["commits that waited until the list was cleared"] = str(waiting())
    pair.do_with_one()  # 3. only now: from here on commits have one copy, until step 4
    before = len(scene.load.approved_after)
    wait_until(lambda: len(scene.load.approved_after) > before, "requests are approved again", PATIENCE_SECONDS)
    scene.figures["requests approved again, after the promotion"] = f"{time.monotonic() - promoted:.1f} s"
    time.sleep(scene.seconds / 3)
    pair.copy(servers)  # 4. the dead one, as a new standby


def lose_the_standby(scene: Scene) -> None:
    """The standby dies: every commit waits, until an operator decides that one copy must do for a while."""
    pair = scene.rig.databases
    scene.rig.kill(pair.standby.name)
    with pair.waiting_commits() as waiting:
        wait_until(waiting, "a commit waits for its second copy", PATIENCE_SECONDS)
    time.sleep(DECIDING_SECONDS)
    pair.do_with_one()
    time.sleep(scene.seconds / 3)
    scene.rig.servers.start(pair.standby.name)
    pair.follow()


def cut_a_host_off(scene: Scene) -> None:
    """A broker's host hears nobody, and nobody hears it."""
    _cut(scene, both_ways=True)


def silence_a_host(scene: Scene) -> None:
    """A broker's host hears everybody, and nobody hears it."""
    _cut(scene, both_ways=False)


def _cut(scene: Scene, *, both_ways: bool) -> None:
    hosts = scene.rig.hosts
    assert hosts is not None, "brokers have no hosts of their own here"
    number = scene.rig.controller().number
    (hosts.cut_off if both_ways else hosts.silence)(number)
    time.sleep(scene.seconds)
    hosts.heal(number)


Drill = Callable[[Scene], None]
DRILLS: dict[str, Drill] = {
    "broker": kill_a_broker,
    "controller": kill_the_controller,
    "pause": pause_a_broker,
    "two-brokers": lose_two_brokers,
    "promotion": promote,
    "standby": lose_the_standby,
    "cut": cut_a_host_off,
    "one-way": silence_a_host,
    "upgrade": upgrade,
}
NEED_HOSTS = ("cut", "one-way")


def carry_out(rig: Rig, name: str, rate: float, seed: int, sent: Sent, seconds: float = SECONDS) -> Report:
    """One drill with its judgement; `rate` and `seconds` as of `Scene`. `sent`: by earlier drills of this rig, and
    then by this one."""
    report = Report(name)
    load = Load({**rig.direct, "socket.timeout.ms": REQUEST_SECONDS * 1_000}, seed)  # a sender as patient as ours
    ends = len(rig.launch.ends())
    scene = Scene(rig, load, rate, seconds)
    scene.wait_for(WARM)
    usual = statistics.median(load.approved_after)
    calm = len(load.approved_after)
    DRILLS[name](scene)
    scene.finish()
    rig.wait_for_replicas()
    sent.plans |= load.plans
    sent.payments |= load.payments
    sent.poison |= load.poison
    ended = rig.launch.ends()[ends:]
    report.figures = {
        "requests": f"{len(load.plans)}, of them poison beside {len(load.poison)}",
        "the longest that one waited for its approval (outage)": f"{max(load.approved_after[calm:]):.1f} s",
        "usual": f"{usual:.2f} s",
        **scene.figures,
        "services that ended themselves": ", ".join(ended) or "0",
    }
    judge(rig, sent, report)
    return report


def judge(rig: Rig, sent: Sent, report: Report) -> None:
    """Wait until all is at rest; ask the oracle, and `audit verify`."""
    seconds = rig.stage_workers()
    rig.stop_second_workers()
    started = time.monotonic()
    wait_until(lambda: all(map(rig.system.is_well, rig.launch.services)), "every service is well", PATIENCE_SECONDS)
    report.violations += rig.system.judged(lambda: _look(rig, sent, report))
    if wrong := rig.postavka("audit", "verify"):
        report.violations.append(f"audit verify: {wrong}")
    report.figures["at rest and judged"] = f"{time.monotonic() - started:.1f} s"
    if seconds:
        rig.start_second_workers()


def _look(rig: Rig, sent: Sent, report: Report) -> list[str]:
    oracle = Oracle.of_broker(rig.direct, late_allowed=True)
    letters = [
        {name: value.decode(errors="replace") for name, value in headers_of(message) if value is not None}
        for message in read_raw(rig.direct, ["dead-letters"])
    ]
    report.figures["events on the log, of them late duplicates"] = f"{len(oracle.log)}, {oracle.late}"
    return oracle.violations(sent.plans, cabinet_rows(rig.system.database_url)) + oracle.complaints(
        lambda: oracle.check_payments(sent.payments), lambda: oracle.check_dead_letters(letters, sent.poison)
    )
