"""The short form of `make faults`, and every schedule that has shown a defect once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import cast

import pytest

from tests.faults.injector import Injector
from tests.faults.rig import Rig
from tests.faults.schedule import KINDS, OF_THE_PROCEDURE, SERVICES, Fault, draw, read_schedule
from tests.paths import PROJECT

SEED = 7
SECONDS, EVERY, RATE = 40, 3, 5
DRAINED_SECONDS = 900
"""A storm ends long before; this is for a machine that is busy with something else."""


def test_a_seed_draws_the_same_schedule_again_and_another_seed_another():
    assert draw(7, 1_800, 3) == draw(7, 1_800, 3)
    assert draw(7, 1_800, 3) != draw(8, 1_800, 3)


def test_in_half_an_hour_every_kind_of_fault_and_every_service_is_drawn_and_all_is_over_in_the_end():
    faults = draw(7, 1_800, 3)
    assert {fault.kind for fault in faults} == set(KINDS)
    assert {fault.target for fault in faults} >= set(SERVICES)
    assert all(fault.at + fault.seconds <= 1_800 for fault in faults)


def test_a_schedule_is_read_as_it_is_printed():
    faults = draw(7, 600, 3)
    assert read_schedule("\n".join(map(str, faults)) + "\n# a comment\n") == faults
    with pytest.raises(ValueError, match="no kind of fault"):
        Fault.read("1 earthquake billing")


@pytest.mark.timeout(1_800)
def test_to_end_the_sessions_of_a_server_that_another_fault_has_stopped_is_no_failure():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        rig = SimpleNamespace(direct_url=f"postgresql://postgres@127.0.0.1:{taken.getsockname()[1]}/postgres")
        injector = Injector(cast(Rig, rig), 1)
        injector.inject(Fault(0, "sessions", "postgres"))
        for thread in injector._running:
            thread.join()
    assert injector.failed == []


def test_a_short_storm_violates_nothing():
    storm("--seed", str(SEED), "--seconds", str(SECONDS), "--every", str(EVERY))


def storm(*arguments: str) -> None:
    """One in a process of its own, for it mounts disks that nobody else is to see."""
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.skip("faults are made in servers of our own, not in yours")
    command = [sys.executable, "-m", "tests.faults", "--services", *OF_THE_PROCEDURE, "--rate", str(RATE), *arguments]
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=SECONDS + DRAINED_SECONDS, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6_000:]
    assert "violations 0" in done.stdout
