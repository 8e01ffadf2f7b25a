"""What comes by HTTP is judged once, for every page and call: texts, JSON, hosts, heads, what is held already."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException
from fastapi import Request
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from events.request import REQUEST_TYPE
from postavka.app.web import create_app
from postavka.domain.tax_register import NotAnswering
from postavka.kernel.process.logs import _escape
from postavka.kernel.settings import Settings
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import Batch, EventRecorder
from postavka.web import json_body
from postavka.web.authorization import _check_texts
from postavka.web.formats import iso
from postavka.web.guard import REQUESTS
from postavka.web.hosts import Hosts
from postavka.web.problem import Problem
from postavka.web.settings import WebSettings
from services.ops.store import prepare
from tests.services.ops.test_history import event
from tests.web.conftest import PATIENCE_SECONDS, Site, served
from tests.web.stories import BEGIN, Story
from tests.web.test_api import FIELDS, key

# JSON and texts


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b'{"a": 1, "a": 2}', "дважды"),
        (b'{"a": [{"b": 1, "b": 1}]}', "дважды"),
        (b"[" * 200_000, "вложенность"),
        (b'{"a": 1, "b": {"a": 1}}', None),
        (b"no JSON", None),
        (b"", None),
    ],
)
def test_json_that_two_readers_read_differently(body: bytes, wrong: str | None):
    found = json_body.fault(body)
    assert (found is None) if wrong is None else (wrong in (found or ""))


def test_many_names_are_judged_in_no_time():
    names = [b'"field%d":0' % number for number in range(50_000)]
    began = time.monotonic()
    found = json_body.fault(b"{" + b",".join([*names, names[-1]]) + b"}")
    assert time.monotonic() - began < 1
    assert "field49999" in (found or "")


def test_nul_in_the_first_of_equal_fields():
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"to=a%00b&to=c"}

    form = (b"content-type", b"application/x-www-form-urlencoded")
    with pytest.raises(Problem):
        asyncio.run(_check_texts(Request({"type": "http", "method": "POST", "headers": [form]}, receive)))


def test_the_api_judges_json_before_anybody_reads_it(site: Site):
    client = site.program(site.token("lukomor"))

    def send(body: bytes) -> httpx2.Response:
        return client.post("/api/v1/requests", content=body, headers={"Content-Type": "application/json", **key()})

    fine = json.dumps(FIELDS).encode()
    assert send(b"\xef\xbb\xbf" + fine).status_code == 202, "a byte order mark is passed over"
    twice = send(fine[:-1] + b', "inn": "7707083893"}')
    assert (twice.status_code, "дважды" in twice.json()["detail"]) == (400, True)
    for buyer in ("\\u202e\\u0000", "\\u0000", "\\u00a0", " "):
        sent = send(json.dumps({**FIELDS, "buyer": "B"}).replace('"B"', f'"{buyer}"').encode())
        assert sent.status_code == 422


def test_no_text_of_a_json_body_takes_nul(site: Site):
    """A new field is looked at from its first day: each text has a pattern, and none of them takes NUL."""
    looked_at = 0
    for route in iter_route_contexts(site.app.routes):
        if not isinstance(route.original_route, APIRoute) or not (route.path or "").startswith("/api/"):
            continue
        for field in route.dependant.body_params:
            model = field.field_info.annotation
            if not (isinstance(model, type) and issubclass(model, BaseModel)):
                continue
            schema = model.model_json_schema()
            for owner in (schema, *schema.get("$defs", {}).values()):
                for name, said in owner.get("properties", {}).items():
                    for each in (said, *said.get("anyOf", ()), said.get("items", {})):
                        if each.get("type") == "string" and not {"format", "enum", "const"} & each.keys():
                            assert not re.search(each["pattern"], "a\x00b"), f"{route.path}: {name}"
                            looked_at += 1
    assert looked_at > 20


@pytest.mark.parametrize("path", ["/ops/stream?text=%00", "/ops/search?q=%00", "/ops/requests/%00", "/letters?to=a%00"])
def test_nul_in_an_address(site: Site, path: str):
    assert site.person("ops").get(path).status_code == 400


def test_nul_in_a_form(site: Site):
    browser = site.person("lukomor")
    token = browser.csrf("/account")
    for headers in ({}, {"X-CSRF-Token": token}):
        sent = browser.post("/account/tokens", data={"csrf": token, "name": "a\x00b", "days": "1"}, headers=headers)
        assert sent.status_code == 400
    assert site.person().sign_in("luko\x00mor").status_code == 400


def _count(status: str) -> float:
    return float(REQUESTS.labels("POST", status)._value.get())


def test_a_client_that_goes_away_in_mid_body_raises_no_alert(site: Site):
    before, gone = _count("500"), _count("499")
    port = int(site.url.rpartition(":")[2])
    for path, kind in (("/sign-in", "application/x-www-form-urlencoded"), ("/api/v1/requests", "application/json")):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as line:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 100\r\n\r\n"
            line.sendall(head.encode() + b"login=a")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _count("499") < gone + 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (_count("499"), _count("500")) == (gone + 2, before)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("/zz3\x1b[31mred", "/zz3\\x1b[31mred"),
        ("a\nb\x00\x07\x85\u2028\u202e", "a\\nb\\x00\\x07\\x85\\u2028\\u202e"),
        ("обычный текст «да»", "обычный текст «да»"),
    ],
)
def test_logs_have_nothing_that_steers_a_terminal(said: str, written: str):
    fields: dict[str, Any] = {"event": said, "path": said, "exception": "line\nline\x1b", "count": 1}
    assert _escape(None, "info", fields) == {
        "event": written, "path": written, "exception": "line\nline\\x1b", "count": 1
    }  # fmt: skip


@pytest.mark.parametrize(
    "away",
    [KafkaException(KafkaError(KafkaError._NOENT)), psycopg.OperationalError("the server closed the connection")],
)
def test_a_server_that_is_away_is_no_error_of_ours(site: Site, monkeypatch: pytest.MonkeyPatch, away: Exception):
    def fails(*_: object) -> None:
        raise away

    monkeypatch.setattr("services.audit.pages.history", fails)
    answer = site.person("auditor").get(f"/audit/requests/{uuid4()}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert str(away) not in answer.text


# Hosts and probes


@pytest.mark.parametrize(
    ("url", "host", "known"),
    [
        (None, "127.0.0.1:8080", True),
        (None, "[::1]:8080", True),
        (None, "localhost", True),
        (None, "web:9000", True),
        (None, "evil.example", False),
        (None, "127.0.0.1.evil.example:80", False),
        ("https://cabinet.example.ru", "cabinet.example.ru", True),
        ("https://cabinet.example.ru", "CABINET.example.ru.:443", True),
        ("https://cabinet.example.ru", "evil.example", False),
        ("https://cabinet.example.ru", "inside.example.ru", True),
        ("https://cabinet.example.ru", "10.0.0.7", True),
    ],
)
def test_names_that_are_ours(url: str | None, host: str, known: bool):
    hosts = "" if url is None else "other.example.ru, inside.example.ru"
    assert Hosts(WebSettings(url=url, hosts=hosts, _env_file=None)).knows(host) is known


@pytest.mark.parametrize("path", ["/sign-in", "/metrics", "/api/v1/me"])
def test_another_host_is_answered_421(site: Site, path: str):
    refused = site.person().get(path, headers={"Host": "evil.example"})
    assert refused.status_code == 421
    assert "evil.example" not in refused.text


def test_probes_and_metrics_may_have_a_port_of_their_own(web_database: str, kernel: Settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = WebSettings(probes_port=port, _env_file=None)
    app = create_app(kernel, config)
    with served(app, web_database, kernel, ready=f"http://127.0.0.1:{port}/readyz") as running:
        for path in ("/livez", "/readyz", "/healthz", "/metrics"):
            assert httpx2.get(f"http://127.0.0.1:{port}{path}").status_code == 200
            assert running.person().get(path).status_code == 404
        assert httpx2.get(f"http://127.0.0.1:{port}/sign-in").status_code == 404


# Heads, and what is held already


def test_a_head_is_the_answer_without_its_body(site: Site):
    client = site.person("lukomor")
    for path in ("/requests", "/sign-in", "/static/favicon.svg", "/readyz", "/api/v1/me"):
        whole, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers.get("content-type") == whole.headers.get("content-type")
    assert "HEAD" in client.put("/sign-in").headers["allow"]
    assert client.head("/nowhere").status_code == 404


def test_a_head_of_a_stream_ends(site: Site):
    story = Story().submitted()
    site.write(story)
    client = site.person("lukomor")
    head = client.head(f"/requests/{story.request_id}/events", timeout=10)
    assert (head.status_code, head.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")


@pytest.mark.parametrize("spelled", ["{}", "W/{}", '"other", {}', "*"])
def test_who_holds_the_document_gets_it_no_second_time(site: Site, spelled: str):
    data = uuid4().bytes
    sha256 = site.app.state.web.blobs.put(data)
    story = Story().submitted().approved().documented("act-1", sha256, sha256)
    site.write(story)
    client = site.program(site.token("dist-north"))
    path = f"/api/v1/requests/{story.request_id}/documents/act-1/files/original"
    whole = client.get(path)
    assert (whole.status_code, whole.content) == (200, data)
    held = client.get(path, headers={"If-None-Match": spelled.format(whole.headers["etag"])})
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", whole.headers["etag"])
    assert client.get(path, headers={"If-None-Match": '"another"'}).status_code == 200


# What pages are made of


@pytest.mark.parametrize(
    ("led_by", "packed"),
    [("same-origin", True), ("none", True), ("cross-site", False), ("same-site", False), ("", False)],
)
def test_a_page_is_compressed_unless_another_site_leads_to_it(site: Site, led_by: str, packed: bool):
    answer = site.person().get("/help", headers={"Sec-Fetch-Site": led_by})
    assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
    assert "Помощь" in answer.text


def test_times_are_valid_html(site: Site):
    assert iso("2026-03-16T09:30:00.123456Z") == "2026-03-16T09:30:00+00:00"
    assert iso(BEGIN.date()) == "2026-03-16"
    site.write(Story(at=BEGIN.replace(microsecond=123_456)).submitted().approved())
    text = site.person("lukomor").get("/requests").text
    times = re.findall(r'<time datetime="([^"]*)"', text)
    assert times
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", each) for each in times)
    assert '<meta name="description" content="' in text


def test_shadows_are_shadows(site: Site):
    """`light-dark()` takes colours only: a whole shadow in it is no shadow at all."""
    tokens = next(each for each in re.findall(r'href="([^"]*tokens[^"]*)"', site.person().get("/sign-in").text))
    css = site.person().get(tokens).text
    for inside in re.findall(r"light-dark\(([^()]*)\)", css):
        assert re.fullmatch(r"#[0-9a-f]{3,8}, ?#[0-9a-f]{3,8}", inside.strip()), inside


def test_a_distributors_queue_begins_with_who_has_waited_longest(site: Site):
    client, long_ago = f"Очередь{uuid4().hex[:8]}", BEGIN - timedelta(days=30)  # on no first page of other tests
    stories = [Story(buyer=client, at=long_ago + timedelta(hours=hour)).submitted().approved() for hour in range(60)]
    site.write(*stories)
    browser, seen, path = site.person("dist-north"), [], f"/waiting?q={client}"
    while path:
        page = browser.get(path).text
        seen += re.findall(r'<a class="row-link number" href="/requests/([0-9a-f-]{36})">', page)
        following = re.search(r'href="([^"]*)" data-swap="#list" data-top rel="next"', page)
        path = unescape(following[1]) if following else ""
    assert seen == [str(each.request_id) for each in stories]


# One client, one fact (L10)


def test_one_firms_name_beside_anothers_number_is_asked_about(site: Site):
    browser = site.person("lukomor")
    path = f"/requests/new/{REQUEST_TYPE}"
    form = {**FIELDS, "request_id": str(uuid4()), "buyer": "АО «Молочные реки»", "registration_number": "3900001"}
    asked = browser.submit(path, {**form, "do": "send"}, page=path)
    assert (asked.status_code, "АО «Завод точных весов»" in asked.text) == (422, True)
    other = browser.submit(path, {**form, "buyer": "ООО «Другое»", "do": "as-typed", "asked": "another"}, page=path)
    assert other.status_code == 422, "an answer to another question"
    mark = f"{form['inn']}|{form['buyer']}|{form['kpp']}"
    sure = browser.submit(path, {**form, "do": "as-typed", "asked": mark}, page=path)
    assert (sure.status_code, form["request_id"] in sure.headers["location"]) == (303, True)


def test_after_a_lookup_that_found_nobody_no_other_firms_name_stays(site: Site):
    browser = site.person("lukomor")
    path = f"/requests/new/{REQUEST_TYPE}"
    form = {**FIELDS, "request_id": str(uuid4()), "inn": "0099002702", "filled": "7707083893", "do": "lookup"}
    page = browser.submit(path, form, page=path).text
    assert "В ФНС такого ИНН нет" in page
    assert "Завод точных весов" not in page


def with_events(site: Site, story: Story) -> None:
    """Give the story's request an event in its stage's store, so that pages of operations have something to show."""
    migrate(site.database, "request", EVENT_STORE)
    prepare(site.database)
    datastore = SchemaDatastore(site.database, "request")
    EventRecorder(datastore).append(Batch(events=[event(story.request_id, 1, "RequestSubmitted.v1")]))
    datastore.close()


def test_operations_see_that_a_client_was_not_checked(site: Site):
    right, wrong = Story().submitted().approved(), Story(buyer="АО «Молочные реки»").submitted().approved()
    site.write(right, wrong)
    with_events(site, wrong)
    ops = site.person("ops")
    assert "не сверен с ФНС" not in ops.get(f"/requests/{right.request_id}").text
    for page in ("/requests", "/ops/requests"):
        assert "не сверен с ФНС" in ops.get(f"{page}/{wrong.request_id}").text
    assert "не сверен с ФНС" not in site.person("lukomor").get(f"/requests/{wrong.request_id}").text


def test_a_program_is_asked_about_the_client_too_and_says_that_it_knows(site: Site):
    """The same question as in the form (L10): the answer names the field, and what the register says."""
    partner = site.program(site.token("lukomor"))

    def send(**change: object) -> httpx2.Response:
        return partner.post("/api/v1/requests", json={**FIELDS, **change}, headers=key())

    for change, pointers, code in (
        ({"buyer": "АО «Молочные реки»"}, ["#/buyer"], "differs-from-register"),
        ({"kpp": "001201001"}, ["#/kpp"], "differs-from-register"),
        ({"inn": "0099002702"}, ["#/inn"], "not-in-register"),
    ):
        refused = send(**change)
        errors = refused.json()["errors"]
        assert (refused.status_code, [each["pointer"] for each in errors]) == (422, pointers)
        assert {each["code"] for each in errors} == {code}
        assert ("Завод точных весов" in errors[0]["detail"]) == (code == "differs-from-register")
    taken = send(buyer="АО «Молочные реки»", client_as_typed=True)
    assert taken.status_code == 202
    assert why_of(site, taken.json()["request_id"]) == ["other"]
    assert why_of(site, send().json()["request_id"]) == []


def test_without_the_register_a_request_is_taken_and_listed_until_somebody_has_checked_the_client(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(site.app.state.web, "register", Silent())
    sent = site.program(site.token("lukomor")).post("/api/v1/requests", json=FIELDS, headers=key())
    monkeypatch.undo()
    assert sent.status_code == 202
    story = Story(request_id=UUID(sent.json()["request_id"])).submitted().approved()
    ops, page = site.person("ops"), f"/ops/requests/{story.request_id}"
    assert str(story.request_id) not in ops.get("/ops/clients").text, "it is not on the log yet"
    site.write(story)
    with_events(site, story)
    assert "ФНС не ответила" in ops.get("/ops/clients").text
    assert f'href="{page}"' in ops.get("/ops/clients").text
    assert "Сверьте клиентов" in ops.get("/ops/waiting").text
    assert "Клиент проверен" in ops.get(page).text
    done = ops.submit(f"/ops/clients/{story.request_id}", page=page)
    assert (done.status_code, "Клиент отмечен" in ops.get(done.headers["location"]).text) == (303, True)
    assert "Клиент проверен" not in ops.get(page).text
    assert f'href="{page}"' not in ops.get("/ops/clients").text
    assert ops.submit(f"/ops/clients/{story.request_id}", page=page).status_code == 404
    row = site.sql("SELECT checked_by FROM cabinet.unchecked_clients WHERE request_id = %s", story.request_id)
    assert row == [("ops",)]


class Silent:
    """A register that does not answer."""

    async def find(self, inn: str) -> None:
        raise NotAnswering("away")

    async def close(self) -> None:
        pass


def why_of(site: Site, request_id: str) -> list[str]:
    """Why the client of this request is kept as unchecked."""
    return [why for (why,) in site.sql("SELECT why FROM cabinet.unchecked_clients WHERE request_id = %s", request_id)]
