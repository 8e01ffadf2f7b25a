"""More workers of one stage: they share its partitions, and PostgreSQL is the arbiter between them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from postavka.kernel.settings import environment
from tests.system.conftest import System, wait_until

STAGES = ("approval", "billing", "shipping")


@pytest.fixture
def alone(system: System) -> dict[str, int]:
    """How many partitions the only worker of each stage has, once nothing moves any more."""
    system.settle()
    before: dict[str, int] = {}

    def at_rest() -> bool:
        last = dict(before)
        before.update({stage: assigned(system, stage) for stage in STAGES})
        time.sleep(1)
        return before == last and all(before.values())

    wait_until(at_rest, "the first workers have all partitions")
    return before


@pytest.fixture
def second_workers(system: System, alone: dict[str, int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A second worker of three stages; ended in the end."""
    log = (system.launch.home / "log" / "second-workers.log").open("wb")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", f"services.{stage}"],
            env={
                **os.environ,
                **environment(system.config),
                "POSTAVKA_WORKER": "second",
                "POSTAVKA_HOME": str(system.launch.home),
            },
            stdout=log,
            stderr=log,
        )
        for stage in STAGES
    ]
    yield started
    for worker in started:
        worker.kill()
        worker.wait()
    wait_until(lambda: all(assigned(system, stage) == alone[stage] for stage in STAGES), "the first have all again")


def assigned(system: System, stage: str) -> int:
    said = system.launch.health(stage) or {}
    return int(str(said.get("assigned_partitions", 0)))


def test_two_workers_of_a_stage_share_it_and_one_is_killed(
    system: System, alone: dict[str, int], second_workers: list[subprocess.Popen[bytes]]
):
    sent = system.traffic()
    running = sent.in_background(500, 50)
    wait_until(
        lambda: all(0 < assigned(system, stage) < alone[stage] for stage in STAGES), "partitions are shared", 150
    )
    running.wait_for(200)
    for worker in second_workers:
        assert worker.poll() is None, "a second worker has ended by itself"
        worker.send_signal(signal.SIGKILL)
    running.join()
    system.check(sent.plans)
