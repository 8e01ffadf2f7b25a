"""`deploy/compose.yaml` is what the Compose specification allows; no engine runs it here."""

from __future__ import annotations

from pathlib import Path

from tests.paths import PROJECT
from tests.validators.tools import judged_compose_files

COMPOSE = PROJECT / "deploy" / "compose.yaml"
MISTAKES = [("read_only: true", "read_onyl: true"), ("restart: always", "restart: [always]")]


def test_compose_is_valid_and_mistakes_are_found(tmp_path: Path) -> None:
    planted = []
    for number, (right, wrong) in enumerate(MISTAKES):
        planted.append(tmp_path / f"compose.{number}.yaml")
        planted[-1].write_text(COMPOSE.read_text().replace(right, wrong, 1))
    errors = judged_compose_files([COMPOSE, *planted])
    assert errors[0] == []
    assert all(errors[1:]), errors
