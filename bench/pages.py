"""The time that the server takes for pages of a list of 100,000 requests of one partner, and that a browser takes until
it has painted the pages most used.

The rows are copies of requests that have just gone through all stages, with ids, times and buyers of their own.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from operator import attrgetter

import httpx2
import psycopg

from bench.load import DISTRIBUTOR, PARTNER
from bench.visits import MOST_USED, chromium, sign_in, visit
from postavka.kernel.settings import Settings, database_url
from postavka.web.identity.sample import PASSWORD

ROWS = 100_000
TRIES = 100
VISITS = 5
CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')

FILL = """
WITH walked AS MATERIALIZED (
    SELECT row_number() OVER () - 1 AS place, r.* FROM cabinet.requests r WHERE partner_id = %(partner)s LIMIT 200
)
INSERT INTO cabinet.requests (request_id, request, approval, billing, shipping, activation)
SELECT gen_random_uuid(),
    request || jsonb_build_object(
        'submitted_at',
        to_char(timestamp '2026-01-01' + number * interval '97 seconds', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'buyer', 'ООО «Покупатель ' || number || '»'
    ),
    approval, billing, CASE WHEN number %% 3 > 0 THEN shipping END, CASE WHEN number %% 3 = 1 THEN activation END
FROM generate_series(1, %(rows)s) number JOIN walked ON place = number %% (SELECT count(*) FROM walked)
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds from sending the HTTP request to the last byte of the answer, on one connection."""

    p50: float
    p99: float


Pages = Mapping[str, Timing]
"""What was asked for → how long it took."""


def measure_pages(config: Settings, port: int, rows: int = ROWS) -> Pages:
    """Fill the list, then ask for its pages as a signed-in partner and as a distributor, through row-level security."""
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        connection.execute(FILL.encode(), {"rows": rows, "partner": PARTNER})
        connection.execute("VACUUM ANALYZE cabinet.requests")
    with _signed_in(port, PARTNER) as partner, _signed_in(port, DISTRIBUTOR) as distributor:
        after: str | None = None
        for _ in range(20):
            place = {} if after is None else {"after": after}
            after = partner.get("/api/v1/requests", params={"limit": "200", **place}).json()["next"]
        one = partner.get("/api/v1/requests", params={"limit": 1}).json()["items"][0]["request_id"]
        day = date(2026, 1, 1) + timedelta(days=60)
        return {
            "the first": _timing(partner, "/requests"),
            "after 4,000 others": _timing(partner, "/requests", after=after or ""),
            "of one stage": _timing(partner, "/requests", stage="activated"),
            "of one day": _timing(partner, "/requests", since=str(day), until=str(day)),
            "a search that finds few": _timing(partner, "/requests", q="покупатель 4711"),
            "a search that finds nothing": _timing(partner, "/requests", q="такого нет"),
            "sold deliveries": _timing(partner, "/sold"),
            "one request": _timing(partner, f"/requests/{one}"),
            "a distributor's first": _timing(distributor, "/answered"),
            "the API's first": _timing(partner, "/api/v1/requests"),
            "the API's, of one status": _timing(partner, "/api/v1/requests", status="awaiting-confirmation"),
        }


def measure_painting(port: int) -> Mapping[str, float]:
    """Milliseconds until the largest part of each of the pages most used is painted (LCP), in a browser with an empty
    cache: the median of a few visits. Raises `FileNotFoundError` where there is no browser."""
    address, found = f"http://127.0.0.1:{port}", {}
    with _signed_in(port, PARTNER) as partner:
        request_id = partner.get("/api/v1/requests", params={"limit": 1}).json()["items"][0]["request_id"]
    with chromium() as browser:
        for login, pages in groupby(MOST_USED, key=attrgetter("login")):
            with browser.new_context(locale="ru-RU") as context:
                page = context.new_page()
                sign_in(page, address, login, PASSWORD)
                for each in pages:
                    url = address + each.path.format(request_id=request_id)
                    found[each.name] = statistics.median(visit(page, url).painted_ms for _ in range(VISITS))
    return found


@contextmanager
def _signed_in(port: int, login: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as browser:
        found = CSRF.search(browser.get("/sign-in").text)
        assert found
        signed_in = browser.post("/sign-in", data={"csrf": found[1], "login": login, "password": PASSWORD})
        assert signed_in.status_code == 303, signed_in.text[:500]
        yield browser


def _timing(browser: httpx2.Client, path: str, **params: str) -> Timing:
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        answer = browser.get(path, params=params)
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200, answer.text[:500]
    return Timing(statistics.median(times), sorted(times)[TRIES * 99 // 100 - 1])
