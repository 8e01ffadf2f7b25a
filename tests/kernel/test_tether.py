"""Who gives way when the processor is short."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

TELL = "import os; print(os.sched_getscheduler(0), os.nice(0))"


@pytest.mark.parametrize(
    ("options", "policy", "niceness"),
    [([], os.SCHED_OTHER, 0), (["--nice", "7"], os.SCHED_OTHER, 7), (["--idle"], os.SCHED_IDLE, 0)],
)
def test_a_program_gives_way_as_it_was_told(options: list[str], policy: int, niceness: int):
    tether = [sys.executable, "-m", "postavka.runtime.tether", *options, "--", sys.executable, "-c", TELL]
    told = subprocess.run(tether, capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.split() == [str(policy), str(os.nice(0) + niceness)]
