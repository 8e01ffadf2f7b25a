"""`python -m tests`: all tests, in two runs side by side, for tests of the whole mostly wait. All others run beside,
on servers of their own, and are through long before: what measures time comes last (`tests/conftest.py`) and has the
machine for itself. Arguments go to both runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from types import FrameType

PYTEST = (sys.executable, "-m", "pytest")
NOTHING_COLLECTED = 5
"""Exit status of pytest; of one of the two runs it is well where arguments choose tests of the other."""


def main(arguments: list[str]) -> int:
    """Run them; the exit status of a run that failed, if one did. What the run beside says is shown at the end."""
    signal.signal(signal.SIGINT, _leave_it_to_them)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        others = subprocess.Popen(
            [*PYTEST, "-m", "not whole", "-o", "cache_dir=.pytest_cache/others", *arguments],
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        whole = subprocess.Popen([*PYTEST, "-m", "whole", *arguments])
        signal.signal(signal.SIGTERM, lambda *_: [each.terminate() for each in (whole, others)])
        ended = {whole.wait(), others.wait()}
        status = next((each for each in ended if each not in (0, NOTHING_COLLECTED)), min(ended))
        said.seek(0)
        print("\nTests that do not need the whole, run beside:\n", said.read(), sep="\n")
    return status


def _leave_it_to_them(number: int, frame: FrameType | None) -> None:
    """Ctrl-C reaches both runs: each stops its servers, and is waited for."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
