"""What a program is tied to its parent by."""

from __future__ import annotations

import os
import subprocess
import sys

TELL = "import os; print(os.nice(0))"


def test_a_program_may_be_run_by_another_command() -> None:
    tether = [sys.executable, "-m", "postavka.kernel.runtime.parent_death", "--", "nice", "-n", "7"]
    told = subprocess.run([*tether, sys.executable, "-c", TELL], capture_output=True, text=True, timeout=60, check=True)
    assert int(told.stdout) == min(os.nice(0) + 7, 19)
