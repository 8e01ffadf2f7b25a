"""The web application, served for real on a port of its own, with a database of its own in the run's servers."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI

from events.envelope import Envelope
from events.registry import decode
from events.topics import (
    ACTIVATION_COMMANDS,
    DOCUMENT_COMMANDS,
    REQUEST_COMMANDS,
    confirmations_of,
    topic_names,
)
from postavka.app.one_box.launcher import SAMPLE
from postavka.app.web import create_app
from postavka.domain.reference.file import read_file
from postavka.domain.reference.store import distributor_ids, load
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.web.database import WEB_ROLE
from postavka.web.identity import tokens
from postavka.web.identity.principal import SCOPES, Principal, Role
from postavka.web.identity.sample import PASSWORD, make_sample_users
from postavka.web.settings import WebSettings
from tests.conftest import NewDatabase
from tests.services.webhooks.adding import add_webhook
from tests.web.stories import Story, write

HIDDEN = re.compile(r'name="(csrf|agreed|plan_id)" value="([^"]*)"')
CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
PATIENCE_SECONDS = 30


class Person(httpx2.Client):
    """A browser: keeps cookies, finds the CSRF token on pages."""

    def csrf(self, path: str = "/sign-in") -> str:
        """Of the form on this page."""
        found = CSRF.search(self.get(path, follow_redirects=True).text)
        assert found, f"no form on {path}"
        return found[1]

    def sign_in(self, login: str, password: str = PASSWORD, **fields: str) -> httpx2.Response:
        """Fill in the form."""
        return self.post("/sign-in", data={"csrf": self.csrf(), "login": login, "password": password, **fields})

    def agree(self, path: str, data: dict[str, Any] | None = None, page: str = "/account") -> httpx2.Response:
        """Send a form that is guarded, agree to its question, and wait until the command is sent. What is not asked
        about is answered as it is."""
        asked = self.submit(path, data, page)
        if asked.status_code != 200:
            return asked
        fields = dict(HIDDEN.findall(asked.text))
        done = self.post(path, data={**(data or {}), **{name: unescape(each) for name, each in fields.items()}})
        deadline = time.monotonic() + PATIENCE_SECONDS
        while f'data-plan="{fields["plan_id"]}"' in self.get(f"/planned/{fields['plan_id']}").text:
            assert time.monotonic() < deadline, "the command was not sent"
            time.sleep(0.05)
        return done

    def submit(self, path: str, data: dict[str, Any] | None = None, page: str = "/account") -> httpx2.Response:
        """Send a form with the token of a page."""
        return self.post(path, data={"csrf": self.csrf(page), **(data or {})})


@dataclass
class Site:
    """The running application."""

    url: str
    app: FastAPI
    database: str
    kernel: Settings
    opened: list[httpx2.Client] = field(default_factory=list)

    def person(self, login: str | None = None, **headers: str) -> Person:
        """A new browser, signed in if a login is given."""
        browser = Person(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS)
        self.opened.append(browser)
        if login is not None:
            assert browser.sign_in(login).status_code == 303
        return browser

    def program(self, token: str | None, **headers: str) -> httpx2.Client:
        """A client of the API."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        client = httpx2.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS)
        self.opened.append(client)
        return client

    def token(self, tenant: str, **changes: Any) -> str:
        """A fresh token of a partner or distributor of the sample data."""
        distributor = tenant.startswith("dist-")
        role = Role.DISTRIBUTOR if distributor else Role.PARTNER
        principal = Principal(
            "test", "test", role, None if distributor else tenant, tenant if distributor else None,
            frozenset(SCOPES[role]), "test",
        )  # fmt: skip

        async def make() -> str:
            async with await psycopg.AsyncConnection.connect(self.database) as rows:
                await rows.execute(
                    "SELECT set_config('app.scope', 'tenant', true), set_config('app.partner', %s, true), "
                    "set_config('app.distributor', %s, true), set_config('role', %s, true)",
                    (principal.partner_id or "", principal.distributor_id or "", WEB_ROLE),
                )
                wanted = {"name": f"t{uuid4().hex[:6]}", "scopes": SCOPES[role], "days": 30, **changes}
                return (await tokens.make(rows, principal, **wanted)).secret

        return asyncio.run(make())

    def webhook(self, partner: str, url: str = "https://erp.example/hook") -> str:
        """A webhook of a partner, with one event in its log."""
        webhook_id, _ = add_webhook(self.kernel, partner, url)
        self.sql(
            "INSERT INTO webhooks.deliveries (webhook_id, number, partner_id, request_id, type) "
            "VALUES (%s, 1, %s, %s, 'Approved.v3')",
            webhook_id, partner, uuid4(),
        )  # fmt: skip
        return str(webhook_id)

    def write(self, *stories: Story) -> None:
        """Into the cabinet."""
        write(self.database, stories)

    def sql(self, query: str, *values: Any) -> list[Any]:
        """As the owner."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            done = connection.execute(query.encode(), values)
            return done.fetchall() if done.description else []


Serve = Callable[..., Any]


@pytest.fixture(autouse=True)
def nothing_planned(request: pytest.FixtureRequest) -> Iterator[None]:
    """What one test has planned, and what became of it, stands on no page of the next."""
    yield
    if "web_database" in request.fixturenames:
        with psycopg.connect(request.getfixturevalue("web_database"), autocommit=True) as connection:
            connection.execute("DELETE FROM planned.commands")


@contextmanager
def served(app: FastAPI, database: str, kernel: Settings, port: int = 0, ready: str | None = None) -> Iterator[Site]:
    """Run it in a thread until the block ends. `ready`: where it says that it is, if not beside its pages."""
    listening = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    site = Site(f"http://127.0.0.1:{listening.getsockname()[1]}", app, database, kernel)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _ready(ready or site.url + "/readyz"):
            assert time.monotonic() < deadline, "the application did not come up"
            time.sleep(0.05)
        yield site
    finally:
        for client in site.opened:
            client.close()
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listening.close()


def _ready(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture(scope="session")
def web_database(new_database: NewDatabase) -> Iterator[str]:
    """With sample reference data and the sample users; shared by the tests of the web application."""
    with new_database() as url:
        load(url, read_file(SAMPLE), "test")
        asyncio.run(make_sample_users(url))
        yield url


@pytest.fixture(scope="session")
def kernel(servers: Endpoints, web_database: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of the services, with the topics that commands go to."""
    made = Settings(**servers.settings(database_url=web_database, home=tmp_path_factory.mktemp("home")))
    ensure_topics(made, topic_names(distributor_ids(web_database)))
    return made


@pytest.fixture(scope="session")
def site(web_database: str, kernel: Settings) -> Iterator[Site]:
    """With limits so high that tests don't meet them."""
    config = WebSettings(
        failures_per_account=10_000, failures_per_address=100_000, calls_per_minute=1_000_000,
        activations_per_address=100_000, undo_seconds=0, _env_file=None,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, served(create_app(kernel, config), web_database, kernel) as running:
        patch.setattr(tokens, "MOST_TOKENS", 1_000)
        yield running


@pytest.fixture
def sent(kernel: Settings) -> Callable[[str, UUID], list[tuple[Envelope, Any, Record]]]:
    """What lies on a topic about a request, of what has been sent since the test began."""
    topics = [REQUEST_COMMANDS.name, ACTIVATION_COMMANDS.name, DOCUMENT_COMMANDS.name, confirmations_of("dist-north")]
    began = end_offsets(kernel, [(topic, number) for topic in topics for number in range(PARTITIONS)])

    def look(topic: str, request_id: UUID) -> list[tuple[Envelope, Any, Record]]:
        """What was answered has been taken by the broker: to the end as it is now is all there is."""
        start = {place: offset for place, offset in began.items() if place[0] == topic}
        return [
            (envelope, decode(envelope.type, each.value or b""), each)
            for batch in read_records(kernel, start)
            for each in batch
            if (envelope := Envelope.read(each.headers)).subject == str(request_id)
        ]

    return look
