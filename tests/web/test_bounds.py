"""Clients that take their time: a request that never becomes whole holds nothing for long."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from postavka.app.web import create_app
from postavka.kernel.settings import Settings
from postavka.web.patience import Patience
from postavka.web.settings import WebSettings
from tests.web.conftest import PATIENCE_SECONDS, Site, served

FORM = (
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 100\r\n\r\nlogin=a"
)


class Hurried(Patience):
    seconds = 0.5


async def greet(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b"hi"})  # type: ignore[operator]


@pytest.fixture(scope="module")
def impatient() -> Iterator[int]:
    """A server that waits half a second for a request's head; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(greet, http=Hurried, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(PATIENCE_SECONDS)
    listening.close()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as line:
        yield line


def until_closed(line: socket.socket) -> bytes:
    """All that comes. Raises `TimeoutError` when the other side doesn't end it."""
    said = b""
    while piece := line.recv(65_536):
        said += piece
    return said


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHo"], ids=["nothing", "half a head"])
def test_a_connection_on_which_no_request_comes_is_closed(impatient: int, said: bytes):
    with connected(impatient) as line:
        line.sendall(said)
        assert until_closed(line) == b""


def test_also_when_it_comes_byte_by_byte_after_a_whole_one(impatient: int):
    with connected(impatient) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in line.recv(65_536)
        ended = False
        for _ in range(100):
            try:
                line.sendall(b"G")
            except OSError:
                ended = True
                break
            time.sleep(0.05)
        assert ended


def test_who_is_quick_is_not_cut_off(impatient: int):
    with connected(impatient) as line:
        for _ in range(5):
            line.sendall(b"GET / HTTP/1.1\r\n")
            time.sleep(0.2)
            line.sendall(b"Host: x\r\n\r\n")
            answer = line.recv(65_536)
            while b"hi" not in answer:
                answer += line.recv(65_536)


def test_a_body_that_does_not_come_is_not_waited_for(web_database: str, kernel: Settings):
    with served(create_app(kernel, WebSettings(body_seconds=0.5, _env_file=None)), web_database, kernel) as running:
        with connected(int(running.url.rpartition(":")[2])) as line:
            line.sendall(FORM)
            said = until_closed(line).decode()
        assert said.startswith("HTTP/1.1 408 ")
        assert re.search(r"(?im)^connection: close\r$", said)
        assert "Данные шли слишком долго" in said


def test_a_live_page_is_not_a_slow_body(site: Site, web_database: str, kernel: Settings):
    from tests.web.stories import Story
    from tests.web.test_live import stream

    story = Story().submitted()
    with served(create_app(kernel, WebSettings(body_seconds=0.2, _env_file=None)), web_database, kernel) as running:
        running.write(story)
        with stream(running.person("lukomor"), story.request_id) as live:
            live.event()
            time.sleep(0.5)
            running.write(story.approved())
            assert '"status":"awaiting-confirmation"' in live.event()["data"]
