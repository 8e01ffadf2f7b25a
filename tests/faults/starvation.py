"""`python -m tests.faults.starvation --seconds 600`: the processor is taken from a whole at work, and every service is
asked each second how it is. One that works, or has nothing to do, is slow then; none may call itself unwell (503).
Ends with 1 if one did. See docs/faults.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.system.conftest import System
from tests.system.own_whole import own_whole

EACH_CORE = 4
"""Processes that do nothing but take time of it."""
BETTER = 5
"""Steps of niceness: three times the share."""
PATHS = ("/healthz", "/readyz")
RATE = 1.0
"""Requests a second."""
PATIENCE_SECONDS = 900.0
"""Afterwards, until every request has come to its end."""
BUSY = "while True: pass"


@dataclass
class Answers:
    """What services have said. Slow is not unwell: what has not answered within a second is asked again."""

    said: Counter[str] = field(default_factory=Counter)
    unwell: list[str] = field(default_factory=list)
    """When, who, and why."""

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {times}" for name, times in sorted(self.said.items()))
        return "\n".join((f"answers: {counts}", f"unwell {len(self.unwell)}", *self.unwell[:20]))


@contextmanager
def starved(better: bool) -> Iterator[None]:
    """Meanwhile every core has others to serve. `better`: they get the better priority, where we may give it."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(EACH_CORE * (os.cpu_count() or 1))]
    try:
        with suppress(PermissionError):
            for each in busy if better else ():
                os.setpriority(os.PRIO_PROCESS, each.pid, os.getpriority(os.PRIO_PROCESS, 0) - BETTER)
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def ask(system: System, seconds: float) -> Answers:
    """Every service, each second, for so long; each in a thread of its own, so that a slow one holds up no other."""
    answers, began = Answers(), time.monotonic()

    def ask_one(service: str) -> None:
        address = f"http://127.0.0.1:{system.launch.ports[service + '.http']}"
        while (at := time.monotonic() - began) < seconds:
            for path in PATHS:
                said = _status(address + path)
                answers.said[said.partition(":")[0]] += 1
                if said.startswith("503"):
                    answers.unwell.append(f"{at:.0f} s, {service}{path} {said}")
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began - at)))

    threads = [threading.Thread(target=ask_one, args=(each,), daemon=True) for each in system.launch.services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _status(url: str) -> str:
    """Of an answer, with its text if it is not a good one; `late` if there was none in time."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as answer:
        return f"{answer.code}: {answer.read(500)!r}"
    except OSError:
        return "late"


def starve(system: System, seconds: float, *, better: bool) -> Answers:
    """Requests flow, the processor is taken away, and everybody is asked. Afterwards all must have come to its end."""
    sent = system.traffic()
    running = sent.in_background(int(seconds * RATE), RATE, PATIENCE_SECONDS)
    with starved(better):
        answers = ask(system, seconds)
    running.join()
    system.check(sent.plans)
    return answers


def main() -> None:
    """Ends with 1 if a service was called unwell; logs and data are left then."""
    wanted = argparse.ArgumentParser(prog="python -m tests.faults.starvation", description=__doc__)
    wanted.add_argument("--seconds", type=float, default=600, help="how long (default: %(default)s)")
    wanted.add_argument("--keep", action="store_true", help="leave logs and data where they are")
    chosen = wanted.parse_args()
    with own_whole("starvation", keep=chosen.keep) as launch:
        answers = starve(System(launch), chosen.seconds, better=True)
        print(answers)
        if answers.unwell:
            sys.exit(1)


if __name__ == "__main__":
    main()
