"""The gauges of what waits for a person at the books: money that fits nothing, refunds that are owed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
from prometheus_client import Counter, Gauge

from postavka.kernel.process.logs import logger
from postavka.kernel.process.polling import pause_after
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from services.payments.projection import SCHEMA

QUERIES = load_queries("services.payments")

log = logger(__name__)

LOOK_SECONDS = 10.0

UNMATCHED = Gauge("postavka_payments_unmatched", "Payments, returns, odd documents that wait for a person", ["way"])
OLDEST = Gauge("postavka_payments_unmatched_oldest_seconds", "How long the oldest of them waits, since it was booked")
REFUNDS = Gauge("postavka_payments_refunds_owed", "Refunds that are owed and not paid")
STATEMENTS = Counter(
    "postavka_statements_total", "Files in the folder of statements, by what became of them", ["outcome"]
)
for _outcome in ("taken", "broken"):
    STATEMENTS.labels(_outcome)  # shown as 0 from the start

QUERY = QUERIES.figures


class Figures:
    """The `postavka.kernel.projection.worker.BackgroundTask` that keeps the figures of payments."""

    def __init__(self, config: Settings) -> None:
        self._conninfo = database_url(config)
        self._said: dict[str, Any] = {}

    async def run(self) -> None:
        """Run until cancelled; while PostgreSQL is away the figures stay as they were."""
        while True:
            started = time.monotonic()
            try:
                await asyncio.to_thread(self.look)
            except psycopg.Error as away:
                log.warning("the books could not be counted", error=str(away)[:200])
            await asyncio.sleep(pause_after(time.monotonic() - started, LOOK_SECONDS))

    def look(self) -> None:
        """Count once."""
        path = {"search_path": f"{SCHEMA},public"}
        with open_session(self._conninfo, path, application_name="postavka-payments") as connection:
            payments, returns, documents, owed, oldest = connection.execute(QUERY).fetchone() or (0, 0, 0, 0, 0.0)
        UNMATCHED.labels("came").set(payments)
        UNMATCHED.labels("went").set(returns)
        UNMATCHED.labels("odd").set(documents)
        OLDEST.set(oldest)
        REFUNDS.set(owed)
        self._said = {"unmatched": payments + returns + documents, "refunds_owed": owed}

    def details(self) -> dict[str, Any]:
        """The figures for `/healthz`."""
        return self._said
