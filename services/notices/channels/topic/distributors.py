"""The distributors that have topics, and whether there are new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
from confluent_kafka.admin import AdminClient

from events.topics import confirmations_of, distributor_of, notices_of
from postavka.domain.reference.store import distributor_ids
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings, database_url

log = logger(__name__)

LOOK_SECONDS = 5.0


def with_topics(config: Settings) -> list[str]:
    """Distributors of the reference data (their topics are made if need be), and those that have left it: their topics
    stay, and so do notices of requests under way."""
    known = distributor_ids(database_url(config))
    topics = AdminClient(for_librdkafka(config)).list_topics(timeout=30).topics
    former = {found for topic in topics if (found := distributor_of(topic)) and notices_of(found) in topics}
    ensure_topics(config, [name for each in known for name in (confirmations_of(each), notices_of(each))])
    return sorted({*known, *former})


class New:
    """Ends when the reference data has a distributor that this process does not know: it is started anew with it."""

    def __init__(self, config: Settings, known: Sequence[str]) -> None:
        self._conninfo = database_url(config)
        self._known = frozenset(known)

    async def run(self) -> None:
        """Run until there is a new distributor."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                new = set(await asyncio.to_thread(distributor_ids, self._conninfo)) - self._known
            except psycopg.Error as away:
                log.warning("reference data could not be read", error=str(away)[:200])
                continue
            if new:
                log.info("new distributors, starting anew", distributors=sorted(new))
                return

    def details(self) -> dict[str, Any]:
        """The figures for `/healthz`."""
        return {"distributors": len(self._known)}
