"""Programs that are kept running, and what they say in files that are bounded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from postavka.kernel.runtime.processes import LOG_OLDER, Processes, Program
from tests.kernel.polling import until

TALKATIVE = "import time\nfor number in range(60): print(f'{number:03}' * 35_000, flush=True)\ntime.sleep(600)"
"""6 MB."""


def test_a_log_that_is_full_gets_a_number_and_the_oldest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("postavka.kernel.runtime.processes.LOG_MEGABYTES", 1)
    script = tmp_path / "talkative.py"
    script.write_text(TALKATIVE)
    with Processes(tmp_path, [Program("talkative", [sys.executable, str(script)])]) as processes:
        processes.start("talkative")
        log = processes.log("talkative")
        files = [log, *(log.with_name(f"{log.name}.{number}") for number in range(1, LOG_OLDER + 1))]
        until(lambda: all(each.exists() for each in files) and any("059" in each.read_text() for each in files), "said")
        assert sorted(log.parent.glob("talkative*")) == sorted(files)
        assert all(each.stat().st_size < 2_000_000 for each in files)


def test_a_program_that_can_not_start_is_started_when_it_can(tmp_path: Path):
    with Processes(tmp_path, [Program("late", [sys.executable, "-c", "input()"])]) as processes:
        logs = processes.log("late").parent
        logs.rename(tmp_path / "away")
        processes.start("late")
        assert processes.pid("late") == 0
        (tmp_path / "away").rename(logs)
        until(lambda: processes.pid("late"), "the program runs")


@pytest.mark.parametrize("value", ['["127.0.0.0/8"]', "it's 50 %", "a,b = c"])
def test_a_variable_comes_as_it_is(tmp_path: Path, value: str):
    told = tmp_path / "told"
    script = f"import os, pathlib; pathlib.Path({str(told)!r}).write_text(os.environ['SAID']); input()"
    file = tmp_path / "tells.py"
    file.write_text(script)
    with Processes(tmp_path, [Program("tells", [sys.executable, str(file)], env={"SAID": value})]) as processes:
        processes.start("tells")
        until(lambda: told.exists() and told.read_text() == value, "it is told")
