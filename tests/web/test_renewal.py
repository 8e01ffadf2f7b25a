"""A sold delivery is renewed: from its page by «Продлить» with everything filled in, or by API."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

from events.request import REQUEST_TYPE
from events.topics import REQUEST_COMMANDS
from tests.web.conftest import Site
from tests.web.stories import Story
from tests.web.test_api import FIELDS, key

FORM = f"/requests/new/{REQUEST_TYPE}"


def sold(**changes: Any) -> Story:
    return Story(**changes).submitted().approved().shipped().activated().serving(date(2026, 3, 16), date(2027, 3, 15))


def test_the_page_of_a_sold_delivery_shows_its_term_and_a_button(site: Site) -> None:
    story = sold()
    site.write(story)
    shown = site.person("lukomor").get(f"/requests/{story.request_id}").text
    assert "с 16.03.2026 по 15.03.2027" in shown
    assert f"{FORM}?copy={story.request_id}&amp;renew=1" in shown


def test_before_the_service_runs_there_is_nothing_to_renew(site: Site) -> None:
    story = Story().submitted().approved().shipped()
    site.write(story)
    assert "Продлить" not in site.person("lukomor").get(f"/requests/{story.request_id}").text


def test_the_form_is_filled_in_and_names_what_it_prolongs(site: Site, sent: Any) -> None:
    story = sold(registration="1000077")  # of no other test's request: that would be a twin
    site.write(story)
    partner = site.person("lukomor")
    page = f"{FORM}?copy={story.request_id}&renew=1"
    shown = partner.get(page).text
    assert f'name="renews" value="{story.request_id}"' in shown
    request_id = str(uuid4())
    form = {
        **FIELDS,
        "registration_number": story.registration,
        "request_id": request_id,
        "renews": str(story.request_id),
        "do": "as-typed",
        "asked": "",
    }
    form["asked"] = "|".join((form["inn"], form["buyer"], form["kpp"]))
    assert partner.submit(FORM, form, page=page).status_code == 303
    ((_, command, _),) = sent(REQUEST_COMMANDS.name, request_id)
    assert command.renews == str(story.request_id)


def test_a_mere_copy_prolongs_nothing_and_a_name_that_is_no_id_is_left_out(site: Site) -> None:
    story = sold()
    site.write(story)
    partner = site.person("lukomor")
    assert 'name="renews"' not in partner.get(f"{FORM}?copy={story.request_id}").text
    again = partner.submit(FORM, {"renews": "../sign-out", "do": "all-bases"}, page=FORM)
    assert 'name="renews"' not in again.text


def test_by_api_a_request_says_what_it_prolongs_and_a_delivery_its_term(site: Site, sent: Any) -> None:
    story = sold()
    site.write(story)
    program = site.program(site.token("lukomor"))
    term = program.get(f"/api/v1/requests/{story.request_id}").json()["term"]
    assert term == {"service_from": "2026-03-16", "service_until": "2027-03-15", "lapsed": False}
    answer = program.post("/api/v1/requests", json={**FIELDS, "renews": str(story.request_id)}, headers=key())
    assert answer.status_code == 202
    ((_, command, _),) = sent(REQUEST_COMMANDS.name, answer.json()["request_id"])
    assert command.renews == str(story.request_id)
    assert program.post("/api/v1/requests", json={**FIELDS, "renews": "17"}, headers=key()).status_code == 422
