"""What strangers type stays text wherever it is shown; every answer carries the headers that hold the rest."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import httpx2
import pytest

from postavka.web.guard import CONTENT_SECURITY_POLICY
from postavka.web.spreadsheet.writing import csv_cell, csv_lines
from tests.web.conftest import Site
from tests.web.matrix import MATRIX
from tests.web.stories import Story

HOSTILE = "'\"><img src=x onerror=alert(1)></textarea><script>alert(2)</script>{{7*7}}"
PEOPLE = {"partner": "lukomor", "distributor": "dist-north", "ops": "ops", "auditor": "auditor"}


class Active(HTMLParser):
    """Finds what could act on a page: pictures, handlers, and scripts and styles that stand in it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("img", "iframe", "object", "style") or (tag == "script" and not given.get("src")):
            self.found.append(tag)
        self.found += [name for name in given if name.startswith("on") or name == "style"]
        self.found += [value for value in given.values() if value and value.lower().startswith("javascript:")]


def active(page: str) -> list[str]:
    parser = Active()
    parser.feed(page)
    return parser.found


@pytest.fixture(scope="module")
def story(site: Site) -> Story:
    """A request with such text wherever text comes from outside."""
    told = Story(buyer=HOSTILE).submitted().approved().shipped().activation_refused("a-1", HOSTILE)
    told.row["request"] |= dict.fromkeys(("comment", "client_email", "client_phone", "submitted_by"), HOSTILE)
    told.row["billing"]["note"] = HOSTILE
    site.write(told)
    return told


def pages_with(story: Story) -> list[tuple[str, str]]:
    """(role, address) of the pages of this application that stand without the stages."""
    return [
        (role, name.removeprefix("GET ").replace("{request_id}", str(story.request_id)))
        for name, case in MATRIX.items()
        if name.startswith("GET /") and not name.startswith("GET /api/") and not case.whole and not case.stream
        for role in PEOPLE
        if role in case.roles and "{" not in name.replace("{request_id}", "") and "export" not in name
    ]


def test_it_is_text_on_every_page(site: Site, story: Story):
    people = {role: site.person(login) for role, login in PEOPLE.items()}
    shown = 0
    for role, path in pages_with(story):
        page = people[role].get(path, follow_redirects=True).text
        assert active(page) == [], (role, path)
        shown += "&lt;img src=x" in page
    assert shown >= 8, "it is shown at all"


@pytest.mark.parametrize(
    "path",
    ["/requests?q={}", "/requests?since={}&until={}", "/sold?q={}", "/sign-in?next=/{}", "/{}", "/requests/new/{}",
     "/requests?after={}", "/requests?done={}"],
)  # fmt: skip
def test_nor_does_an_address_become_more_than_text(site: Site, path: str):
    for browser in (site.person(), site.person("lukomor")):
        page = browser.get(path.replace("{}", quote(HOSTILE)), follow_redirects=True).text
        assert active(page) == [], path


def test_nor_a_form_that_is_shown_again(site: Site):
    browser = site.person()
    activation = {"registration_number": HOSTILE, "code": HOSTILE, "activation_id": HOSTILE}
    sign_in = {"login": HOSTILE, "password": "x", "next": HOSTILE, "carried-to": HOSTILE, f"carried.{HOSTILE}": HOSTILE}
    partner = site.person("lukomor")
    form = dict.fromkeys(("contact_id", "inn", "buyer", "kpp", "comment", "request_id", "client_email"), HOSTILE)
    for answer in (
        browser.submit("/activate", activation, page="/activate"),
        browser.submit("/sign-in", sign_in, page="/sign-in"),
        partner.submit("/requests/new/1c8-updates-and-addons", {**form, "do": "send"}),
        partner.submit("/requests/new/1c8-updates-and-addons", {**form, "do": "lookup"}),
        partner.submit("/account/tokens", {"name": HOSTILE, "days": HOSTILE, "scope": HOSTILE}),
    ):
        assert active(answer.text) == [], answer.url
        assert HOSTILE in unescape(answer.text) or answer.status_code == 422


def answers(site: Site) -> list[httpx2.Response]:
    partner, nobody = site.person("lukomor"), site.person()
    return [
        nobody.get("/sign-in"), nobody.get("/requests"), nobody.get("/nowhere"), partner.get("/requests"),
        partner.get("/api/v1/me"), partner.get("/api/v1/nowhere"), partner.post("/sign-out"),
        partner.get("/requests/export.csv"), nobody.get("/static/favicon.svg"), nobody.get("/readyz"),
        nobody.post("/sign-in", content=b"x" * 2_000_000), nobody.post("/sign-in", headers={"Origin": "https://evil"}),
    ]  # fmt: skip


def test_every_answer_carries_the_headers(site: Site):
    for answer in answers(site):
        headers = answer.headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY, answer.url
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        if "/static/" not in str(answer.url):
            assert headers["cache-control"] == "no-store", answer.url


def test_the_policy_lets_nothing_in_that_is_not_ours():
    rules = dict(each.strip().split(" ", 1) for each in CONTENT_SECURITY_POLICY.split(";"))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == rules["form-action"] == "'self'"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_of_a_csv_is_no_formula(sign: str):
    assert csv_cell(f"{sign}cmd|' /C calc'!A0").startswith("'")


@pytest.mark.parametrize("text", ["0274062111", "500100732259", "12E3", "007", "12-2026"])
def test_a_spreadsheet_leaves_a_number_that_is_a_name_as_it_is(text: str):
    """Without the formula around it Excel reads 274062111, 5,00101E+11, 12000, 7 and a month."""
    assert csv_cell(text) == f'="{text}"'
    assert csv_lines([[text, "ООО"]]) == f'"=""{text}""";ООО\r\n'


@pytest.mark.parametrize("text", ["7707083893", "472-930-118", "ООО «007»", "K-0042", "30.11.2026", "0"])
def test_what_a_spreadsheet_shows_as_it_is_stays_plain(text: str):
    assert csv_cell(text) == text
