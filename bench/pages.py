"""How long the server takes for pages of a list of 100,000 requests of one partner.

The rows are copies of requests that have just gone through all stages, with ids, times and buyers of their own.
"""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import dataclass

import httpx2
import psycopg

from bench.load import PARTNER
from postavka.settings import Settings, database_url
from services.accounts.sample import PASSWORD

ROWS = 100_000
TRIES = 40
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
FROM generate_series(1, %(rows)s) number JOIN walked ON place = number %% 200
"""


@dataclass(frozen=True, slots=True)
class Pages:
    """Medians in milliseconds, from sending the HTTP request to the last byte of the answer."""

    first: float
    filtered: float
    searched: float
    not_found: float
    deep: float
    api: float


def measure_pages(config: Settings, port: int, rows: int = ROWS) -> Pages:
    """Fill the list, then ask for its pages as a signed-in partner."""
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        connection.execute(FILL.encode(), {"rows": rows, "partner": PARTNER})
        connection.execute("VACUUM ANALYZE cabinet.requests")
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as browser:
        found = CSRF.search(browser.get("/sign-in").text)
        assert found
        signed_in = browser.post("/sign-in", data={"csrf": found[1], "login": PARTNER, "password": PASSWORD})
        assert signed_in.status_code == 303, signed_in.text[:500]
        after = None
        for _ in range(20):
            place = {} if after is None else {"after": after}
            after = browser.get("/api/v1/requests", params={"limit": 200, **place}).json()["next"]
        return Pages(
            first=_median(browser, "/requests"),
            filtered=_median(browser, "/api/v1/requests", status="awaiting-confirmation"),
            searched=_median(browser, "/requests", q="покупатель 4711"),
            not_found=_median(browser, "/requests", q="такого нет"),
            deep=_median(browser, "/requests", after=after or ""),
            api=_median(browser, "/api/v1/requests"),
        )


def _median(browser: httpx2.Client, path: str, **params: str) -> float:
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        answer = browser.get(path, params=params)
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200, answer.text[:500]
    return statistics.median(times)
