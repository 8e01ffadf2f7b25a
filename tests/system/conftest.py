"""The whole system for the tests of faults: servers and services of its own, under the process manager that ships."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from postavka.app.one_box.launcher import Launch
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import OffsetsUnknown, PartitionOffsets
from postavka.kernel.settings import Settings
from tests.system.collector import Collector
from tests.system.oracle import STAGES, Oracle, cabinet_rows
from tests.system.traffic import Traffic

Until = Callable[[], object]
LOOKS = 4


class System:
    """What a test does to the running whole."""

    def __init__(self, launch: Launch, traces: Collector | None = None, config: Settings | None = None) -> None:
        """`config`: how to reach the servers, if not as the services do."""
        self._traces = traces
        self.launch = launch
        self.config = config or launch.config
        assert self.config.database_url is not None
        self.kafka = for_librdkafka(self.config)
        """How a client signs in."""
        self.database_url = self.config.database_url.get_secret_value()
        self._offsets = PartitionOffsets(self.config)
        self.gaps: set[str] = set()
        """Stages whose store was restored from an earlier copy: a position that was not on the topic yet is lost."""
        self.forged = 0
        """Records that a test has put on a stage's topic itself."""

    @property
    def collector(self) -> Collector:
        """Of the services' traces."""
        assert self._traces is not None
        return self._traces

    def traffic(self) -> Traffic:
        """A sender of requests."""
        return Traffic(self.kafka)

    def kill(self, program: str) -> int:
        """kill -9; returns the pid that is gone."""
        pid = self.launch.processes.pid(program)
        assert pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, program: str) -> None:
        """Stop and leave stopped."""
        self.launch.processes.stop(program)

    def start(self, program: str) -> None:
        """Start again."""
        self.launch.processes.start(program)

    def is_well(self, service: str) -> bool:
        """Does it say that it is at work?"""
        said = self.launch.health(service)
        return said is not None and said.get("trouble") is None and said.get("assigned_partitions", 1) != 0

    def check(self, plans: Mapping[str, str], **allowed: Any) -> None:
        """Wait until the cabinet has the whole log; then ask the oracle. Nothing that it finds is forgiven but what is
        `allowed`, as of `Oracle`."""
        found = self.judged(
            lambda: Oracle.of_broker(self.kafka, gaps_allowed_in=self.gaps, forged=self.forged, **allowed).violations(
                plans, cabinet_rows(self.database_url)
            )
        )
        assert not found, f"{len(found)} violations\n" + "\n".join(found[:5])

    def judged(self, judge: Callable[[], list[str]]) -> list[str]:
        """What `judge` finds wrong with a log at rest. Papers and letters of earlier tests may still be on their way;
        what was read while something was written is no picture of one moment, and is read again."""
        found: list[str] = []
        for _ in range(LOOKS):
            self.settle()
            before = self.heads()
            found = judge()
            if not found or self.heads() == before:
                return found
            wait_until(self.is_at_rest, "nothing is written any more", 240)
        return [f"something was written during each of {LOOKS} looks, and none of them was right", *found]

    def is_at_rest(self) -> bool:
        """Has no stage written anything for three seconds?"""
        before = self.heads()
        time.sleep(3)
        return self.heads() == before

    def heads(self) -> dict[str, object]:
        """The last position of every stage."""
        with psycopg.connect(self.database_url) as connection:
            return {
                stage: connection.execute(f"SELECT position FROM {stage}.head").fetchone()  # noqa: S608
                for stage in STAGES
            }

    def settle(self, *also: str, seconds: float = 240) -> None:
        """Until the stages, the cabinet, the desk (and `also`) have handled everything, and all is published."""
        names = (*STAGES, "timer", "cabinet", "desk", *also)
        wait_until(lambda: all(self._is_idle(name) for name in names), "all is handled", seconds)

    def _is_idle(self, name: str) -> bool:
        if name == "timer" and self._is_telling():
            return False
        if name in (*STAGES, "cabinet", "notices", "timer"):
            return self._lag_of(name) == 0
        return self.is_well(name)

    def _is_telling(self) -> bool:
        """Has the timer something to carry from one service to another?"""
        with psycopg.connect(self.database_url) as connection:
            return bool(connection.execute("SELECT FROM timer.carried WHERE NOT sent LIMIT 1").fetchall())

    def _lag_of(self, name: str) -> int:
        projection = name in ("cabinet", "timer")
        table = f"{name}.marks" if projection else f"{name}.notification_tracking"
        columns = 'name, "offset"' if projection else "application_name, notification_id"
        with psycopg.connect(self.database_url) as connection:
            marks = dict(connection.execute(f"SELECT {columns} FROM {table}").fetchall())  # noqa: S608
            if not projection:
                head = connection.execute(f"SELECT position FROM {name}.head").fetchone()  # noqa: S608
                said = self.launch.health(name)
                if said is None or head is None or said.get("relayed_position") != head[0]:
                    return 1
        reached = {(topic, int(number)): offset for topic, number, offset in map(_place, marks.items())}
        try:
            ends = self._offsets.ends(reached)
        except OffsetsUnknown:
            return 1
        return sum(end - 1 - reached[place] for place, end in ends.items())

    def cli(self, *arguments: str, **env: str) -> str:
        """Run the command `postavka` as a person would; returns its output. Fails with what it said."""
        done = self.run_cli(*arguments, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run_cli(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The same, whatever its exit status."""
        return subprocess.run(
            [str(Path(sys.executable).parent / "postavka"), *arguments],
            env={**os.environ, "POSTAVKA_HOME": str(self.launch.home), "COLUMNS": "200", "NO_COLOR": "1", **env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def _place(mark: tuple[str, int]) -> tuple[str, str, int]:
    topic, _, number = mark[0].rpartition("/")
    return topic, number, mark[1]


def wait_until(holds: Until, what: str, patience: float = 180) -> float:
    """Poll until it holds; returns the seconds it took. Fails with `what`."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < patience, f"not within {patience:.0f} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - started
