"""News as events on the topics of distributors: written into the outbox, published by `publisher.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from events.notices import Notice
from events.registry import encode
from events.topics import notices_of
from postavka.domain.reference.store import Snapshot
from postavka.kernel.clock import Clock
from postavka.kernel.process.logs import logger
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.recorder import APPEND, Batch, Claim, RecordedEvent, parameters_of
from services.notices.channels.channel import NewsItem
from services.notices.rules import News
from services.notices.texts import word

QUERIES = load_queries("services.notices")

log = logger(__name__)

CLAIM = "notice"


class NewDistributor(RuntimeError):
    """A distributor was added: the process starts anew with its topics."""


class TopicChannel:
    """The `OutgoingChannel` of a distributor's topic."""

    def __init__(self, distributors: Sequence[str], vendor: str, reference: Callable[[], Snapshot]) -> None:
        self._distributors = frozenset(distributors)
        self._vendor = vendor
        self._reference = reference
        self._clock = Clock()

    def deliver(self, connection: psycopg.Connection[Any], items: Sequence[NewsItem]) -> int:
        """Deliver as `OutgoingChannel` says. Raises `NewDistributor`."""
        batch = Batch(events=self._notices(connection, items))
        batch.claims = [Claim(CLAIM, claim_of(event), event.originator_id) for event in batch.events]
        if batch.events:
            connection.execute(APPEND, parameters_of(batch), prepare=True, binary=True)
        return len(batch.events)

    def _notices(self, connection: psycopg.Connection[Any], items: Sequence[NewsItem]) -> list[RecordedEvent]:
        """Events for the distributors' topics that were not published before, with positions still to come."""
        made = [
            (self._notice(each.news), each)
            for each in items
            if each.news.topic is not None and self._has_topic(each.news.party_id)
        ]
        now = datetime.now(UTC)
        events: dict[str, RecordedEvent] = {}
        for notice, each in made:
            news, record, envelope = each.news, each.record, each.envelope
            event = RecordedEvent(
                news.request_id,
                0,
                notice.TYPE,
                encode(notice),
                now,
                self._clock.tick(envelope.clock if envelope else 0, 0),
                news.cause.reference,
                (envelope.correlation if envelope else None) or str(news.request_id),
                record.coordinates,
                envelope.trace if envelope else None,
            )
            events.setdefault(claim_of(event, notice), event)
        before = connection.execute(QUERIES.notices_sent, (CLAIM, list(events))).fetchall()
        for (value,) in before:
            del events[value]
        return self._with_versions(connection, list(events.values()))

    def _with_versions(self, connection: psycopg.Connection[Any], events: list[RecordedEvent]) -> list[RecordedEvent]:
        rows = connection.execute(QUERIES.versions, ([event.originator_id for event in events],)).fetchall()
        versions: dict[UUID, int] = dict(rows)
        numbered = []
        for event in events:
            versions[event.originator_id] = version = versions.get(event.originator_id, 0) + 1
            numbered.append(event._replace(version=version))
        return numbered

    def _notice(self, news: News) -> Notice:
        assert news.topic is not None  # noqa: S101
        worded, facts, known = word(news, self._vendor), news.facts, news.known
        return Notice(
            kind=news.topic,
            distributor_id=news.party_id,
            happened_at=news.cause.happened_at,
            title=worded.title,
            text=worded.text,
            permission_number=known.permission_number if known else None,
            sale=known.sale if known else None,
            receipt=facts.get("receipt"),
            document=facts.get("document"),
            kit_number=facts.get("kit"),
            reason=facts.get("reason"),
        )

    def _has_topic(self, distributor: str) -> bool:
        if distributor in self._distributors:
            return True
        if distributor in self._reference().distributors:
            raise NewDistributor(f"the distributor {distributor} is new: starting anew with {notices_of(distributor)}")
        log.warning("no topic for a distributor that has left the reference data", distributor=distributor)
        return False


def claim_of(event: RecordedEvent, notice: Notice | None = None) -> str:
    """Names a piece of news for ever: its cause, what it is, whom it is for."""
    notice = notice or Notice.model_validate_json(event.body)
    return hashlib.sha256(f"{event.causation}|{notice.kind}|{notice.distributor_id}".encode()).hexdigest()
