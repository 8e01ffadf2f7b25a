"""Events from the stores: pages of the past that miss and repeat nothing, causes, effects and waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import Batch, EventRecorder, RecordedEvent
from services.cabinet.table import prepare
from services.ops import history
from services.ops.live_feed import EventFilter, requests_of
from services.ops.rates import counts_of

START = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)


@pytest.fixture
def url(database: str) -> str:
    """The stores of two stages, and a cabinet."""
    migrate(database, "request", EVENT_STORE)
    migrate(database, "approval", EVENT_STORE)
    prepare(database)
    return database


def write(url: str, stage: str, *events: RecordedEvent) -> None:
    datastore = SchemaDatastore(url, stage)
    EventRecorder(datastore).append(Batch(events=list(events)))
    datastore.close()


def event(request: UUID, second: float, kind: str, cause: str | None = None, version: int = 1) -> RecordedEvent:
    clock = int((START.timestamp() + second) * 1000) << 16
    moment = START + timedelta(seconds=second)
    return RecordedEvent(request, version, kind, b'{"buyer":"%s"}' % kind.encode(), moment, clock, cause, None, "i/0/1")


def pages(connection: psycopg.Connection, wanted: EventFilter, size: int) -> Iterator[list[tuple[str, int]]]:
    before = ""
    for _ in range(100):
        page = history.page_of(connection, wanted, before, limit=size)
        yield [(found.stage, found.position) for found in page.events]
        if not page.before:
            return
        before = page.before
    raise AssertionError("pages without end")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_pages_of_any_size_show_everything_once_in_the_order_of_clocks(url: str, size: int) -> None:
    write(url, "request", *(event(uuid4(), second, "RequestSubmitted.v1") for second in (1, 2, 3, 10, 11)))
    write(url, "approval", *(event(uuid4(), second, "Approved.v1") for second in (2.5, 4, 5, 6)))
    with psycopg.connect(url) as connection:
        shown = [place for page in pages(connection, EventFilter(), size) for place in page]
    expected = [("request", 5), ("request", 4), ("approval", 4), ("approval", 3), ("approval", 2)]
    assert shown == [*expected, ("request", 3), ("approval", 1), ("request", 2), ("request", 1)]


def test_filters_and_a_moment(url: str) -> None:
    request = uuid4()
    write(url, "request", event(request, 1, "RequestSubmitted.v1"), event(uuid4(), 2, "RequestSubmitted.v1"))
    write(url, "approval", event(request, 3, "Approved.v1"))
    with psycopg.connect(url) as connection:

        def moment(second: float | None) -> datetime | None:
            return None if second is None else START + timedelta(seconds=second)

        def shown(wanted: EventFilter, until: float | None = None, since: float | None = None) -> list[tuple[str, int]]:
            page = history.page_of(connection, wanted, until=moment(until), since=moment(since))
            assert not page.before or since is None, "all of the span is on one page"
            return [(found.stage, found.position) for found in page.events]

        assert shown(EventFilter(type="approved")) == [("approval", 1)]
        assert shown(EventFilter(request=str(request)[:8])) == [("approval", 1), ("request", 1)]
        assert shown(EventFilter(stage="request")) == [("request", 2), ("request", 1)]
        assert shown(EventFilter(text="Submitted")) == [("request", 2), ("request", 1)]
        assert shown(EventFilter(partner="lukomor")) == []
        assert shown(EventFilter(), until=2) == [("request", 2), ("request", 1)]
        assert shown(EventFilter(), until=0.5) == []
        assert shown(EventFilter(), since=1.5) == [("approval", 1), ("request", 2)]
        assert shown(EventFilter(), until=2, since=1) == [("request", 2)]
        since, until = START, START + timedelta(seconds=30)
        assert counts_of(connection, since, until) == [1, 1, 1, *[0] * 27]
        assert counts_of(connection, since, until, "approval") == [0, 0, 1, *[0] * 27]
        assert requests_of(connection, [str(request)]) == {}, "the cabinet does not know it yet"


def test_an_event_names_its_cause_and_its_effects_and_how_long_it_waited(url: str) -> None:
    request = uuid4()
    write(url, "request", event(request, 1, "RequestSubmitted.v1", "/cli#1"))
    write(url, "approval", event(request, 1.25, "Approved.v1", f"/postavka/request#{request}/1"))
    with psycopg.connect(url) as connection:
        whole = history.of_request(connection, request)
        asked, approved = whole
        assert history.cause_and_effects(whole, asked) == (None, [approved])
        assert history.cause_and_effects(whole, approved) == (asked, [])
        assert [(step.waited, step.since_start) for step in history.steps(whole)] == [(0, 0), (0.25, 0.25)]
        assert history.one(connection, "approval", 1) == approved
        assert history.one(connection, "approval", 2) is None
        assert history.one(connection, "pg_catalog", 1) is None


def test_a_cursor_from_outside_does_no_harm(url: str) -> None:
    write(url, "request", event(uuid4(), 1, "RequestSubmitted.v1"))
    with psycopg.connect(url) as connection:
        for before in ("nonsense", "request:x", "pg_catalog:5", "request:0,approval:-1", ","):
            history.page_of(connection, EventFilter(), before)
