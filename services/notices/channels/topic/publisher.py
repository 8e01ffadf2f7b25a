"""The notices' way to the distributors' topics: the kernel's relay, with a route of its own.

Before it starts, what lies on the topics and is missing in the store is brought back (the store was restored from an
older copy), so that positions go on where the topics are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import InterfaceError, OperationalError

from events.registry import read_fields
from events.topics import notices_of
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.process import metrics
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.stage.recovery import import_missing
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.recorder import EventRecorder
from services.notices.channels.topic.channel import CLAIM, claim_of

log = logger(__name__)

SCHEMA = "notices"

SOURCE = "/postavka/notices"
MEASURE_SECONDS = 2.0


class ToDistributors:
    """Each notice goes to the topic of the distributor that it is for."""

    def __init__(self, distributors: Sequence[str]) -> None:
        self.topics = [notices_of(each) for each in distributors]

    def __call__(self, event: Any) -> Sequence[str]:
        return (notices_of(read_fields(event.type, event.body)[1]["distributor_id"]),)


class NoticePublisher:
    """The `postavka.kernel.projection.worker.BackgroundTask` that publishes notices."""

    def __init__(self, config: Settings, distributors: Sequence[str]) -> None:
        self._route = ToDistributors(distributors)
        conninfo = database_url(config)
        datastore = SchemaDatastore(conninfo, SCHEMA)
        import_missing(config, datastore, self._route.topics, lambda event: [(CLAIM, claim_of(event))])
        recorder = EventRecorder(datastore)
        self._recorder = recorder
        counted = metrics.RELAYED.labels(SCHEMA).inc
        self.relay = Relay(config, recorder, "notices", SOURCE, {}, counted, route=self._route)

    def wake(self) -> None:
        """Say that there may be something to publish. From any thread."""
        self.relay.wake()

    async def run(self) -> None:
        """Run until cancelled; raises when the relay can't go on."""
        self.relay.start()
        measuring = asyncio.create_task(self._measure())
        try:
            await asyncio.to_thread(self.relay.join)
            raise RuntimeError(f"the relay failed: {self.relay.failed!r}")
        finally:
            measuring.cancel()
            self.relay.stop()

    async def _measure(self) -> None:
        """How much is not on the topics yet; while PostgreSQL is away it stays as it was."""
        while True:
            try:
                head = await asyncio.to_thread(self._recorder.head) if self.relay.active else self.relay.position
                metrics.RELAY_DELAY.labels(SCHEMA).set(max(0, head - self.relay.position))
            except (OperationalError, InterfaceError) as away:
                log.info("the outbox could not be counted", error=str(away)[:200])
            await asyncio.sleep(MEASURE_SECONDS)

    def details(self) -> dict[str, Any]:
        """The figures for `/healthz`."""
        return {
            "relay": "active" if self.relay.active else "standby",
            "relayed_position": self.relay.position,
        }
