"""Who gives way when the processor is short."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MOST = 19
TELL = "import os; print(os.nice(0))"


@pytest.mark.parametrize(("options", "niceness"), [([], 0), (["--nice", "7"], 7)])
def test_a_program_gives_way_as_it_was_told(options: list[str], niceness: int):
    tether = [sys.executable, "-m", "postavka.runtime.tether", *options, "--", sys.executable, "-c", TELL]
    told = subprocess.run(tether, capture_output=True, text=True, timeout=60, check=True)
    assert int(told.stdout) == min(os.nice(0) + niceness, MOST)
