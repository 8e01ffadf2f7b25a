"""Webhooks by API and on pages: each tenant keeps its own, and sees what became of each event."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from postavka.web.identity.principal import Scope
from services.webhooks.cli import NoFeed, listen
from services.webhooks.signing import signature
from services.webhooks.webhooks import MOST
from tests.services.feed.history import SOLD
from tests.web.conftest import Site
from tests.web.test_feed import Feed

URL = "https://erp.lukomor.example/hook"


@pytest.fixture
def feed(site: Site) -> Feed:
    site.sql("TRUNCATE webhooks.webhooks CASCADE")
    return Feed(site)


@pytest.fixture
def program(site: Site, feed: Feed) -> httpx2.Client:
    return site.program(site.token("lukomor"))


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


def post(client: httpx2.Client, path: str, body: Any = None, expected: int = 200) -> Any:
    answer = client.post(f"/api/v1/webhooks{path}", json=body, headers=key())
    assert answer.status_code == expected, answer.text
    return answer.json()


def delivered(site: Site, webhook_id: str, numbers: int) -> None:
    """As the worker leaves it."""
    site.sql(
        "INSERT INTO webhooks.deliveries "
        "(webhook_id, number, partner_id, request_id, type, status, tries, answered, said) "
        "SELECT %s, n, 'lukomor', gen_random_uuid(), 'Approved.v3', 'sent', 1, 200, 'принято' "
        "FROM generate_series(1, %s) n",
        webhook_id, numbers,
    )  # fmt: skip
    site.sql("UPDATE webhooks.webhooks SET number = %s WHERE webhook_id = %s", numbers, webhook_id)


def test_from_the_first_event_on_that_comes(site: Site, feed: Feed, program: httpx2.Client):
    feed.sold()
    made = post(program, "", {"url": URL, "types": ["Approved"]}, 201)
    assert (made["url"], made["types"], made["is_on"], made["failing_since"]) == (URL, ["Approved"], True, None)
    assert program.get("/api/v1/webhooks").json()["items"] == [made]
    assert program.get(f"/api/v1/webhooks/{made['webhook_id']}").json() == made
    assert site.sql("SELECT number FROM webhooks.webhooks") == [(len(SOLD),)]
    assert program.delete(f"/api/v1/webhooks/{made['webhook_id']}").status_code == 204
    assert program.get("/api/v1/webhooks").json()["items"] == []


def test_the_same_call_again_makes_one(program: httpx2.Client):
    again = key()
    answers = [program.post("/api/v1/webhooks", json={"url": URL}, headers=again) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(program.get("/api/v1/webhooks").json()["items"]) == 1


def test_what_is_wrong_is_named(program: httpx2.Client):
    for body, field in (
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "http://erp.example/"}, "url"),
        ({"url": URL, "types": ["Approved.v3"]}, "types"),
        ({"url": URL, "more": 1}, "more"),
    ):
        answer = program.post("/api/v1/webhooks", json=body, headers=key())
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == f"#/{field}"
    for _ in range(MOST):
        post(program, "", {"url": URL}, 201)
    post(program, "", {"url": URL}, 409)


def test_the_secret_is_kept_sealed_and_changed_with_an_overlap(site: Site, program: httpx2.Client):
    path = f"/{post(program, '', {'url': URL}, 201)['webhook_id']}"
    first = program.get(f"/api/v1/webhooks{path}/secret").json()["secret"]
    assert first.startswith("whsec_")
    assert post(program, f"{path}/secret")["former_secret_until"] is not None
    second = program.get(f"/api/v1/webhooks{path}/secret").json()["secret"]
    assert second != first
    post(program, f"{path}/secret")
    assert site.sql("SELECT cardinality(secrets) FROM webhooks.webhooks") == [(3,)], "changed twice, all three sign"
    site.sql("UPDATE webhooks.webhooks SET former_until = now()")
    post(program, f"{path}/secret")
    assert site.sql("SELECT cardinality(secrets) FROM webhooks.webhooks") == [(2,)]
    kept = str(site.sql("SELECT w, a FROM webhooks.webhooks w, accounts.answers a"))
    for secret in (first, second):
        assert secret.removeprefix("whsec_") not in kept


def test_another_tenants_webhook_is_not_there(site: Site, program: httpx2.Client):
    path = f"/api/v1/webhooks/{post(program, '', {'url': URL}, 201)['webhook_id']}"
    delivered(site, path.rpartition("/")[2], 1)
    for name in ("romashka-it", "dist-north"):
        other = site.program(site.token(name))
        assert other.get("/api/v1/webhooks").json()["items"] == []
        for each in ("", "/secret", "/deliveries", "/deliveries/1"):
            assert other.get(path + each).status_code == 404
        for each in ("/secret", "/off", "/replay", "/deliveries/1/again"):
            body = {"after": "0"} if each == "/replay" else None
            assert other.post(path + each, json=body, headers=key()).status_code == 404
        assert other.delete(path).status_code == 404
    assert program.get(path).status_code == 200


def test_a_token_without_the_right_sees_none(site: Site, program: httpx2.Client):
    reader = site.program(site.token("lukomor", scopes=[Scope.READ]))
    assert reader.get("/api/v1/webhooks").status_code == 404


def test_the_log_of_deliveries_page_by_page_again_and_replayed(site: Site, feed: Feed, program: httpx2.Client):
    feed.sold()
    path = f"/{post(program, '', {'url': URL}, 201)['webhook_id']}"
    delivered(site, path[1:], len(SOLD))
    page = program.get(f"/api/v1/webhooks{path}/deliveries", params={"limit": 4}).json()
    assert [each["number"] for each in page["items"]] == [7, 6, 5, 4]
    rest = program.get(f"/api/v1/webhooks{path}/deliveries", params={"before": page["next"]}).json()
    assert [each["number"] for each in rest["items"]] == [3, 2, 1]
    assert rest["next"] is None
    one = program.get(f"/api/v1/webhooks{path}/deliveries/2").json()
    assert (one["status"], one["answered"], one["said"]) == ("sent", 200, "принято")
    assert one["payload"]["type"] == "Approved.v3"
    assert one["payload"]["cursor"].startswith("2.")
    assert post(program, f"{path}/deliveries/2/again", expected=202)["status"] == "due"
    assert site.sql("SELECT number FROM webhooks.deliveries WHERE status = 'due'") == [(2,)]
    post(program, f"{path}/replay", {"after": one["payload"]["cursor"]}, 202)
    assert site.sql("SELECT number FROM webhooks.webhooks") == [(2,)]
    post(program, f"{path}/replay", {"after": "3.00000000"}, 410)
    for number in (99, 0, -1, 2**70):
        assert program.get(f"/api/v1/webhooks{path}/deliveries/{number}").status_code in (404, 422)


def test_off_and_on(site: Site, program: httpx2.Client):
    path = f"/{post(program, '', {'url': URL}, 201)['webhook_id']}"
    off = post(program, f"{path}/off")
    assert (off["is_on"], off["off_reason"]) == (False, "person")
    site.sql("UPDATE webhooks.webhooks SET failing_since = now()")
    on = post(program, f"{path}/on")
    assert (on["is_on"], on["off_reason"], on["failing_since"]) == (True, None, None)


def test_a_person_keeps_webhooks_on_a_page(site: Site, feed: Feed):
    feed.sold()
    browser = site.person("lukomor")
    made = browser.submit("/webhooks", {"url": URL}, "/webhooks")
    assert made.status_code == 303
    path = made.headers["location"].partition("?")[0]
    shown = browser.get(path).text
    assert URL in shown
    assert re.search(r"whsec_[A-Za-z0-9+/=]+", shown)
    delivered(site, path.rpartition("/")[2], len(SOLD))
    shown = browser.get(path).text
    assert "Доставлено" in shown
    entry = browser.get(f"{path}/deliveries/2").text
    assert "Approved.v3" in entry
    assert "принято" in entry
    assert browser.submit(f"{path}/deliveries/2/again", {}, path).status_code == 303
    assert site.sql("SELECT number FROM webhooks.deliveries WHERE status = 'due'") == [(2,)]
    assert browser.submit(f"{path}/replay", {"number": "3"}, path).status_code == 303
    assert site.sql("SELECT number FROM webhooks.webhooks") == [(2,)], "also what is replayed begins with it"
    assert browser.submit(f"{path}/switch", {"on": "0"}, path).status_code == 303
    assert "Выключен" in browser.get(path).text
    assert browser.submit(f"{path}/secret", {}, path).status_code == 303
    assert browser.submit(f"{path}/remove", {}, path).status_code == 303
    assert URL not in browser.get("/webhooks").text


def test_a_wrong_address_is_told_on_the_page(site: Site, feed: Feed):
    browser = site.person("dist-north")
    refused = browser.submit("/webhooks", {"url": "http://erp.example/"}, "/webhooks")
    assert refused.status_code == 422
    assert "Нужен адрес https" in refused.text
    assert "http://erp.example/" in refused.text, "what was typed is still there"


def test_at_a_developers_desk(
    site: Site, feed: Feed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    feed.sold()
    monkeypatch.setenv("POSTAVKA_TOKEN", site.token("lukomor", scopes=[Scope.READ]))
    listen(site.url, after="0", rounds=1)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["type"] for each in printed] == SOLD
    posted: list[tuple[dict[str, str], bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posted.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        listen(site.url, after=printed[1]["cursor"], rounds=1, to=f"http://127.0.0.1:{server.server_port}/hook")
        server.shutdown()
    assert [json.loads(body)["type"] for _, body in posted] == SOLD[2:]
    found = re.search("whsec_[A-Za-z0-9+/=]+", capsys.readouterr().out.replace("\n", ""))
    assert found is not None
    given, body = posted[0]
    expected = signature(found[0], given["webhook-id"], int(given["webhook-timestamp"]), body)
    assert given["webhook-signature"] == expected


def test_without_a_token_the_desk_says_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("POSTAVKA_TOKEN", raising=False)
    with pytest.raises(NoFeed, match="POSTAVKA_TOKEN"):
        listen("http://127.0.0.1:1", rounds=1)
