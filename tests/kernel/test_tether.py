"""Who gives way when the processor is short."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MOST = 19
TELL = "import os; print(os.nice(0))"


def may_go_first() -> bool:
    return subprocess.run(["nice", "-n", "-1", "true"], capture_output=True).stderr == b""


@pytest.mark.parametrize(("options", "niceness"), [([], 0), (["--nice", "7"], 7), (["--nice", "-5"], -5)])
def test_a_program_gives_way_as_it_was_told_or_goes_first_where_it_may(options: list[str], niceness: int):
    if niceness < 0 and not may_go_first():
        niceness = 0
    tether = [sys.executable, "-m", "postavka.kernel.runtime.parent_death", *options, "--", sys.executable, "-c", TELL]
    told = subprocess.run(tether, capture_output=True, text=True, timeout=60, check=True)
    assert int(told.stdout) == min(os.nice(0) + niceness, MOST)
