"""Lists: how many were found and for how much, by whom, by sum and in which order; their files hold what they show."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from uuid import UUID, uuid4

import pytest

from postavka.web.saved_views import MOST
from services.cabinet.view.columns import COLUMNS, OF_ANSWERED, OF_REQUESTS, OF_SOLD, OF_WAITING
from services.notices.letters import PAGE
from services.notices.projection import prepare
from tests.web.conftest import Person, Site
from tests.web.stories import BEGIN, Story

CONTACT = "SELECT request ->> 'contact_id' FROM cabinet.requests WHERE request_id = %s"
VIEW = re.compile(r'<span class="view"><a href="([^"]+)"[^>]*?views"( aria-current="true")?>([^<]+)</a>')
ROW = re.compile(r'<a class="row-link[^"]*" href="/(?:requests|letters)/([0-9a-f-]{36})"')


@pytest.fixture(scope="module")
def three(site: Site) -> Iterator[list[Story]]:
    """Requests of the distributor's partners, a day apart; they cost 1,000, 3,000 and 2,000 roubles."""
    site.sql("DELETE FROM cabinet.requests WHERE distributor_id = 'dist-ural'")
    stories = [
        Story(partner, "dist-ural", at=BEGIN + timedelta(days=day)).submitted().approved()
        for day, partner in enumerate(("lukomor", "ip-berezin", "lukomor"))
    ]
    site.write(*stories)
    for story, price in zip(stories, ("1000.00", "3000.00", "2000.00"), strict=True):
        site.sql(
            "UPDATE cabinet.requests SET approval = jsonb_set(approval, '{product,price}', to_jsonb(%s::text)) "
            "WHERE request_id = %s",
            price,
            story.request_id,
        )
    yield stories
    site.sql("DELETE FROM cabinet.requests WHERE distributor_id = 'dist-ural'")


@pytest.fixture
def ural(site: Site) -> Person:
    return site.person("dist-ural")


def listed(page: str) -> list[UUID]:
    return [UUID(each) for each in ROW.findall(page)]


def test_who_has_waited_longest_stands_first_with_count_and_sum(three: list[Story], ural: Person):
    page = ural.get("/waiting").text
    assert listed(page) == [each.request_id for each in three]
    assert "3\u00a0заявки на 6\u00a0000,00\u00a0₽" in unescape(page)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("order=newest", [2, 1, 0]),
        ("order=dearest", [1, 2, 0]),
        ("order=cheapest", [0, 2, 1]),
        ("party=lukomor", [0, 2]),
        ("party=nobody", []),
        ("least=2000", [1, 2]),
        ("most=2+000,00", [0, 2]),
        ("least=1500&most=2500&order=newest", [2]),
        ("least=much", [0, 1, 2]),
        ("order=any", [0, 1, 2]),
        ("since=2026-03-17&until=2026-03-17", [1]),
        ("q=лукоморье", [0, 2]),
        ("q=ip-berezin", [1]),
    ],
)
def test_a_list_is_narrowed_and_sorted_by_its_address(
    three: list[Story], ural: Person, query: str, expected: list[int]
):
    page = ural.get(f"/waiting?{query}").text
    assert listed(page) == [three[number].request_id for number in expected]
    rows = list(csv.reader(io.StringIO(ural.get(f"/waiting/export.csv?{query}").text), delimiter=";"))
    assert [row[0] for row in rows[1:]] == [str(three[number].request_id) for number in expected]
    assert "Партнёр" in rows[0]
    assert "Дистрибьютор" not in rows[0]


def test_a_distributor_chooses_among_its_own_partners(three: list[Story], ural: Person):
    found = re.search(r'<select id="party".*?</select>', ural.get("/waiting").text, re.S)
    assert found is not None
    assert re.findall(r'value="([^"]*)"', found[0]) == ["", "ip-berezin", "lukomor"]


def test_a_place_that_is_none_is_said(three: list[Story], ural: Person):
    assert ural.get("/waiting?order=dearest&after=x").status_code == 400


def test_answers_are_a_file_as_well(three: list[Story], ural: Person):
    assert ural.get("/answered/export.xlsx").content.startswith(b"PK")
    assert ural.get("/answered/export.csv").text.count("\n") == 1, "nothing is answered: its head alone"
    assert ural.get("/requests/export.csv").status_code == 404


def test_a_partners_list_by_distributor(site: Site, three: list[Story]):
    partner = site.person("lukomor")
    page = unescape(partner.get("/requests?party=dist-ural&order=dearest").text)
    assert listed(page) == [three[2].request_id, three[0].request_id]
    assert "2\u00a0заявки на 3\u00a0000,00\u00a0₽" in page
    assert not {three[0].request_id, three[2].request_id} & set(listed(partner.get("/requests?party=-").text))


def test_a_partners_list_by_contact_person(site: Site, three: list[Story]):
    partner = site.person("lukomor")
    page = partner.get("/requests").text
    choice = re.search(r'<select id="contact".*?</select>', page, re.S)
    assert choice is not None
    contacts = re.findall(r'value="([^"]+)"', choice[0])
    asked = {str(site.sql(CONTACT, each.request_id)[0][0]) for each in (three[0], three[2])}
    assert asked <= set(contacts)
    for contact in contacts:
        found = listed(partner.get(f"/requests?party=dist-ural&contact={contact}&order=oldest").text)
        assert found == ([three[0].request_id, three[2].request_id] if contact in asked else [])
    assert listed(partner.get("/requests?contact=nobody").text) == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", ["Заявка", "Партнёр", "Клиент", "Товар", "Сумма", "Ждёт"]),
        ("columns=amount&columns=client", ["Заявка", "Клиент", "Сумма"]),
        ("columns=nonsense", ["Заявка", "Партнёр", "Клиент", "Товар", "Сумма", "Ждёт"]),
    ],
)
def test_columns_are_chosen_in_the_address(three: list[Story], ural: Person, query: str, words: list[str]):
    page = ural.get(f"/waiting?{query}").text
    assert re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', page) == words
    kept = "?columns=client&columns=amount" if "amount" in query else ""
    assert re.findall(r'href="/waiting/export.csv([^"]*)"', unescape(page)) == [kept]


def test_every_column_of_every_list_is_shown(site: Site, three: list[Story], ural: Person):
    for browser, path, columns in (
        (site.person("lukomor"), "/requests", OF_REQUESTS),
        (site.person("lukomor"), "/sold", OF_SOLD),
        (ural, "/waiting", OF_WAITING),
        (ural, "/answered", OF_ANSWERED),
    ):
        page = browser.get(path, params={"columns": columns.offered}).text
        assert not listed(page) or all(f">{COLUMNS[each]}</th>" in page for each in columns.offered)


def test_a_view_is_saved_by_name_and_removed(site: Site, three: list[Story], ural: Person):
    address = "/waiting?party=lukomor&order=dearest"
    saved = ural.submit("/views", {"address": address, "name": " Дорогие  Лукоморья "}, "/waiting")
    assert saved.headers["location"] == f"{address}&done=view-saved"
    ural.submit("/views", {"address": "/waiting?q=x", "name": "Иксы"}, "/waiting")
    ural.submit("/views", {"address": "/waiting?q=y", "name": "Иксы"}, "/waiting")
    page = unescape(ural.get(address).text)
    assert re.findall(VIEW, page) == [
        (address, ' aria-current="true"', "Дорогие Лукоморья"),
        ("/waiting?q=y", "", "Иксы"),
    ]
    assert re.findall(VIEW, unescape(ural.get("/answered").text)) == [], "a view is one list's"
    assert re.findall(VIEW, unescape(site.person("dist-north").get("/waiting").text)) == [], "and one user's"
    ural.submit("/views/remove", {"address": "/waiting", "name": "Иксы"}, "/waiting")
    assert [name for _, _, name in re.findall(VIEW, unescape(ural.get("/waiting").text))] == ["Дорогие Лукоморья"]
    ural.submit("/views/remove", {"address": "/waiting", "name": "Дорогие Лукоморья"}, "/waiting")


@pytest.mark.parametrize(
    ("address", "name", "location"),
    [
        ("/waiting", "Всё", "/waiting?done=view-unnamed"),
        ("/waiting?q=x", "  ", "/waiting?q=x&done=view-unnamed"),
        ("https://elsewhere.example/waiting?q=x", "Чужое", None),
        ("//elsewhere.example/waiting?q=x", "Чужое", None),
        ("/waiting/../x?q=x", "Чужое", None),
    ],
)
def test_what_is_no_view_is_not_saved(site: Site, ural: Person, address: str, name: str, location: str | None):
    answer = ural.submit("/views", {"address": address, "name": name}, "/waiting")
    assert answer.headers.get("location") == location
    assert answer.status_code == (303 if location else 404)
    assert site.sql("SELECT count(*) FROM accounts.saved_views") == [(0,)]


def test_a_list_has_so_many_views_and_no_more(site: Site, ural: Person):
    for number in range(MOST):
        ural.submit("/views", {"address": f"/waiting?q={number}", "name": f"{number}"}, "/waiting")
    answer = ural.submit("/views", {"address": "/waiting?q=more", "name": "more"}, "/waiting")
    assert answer.headers["location"].endswith("done=too-many-views")
    assert (
        ural.submit("/views", {"address": "/waiting?q=new", "name": "0"}, "/waiting")
        .headers["location"]
        .endswith("saved")
    )
    assert site.sql("SELECT count(*) FROM accounts.saved_views") == [(MOST,)]
    site.sql("DELETE FROM accounts.saved_views")


@pytest.mark.parametrize("typed", ["лукоморье", "Лукоморье-Софт", "lukomor"])
def test_operations_name_a_partner_of_the_stream_by_its_name(site: Site, typed: str):
    page = site.person("ops").get("/ops/stream", params={"partner": typed, "until": "2026-03-16T00:00"}).text
    assert 'name="partner" value="lukomor"' in page


# Letters


@pytest.fixture(scope="module")
def letters(site: Site, three: list[Story]) -> Iterator[list[UUID]]:
    """More than two pages of a partner's e-mails, the newest first; the oldest alone is about a request of the list."""
    prepare(site.database)
    ids = [uuid4() for _ in range(2 * PAGE + 5)]
    for age, id in enumerate(ids):
        oldest = id == ids[-1]
        site.sql(
            "INSERT INTO notices.mail (id, request_id, kind, party, party_id, recipient, recipient_name, message_id, "
            "subject, text, html, cause, happened_at, made_at, status) VALUES (%s, %s, %s, 'partner', 'tihaya-gavan', "
            "'a@b.example', 'А', %s, %s, '', '', '/postavka/x#1', now(), now() - make_interval(mins => %s), 'sent')",
            *(id, three[1].request_id if oldest else uuid4(), "shipped" if oldest else "activated"),
            *(f"<{id}@lists>", f"Письмо {age}", age // 2),
        )
    yield ids
    site.sql("DELETE FROM notices.mail WHERE id = ANY(%s)", ids)


def test_every_letter_can_be_reached_page_by_page(site: Site, letters: list[UUID]):
    browser, seen = site.person("tihaya-gavan"), []
    path: str | None = "/letters"
    while path is not None:
        page = unescape(browser.get(path).text)
        assert f"{len(letters)}\u00a0писем" in page
        seen += listed(page)
        going = re.search(r'href="(/letters\?[^"]*after=[^"]+)"[^>]*rel="next"', page)
        path = going[1] if going else None
    assert len(seen) == len(set(seen)) == len(letters)
    assert set(seen) == set(letters)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=shipped", True),
        ("kind=activated&q={id}", False),
        ("q={id}", True),
        ("q={short}", True),
        ("q=тихая+гавань&kind=shipped", True),
        ("q=tihaya-gavan&kind=shipped", True),
        ("q=лукоморье&kind=shipped", False),
        ("q=такого+нет", False),
        ("status=failed", False),
        ("to=nobody@b.example", False),
        ("kind=nonsense&status=x&q={id}", True),
    ],
)
def test_letters_are_found_by_request_party_and_kind(
    site: Site, three: list[Story], letters: list[UUID], query: str, found: bool
):
    request_id = str(three[1].request_id)
    page = site.person("ops").get("/letters?" + query.format(id=request_id, short=request_id[:8])).text
    assert (letters[-1] in listed(page)) == found
    assert ("Ничего не нашлось" in page) == (not listed(page))


def test_letters_are_a_file_as_they_are_filtered(site: Site, letters: list[UUID]):
    browser = site.person("tihaya-gavan")
    rows = list(csv.reader(io.StringIO(browser.get("/letters/export.csv").text), delimiter=";"))
    assert len(rows) == 1 + len(letters)
    rows = list(csv.reader(io.StringIO(browser.get("/letters/export.csv?kind=shipped").text), delimiter=";"))
    assert [row[3] for row in rows[1:]] == [f"Письмо {len(letters) - 1}"]
    assert browser.get("/letters/export.xlsx?kind=shipped").content.startswith(b"PK")


def test_a_tenant_finds_its_own_letters_alone(site: Site, letters: list[UUID], three: list[Story]):
    other = site.person("romashka-it")
    assert listed(other.get(f"/letters?q={three[1].request_id}").text) == []
    assert other.get(f"/letters/export.csv?q={three[1].request_id}").text.count("\n") == 1, "its head alone"
    assert site.person("tihaya-gavan").get("/letters?after=x").status_code == 400
