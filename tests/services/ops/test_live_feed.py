"""The live stream: who is told what, how much, and what happens to the rest. Mostly without
servers: records are handed in."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import orjson
import pytest
from confluent_kafka import Producer

from postavka.kernel.log.connection import for_producer
from postavka.kernel.log.offsets import OffsetsUnknown
from postavka.kernel.log.record import Record
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import Settings
from services.ops import live_feed as live
from services.ops.live_feed import KEPT, SHOWN, EventFilter, Feed
from tests.system.conftest import wait_until

TIME = b"2026-03-16T09:30:00.123456Z"


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """One without its reader."""
    monkeypatch.setattr(Feed, "_want", lambda self: None)
    return Feed(Settings())


def event(position: int, kind: str, request: str, topic: str = "request.events", **body: object) -> Record:
    headers = (
        ("ce_type", kind.encode()),
        ("ce_subject", request.encode()),
        ("ce_time", TIME),
        ("ce_position", b"%d" % position),
    )
    return Record(topic, 3, position, 0, request.encode(), orjson.dumps(body), headers)


def submitted(position: int, partner: str = "lukomor", distributor: str | None = "dist-north") -> Record:
    body = {"partner_id": partner, "distributor_id": distributor, "buyer": "ООО «Ёлка»"}
    return event(position, "RequestSubmitted.v1", str(uuid4()), **body)


def test_a_viewer_is_told_what_came_behind_its_place(feed: Feed) -> None:
    feed.take([submitted(1), submitted(2)])
    first = feed.view(0, EventFilter())
    feed.take([submitted(3)])
    second = feed.view(first.last, EventFilter())
    assert [told.position for told in first.events] == [1, 2]
    assert [told.position for told in second.events] == [3]
    assert feed.view(second.last, EventFilter()).events == []


def test_a_flood_is_sampled_and_counted(feed: Feed) -> None:
    feed.take([submitted(position) for position in range(1, 501)])
    beat = feed.view(0, EventFilter())
    assert [told.position for told in beat.events] == list(range(501 - SHOWN, 501)), "the newest, in order"
    assert (beat.more, dict(beat.counts), beat.missed) == (500 - SHOWN, {"RequestSubmitted.v1": 500}, 0)


def test_memory_is_bounded_and_a_viewer_that_was_away_too_long_is_told_so(feed: Feed) -> None:
    feed.take([submitted(position) for position in range(1, KEPT + 101)])
    assert feed.view(0, EventFilter()).missed == 100
    assert feed.view(KEPT + 99, EventFilter()).missed == 0


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        (EventFilter(), [1, 2, 3]),
        (EventFilter(stage="approval"), [3]),
        (EventFilter(type="approved"), [3]),
        (EventFilter(partner="lukomor"), [1, 3]),
        (EventFilter(distributor="dist-north"), [1, 3]),
        (EventFilter(partner="lukomor", stage="request"), [1]),
        (EventFilter(text="ёлка"), [1, 2]),
        (EventFilter(text="нет такого"), []),
    ],
)
def test_filters(feed: Feed, wanted: EventFilter, positions: list[int]) -> None:
    first = submitted(1)
    request = (first.key or b"").decode()
    approved = event(3, "Approved.v3", request, "approval.events", product={"name": "ИТС"})
    feed.take([first, submitted(2, "romashka-it", None), approved])
    assert [told.position for told in feed.view(0, wanted).events] == positions
    assert [told.position for told in feed.view(0, EventFilter(request=request[:8])).events] == [1, 3]


def test_records_that_are_no_events_are_left_out(feed: Feed) -> None:
    feed.take([Record("request.events", 0, 0, 0, None, b"{", ()), submitted(1)])
    assert [told.position for told in feed.view(0, EventFilter()).events] == [1]


def test_a_late_duplicate_is_shown_once(feed: Feed) -> None:
    first, second = submitted(1), submitted(2)
    feed.take([first, second])
    feed.take([first._replace(offset=3)])
    assert [told.position for told in feed.view(0, EventFilter()).events] == [1, 2]


def test_a_word_is_said_about_an_event_whatever_its_body() -> None:
    invoice = b'{"number":"2026-0000001","amount":"20160.00"}'
    assert live.words("InvoiceIssued.v1", invoice) == "2026-0000001 · 20\u00a0160,00\u00a0₽"
    reasons = '{"reasons":[{"message":"ИНН неверен"},{"message":"Нет КПП"}]}'.encode()
    assert live.words("Rejected.v1", reasons) == "ИНН неверен; Нет КПП"
    for odd in (b"", b"[]", b"{", b'{"kit":{}}', b'{"reasons":[1]}'):
        assert live.words("Rejected.v1", odd) == ""
    assert live.words("Rejected.v99", reasons) == ""


class Written:
    """A topic of our own, one who writes on it, and feeds of it whose reader lingers for a second."""

    def __init__(self, servers: Endpoints) -> None:
        self.config, self.topic = Settings(**servers.settings()), f"feed-{uuid4().hex[:8]}"
        ensure_topics(self.config, [self.topic])
        self._producer = Producer(for_producer(self.config))
        self.feeds: list[Feed] = []

    def write(self, *positions: int) -> None:
        for position in positions:
            written = submitted(position)
            self._producer.produce(self.topic, written.value, written.key, headers=list(written.headers))
        assert self._producer.flush(30) == 0

    def feed(self) -> Feed:
        self.feeds.append(Feed(self.config, [self.topic]))
        return self.feeds[-1]


def reads(feed: Feed) -> int:
    """Ask until it reads; then the place of a viewer that wants what comes."""
    wait_until(lambda: (feed.now(), feed.reading)[1], "the reader knows where it begins", 60)
    return feed.now()


def ended(feed: Feed) -> None:
    """Until the reader has ended, since nobody looks."""
    wait_until(lambda: feed._thread is None, "the reader has ended", 60)


@pytest.fixture
def written(servers: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    monkeypatch.setattr(live, "LINGER_SECONDS", 1.0)
    one = Written(servers)
    yield one
    for feed in one.feeds:
        ended(feed)


def test_a_viewer_sees_what_is_written_once_the_feed_reads(written: Written) -> None:
    """Even the first one, for whom the reader has just started."""
    feed = written.feed()
    beginning = reads(feed)
    written.write(1)
    wait_until(lambda: feed.view(beginning, EventFilter()).events, "the event is seen", 60)


def test_what_is_written_while_nobody_looks_is_told_to_who_comes_back(written: Written) -> None:
    """A viewer that has paused longer than the reader lingers."""
    feed = written.feed()
    place = reads(feed)
    ended(feed)
    written.write(1, 2)

    def both() -> bool:
        beat = feed.view(place, EventFilter())
        assert beat.missed == 0
        return {told.position for told in beat.events} == {1, 2}

    wait_until(both, "both are seen", 60)


def test_what_was_written_while_nobody_looked_is_not_new_to_the_next_viewer(written: Written) -> None:
    feed = written.feed()
    reads(feed)
    ended(feed)
    written.write(*range(1, 200))
    beginning = reads(feed)
    written.write(200)
    wait_until(lambda: feed.view(beginning, EventFilter()).events, "what comes is seen", 60)
    assert [told.position for told in feed.view(beginning, EventFilter()).events] == [200]


def test_what_is_too_much_to_read_again_is_told_as_missed(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT", 2)
    feed = written.feed()
    place = reads(feed)
    ended(feed)
    written.write(1, 2, 3)
    wait_until(lambda: feed.view(place, EventFilter()).missed == 3, "three are missed", 60)


def test_a_broker_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OffsetsUnknown("Kafka: KafkaConnection")

    monkeypatch.setattr(live, "LINGER_SECONDS", 1.0)
    monkeypatch.setattr(live, "end_offsets", away)
    feed = Feed(Settings())
    feed.now()
    wait_until(lambda: feed.trouble, "it is said", 60)
    assert not feed.reading
    ended(feed)
