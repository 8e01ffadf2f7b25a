"""Whether the broker and the services are those of before, and what the broker has open."""

from __future__ import annotations

import os

from postavka.kernel.runtime.broker_files import DATA
from tests.system.conftest import System, wait_until

WELL_SECONDS = 900.0
"""Until every service says that it is well, on a machine that is busy with something else."""
NEW_INPUTS = "the inputs have changed"


class Alive:
    """Whether the processes of before are still those, and what the broker has open."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._pids = self._look()
        self._said = {each: len(self._log(each)) for each in system.launch.services}
        self._before = self._files()

    def _look(self) -> dict[str, int | None]:
        processes = self._system.launch.processes
        return {each: processes.pid(each) for each in ("kafka", "postgres", *self._system.launch.services)}

    def _log(self, service: str) -> str:
        return self._system.launch.processes.log(service).read_text(errors="replace")

    def _meant_to(self, name: str) -> bool:
        """A stage starts anew when the reference data has other distributors: not a matter of the attack."""
        return name in self._said and NEW_INPUTS in self._log(name)[self._said[name] :]

    def _files(self) -> tuple[int, int]:
        """Open files of the broker, and segments of distributors' topics."""
        data = self._system.launch.home / DATA
        segments = sum(1 for _ in data.glob("distributors.*/*.log"))
        return len(os.listdir(f"/proc/{self._system.launch.processes.pid('kafka')}/fd")), segments

    def harm(self) -> list[str]:
        """Who was ended, who is unwell, and segments that one outsider's records have opened."""
        now = self._look()
        found = [
            f"{each} was ended and started anew"
            for each in now
            if now[each] != self._pids[each] and not self._meant_to(each)
        ]
        try:
            wait_until(lambda: not self._unwell(), "every service is well", WELL_SECONDS)
        except AssertionError as late:
            found.append(f"{late}; unwell: {self._unwell()}")
        if self._files()[1] > self._before[1]:
            found.append(f"segments of distributors' topics: {self._before[1]} before, {self._files()[1]} now")
        return found

    def _unwell(self) -> list[str]:
        return [each for each in self._system.launch.services if not self._system.is_well(each)]

    def said(self) -> str:
        """For the report."""
        (files, segments), (files_now, segments_now) = self._before, self._files()
        return f"open files {files} → {files_now}, segments of distributors' topics {segments} → {segments_now}"
