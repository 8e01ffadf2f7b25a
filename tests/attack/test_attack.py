"""The short form of `make attack`, and that its judge can fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

import httpx2
import pytest

from tests.attack import judge
from tests.attack.attack import attack
from tests.attack.probes import Probe, Victim, judged, probes
from tests.attack.records import KINDS, Records
from tests.system.conftest import System
from tests.system.oracle import Told
from tests.web.knocking import PEOPLE, Actor
from tests.web.matrix import MATRIX

RECORDS, PROBES, SECONDS, SEED = 300, 400, 600, 7
VICTIM, OTHER = "7f0f24ab-2f7e-4ed2-a4b3-6e4a2ec0a7f5", "0b3f1c55-64b4-4c06-9d0c-0d6f5f2d9c11"
HEADERS = {"ce_subject": VICTIM, "ce_type": "Approved.v3", "ce_position": "1"}
LOG = [
    Told("approval.events", 0, 0, VICTIM, HEADERS, {}),
    Told(
        "billing.events", 0, 0, VICTIM,
        {**HEADERS, "ce_type": "ConfirmationRefused.v1", "ce_input": "x/0/0"}, {"confirmation_id": "hostile-1"},
    ),
]  # fmt: skip
TAKEN = {"x/0/0": "forged answer"}


@pytest.mark.load
@pytest.mark.timeout(3_600)
def test_nothing_hostile_counts_and_nothing_of_others_is_shown(system: System, measured: Callable[[str], None]):
    report = attack(system, RECORDS, PROBES, SECONDS, SEED)
    assert not report.failed, str(report)
    assert report.records.sent.keys() >= KINDS.keys()
    assert report.planted == len(judge.DEFECTS) + 1
    measured(f"a short attack\n{report}")


def test_a_record_that_is_only_said_to_have_come_had_no_effect():
    assert judge.accepted(LOG, TAKEN, judge.standing(LOG, [VICTIM])) == []


def test_the_judge_finds_every_planted_defect():
    assert judge.unseen(LOG, TAKEN, judge.standing(LOG, [VICTIM])) == []


def test_a_seed_makes_the_same_records_again_and_another_seed_others():
    def made(seed: int) -> list[object]:
        return list(islice(Records(seed, "own", ["others"], [VICTIM, OTHER]), 200))

    assert made(7) == made(7) != made(8)


def test_every_door_is_knocked_at_by_whoever_it_is_closed_to():
    """But for those that are everybody's."""
    actors = [Actor(name, role, httpx2.Client()) for name, role in PEOPLE]
    victim = Victim(dict.fromkeys(THINGS, VICTIM), ["1000001"], ["secret"])
    tried = {(each.actor.name, each.name) for each in islice(probes(7, actors, [victim]), 5_000) if each.closed}
    for name, case in MATRIX.items():
        for actor in actors:
            if actor.role not in case.roles and case.roles:
                assert (actor.name, name) in tried


THINGS = sorted({name for route in MATRIX for name in re.findall(r"{(\w+)}", route)})
"""What the addresses of all routes name."""


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (httpx2.Response(404, text="нет такой заявки"), ""),
        (httpx2.Response(303, headers={"location": "/sign-in"}), ""),
        (httpx2.Response(404, text="нет заявки ООО «secret»"), "it shows secret"),
        (httpx2.Response(303, headers={"location": "/requests?q=secret"}), "it shows secret"),
        (httpx2.Response(200, text="пусто"), "200: a door that is closed to partner"),
        (httpx2.Response(500, text="сломалось"), "500: a failure"),
    ],
)
def test_a_probe_is_in_vain_only_if_it_shows_and_opens_nothing(answer: httpx2.Response, wrong: str):
    name = "GET /api/v1/requests/{request_id}"
    stranger = Actor("romashka-it", "partner", httpx2.Client())
    probe = Probe(stranger, name, MATRIX[name], "GET", f"/api/v1/requests/{VICTIM}", "id: as it is", True)
    assert judged(probe, answer, ["secret"]) == wrong
