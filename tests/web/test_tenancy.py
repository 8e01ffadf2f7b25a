"""Every route with every role, with its own ids, with another tenant's, and with ids that don't exist (L3).

What another tenant's id is answered must be what an id is answered that nobody has: status, headers and body.
"""

from __future__ import annotations

import re
from uuid import uuid4

import httpx2
import pytest

from events.request import REQUEST_TYPE
from postavka.web.application import OWN
from postavka.web.authorization import check_routes
from tests.web.conftest import Site
from tests.web.knocking import Actor, fill, knock, make_actors, may, routes
from tests.web.matrix import MATRIX, NEW, Case
from tests.web.stories import Story, blank_pdf


@pytest.fixture(scope="module")
def actors(site: Site) -> list[Actor]:
    return make_actors(site)


@pytest.fixture(scope="module")
def things(site: Site) -> dict[str, str]:
    """Ids of what belongs to the owners."""
    blobs = site.app.state.web.blobs
    story = Story("lukomor", "dist-north").submitted().approved()
    story.documented("doc-1", blobs.put(b"{}"), blobs.put(blank_pdf()))
    site.write(story)
    return {
        "request_id": str(story.request_id),
        "plan_id": str(uuid4()),
        "bulk_id": _bulk(site),
        "document_id": "doc-1",
        "form": "pdf",
        "request_type": REQUEST_TYPE,
        "stage": "billing",
        "position": "1",
        "topic": "request.events",
        "partition": "1",
        "offset": "1",
        "log": "billing.events",
        "number": "1",
        "what": "payment",
        "id": "00000000-0000-4000-8000-000000000000",
        "session_id": "00000000-0000-4000-8000-000000000000",
        "token_id": "00000000-0000-4000-8000-000000000000",
        "webhook_id": "00000000-0000-4000-8000-000000000000",
    }


def _bulk(site: Site) -> str:
    """Many requests of the partner, one of which is wrong; none is sent."""
    given = {"requests": [NEW, {"inn": "1"}], "dry_run": True}
    partner = site.program(site.token("lukomor"))
    done = partner.post("/api/v1/bulk/requests", json=given, headers={"Idempotency-Key": f'"{uuid4()}"'})
    return str(done.json()["bulk_id"])


def test_every_route_is_in_the_matrix(site: Site):
    """A new route without an entry fails here: say who may use it, in `tests/web/matrix.py`."""
    assert routes(site.app) - MATRIX.keys() == set(), "say in tests/web/matrix.py who may use these"
    assert MATRIX.keys() - routes(site.app) == set(), "these routes are gone"


def test_a_route_that_does_not_say_who_may_use_it_stops_the_application(site: Site):
    from fastapi import FastAPI

    bare = FastAPI(openapi_url=None)
    bare.add_api_route("/secret", lambda: "everything")
    with pytest.raises(AssertionError, match="/secret"):
        check_routes(bare, OWN)


def test_what_tenants_may_use_is_knocked_at_here():
    """But for letters, plans and drafts, which their own tests write first: tests/web/test_letters.py, test_lists.py,
    test_planned.py, test_drafts.py."""
    elsewhere = {name for name, case in MATRIX.items() if case.whole and case.roles - {"ops", "auditor"}}
    assert elsewhere == {
        *("GET /letters", "GET /letters/export.xlsx", "GET /letters/export.csv"),
        *("GET /letters/{id}", "GET /letters/off", "POST /letters/off"),
        "POST /requests/drafts/{request_id}/remove",
        *("GET /planned/{plan_id}", "POST /planned/{plan_id}/undo"),
        *("GET /api/v1/planned/{plan_id}", "DELETE /api/v1/planned/{plan_id}"),
    }


@pytest.mark.parametrize("name", sorted(each for each in MATRIX if not each.startswith("GET ")))
def test_nothing_is_changed_without_the_forms_token(site: Site, actors: list[Actor], things: dict[str, str], name: str):
    case = MATRIX[name]
    method, path = name.split()
    if path == "/letters/off":  # a signed link, which acts on nobody's behalf (RFC 8058)
        return
    for actor in actors:
        if actor.program or actor.role not in case.roles:
            continue
        body = {"data": case.form} if case.form is not None else {"json": case.json}
        headers = {"Idempotency-Key": f'"{uuid4()}"'} if case.key else {}
        refused = actor.client.request(method, fill(path, things), headers=headers, **body)
        assert refused.status_code == 403, (actor.name, refused.status_code)


@pytest.mark.parametrize("name", sorted(MATRIX))
def test_who_may_and_whose(site: Site, actors: list[Actor], things: dict[str, str], name: str):
    case = MATRIX[name]
    method, path = name.split()
    for actor in actors:
        if case.whole and may(actor, case, path):
            continue
        mine = _own_things(site, case, path) if case.only else things
        answer = _knock(actor, case, method, fill(path, mine))
        if actor.program and not path.startswith("/api/"):
            assert answer.status_code in (303, 401), "pages are for people"
            continue
        if may(actor, case, path):
            refused = {401, 403, 404} - case.told
            assert answer.status_code not in refused, (actor.name, answer.status_code, answer.text[:300])
            assert answer.status_code < 500, (actor.name, answer.text[:300])
        elif actor.role == "visitor" and case.roles:
            assert answer.status_code in (303, 401), (actor.name, answer.status_code)
            assert answer.status_code == 401 or answer.headers["location"].startswith("/sign-in")
        else:
            assert answer.status_code == 404, (actor.name, answer.status_code, answer.text[:300])
        if not (case.stream and answer.status_code == 200):  # what the feed's says: tests/web/test_feed.py
            _says_nothing(actor, path, answer, things["request_id"])
        if "{" in path and not may(actor, case, path):
            nobodys = {key: str(uuid4()) if key.endswith("_id") else value for key, value in mine.items()}
            nothing = _knock(actor, case, method, fill(path, nobodys))
            assert _told(nothing, nobodys) == _told(answer, mine), f"{actor.name} can tell that it exists"


def _own_things(site: Site, case: Case, path: str) -> dict[str, str]:
    """Fresh ones: using them up is part of the test."""
    assert case.only
    if "session" in path:
        site.person(case.only)
        found = site.sql(
            "SELECT session_id FROM accounts.sessions JOIN accounts.users USING (user_id) WHERE login = %s "
            "ORDER BY sessions.created_at DESC LIMIT 1",
            case.only,
        )
        return {"session_id": str(found[0][0])}
    if "webhook" in path:
        return {"webhook_id": site.webhook(case.only), "number": "1"}
    hint = site.token(case.only)[-4:]
    found = site.sql("SELECT token_id FROM accounts.tokens WHERE hint = %s ORDER BY created_at DESC LIMIT 1", hint)
    return {"token_id": str(found[0][0])}


def _knock(actor: Actor, case: Case, method: str, path: str) -> httpx2.Response:
    if path == "/sign-out":  # not this one's own session
        return actor.client.request("GET", "/sign-in", headers={**actor.headers(case), "Cookie": ""})
    if path == "/account/sessions/end-others":
        return actor.client.request("GET", "/account" if actor.role != "visitor" else "/requests")
    return knock(actor, case, method, path)


def _told(answer: httpx2.Response, things: dict[str, str]) -> tuple[int, str, str]:
    """What can be learnt from an answer, without what differs anyway."""
    text = answer.text
    for value in things.values():
        text = text.replace(value, "…")
    text = re.sub(r'value="[0-9a-f]{64}"', "", text)
    location = answer.headers.get("location", "")
    for value in things.values():
        location = location.replace(value, "…")
    return answer.status_code, location, text


def _says_nothing(actor: Actor, path: str, answer: httpx2.Response, request_id: str) -> None:
    """A list or a page of somebody else never names the request's parties."""
    if actor.name in ("romashka-it", "dist-ural", "visitor") and "{" not in path:
        assert request_id not in answer.text, path
