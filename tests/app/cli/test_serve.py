"""`postavka serve` becomes the service that it is asked for."""

from __future__ import annotations

import os
import sys

import pytest
from cyclopts import CycloptsError

from postavka.app.cli.app import add_commands
from postavka.app.registry import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_run_in_place_of_the_command(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: ran.append((program, arguments)))
    add_commands()(["serve", service], result_action="return_value")
    assert ran == [(sys.executable, [sys.executable, "-m", SERVICES[service].module])]


def test_an_unknown_service_is_refused() -> None:
    with pytest.raises(CycloptsError, match="request"):
        add_commands().parse_args(["serve", "reqest"], exit_on_error=False, print_error=False)
