"""The commands of the README, as they stand there, typed into a shell beside the running system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.test_shown_commands import BLOCKS
from tests.paths import PROJECT
from tests.system.conftest import System

NOT_RUN = (
    "export PATH",  # of a checkout's own
    "postavka log tail     ",  # follows for ever
    "postavka doctor",  # these two end with 1 where other tests have killed and forged something:
    "postavka audit verify",  # tests/app/one_box/test_doctor.py, tests/system/test_audit.py
    "postavka dead-letters retry",  # of a letter that may not be there
    "postavka backup",  # tests/kernel/backup, tests/system/test_disaster.py
    "postavka privacy erase",  # tests/system/test_privacy.py
)


def test_the_commands_of_the_readme_do_what_they_say(system: System, tmp_path: Path):
    [block] = [
        each for each in BLOCKS.findall((PROJECT / "README.md").read_text()) if "postavka request submit" in each
    ]
    lines = [line for line in block.splitlines() if not line.startswith(NOT_RUN)]
    assert len(lines) == len(block.splitlines()) - len(NOT_RUN)
    script = "\n".join(lines).replace("/tmp/contract", str(tmp_path))  # noqa: S108
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=PROJECT,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "POSTAVKA_HOME": str(system.launch.home),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("Usage: postavka", "lukomor"):
        assert told in done.stdout
    assert (tmp_path / "asyncapi.json").exists()
