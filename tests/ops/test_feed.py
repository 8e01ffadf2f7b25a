"""The live stream: who is told what, how much, and what happens to the rest. Mostly without
servers: records are handed in."""

from __future__ import annotations

from uuid import uuid4

import orjson
import pytest
from confluent_kafka import Producer

from postavka.log.connection import for_producer
from postavka.log.record import Record
from postavka.log.topics import ensure_topics
from postavka.runtime.embedded import Endpoints
from postavka.settings import Settings
from services.ops import feed as live
from services.ops.feed import KEPT, SHOWN, Feed, Filter
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
    first = feed.view(0, Filter())
    feed.take([submitted(3)])
    second = feed.view(first.last, Filter())
    assert [told.position for told in first.events] == [1, 2]
    assert [told.position for told in second.events] == [3]
    assert feed.view(second.last, Filter()).events == []


def test_a_flood_is_sampled_and_counted(feed: Feed) -> None:
    feed.take([submitted(position) for position in range(1, 501)])
    beat = feed.view(0, Filter())
    assert [told.position for told in beat.events] == list(range(501 - SHOWN, 501)), "the newest, in order"
    assert (beat.more, dict(beat.counts), beat.missed) == (500 - SHOWN, {"RequestSubmitted.v1": 500}, 0)


def test_memory_is_bounded_and_a_viewer_that_was_away_too_long_is_told_so(feed: Feed) -> None:
    feed.take([submitted(position) for position in range(1, KEPT + 101)])
    assert feed.view(0, Filter()).missed == 100
    assert feed.view(KEPT + 99, Filter()).missed == 0


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        (Filter(), [1, 2, 3]),
        (Filter(stage="approval"), [3]),
        (Filter(type="approved"), [3]),
        (Filter(partner="lukomor"), [1, 3]),
        (Filter(distributor="dist-north"), [1, 3]),
        (Filter(partner="lukomor", stage="request"), [1]),
        (Filter(text="ёлка"), [1, 2]),
        (Filter(text="нет такого"), []),
    ],
)
def test_filters(feed: Feed, wanted: Filter, positions: list[int]) -> None:
    first = submitted(1)
    request = (first.key or b"").decode()
    approved = event(3, "Approved.v2", request, "approval.events", product={"name": "ИТС"})
    feed.take([first, submitted(2, "romashka-it", None), approved])
    assert [told.position for told in feed.view(0, wanted).events] == positions
    assert [told.position for told in feed.view(0, Filter(request=request[:8])).events] == [1, 3]


def test_records_that_are_no_events_are_left_out(feed: Feed) -> None:
    feed.take([Record("request.events", 0, 0, 0, None, b"{", ()), submitted(1)])
    assert [told.position for told in feed.view(0, Filter()).events] == [1]


def test_a_word_is_said_about_an_event_whatever_its_body() -> None:
    assert live.words(b'{"number":"2026-0000001","amount":"20160.00"}') == "2026-0000001 · 20160.00 ₽"
    assert (
        live.words('{"reasons":[{"message":"ИНН неверен"},{"message":"Нет КПП"}]}'.encode()) == "ИНН неверен; Нет КПП"
    )
    for odd in (b"", b"[]", b"{", b'{"kit":{}}', b'{"reasons":[1]}'):
        assert live.words(odd) == ""


def test_a_viewer_sees_what_is_written_once_it_knows_its_beginning(servers: Endpoints) -> None:
    """Even the first one, for whom the reader has just started."""
    config, topic = Settings(**servers.settings()), f"feed-{uuid4().hex[:8]}"
    ensure_topics(config, [topic])
    feed = Feed(config, [topic])
    beginning = feed.now()
    producer = Producer(for_producer(config))
    written = submitted(1)
    producer.produce(topic, written.value, written.key, headers=list(written.headers))
    producer.flush(30)
    wait_until(lambda: feed.view(beginning, Filter()).events, "the event is seen", 30)


def test_a_beginning_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka is away."""
    monkeypatch.setattr(live, "START_SECONDS", 0.2)
    monkeypatch.setattr(Feed, "_read", lambda self: None)
    assert Feed(Settings()).now() == 0
