"""The watchdog of services that read partitions: what it forgives and what it ends."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from postavka.kernel.process import usable_time
from postavka.kernel.process.watchdog import BUSY_SECONDS, KAFKA, NoProgress, Watchdog

PLACE = ("orders", 0)
STALL_SECONDS = 30.0


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """The monotonic clock, as a list of one."""
    clock = [10_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(usable_time, "THREADS", tmp_path)  # nobody waits for a processor
    return clock


def test_what_stands_still_though_servers_answer_is_ended(now: list[float]):
    watchdog = Watchdog("toy", STALL_SECONDS)
    watchdog.see({PLACE: 5}, {PLACE: 1})
    now[0] += STALL_SECONDS
    watchdog.see({PLACE: 5}, {PLACE: 1})
    assert watchdog.details()["lag_records"] == 3
    now[0] += 1
    with pytest.raises(NoProgress, match="no progress: orders/0 stands at offset 1"):
        watchdog.see({PLACE: 5}, {PLACE: 1})


def test_while_a_server_is_away_nobody_is_blamed_but_it_is_told(now: list[float]):
    watchdog = Watchdog("toy", STALL_SECONDS)
    watchdog.see({PLACE: 5}, {PLACE: 1})
    for _ in range(4):
        now[0] += STALL_SECONDS
        watchdog.not_seen(KAFKA, "time-out")
    assert watchdog.trouble() == "Kafka has not answered for 90 s"
    watchdog.servers.answered(KAFKA)
    watchdog.see({PLACE: 5}, {PLACE: 1})
    assert watchdog.trouble() is None


def test_a_batch_at_hand_has_longer(now: list[float]):
    watchdog = Watchdog("toy", STALL_SECONDS)
    with watchdog.busy():
        for _ in range(4):
            watchdog.see({PLACE: 5}, {PLACE: 1})
            now[0] += BUSY_SECONDS / 4
        now[0] += 1
        with pytest.raises(NoProgress, match="one batch for 121 s"):
            watchdog.see({PLACE: 5}, {PLACE: 1})
    watchdog.progress.forgive()
    watchdog.see({PLACE: 5}, {PLACE: 1})


def test_postgresql_that_is_away_is_tried_again():
    watchdog = Watchdog("toy", STALL_SECONDS)
    tries = iter([psycopg.OperationalError("restarting"), psycopg.InterfaceError("closed"), None])

    def write(rows: int) -> int:
        if (wrong := next(tries)) is not None:
            raise wrong
        return rows

    assert watchdog.patiently(write, 7) == 7
    assert watchdog.servers.all_answer
    assert watchdog.away_at > 0


def test_a_mistake_is_not_tried_again():
    watchdog = Watchdog("toy", STALL_SECONDS)
    with pytest.raises(ValueError, match="invalid literal"):
        watchdog.patiently(int, "a defect")
