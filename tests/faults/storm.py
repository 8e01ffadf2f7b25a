"""One storm: load and faults for a time, calm, and judgement."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import planted
from tests.faults.injector import Injector
from tests.faults.load import Load
from tests.faults.receiver import Receiver, receiving
from tests.faults.rig import Rig, rig
from tests.faults.schedule import Fault
from tests.services.webhooks.adding import add_webhook
from tests.system.conftest import wait_until
from tests.system.oracle import Oracle, cabinet_rows, headers_of, read_raw
from tests.system.traffic import PARTNER

WELL_SECONDS = 900
"""After the last fault, until every service says that it is well."""
REFUSED = 0.1
"""Posts of webhooks that are answered 503."""
POSTED_SECONDS = 300
"""From then on until a webhook has posted everything: a worker that was killed keeps its webhook for three minutes."""


@dataclass
class Report:
    """What one storm has shown."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    inputs: int = 0
    poison: int = 0
    events: int = 0
    posts: int = 0
    late: int = 0
    ended_by_watchdog: int = 0
    drained_seconds: float = 0.0
    planted: int = 0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {times}" for name, times in sorted(self.faults.items()))
        lines = [
            f"seed {self.seed}",
            f"faults {sum(self.faults.values())}: {kinds}",
            *(f"skipped {kind}: {why}" for kind, why in self.skipped.items()),
            f"requests {self.requests}, inputs {self.inputs}, of them poison {self.poison}, events {self.events}, "
            f"posts of webhooks {self.posts}",
            f"late duplicates of a replaced relay {self.late}",
            f"services ended by their own watchdog {self.ended_by_watchdog}",
            f"drained {self.drained_seconds:.1f} s after the last fault",
            f"planted defects found {self.planted} of {len(planted.DEFECTS)}",
            f"violations {len(self.violations)}",
            *self.violations[:20],
        ]
        return "\n".join(lines)


def storm(
    home: Path,
    jars: Path,
    seed: int,
    faults: Sequence[Fault],
    seconds: float,
    rate: float,
    services: Sequence[str],
    own_disks: bool,
) -> Report:
    """Run it. `rate`: requests a second."""
    report = Report(seed)
    with receiving(REFUSED, seed) as (receiver, address), rig(home, jars, seed, services, own_disks) as running:
        if "webhooks" in services:
            add_webhook(running.launch.config, PARTNER, address)
        load = Load(running.direct, seed)
        stop = threading.Event()
        sending = threading.Thread(target=load.run_until, args=(stop, rate), daemon=True)
        sending.start()
        injector = Injector(running, seed)
        _inject(injector, faults, seconds, report)
        stop.set()
        injector.wait()
        report.skipped = injector.skipped
        calm = time.monotonic()
        sending.join()
        report.violations += [f"the rig: {each}" for each in injector.failed]
        report.requests, report.inputs, report.poison = len(load.plans), load.inputs, len(load.poison)
        if load.failed is not None:
            report.violations.append(f"not drained: {load.failed!r}")
        else:
            _judge(running, load, receiver, calm, report)
        report.ended_by_watchdog = sum(
            running.launch.processes.log(name).read_text(errors="replace").count("no progress: ") for name in services
        )
    return report


def _inject(injector: Injector, faults: Sequence[Fault], seconds: float, report: Report) -> None:
    started = time.monotonic()
    for fault in faults:
        time.sleep(max(0.0, started + fault.at - time.monotonic()))
        said = injector.inject(fault)
        print(f"{time.strftime('%H:%M:%S')} {fault} {said}", flush=True)
        if not said:
            report.faults[fault.kind] += 1
    time.sleep(max(0.0, started + seconds - time.monotonic()))


def _judge(running: Rig, load: Load, receiver: Receiver, calm: float, report: Report) -> None:
    system, services = running.system, running.launch.services
    try:
        wait_until(lambda: all(map(system.is_well, services)), "every service is well", WELL_SECONDS)
        system.settle()
        if "webhooks" in services:
            _wait_for_posts(running, receiver)
    except AssertionError as late:
        unwell = [name for name in services if not system.is_well(name)]
        report.violations.append(f"{late}; unwell: {unwell}")
        return
    report.drained_seconds = time.monotonic() - calm
    report.posts = len(receiver.posts)
    report.violations += system.judged(lambda: _look(running, load, report))


def _wait_for_posts(running: Rig, receiver: Receiver) -> None:
    """Until the oracle has nothing against what was posted. Raises `AssertionError` with what it has."""
    oracle, deadline = Oracle.of_broker(running.direct, late_allowed=True), time.monotonic() + POSTED_SECONDS
    while wrong := oracle.complaints(lambda: oracle.check_posts(list(receiver.posts), PARTNER)):
        assert time.monotonic() < deadline, wrong[0]
        time.sleep(1)


def _look(running: Rig, load: Load, report: Report) -> list[str]:
    """Everything that is wrong, by what lies there now."""
    oracle = Oracle.of_broker(running.direct, late_allowed=True)
    rows = cabinet_rows(running.direct_url)
    letters = [
        {name: value.decode(errors="replace") for name, value in headers_of(message) if value is not None}
        for message in read_raw(running.direct, ["dead-letters"])
    ]
    report.events, report.late = len(oracle.log), oracle.late
    found = oracle.violations(load.plans, rows)
    found += oracle.complaints(
        lambda: oracle.check_payments(load.payments), lambda: oracle.check_dead_letters(letters, load.poison)
    )
    if not found:
        unseen = planted.unseen(oracle.log, oracle.orders, load.plans, rows)
        report.planted = len(planted.DEFECTS) - len(unseen)
        found += [f"the oracle does not see a planted defect: {name}" for name in unseen]
    return found
