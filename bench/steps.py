"""The time of a process by its steps. Samples its Python stacks with `py-spy` and gives each to a step of the work.

Threads of librdkafka have no Python stacks: what they spend is taken from the kernel's count, by their names.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

RATE = 100
"""Samples a second of each process."""
HOW = ("--rate", str(RATE), "--format", "raw", "--nonblocking", "--duration", "unlimited")
LIBRDKAFKA = "librdkafka's threads"
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("read Kafka (Faust, aiokafka)", ("/aiokafka/", "/faust/", "/mode/", "faust_worker.py", "log/fetch_pacing.py")),
    ("publish: make and hand over", ("_publish_one", "(postavka/kernel/outbox/command_sender.py")),
    ("publish: wait for the broker", ("(postavka/kernel/outbox/publisher.py",)),
    ("publish: read the store", ("read_events (postavka", "write_checkpoint", "publish_dead_letters")),
    ("read headers and bodies", ("_sift (", "events/registry.py", "events/envelope.py")),
    (
        "find subjects and facts",
        ("find_subject", "gather", "postavka/domain/reference/", "facts_from", "facts.of", "of (services/"),
    ),
    ("decide and evolve", ("decider.py", "_decide (", "_record (", "_ask (")),
    ("states", ("states (", "_fold (")),
    ("write the store", ("append (postavka/kernel/store", "write_groups", "move_marks", "parameters_of")),
    (
        "measure and log",
        ("_measure (", "prometheus_client", "structlog", "process/progress.py", "_watch (", "_look_for"),
    ),
    ("project rows", ("projection.py", "/notices/", "/documents/", "/payments/", "/ops/", "/audit/")),
    ("event loop", ("asyncio/", "uvloop")),
)
"""Step → parts of `function (file:line)` of a frame. A sample goes to the first step that a frame of it names."""
WAITS = ("wait (threading.py", "_worker (concurrent/", "_start_thread (mode/", "wait (psycopg/connection.py", "poll (")
"""Innermost frames of threads that wait. Where the processor is short, py-spy takes many of them for running."""


Spent = defaultdict[str, float]
"""CPU seconds by step."""


def py_spy() -> str | None:
    """Where the program is; None: steps can't be told (`pip install py-spy`)."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.exists() else shutil.which("py-spy")


@contextmanager
def sampled(pids: Mapping[str, int]) -> Iterator[dict[str, Spent]]:
    """Samples these processes while the block runs. At its end the dictionary has the seconds of CPU time by process
    and step."""
    program = py_spy()
    found: dict[str, Spent] = {}
    if program is None:
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        before = {name: _threads(pid) for name, pid in pids.items()}
        samplers = {
            name: subprocess.Popen(
                [program, "record", "--pid", str(pid), "--output", f"{folder}/{name}", *HOW],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for name, pid in pids.items()
        }
        try:
            yield found
        finally:
            after = {name: _threads(pid) for name, pid in pids.items()}
            for sampler in samplers.values():
                sampler.send_signal(2)
            for sampler in samplers.values():
                sampler.wait(30)
        for name in pids:
            file = Path(folder) / name
            samples = samples_by_step(file.read_text() if file.exists() else "")
            native, python = _spent(before[name], after[name])
            whole = sum(samples.values()) or 1
            spent = found[name] = Spent(float)
            for step, count in samples.items():
                spent[step] += python * count / whole
            spent[LIBRDKAFKA] = native


def samples_by_step(raw: str) -> Counter[str]:
    """Samples by step, from lines of `frame;frame;… count`, outermost frame first."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        if any(part in stack.rpartition(";")[2] for part in WAITS):
            continue
        found[next((step for step, parts in STEPS if any(part in stack for part in parts)), "other")] += int(count)
    return found


def _threads(pid: int) -> dict[int, tuple[bool, float]]:
    """CPU seconds of each thread, and is it librdkafka's?"""
    found = {}
    for thread in psutil.Process(pid).threads():
        try:
            name = Path(f"/proc/{pid}/task/{thread.id}/comm").read_text()
        except OSError:
            continue
        found[thread.id] = (name.startswith("rdk:"), thread.user_time + thread.system_time)
    return found


def _spent(before: dict[int, tuple[bool, float]], after: dict[int, tuple[bool, float]]) -> tuple[float, float]:
    """CPU seconds of librdkafka's threads, and of all others."""
    spent = [0.0, 0.0]
    for thread, (native, seconds) in after.items():
        spent[not native] += seconds - before.get(thread, (native, 0.0))[1]
    return spent[0], spent[1]
