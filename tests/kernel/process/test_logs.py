"""A logger costs nothing until something is written."""

from __future__ import annotations

import subprocess
import sys

SAYS = """
import copy, pickle, sys
from postavka.kernel.process.logs import configure_logs, logger
from postavka.kernel.settings import Settings
log = logger("postavka.toy")
for each in (log, copy.copy(log), pickle.loads(pickle.dumps(log))):
    assert "structlog" not in sys.modules
configure_logs(Settings(log_format="json"), "toy")
for each in (log, copy.copy(log)):
    each.warning("said", token="abc")
"""


def test_a_logger_costs_nothing_until_something_is_written() -> None:
    said = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.count('"event": "said"') == 2
    assert "abc" not in said.stdout


def test_what_a_command_logs_does_not_stand_in_what_it_prints() -> None:
    """`postavka ops streams --json` was no JSON while a service did not answer."""
    says = "from postavka.kernel.process.logs import logger; logger('a').info('away', token='abc'); print('{}')"
    said = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == "{}\n"
    assert "away" in said.stderr
    assert "abc" not in said.stderr
