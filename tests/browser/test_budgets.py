"""The pages most used, with full lists: bytes on the wire, nothing that moves, and how often the database is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import psycopg
import pytest
import structlog

from bench.visits import DISTRIBUTOR, MOST_USED, PARTNER, visit
from postavka.app.web import create_app
from services.cabinet.requests import PAGE
from tests.browser.conftest import SignedIn
from tests.browser.sending import come_to, submit
from tests.system.conftest import System
from tests.system.traffic import THROUGH_DISTRIBUTOR
from tests.web.conftest import Site, served

WIRE_BYTES = 60_000
"""Of a page and all that it brings along into an empty cache, without fonts."""
MOVES = 0.0005
"""A sum of layout shifts that rounds to nothing."""
STATEMENTS = {
    "partner: requests": 12,
    "partner: a request": 9,
    "partner: new request": 5,
    "partner: sold deliveries": 12,
    "distributor: queue": 12,
    "distributor: answer": 9,
    "operations: home": 80,
    "operations: live stream": 10,
    "operations: money": 12,
    "operations: dead letters": 12,
    "auditor: home": 75,
    "auditor: history": 30,
}
"""Statements sent to PostgreSQL for the page itself, whoever sends them: that of a session and those of row-level
security are among them."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many statements each answer of this process needed, by its `X-Request-Id`."""
    counts: Counter[str] = Counter()

    def counted(cursor: type, name: str) -> None:
        execute = getattr(cursor, name)

        def counting(self: object, query: object, *arguments: object, **options: object) -> object:
            if query:  # a pool says nothing to see whether a connection lives
                counts[structlog.contextvars.get_contextvars().get("request", "")] += 1
            return execute(self, query, *arguments, **options)

        monkeypatch.setattr(cursor, name, counting)

    for cursor in (psycopg.Cursor, psycopg.AsyncCursor):
        for name in ("execute", "executemany"):
            counted(cursor, name)
    return counts


@pytest.fixture
def site(system: System, asked: Counter[str]) -> Iterator[Site]:
    """A web process of this test's own on the same servers: what it asks of the database can be counted."""
    with served(create_app(system.config), system.database_url, system.config) as site:
        yield site


@pytest.fixture
def waiting(system: System) -> str:
    """Lists of a whole page each; the id of a request that waits for the distributor."""
    traffic = system.traffic()
    traffic.run(PAGE, 50, plans=(THROUGH_DISTRIBUTOR,))
    request_ids = [submit(system, PARTNER, f"{PARTNER}-1", "ООО «Невские шестерни»", DISTRIBUTOR) for _ in range(PAGE)]
    come_to(system, dict.fromkeys(request_ids, "awaiting-confirmation"))
    return request_ids[-1]


def test_the_pages_most_used_keep_to_their_budgets(
    person: SignedIn, site: Site, asked: Counter[str], waiting: str, measured: Callable[[str], None]
) -> None:
    over = []
    people = {login: person(login, at=site.url, anew=True) for login in {each.login for each in MOST_USED}}
    for each in MOST_USED:
        page, url = people[each.login].page, site.url + each.path.format(request_id=waiting)
        page.goto(url)  # what a process asks for once is asked for
        found = visit(page, url)
        statements = asked[found.headers["x-request-id"]]
        said = (
            f"{each.name}: {found.wire_bytes / 1000:.1f} kB, moves {found.moved:.3f}, {statements} statements, "
            f"painted after {found.painted_ms:.0f} ms"
        )
        measured(said)
        if found.wire_bytes > WIRE_BYTES or found.moved > MOVES or not 0 < statements <= STATEMENTS[each.name]:
            over.append(said)
    assert over == []
