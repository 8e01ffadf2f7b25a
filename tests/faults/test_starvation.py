"""Whoever waits for the processor is slow, and not unwell (a minute here, ten in `make faults`)."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from tests.faults.starvation import ask, starve
from tests.system.conftest import System

SECONDS = 60


@pytest.mark.load
@pytest.mark.timeout(3_600)
def test_no_healthy_service_is_called_unwell_while_others_have_the_processor(
    system: System, measured: Callable[[str], None]
):
    answers = starve(system, SECONDS, better=False)
    assert answers.unwell == []
    assert answers.said["200"] >= len(system.launch.services)
    measured(f"a minute without the processor: {answers.said}")


class Unwell(http.server.BaseHTTPRequestHandler):
    """Says on one of the two addresses that it is not at work."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/readyz" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def unwell() -> Iterator[System]:
    """A whole of one service, which is unwell."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unwell) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        launch = SimpleNamespace(ports={"billing.http": server.server_port}, services=["billing"])
        yield cast(System, SimpleNamespace(launch=launch))
        server.shutdown()


def test_one_that_says_so_is_heard(unwell: System):
    (said,) = ask(unwell, 0.5).unwell
    assert said.startswith("0 s, billing/readyz 503")
