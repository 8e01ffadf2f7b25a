"""Live pages: changes are told within moments, resumed after a break, bounded, and end with the server (L13)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from postavka.app.web import create_app
from postavka.kernel.settings import Settings
from postavka.web.settings import WebSettings
from tests.web.conftest import Site, served
from tests.web.stories import Story


class Stream:
    """Reads events one by one."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def event(self) -> dict[str, str]:
        """The next one; comments and retry lines are passed over."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            elif "data" in fields:
                return fields
            else:
                fields = {}
        raise AssertionError("the stream has ended")


@contextmanager
def stream(client: httpx2.Client, request_id: Any, seen: str | None = None) -> Iterator[Stream]:
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": seen} if seen else {})}
    with client.stream("GET", f"/requests/{request_id}/events", headers=headers, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        yield Stream(answer)


def test_a_change_is_told_as_it_happens(site: Site, measured: Any):
    story = Story().submitted()
    site.write(story)
    with stream(site.person("lukomor"), story.request_id) as live:
        assert live.answer.headers["content-type"].startswith("text/event-stream")
        assert '"status":"submitted"' in live.event()["data"]
        started = time.monotonic()
        site.write(story.approved())
        assert '"status":"awaiting-confirmation"' in live.event()["data"]
        measured(f"cabinet row committed → event in the page's stream: {(time.monotonic() - started) * 1000:.0f} ms")


def test_a_stream_resumes_where_it_was(site: Site):
    story = Story().submitted()
    site.write(story)
    browser = site.person("lukomor")
    with stream(browser, story.request_id) as live:
        seen = live.event()["id"]
    site.write(story.approved())
    with stream(browser, story.request_id, seen) as live:
        missed = live.event()
        assert '"status":"awaiting-confirmation"' in missed["data"]
    later = threading.Timer(0.5, lambda: site.write(story.shipped()))
    later.start()
    with stream(browser, story.request_id, missed["id"]) as live:
        assert '"status":"shipped"' in live.event()["data"], "what is known is not told again"
    later.join()


def test_a_stream_waits_for_a_request_that_was_just_sent(site: Site):
    browser, request_id = site.person("lukomor"), uuid4()
    me = browser.get("/api/v1/me").json()
    site.app.state.web.recently.note(f"partner:{me['partner_id']}", request_id)
    later = threading.Timer(0.5, lambda: site.write(Story(request_id=request_id).submitted()))
    later.start()
    with stream(browser, request_id) as live:
        assert '"status":"submitted"' in live.event()["data"]
    later.join()


def test_notifications_that_were_missed_are_made_up_for(site: Site):
    """The connection that listens is cut: whoever waits looks again when it is back."""
    story = Story().submitted()
    site.write(story)
    with stream(site.person("lukomor"), story.request_id) as live:
        live.event()
        with psycopg.connect(site.database, autocommit=True) as admin:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postavka-web-live'"
            admin.execute(cut + " AND datname = current_database()")
        site.write(story.approved())
        assert '"status":"awaiting-confirmation"' in live.event()["data"]


@pytest.mark.parametrize(
    "end",
    [
        "DELETE FROM accounts.sessions",
        "UPDATE accounts.users SET disabled_at = now() WHERE login = 'tihaya-gavan'",
    ],
    ids=["session ended", "user disabled"],
)
def test_who_is_let_in_no_more_is_told_no_more(site: Site, end: str):
    story = Story("tihaya-gavan").submitted()
    site.write(story)
    try:
        with stream(site.person("tihaya-gavan"), story.request_id) as live:
            live.event()
            site.sql(end)
            site.write(story.approved())
            with pytest.raises(AssertionError, match="has ended"):
                live.event()
    finally:
        site.sql("UPDATE accounts.users SET disabled_at = NULL WHERE login = 'tihaya-gavan'")


def test_operations_stream_of_all_events_ends_with_the_account(site: Site):
    try:
        with site.person("ops").stream("GET", "/ops/stream/events") as answer:
            lines = answer.iter_lines()
            next(line for line in lines if line.startswith("data"))
            site.sql("UPDATE accounts.users SET disabled_at = now() WHERE login = 'ops'")
            started = time.monotonic()
            assert not [line for line in lines if line.startswith("data")]  # until the server ends it
            assert time.monotonic() - started < 10
    finally:
        site.sql("UPDATE accounts.users SET disabled_at = NULL WHERE login = 'ops'")


def test_a_programs_stream_ends_with_its_token(site: Site):
    story = Story().submitted()
    site.write(story)
    token = site.token("lukomor")
    path = f"/api/v1/requests/{story.request_id}/events"
    with site.program(token).stream("GET", path, timeout=30) as answer:
        live = Stream(answer)
        live.event()
        site.sql("UPDATE accounts.tokens SET revoked_at = now() WHERE hint = %s", token[-4:])
        site.write(story.approved())
        with pytest.raises(AssertionError, match="has ended"):
            live.event()


def test_streams_are_bounded_for_each_user_and_given_back(web_database: str, kernel: Settings):
    config = WebSettings(live_streams_each=2, _env_file=None)
    with served(create_app(kernel, config), web_database, kernel) as running:
        story = Story().submitted()
        running.write(story)
        browser, other = running.person("lukomor"), running.person("dist-north")
        headers = {"Accept": "text/event-stream"}
        path = f"/requests/{story.request_id}/events"
        with stream(browser, story.request_id), stream(browser, story.request_id):
            refused = browser.get(path, headers=headers)
            assert refused.status_code == 429
            assert refused.headers["retry-after"]
            assert refused.headers["content-type"] == "application/problem+json"
            story.approved()
            running.write(story)
            with stream(other, story.request_id) as live:
                live.event()
        deadline = time.monotonic() + 20
        while running.app.state.web.live._open and time.monotonic() < deadline:
            running.write(story)  # a closed page is noticed when something is to be told
            time.sleep(0.1)
        assert not running.app.state.web.live._open


def test_the_server_stops_while_pages_are_open(web_database: str, kernel: Settings):
    story = Story().submitted()
    with served(create_app(kernel, WebSettings(_env_file=None)), web_database, kernel) as running:
        running.write(story)
        client = running.person("lukomor")
        opened = client.stream("GET", f"/requests/{story.request_id}/events")
        answer = opened.__enter__()
        Stream(answer).event()
        started = time.monotonic()
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*"])
def test_whoever_is_not_signed_in_gets_no_stream(site: Site, accept: str):
    answer = site.person().get(f"/requests/{uuid4()}/events", headers={"Accept": accept})
    assert answer.status_code == (401 if "event" in accept else 303)
