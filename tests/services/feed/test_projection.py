"""The feed in the database: numbers without gaps, seen in their order while transactions overlap, and the same for each
tenant in whatever order the topics are read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from random import Random
from typing import Any

import orjson
import psycopg
import pytest

from events.reference import Partner
from events.request import RequestSubmitted
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.settings import Settings
from postavka.kernel.store.checkpoint import CheckpointMoved
from services.feed.projection import TOPICS, FeedProjection
from tests.kernel.polling import until
from tests.services.feed.history import CODE, SOLD, History
from tests.services.histories import DISTRIBUTOR, PARTNER

OTHER = Partner(id="p-2", name="ООО «Второй»", inn="7707083893", kpp="773601001")
LOCKED = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
ALL_MARKS = [partition_name(topic, 0) for topic in TOPICS]


class Feed:
    """An empty feed."""

    def __init__(self, database: str) -> None:
        self.config = Settings(database_url=database)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "TRUNCATE feed.events, feed.tenants, feed.requests, feed.waiting, feed.marks, feed.unread"
            )
        self.projection = self.started()

    def started(self) -> FeedProjection:
        """Another process."""
        made = FeedProjection(self.config)
        made.marks(ALL_MARKS)
        return made

    def read(self, history: History, chance: Random | None = None) -> None:
        """All topics to their ends: one after the other, or by chance in pieces, with processes that end meanwhile."""
        left = {topic: list(records) for topic, records in history.topics.items()}
        while any(left.values()):
            topics = [topic for topic, records in left.items() if records]
            topic = chance.choice(topics) if chance else topics[-1]
            most = chance.randint(1, 4) if chance else len(left[topic])
            self.projection.project(left[topic][:most])
            del left[topic][:most]
            if chance and chance.random() < 0.2:
                self.projection = self.started()

    def told(self, party: str, tenant: str) -> list[dict[str, Any]]:
        """The events of a tenant, checked to be numbered 1, 2, 3 …"""
        rows = self.sql(
            f"SELECT {party}_number, event FROM feed.events WHERE {party}_id = %s AND {party}_number IS NOT NULL "  # noqa: S608
            "ORDER BY 1",
            tenant,
        )
        assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
        return [orjson.loads(event) for _, event in rows]

    def types(self, party: str, tenant: str, subject: object) -> list[str]:
        """What a tenant is told of a request."""
        return [each["type"] for each in self.told(party, tenant) if each["subject"] == str(subject)]

    def sql(self, query: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.config.database_url.get_secret_value(), autocommit=True) as connection:  # type: ignore[union-attr]
            return connection.execute(query.encode(), values).fetchall()


@pytest.fixture
def feed(own_database: str) -> Feed:
    return Feed(own_database)


def test_topics_read_backwards_are_told_in_order(feed: Feed):
    history = History()
    sold = history.sold()
    feed.read(history)
    assert feed.types("partner", PARTNER.id, sold) == SOLD
    assert feed.types("distributor", DISTRIBUTOR.id, sold) == SOLD
    assert feed.sql("SELECT count(*) FROM feed.waiting") == [(0,)]
    assert feed.sql("SELECT count(*) FROM feed.unread") == [(0,)]


@pytest.mark.parametrize("seed", range(8))
def test_by_chance_in_pieces_and_with_new_processes(feed: Feed, seed: int):
    history = History()
    sold = [history.sold(partner) for partner in (PARTNER, OTHER, PARTNER)]
    refused, sent = history.submitted()
    history.rejected(refused, sent)
    gone, sent = history.submitted()
    history.withdrawn(gone)
    history.approved(gone, sent)
    feed.read(history, Random(seed))
    for partner, subject in zip((PARTNER, OTHER, PARTNER), sold, strict=True):
        told = feed.types("partner", partner.id, subject)
        assert sorted(told) == sorted(SOLD)
        for path in (
            SOLD[:3] + SOLD[4:],
            SOLD[:2] + SOLD[3:],
        ):  # permission and confirmation know nothing of each other
            assert [each for each in told if each in path] == path
        assert feed.types("distributor", DISTRIBUTOR.id, subject) == told
    assert feed.types("partner", PARTNER.id, refused) == [RequestSubmitted.TYPE, "Rejected.v1"]
    assert feed.types("distributor", DISTRIBUTOR.id, refused) == []
    everything = {RequestSubmitted.TYPE, "RequestWithdrawn.v1", "Approved.v3", "PermissionIssued.v1"}
    assert set(feed.types("partner", PARTNER.id, gone)) == everything
    assert set(feed.types("distributor", DISTRIBUTOR.id, gone)) == everything, "also what was before the approval"
    assert {each["subject"] for each in feed.told("partner", OTHER.id)} == {str(sold[1])}


def test_the_envelope_is_that_of_the_log_without_its_places(feed: Feed):
    history = History()
    history.sold()
    feed.read(history)
    event = feed.told("partner", PARTNER.id)[2]
    record = history.topics["shipping.events"][0]
    headers = {name: (value or b"").decode() for name, value in record.headers}
    assert event["data"] == orjson.loads(record.value or b"")
    for name in ("specversion", "id", "source", "type", "subject", "time"):
        assert event[name] == headers[f"ce_{name}"]
    assert event.keys() - {"data"} <= {
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "causationid", "correlationid",
    }  # fmt: skip


def test_a_batch_that_was_read_before_tells_nothing(feed: Feed):
    history = History()
    history.sold()
    feed.read(history)
    assert feed.projection.project(history.topics["request.events"]) == 0
    again = feed.started()
    again._marks.clear()
    with pytest.raises(CheckpointMoved):
        again.project(history.topics["request.events"])
    assert len(feed.told("partner", PARTNER.id)) == len(SOLD)


def test_numbers_are_seen_in_their_order_while_transactions_overlap(feed: Feed):
    """Whoever has the lower number holds up the others of its tenant, and of no other."""
    history = History()
    mine, _ = history.submitted()
    theirs, _ = history.submitted(OTHER)
    records = history.topics["request.events"]
    with psycopg.connect(feed.config.database_url.get_secret_value()) as early:  # type: ignore[union-attr]
        early.execute("INSERT INTO feed.tenants VALUES ('partner', %s, 1)", (PARTNER.id,))
        early.execute(
            'INSERT INTO feed.events (partner_id, partner_number, event) VALUES (%s, 1, \'{"subject": ""}\')',
            (PARTNER.id,),
        )
        late = threading.Thread(target=feed.projection.project, args=(records[:1],))
        late.start()
        until(lambda: feed.sql(LOCKED), "the later one waits")
        assert feed.told("partner", PARTNER.id) == []
        other = FeedProjection(feed.config)
        other.marks([])
        other._marks["request.events/0"] = feed.projection._marks["request.events/0"]
        assert _without_marks(other, records[1:]) == 1
        assert len(feed.told("partner", OTHER.id)) == 1
        early.commit()
        late.join()
    assert [each["subject"] for each in feed.told("partner", PARTNER.id)] == ["", str(mine)]
    assert feed.types("partner", OTHER.id, theirs) == [RequestSubmitted.TYPE]


def _without_marks(projection: FeedProjection, records: Sequence[Record]) -> int:
    """As the worker of another partition."""
    return projection.project([Record(each.topic, 1, *each[2:]) for each in records])


def test_a_distributor_is_told_nothing_of_a_code(feed: Feed):
    """The table has it for the partner alone; what a distributor reads is cut when it is read."""
    history = History()
    history.sold()
    feed.read(history)
    assert CODE in str(feed.told("partner", PARTNER.id))


def test_what_cannot_be_read_is_kept_aside(feed: Feed):
    history = History()
    history.sold()
    record = history.topics["approval.events"][0]
    history.topics["approval.events"][0] = record._replace(value=b"[]")
    feed.read(history)
    (found,) = feed.sql('SELECT topic, partition, "offset", type FROM feed.unread')
    assert found == ("approval.events", 0, 0, "Approved.v3")
