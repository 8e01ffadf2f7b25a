"""Pages of letters: each sees its own, operations all; the link in a letter switches its kind off."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from services.notices.categories import Category
from services.notices.channels.email.mail_log import preferences
from services.notices.channels.email.message import email_secret, signature
from services.notices.projection import prepare
from tests.web.conftest import Site

READER = "vetrova@lukomor.example"


@pytest.fixture(scope="module")
def letters(site: Site) -> Iterator[dict[str, str]]:
    """Party → a letter to it."""
    prepare(site.database)
    made = {}
    with psycopg.connect(site.database, autocommit=True, options="-c search_path=notices") as connection:
        for party, party_id, address, status in (
            ("partner", "lukomor", READER, "sent"),
            ("partner", "romashka-it", "lugov@romashka-it.example", "failed"),
            ("distributor", "dist-north", "orders@dist-north.example", "due"),
        ):
            email_id = made[party_id] = str(uuid4())
            connection.execute(
                "INSERT INTO mail (id, request_id, kind, party, party_id, recipient, recipient_name, message_id, "
                "subject, text, html, cause, happened_at, status, said) VALUES (%s, %s, 'shipped', %s, %s, %s, %s, %s, "
                "%s, %s, '', '/postavka/x#1', now(), %s, '550 gone')",
                (
                    *(email_id, uuid4(), party, party_id, address, address, f"<{email_id}@x>"),
                    *(f"Письмо для {party_id}", f"Текст для {party_id}", status),
                ),
            )
    return made


@pytest.mark.parametrize("tenant", ["lukomor", "romashka-it", "dist-north"])
def test_a_tenant_sees_the_letters_that_were_written_to_it(site: Site, letters: dict[str, str], tenant: str):
    reader = site.person(tenant)
    shown = reader.get("/letters").text
    assert [party for party in letters if f"Письмо для {party}" in shown] == [tenant]
    assert f"Текст для {tenant}" in reader.get(f"/letters/{letters[tenant]}").text
    for other in letters.keys() - {tenant}:
        assert reader.get(f"/letters/{letters[other]}").status_code == 404
    assert "550 gone" not in shown, "what the mail server says is for operations"


def test_operations_see_all_and_send_again_what_has_failed(site: Site, letters: dict[str, str]):
    ops = site.person("ops")
    assert all(f"Письмо для {party}" in ops.get("/letters").text for party in letters)
    failed = ops.get("/letters?status=failed").text
    assert [party for party in letters if f"Письмо для {party}" in failed] == ["romashka-it"]
    page = f"/letters/{letters['romashka-it']}"
    assert "550 gone" in ops.get(page).text
    assert ops.submit(f"{page}/again", page=page).status_code == 303
    assert "ждёт отправки" in ops.get(page).text
    assert ops.submit(f"/letters/{letters['lukomor']}/again", page=page).status_code == 404, "it has been sent"
    assert site.person("auditor").submit(f"{page}/again").status_code == 404


def test_the_link_in_a_letter_switches_its_kind_off_and_nothing_else(site: Site, letters: dict[str, str]):
    sign = signature(email_secret(site.kernel), READER, Category.SHIPPED)
    link = f"/letters/off?to={READER}&kind=shipped&sign={sign}"
    reader = site.person()
    page = reader.get(link)
    assert page.status_code == 200
    assert preferences(site.kernel, READER)[Category.SHIPPED] is True, "looking changes nothing"
    by_program = site.program(None).post(link, data={"List-Unsubscribe": "One-Click"})
    assert by_program.status_code == 200
    assert preferences(site.kernel, READER)[Category.SHIPPED] is False
    assert preferences(site.kernel, READER)[Category.ACTIVATED] is True
    for wrong in (
        link.replace("shipped", "activated"),
        link.replace(READER, "lugov@romashka-it.example"),
        link.replace(sign, "0" * 32),
        link.replace("shipped", "permission"),
    ):
        assert reader.get(wrong).status_code == 404
        assert site.program(None).post(wrong).status_code == 404


def test_a_mandatory_kind_has_no_link(site: Site, letters: dict[str, str]):
    sign = signature(email_secret(site.kernel), READER, Category.PERMISSION)
    assert site.person().get(f"/letters/off?to={READER}&kind=permission&sign={sign}").status_code == 404
