"""The units are what systemd takes, and hold a service in narrow bounds."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from postavka.app.registry import SERVICES
from tests.paths import PROJECT

UNITS = PROJECT / "deploy" / "systemd"
MOST_EXPOSED = 25
"""Tenths of the score of `systemd-analyze security`: 0 is closed, 100 open."""

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze isn't on this machine")


def unit_of(service: str, folder: Path) -> Path:
    """The unit of one service with its drop-in, as systemd puts them together."""
    unit = folder / f"postavka-{service}.service"
    template = (UNITS / "postavka@.service").read_text().replace("%i", service)
    unit.write_text(f"{template}\n{(UNITS / f'postavka@{service}.service.d' / 'own.conf').read_text()}")
    return unit


@pytest.mark.parametrize("service", ["request", "web"])
def test_a_service_is_hardly_exposed(service: str, tmp_path: Path) -> None:
    found = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--json=short", unit_of(service, tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    exposure = sum(float(each["exposure"]) for each in json.loads(found.stdout) if each["exposure"] is not None)
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit_of(service, tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout[-2_000:]
    assert exposure > 0  # the score is not that of an empty unit


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    units = [unit_of(service, tmp_path) for service in SERVICES]
    for unit in units:
        unit.write_text(unit.read_text().replace("/opt/postavka/bin/postavka", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "postavka-" in line]
    assert not ours
