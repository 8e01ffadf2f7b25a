"""One attack on the running whole: honest traffic, beside it hostile records and foreign probes, and judgement."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from postavka.app.web import create_app
from postavka.web.settings import WebSettings
from tests.attack import judge
from tests.attack.alive import Alive
from tests.attack.flood import ATTACKERS, Flood, Signed, signed_up
from tests.attack.outsider import Ledger
from tests.attack.probes import Outcome, Probe, probes, try_all
from tests.attack.victims import Victims
from tests.system.conftest import System
from tests.system.oracle import STAGES, read
from tests.system.traffic import DISTRIBUTOR, PARTNER, PLANS
from tests.web.conftest import Site
from tests.web.knocking import Actor, make_actors, routes
from tests.web.matrix import MATRIX

EVENTS = [f"{stage}.events" for stage in STAGES]
HONEST_RATE = 2.0
"""Requests a second."""
PATIENCE_SECONDS = 900.0
"""Until what has come is handled, on a machine that is busy with something else."""
SHOWN = 20


@dataclass
class Report:
    """What one attack has shown."""

    seed: int
    records: Ledger = field(default_factory=Ledger)
    probes: Outcome = field(default_factory=Outcome)
    accepted: list[str] = field(default_factory=list)
    planted: int = 0
    latencies: list[float] = field(default_factory=list)
    """Seconds from an honest request to its Approved."""
    broker: str = ""
    verified: int | None = None
    """Exit status of `postavka audit verify`."""
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """All that ought not to be."""
        return [*self.violations, *self.accepted, *self.probes.opened]

    def __str__(self) -> str:
        cuts = [1_000 * cut for cut in quantiles(self.latencies, n=100, method="inclusive")]
        lines = [
            f"seed {self.seed}, {self.seconds:.0f} s",
            f"records {sum(self.records.sent.values())}: {_counts(self.records.sent)}",
            f"  taken by the broker {len(self.records.taken)}; refused {_counts(self.records.refused)}",
            f"probes {sum(self.probes.knocked.values())}: {_counts(self.probes.knocked)}",
            f"  answered {_counts(self.probes.answered)}",
            f"accepted {len(self.accepted)}, opened {len(self.probes.opened)}",
            f"planted defects found {self.planted} of {len(judge.DEFECTS) + 1}",
            f"honest requests {len(self.latencies)}, to Approved p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms",
            f"broker {self.broker}",
            f"postavka audit verify ended with {self.verified}",
            f"failed {len(self.failed)}",
            *self.failed[:SHOWN],
        ]
        return "\n".join(lines)


def _counts(found: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{name} {times}" for name, times in sorted(found.items(), key=str)) or "none"


def attack(system: System, records: int, probes_wanted: int, seconds: float, seed: int) -> Report:
    """Run it. `seconds`: for records and probes; what has not gone out by then counts as a violation."""
    report, began = Report(seed), time.monotonic()
    alive, (_, known) = Alive(system), verified(system)
    site = Site(address(system), create_app(system.config, WebSettings()), system.database_url, system.config)
    try:
        with signed_up(system, (*ATTACKERS, DISTRIBUTOR)) as signed:
            _attack(system, site, signed, records, probes_wanted, seconds, report)
    finally:
        for client in site.opened:
            client.close()
    report.violations += alive.harm()
    report.broker = alive.said()
    report.verified, found = verified(system)
    if found - known or (report.verified and not known):
        report.violations.append(f"audit verify: {sorted(found - known)}")
    report.seconds = time.monotonic() - began
    return report


def _attack(
    system: System,
    site: Site,
    signed: Signed,
    records: int,
    probes_wanted: int,
    seconds: float,
    report: Report,
) -> None:
    victims = Victims(site, max(4, records // 500))
    before = judge.standing(read(system.kafka, EVENTS), victims.ids)
    honest = system.traffic()
    sale = honest.in_background(max(len(PLANS), records // 100), HONEST_RATE, PATIENCE_SECONDS)
    began = time.monotonic()
    flood = Flood(signed, victims.ids, records - records // 20, seconds, report.seed)
    actors = make_actors(site)
    marks = [mark for each in victims.known for mark in each.marks]
    wanted = probes(report.seed, actors, victims.known)
    report.probes = try_all(wanted, probes_wanted, marks, lambda: time.monotonic() - began < seconds)
    flood.join()
    sale.join()
    flood.replay(system, honest.plans, records // 20)
    report.records, report.latencies = flood.ledger(), honest.approved_after
    missing = records - sum(report.records.sent.values())
    if missing or sum(report.probes.knocked.values()) < probes_wanted:
        report.violations.append(f"not all went out in {seconds:g} s: {missing} records are missing")
    report.violations += [
        f"taken from a topic of others: {place}" for place, kind in report.records.taken.items() if kind == "elsewhere"
    ]
    if flood.transactions:
        report.violations.append(f"a transaction was opened by {flood.transactions}")
    if unknown := routes(site.app) ^ MATRIX.keys():
        report.violations.append(f"routes without an entry in tests/web/matrix.py, or entries without: {unknown}")
    system.settle(seconds=PATIENCE_SECONDS)
    log = [each for each in read(system.kafka, EVENTS) if "ce_position" in each.headers]
    report.accepted = judge.accepted(log, report.records.taken, before)
    missed = judge.unseen(log, report.records.taken, before)
    if not try_all(iter([own_door(actors, victims)]), 1, marks, lambda: True).opened:
        missed.append("an owner's door counts as foreign")
    report.planted = len(judge.DEFECTS) + 1 - len(missed)
    report.violations += [f"the judge does not see a planted defect: {each}" for each in missed]
    try:
        system.check(honest.plans, beside=["ConfirmationRefused"])  # answers once more, by another distributor
        victims.go_on()
    except AssertionError as harmed:
        report.violations.append(f"honest requests: {harmed}")


def own_door(actors: Sequence[Actor], victims: Victims) -> Probe:
    """What is no foreign probe at all: the judge must find it open."""
    owner = next(each for each in actors if each.name == PARTNER)
    name = "GET /api/v1/requests/{request_id}"
    path = f"/api/v1/requests/{victims.ids[0]}"
    return Probe(owner, name, MATRIX[name], "GET", path, "planted", True)


def address(system: System) -> str:
    """Where the cabinet is."""
    return f"http://127.0.0.1:{system.launch.ports['web.http']}"


def verified(system: System) -> tuple[int, set[tuple[str, str]]]:
    """How `postavka audit verify` ends, and code and place of every problem. Tests before may have left some."""
    done = system.run_cli("audit", "verify", "--json")
    assert done.stdout, done.stderr
    return done.returncode, {(each["code"], each["place"]) for each in json.loads(done.stdout)["problems"]}
