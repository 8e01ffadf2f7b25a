"""Drafts of requests on the server: one's own and nobody else's, under a person's key, for 30 days."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from postavka.kernel.privacy.vault import open_vault
from services.cabinet import drafts
from tests.web.conftest import Person, Site
from tests.web.matrix import NEW

PATH = "/requests/new/1c8-updates-and-addons"
MAIL = "anna.draft@firm.example"


@pytest.fixture
def partner(site: Site) -> Person:
    """With no drafts yet."""
    site.sql("DELETE FROM cabinet.drafts")
    return site.person("lukomor")


def kept(person: Person, how: str = "keep", **typed: str) -> str:
    """A draft that was kept; its id."""
    request_id = str(uuid4())
    answer = person.submit(PATH, {"request_id": request_id, "do": how, **typed})
    assert answer.status_code == (204 if how == "keep" else 303), answer.text
    return request_id


def listed(person: Person) -> list[str]:
    page = person.get("/requests").text
    return [each.partition('"')[0] for each in page.split("?draft=")[1:]]


def opened(person: Person, request_id: str) -> httpx2.Response:
    return person.get(f"{PATH}?draft={request_id}")


def test_is_listed_opened_and_goes_when_it_is_sent(partner: Person):
    first = kept(partner, buyer="АО «Первая»", inn="7707083893")
    second = kept(partner, "draft", buyer="АО «Вторая»", registration_number="1234567")
    assert listed(partner) == [second, first]
    page = opened(partner, second).text
    assert 'value="1234567"' in page and f'value="{second}"' in page  # noqa: PT018
    partner.submit(PATH, {"request_id": second, "do": "keep", "buyer": "АО «Третья»"})
    assert listed(partner) == [second, first], "the same draft, as it is now"
    assert "АО «Третья»" in partner.get("/requests").text
    sent = partner.submit(PATH, {**NEW, "request_id": first, "registration_number": "7654321", "do": "send"})
    assert sent.status_code == 303, sent.text
    assert listed(partner) == [second]
    assert partner.submit(PATH, {**NEW, "request_id": first, "do": "keep"}).status_code == 204
    assert listed(partner) == [second], "what has been sent is no draft any more, however late it comes"


def test_is_its_users_alone(site: Site, partner: Person):
    mine = kept(partner, buyer="АО «Своя»")
    for login in ("romashka-it", "dist-north", "ops", "auditor"):
        other = site.person(login)
        assert opened(other, mine).status_code == 404
        assert other.submit(f"/requests/drafts/{mine}/remove").status_code == 404
    assert listed(site.person("romashka-it")) == []
    kept(site.person("romashka-it"), buyer="АО «Чужая»")
    foreign = site.person("romashka-it")
    foreign.submit(PATH, {"request_id": mine, "do": "keep", "buyer": "подменено"})
    assert "АО «Своя»" in opened(partner, mine).text
    assert listed(partner) == [mine]


def test_is_removed_after_a_question(partner: Person):
    draft = kept(partner, buyer="АО «Лишняя»")
    asked = partner.submit(f"/requests/drafts/{draft}/remove")
    assert "Удалить черновик заявки: АО «Лишняя»" in asked.text
    assert listed(partner) == [draft]
    partner.agree(f"/requests/drafts/{draft}/remove")
    assert listed(partner) == []
    assert opened(partner, draft).status_code == 404


def test_a_persons_data_lies_under_its_key_and_goes_with_it(site: Site, partner: Person):
    draft = kept(partner, buyer="АО «Личная»", client_email=MAIL, client_phone="+7 495 000-00-00")
    ((typed,),) = site.sql("SELECT typed::text FROM cabinet.drafts WHERE request_id = %s", UUID(draft))
    assert "anna.draft" not in typed and "495" not in typed and "enc:v1:" in typed  # noqa: PT018
    assert f'value="{MAIL}"' in opened(partner, draft).text
    open_vault(site.kernel).erase(MAIL, "test", "asked for")
    after = opened(partner, draft).text
    assert 'value="АО «Личная»"' in after
    assert "anna.draft" not in after and "стёрто" not in after  # noqa: PT018


def test_half_an_address_names_nobody(site: Site, partner: Person):
    draft = kept(partner, buyer="АО «Пол-адреса»", client_email="anna.half@fi")
    assert open_vault(site.kernel).find("anna.half@fi") == []
    ((typed,),) = site.sql("SELECT typed FROM cabinet.drafts WHERE request_id = %s", UUID(draft))
    assert "client_email" not in typed


def test_goes_after_thirty_days_and_the_oldest_makes_room(site: Site, partner: Person):
    old = kept(partner, buyer="АО «Старая»")
    site.sql("UPDATE cabinet.drafts SET changed_at = now() - interval '31 days'")
    new = kept(partner, buyer="АО «Новая»")

    async def sweep() -> None:
        async with await psycopg.AsyncConnection.connect(site.database) as rows:
            await drafts.sweep(rows)

    asyncio.run(sweep())
    assert listed(partner) == [new]
    many = [kept(partner, buyer=f"АО «{number}»") for number in range(drafts.MOST)]
    assert listed(partner) == many[::-1]
    assert old not in many
