"""`python -m tests`: all tests, in two runs side by side, for tests of the whole mostly wait. All others run beside,
on servers of their own, and are through long before: what measures time comes last (`tests/conftest.py`) and has the
machine for itself. `python -m tests --quick`: those that need no server, in halves. Arguments go to both runs. Each
line says whose it is; what has failed is named again at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

RUNS = {
    "others": ["-m", "not whole", "-o", "cache_dir=.pytest_cache/others"],
    "whole": ["-m", "whole"],
}
ONE_HALF = ("tests/app", "tests/deploy", "tests/simulation", "tests/validators")
QUICK = {
    "one": ["-m", "quick", *ONE_HALF],
    "other": ["-m", "quick", "-o", "cache_dir=.pytest_cache/other", *(f"--ignore={each}" for each in ONE_HALF)],
}
"""Halves of what needs no server, by the time that they take."""
NOTHING_COLLECTED = 5
"""Exit status of pytest; of one of the two runs it is well where arguments choose tests of the other."""
LAST_WORDS_SECONDS = 10.0
FAILED = ("FAILED ", "ERROR ")


class Run:
    """One of the two, whose lines are shown as they come."""

    def __init__(self, name: str, choice: list[str], arguments: list[str]) -> None:
        self.failed: list[str] = []
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *choice, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self._showing = threading.Thread(target=self._show, daemon=True)
        self._showing.start()

    def _show(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            sys.stdout.write(f"{self._name:<6} | {line.rstrip()}\n")
            sys.stdout.flush()
            if line.startswith(FAILED):
                self.failed.append(line.rstrip())

    def terminate(self) -> None:
        """It stops its servers, and is waited for."""
        self._process.terminate()

    def wait(self) -> int:
        """Its exit status, once all that it said is shown; what it may have left running is not waited for."""
        status = self._process.wait()
        self._showing.join(LAST_WORDS_SECONDS)
        return status


def main(arguments: list[str]) -> int:
    """Run them; the exit status of a run that failed, if one did."""
    signal.signal(signal.SIGINT, _leave_it_to_them)
    chosen, rest = (QUICK, arguments[1:]) if arguments[:1] == ["--quick"] else (RUNS, arguments)
    runs = [Run(name, choice, rest) for name, choice in chosen.items()]
    signal.signal(signal.SIGTERM, lambda *_: [each.terminate() for each in runs])
    ended = {each.wait() for each in runs}
    for line in (line for each in runs for line in each.failed):
        print(line)
    return next((each for each in ended if each not in (0, NOTHING_COLLECTED)), min(ended))


def _leave_it_to_them(number: int, frame: FrameType | None) -> None:
    """Ctrl-C reaches both runs: each stops its servers, and is waited for."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
