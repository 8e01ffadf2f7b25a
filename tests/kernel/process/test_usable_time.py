"""Time that a process could use: what it spent waiting for a processor does not count."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from postavka.kernel.process.usable_time import UsableTime, processor_waits
from postavka.kernel.process.watchdog import BUSY_SECONDS, NoProgress, Watchdog

PLACE = ("orders", 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, as a list of one."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def test_what_the_longest_waiting_thread_waited_is_taken_off(clock: list[float]):
    waited = {"1": 5.0, "2": 0.0}
    usable = UsableTime(lambda: dict(waited))
    clock[0] += 10
    waited |= {"1": 8.0, "2": 6.0, "3": 1.0}
    usable.look()
    assert usable.now() == 104.0
    clock[0] += 1
    assert usable.now() == 105.0


def test_never_more_than_has_passed_and_all_time_counts_where_nothing_is_said(clock: list[float]):
    waited = {"1": 0.0}
    usable = UsableTime(lambda: dict(waited))
    clock[0], waited["1"] = 102.0, 60.0
    usable.look()
    assert usable.now() == 100.0
    waited.clear()
    clock[0] = 105.0
    usable.look()
    assert usable.now() == 103.0


def test_who_waits_for_a_processor_is_not_ended(clock: list[float]):
    waited = [0.0]
    watchdog = Watchdog("toy", 20.0)
    watchdog.time = UsableTime(lambda: {"1": waited[0]})
    watchdog.see({PLACE: 5}, {PLACE: 1})
    for _ in range(60):
        clock[0] += 10
        waited[0] += 9.8
        watchdog.see({PLACE: 5}, {PLACE: 1})
    assert watchdog.trouble() is None
    clock[0] += 21
    with pytest.raises(NoProgress, match="stands at offset 1"):
        watchdog.see({PLACE: 5}, {PLACE: 1})


def test_nor_for_a_batch_that_takes_so_long(clock: list[float]):
    waited = [0.0]
    watchdog = Watchdog("toy", 20.0)
    watchdog.time = UsableTime(lambda: {"1": waited[0]})
    with watchdog.busy():
        for _ in range(60):
            clock[0] += 10
            waited[0] += 9.8
            watchdog.see({PLACE: 5}, {PLACE: 1})
        clock[0] += BUSY_SECONDS
        with pytest.raises(NoProgress, match="one batch for 132 s"):
            watchdog.see({PLACE: 5}, {PLACE: 1})


@pytest.mark.skipif(not processor_waits(), reason="this kernel does not say how long a thread has waited")
def test_the_kernel_says_how_long_a_thread_has_waited():
    only = {next(iter(os.sched_getaffinity(0)))}
    before = os.sched_getaffinity(0)
    busy = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, {only})\nwhile True: pass"])
    try:
        os.sched_setaffinity(0, only)
        began, name = sum(processor_waits().values()), str(threading.get_native_id())
        ends = time.process_time() + 0.2
        while time.process_time() < ends:
            pass
        assert name in processor_waits()
        assert sum(processor_waits().values()) > began
    finally:
        os.sched_setaffinity(0, before)
        busy.kill()
        busy.wait()
