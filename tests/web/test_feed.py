"""The feed as programs read it: page by page and as it happens, each tenant its own, nothing that it may not see."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import orjson
import pytest

from events.reference import Distributor, Partner
from events.request import RequestSubmitted
from postavka.kernel.log.record import partition_name
from postavka.kernel.privacy.vault import open_vault
from services.feed.projection import TOPICS, FeedProjection
from tests.services.feed.history import CODE, SOLD, History
from tests.services.histories import PARTNER
from tests.web.conftest import Site
from tests.web.test_live import Stream

MINE = PARTNER.model_copy(update={"id": "lukomor"})
THEIRS = PARTNER.model_copy(update={"id": "romashka-it"})
NORTH = Distributor(id="dist-north", name="ООО «Север»", inn="7736050003", kpp="773601001")


class Feed:
    """The feed of the site's database."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.history = History(NORTH)
        site.sql("TRUNCATE feed.events, feed.tenants, feed.requests, feed.waiting, feed.marks, feed.unread")
        self._projection = FeedProjection(site.kernel)
        self._projection.marks([partition_name(topic, 0) for topic in TOPICS])

    def read(self) -> None:
        """What has happened is told."""
        self._projection.project([record for records in self.history.topics.values() for record in records])

    def sold(self, partner: Partner = MINE) -> str:
        """A sale through dist-north, told."""
        request_id = self.history.sold(partner)
        self.read()
        return str(request_id)


@pytest.fixture
def feed(site: Site) -> Feed:
    return Feed(site)


def page(client: httpx2.Client, **params: Any) -> Any:
    answer = client.get("/api/v1/events", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_page_by_page(site: Site, feed: Feed):
    request_id = feed.sold()
    program = site.program(site.token("lukomor"))
    told: list[Any] = []
    place: dict[str, str] = {}
    while True:
        answer = page(program, limit=3, **place)
        told += answer["items"]
        place = {"after": answer["next"]}
        if not answer["more"]:
            break
    assert [each["type"] for each in told] == SOLD
    assert {each["subject"] for each in told} == {request_id}
    assert answer["next"] == told[-1]["cursor"]
    assert page(program, after=answer["next"]) == {"items": [], "next": answer["next"], "more": False}
    assert page(program, after="end") == {"items": [], "next": answer["next"], "more": False}
    assert page(program, after=told[4]["cursor"])["items"] == told[5:]
    assert told[5]["data"]["kit"]["code"] == CODE
    assert told[0]["data"]["comment"] is None, "a field that is empty is there"


def test_each_tenant_has_its_own(site: Site, feed: Feed):
    mine, theirs = feed.sold(), feed.sold(THEIRS)
    partner, other, north, ural = (
        page(site.program(site.token(name))) for name in ("lukomor", "romashka-it", "dist-north", "dist-ural")
    )
    assert {each["subject"] for each in partner["items"]} == {mine}
    assert {each["subject"] for each in other["items"]} == {theirs}
    assert {each["subject"] for each in north["items"]} == {mine, theirs}
    assert ural == {"items": [], "next": "0", "more": False}
    assert CODE not in orjson.dumps(north).decode()
    assert [each["type"] for each in north["items"]] == SOLD * 2


def test_a_cursor_of_another_tenant_or_of_before_a_restore_is_gone(site: Site, feed: Feed):
    feed.sold()
    feed.sold(THEIRS)
    program = site.program(site.token("lukomor"))
    foreign = page(site.program(site.token("romashka-it")))["next"]
    own = page(program)["next"]
    beyond = f"99.{own.partition('.')[2]}"
    for place in (foreign, beyond):
        for path in ("/api/v1/events", "/api/v1/events/stream"):
            answer = program.get(path, params={"after": place})
            assert answer.status_code == 410
            assert answer.json()["type"].endswith("#gone")
    for place in ("x", "1", "-1.00000000", "0.00000000", f"{own}0", "1' OR 1=1"):
        assert program.get("/api/v1/events", params={"after": place}).status_code == 400


def test_a_person_who_was_forgotten_stands_in_no_event(site: Site, feed: Feed):
    vault = open_vault(site.kernel)
    person = "pers@zavod.example"
    _, record = feed.history.submitted(MINE)
    fields = orjson.loads(record.value or b"") | {"client_email": person}
    kept = vault.protect(RequestSubmitted.model_validate(fields))
    feed.history.topics["request.events"][-1] = record._replace(value=orjson.dumps(kept.model_dump()))
    feed.read()
    assert person not in str(site.sql("SELECT event FROM feed.events"))
    program = site.program(site.token("lukomor"))
    assert page(program)["items"][0]["data"]["client_email"] == person
    vault.erase(person, "dpo-1", "по заявлению")
    assert page(program)["items"][0]["data"]["client_email"] == "стёрто"


@contextmanager
def stream(client: httpx2.Client, seen: str | None = None, **params: str) -> Iterator[Stream]:
    headers = {"Last-Event-ID": seen} if seen else {}
    with client.stream("GET", "/api/v1/events/stream", headers=headers, params=params, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        yield Stream(answer)


def test_what_comes_is_told_as_it_comes_and_goes_on_after_a_break(site: Site, feed: Feed):
    feed.sold(THEIRS)
    program = site.program(site.token("lukomor"))
    later = threading.Timer(0.3, feed.sold)
    with stream(program, after="end") as live:
        later.start()
        first, second = live.event(), live.event()
    later.join()
    assert [first["event"], second["event"]] == SOLD[:2]
    assert orjson.loads(first["data"])["cursor"] == first["id"]
    with stream(program, seen=second["id"]) as live:
        assert [live.event()["event"] for _ in SOLD[2:]] == SOLD[2:]
