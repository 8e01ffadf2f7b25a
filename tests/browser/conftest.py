"""A real browser against the whole that runs for this test run: pages as people use them.

`POSTAVKA_SCREENSHOTS=docs/screenshots` makes the pictures of the documentation by the way.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bench.visits import CHROMIUM, chromium
from postavka.kernel.settings import environment
from postavka.web.identity.sample import PASSWORD
from tests.browser.person import Person
from tests.system.conftest import System

PATIENCE_MS = 20_000
SCREENSHOTS = os.environ.get("POSTAVKA_SCREENSHOTS")
HIGHEST = 1_200
"""Pixels of a picture of a long page."""
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def address(system: System) -> str:
    """Where the cabinet is."""
    return f"http://127.0.0.1:{system.launch.ports['web.http']}"


@pytest.fixture(autouse=True)
def nothing_fails(system: System) -> Iterator[None]:
    """No page fails on our side, whatever a test does."""
    log = system.launch.processes.log("web")
    before = log.stat().st_size
    yield
    with log.open("rb") as lines:
        lines.seek(before)
        said = lines.read().decode(errors="replace")
    assert "a route failed" not in said, said[said.index("a route failed") - 100 :][:6_000]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module; each has contexts of its own.

    Not for the whole run: Playwright keeps an event loop running as long as it lives, and no other test could run one.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: deploy/debian-packages.sh installs it")
    with chromium() as browser:
        yield browser


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """A new browser of somebody: `opened()`, `opened(java_script_enabled=False)`. A script's error fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_one(**options: Any) -> Page:
        settings = {"locale": "ru-RU", "timezone_id": "Europe/Moscow", "viewport": {"width": 1280, "height": 800}}
        context = browser.new_context(**{**settings, **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None,
        )
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def sessions() -> dict[str, Any]:
    """Cookies of those who have signed in before, by login."""
    return {}


SignedIn = Callable[..., Person]


@pytest.fixture
def person(opened: Opened, address: str, sessions: dict[str, Any]) -> SignedIn:
    """Somebody who is signed in, at its start page: `person("lukomor")`. `anew`: in a session of its own."""

    def signed_in(login: str, at: str = address, anew: bool = False, **options: Any) -> Person:
        if anew or login not in sessions:
            somebody = Person(opened(**options), at)
            somebody.sign_in(login, PASSWORD)
            if not anew:
                sessions[login] = somebody.page.context.storage_state()
        else:
            somebody = Person(opened(storage_state=sessions[login], **options), at)
            somebody.go("/")
        return somebody

    return signed_in


Shoot = Callable[[Page, str], None]


@pytest.fixture
def shoot() -> Shoot:
    """A picture for the documentation, if such are asked for: `name` for the desktop, `name-phone` for the phone."""

    def take(page: Page, name: str) -> None:
        if SCREENSHOTS is None:
            return
        size = page.viewport_size
        folder = Path(SCREENSHOTS)
        folder.mkdir(parents=True, exist_ok=True)
        page.mouse.move(0, 0)
        for scheme, ending in (("light", ""), ("dark", "-dark")):
            page.emulate_media(color_scheme=scheme)
            for width, kind in ((1280, ""), (390, "-phone")):
                page.set_viewport_size({"width": width, "height": HIGHEST})
                page.evaluate("scrollTo(0, 0)")
                page.wait_for_timeout(150)
                # A list of a hundred rows says no more than its beginning.
                whole = page.evaluate("document.documentElement.scrollHeight") < 2 * HIGHEST
                if whole:  # as high as it is: what sticks to the end of a screen would lie in the middle of it
                    page.set_viewport_size({"width": width, "height": 600})
                    high = page.evaluate("document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": high})
                page.screenshot(path=folder / f"{name}{kind}{ending}.png", animations="disabled")
        page.emulate_media(color_scheme="light")
        if size is not None:
            page.set_viewport_size(size)

    return take


class TaxService:
    """In the place of the online service: answers with a status, after a while."""

    def __init__(self) -> None:
        self.status, self.seconds, self.asked = 503, 0.0, 0
        the = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                the.asked += 1
                time.sleep(the.seconds)
                with suppress(OSError):
                    self.send_error(the.status)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def tax_service() -> Iterator[TaxService]:
    """A tax service that is down."""
    service = TaxService()
    yield service
    service.close()


@contextmanager
def second_web_process(system: System, **settings: str) -> Iterator[str]:
    """A second web process on the same servers, with settings of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    home = {"POSTAVKA_HOME": str(system.launch.home.resolve()), "POSTAVKA_HTTP_PORT": str(port)}
    env = {**os.environ, **environment(system.config), **home, **settings}
    process = subprocess.Popen([sys.executable, "-m", "postavka.app.web"], env=env, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"{address}/readyz"):
            assert process.poll() is None, "the second web process has ended"
            assert time.monotonic() < deadline, "the second web process does not answer"
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def address_with_tax_service(system: System, tax_service: TaxService) -> Iterator[str]:
    """Of a web process that asks that service."""
    settings = {
        "POSTAVKA_TAX_SOURCE": "online",
        "POSTAVKA_TAX_URL": tax_service.url,
        "POSTAVKA_TAX_TOKEN": "a-token-of-the-test",
        "POSTAVKA_TAX_ATTEMPT_SECONDS": "0.5",
        "POSTAVKA_TAX_ANSWER_SECONDS": "1.5",
    }
    with second_web_process(system, **settings) as address:
        yield address


@pytest.fixture(scope="session")
def address_with_time(system: System) -> Iterator[str]:
    """Of a web process that leaves four minutes to undo."""
    with second_web_process(system, POSTAVKA_WEB_UNDO_SECONDS="240") as address:
        yield address


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
