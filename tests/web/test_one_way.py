"""What is done on a page and what a program does are one act: the same command, and the same refusals (L14-L19)."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from events.activation import Activator
from events.model import Message
from events.topics import ACTIVATION_COMMANDS, DOCUMENT_COMMANDS, REQUEST_COMMANDS, confirmations_of
from tests.web.conftest import Person, Site
from tests.web.stories import Story

DER = b"\x30\x03\x02\x01\x05"
PEM = b"-----BEGIN CMS-----\n" + base64.encodebytes(DER) + b"-----END CMS-----\n"
ANSWERS = confirmations_of("dist-north")


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


def essence(message: Message, *own: str) -> dict[str, Any]:
    """All of it but what names this sending."""
    return message.model_dump(exclude={"request_id", *own})


def upload(person: Person, request_id: UUID, document: str, content: bytes) -> httpx2.Response:
    page = f"/requests/{request_id}"
    files = {"signature": ("act.sig", content)}
    return person.post(f"{page}/documents/{document}/signature", data={"csrf": person.csrf("/account")}, files=files)


@pytest.mark.parametrize("content", [DER, PEM, base64.b64encode(DER)], ids=["der", "pem", "base64"])
def test_a_signature(site: Site, sent: Any, content: bytes):
    both = [Story().submitted().approved().documented("doc-1", "0" * 64, "1" * 64) for _ in range(2)]
    site.write(*both)
    by_page, by_program = (each.request_id for each in both)
    browser, program = site.person("dist-north"), site.program(site.token("dist-north"))
    assert upload(browser, by_page, "doc-1", content).status_code == 303
    body = {"signature": base64.b64encode(DER).decode()}
    path = f"/api/v1/requests/{by_program}/documents/doc-1/signature"
    assert program.post(path, json=body, headers=key()).status_code == 202
    ((_, one, _),) = sent(DOCUMENT_COMMANDS.name, by_page)
    ((_, other, _),) = sent(DOCUMENT_COMMANDS.name, by_program)
    assert essence(one, "sent_by") == essence(other, "sent_by")
    assert one.signature == body["signature"]
    # Another tenant's document is not there, on neither way; nor is one that the request does not have.
    partner, its_program = site.person("lukomor"), site.program(site.token("lukomor"))
    assert upload(partner, by_page, "doc-1", content).status_code == 404
    assert its_program.post(path, json=body, headers=key()).status_code == 404
    assert upload(browser, by_page, "doc-2", b"no signature").status_code == 404, "whatever is in the file"
    assert program.post(path.replace("doc-1", "doc-2"), json=body, headers=key()).status_code == 404
    refused = upload(browser, by_page, "doc-1", b"%PDF-1.7 not a signature \xff")
    assert (refused.status_code, refused.headers["location"]) == (303, f"/requests/{by_page}?no-signature=doc-1#papers")
    said = browser.get(refused.headers["location"]).text
    assert "Это не файл подписи" in said
    assert "data-version" in said, "at its field, on the page of the request"
    assert len(sent(DOCUMENT_COMMANDS.name, by_page)) == 1


def test_a_refusal_to_sign(site: Site, sent: Any):
    both = [Story().submitted().approved().documented("doc-1", "0" * 64, "1" * 64) for _ in range(2)]
    site.write(*both)
    by_page, by_program = (each.request_id for each in both)
    browser, program = site.person("dist-north"), site.program(site.token("dist-north"))
    page, path = "/requests/{}/documents/doc-1/refusal", "/api/v1/requests/{}/documents/doc-1/refusal"
    assert "Отказаться от подписания" in browser.get(f"/requests/{by_page}").text
    typed, body, again = {"reason": " неверный КПП ", "decline_id": str(uuid4())}, {"reason": "неверный КПП"}, key()
    for _ in range(2):
        assert browser.submit(page.format(by_page), typed).status_code == 303
        assert program.post(path.format(by_program), json=body, headers=again).status_code == 202
    one, *more = [message for _, message, _ in sent(DOCUMENT_COMMANDS.name, by_page)]
    ((_, other, _),) = sent(DOCUMENT_COMMANDS.name, by_program)
    assert essence(one, "decline_id", "sent_by") == essence(other, "decline_id", "sent_by")
    assert {each.decline_id for each in (one, *more)} == {typed["decline_id"]}, "pressed twice it is one answer"
    assert browser.submit(page.format(by_page), {"reason": " "}).status_code == 422
    assert program.post(path.format(by_program), json={"reason": " "}, headers=key()).status_code == 422
    assert site.person("lukomor").submit(page.format(by_page), typed).status_code == 404
    others = site.program(site.token("lukomor"))
    assert others.post(path.format(by_program), json=body, headers=key()).status_code == 404


@pytest.mark.parametrize("accepted", [True, False])
def test_an_answer(site: Site, sent: Any, accepted: bool):
    both = [Story().submitted().approved() for _ in range(2)]
    over, foreign = Story().submitted().approved().shipped(), Story(distributor=None).submitted().approved()
    site.write(*both, over, foreign)
    by_page, by_program = (each.request_id for each in both)
    browser, program = site.person("dist-north"), site.program(site.token("dist-north"))
    pressed = {"answer": "confirm" if accepted else "decline", "note": "до пятницы"}
    for request_id in (by_page, over.request_id, foreign.request_id):
        assert browser.agree("/waiting/answer", {**pressed, "request_id": str(request_id)}).status_code == 303
    body = {"accepted": accepted, "note": "до пятницы"}
    answers = [
        program.post(f"/api/v1/requests/{each}/confirmation", json=body, headers=key()).status_code
        for each in (by_program, over.request_id, foreign.request_id)
    ]
    assert answers == [202, 409, 404]
    ((_, one, _),) = sent(ANSWERS, by_page)
    ((_, other, _),) = sent(ANSWERS, by_program)
    assert essence(one, "confirmation_id") == essence(other, "confirmation_id") == body
    assert sent(ANSWERS, over.request_id) == sent(ANSWERS, foreign.request_id) == []


def test_a_withdrawal(site: Site, sent: Any):
    both = [Story().submitted() for _ in range(2)]
    over = Story().submitted().approved().shipped()
    site.write(*both, over)
    by_page, by_program = (each.request_id for each in both)
    browser, program = site.person("lukomor"), site.program(site.token("lukomor"))
    for request_id in (by_page, over.request_id):
        answer = browser.agree(f"/requests/{request_id}/withdraw", {"reason": " клиент передумал "})
        assert answer.status_code == 303, "too late is shown on the request's page"
    body = {"reason": "клиент передумал"}
    path = "/api/v1/requests/{}/withdrawal"
    assert program.post(path.format(by_program), json=body, headers=key()).status_code == 202
    assert program.post(path.format(over.request_id), json=body, headers=key()).status_code == 409
    ((_, one, _),) = sent(REQUEST_COMMANDS.name, by_page)
    ((_, other, _),) = sent(REQUEST_COMMANDS.name, by_program)
    assert essence(one, "withdrawn_by") == essence(other, "withdrawn_by")
    assert sent(REQUEST_COMMANDS.name, over.request_id) == []
    assert site.person("romashka-it").submit(f"/requests/{by_page}/withdraw").status_code == 404


def test_an_activation(site: Site, sent: Any):
    """Tries of strangers at the number close the public page, and nothing of the partner's."""
    both = [Story(registration="20000137").submitted().approved().shipped() for _ in range(2)]
    early = Story().submitted().approved()
    site.write(*both, early)
    by_page, by_program = (each.request_id for each in both)
    stranger, guess = site.person(), {"registration_number": "20000137", "code": "NONE"}
    token = {"X-CSRF-Token": stranger.csrf()}
    tries = [stranger.post("/api/v1/public/activations", json=guess, headers=token).status_code for _ in range(51)]
    assert tries[-1] == 429
    browser, program = site.person("lukomor"), site.program(site.token("lukomor"))
    for request_id in (by_page, early.request_id):
        assert browser.agree(f"/sold/{request_id}/activate", {"activation_id": str(uuid4())}).status_code == 303
    path = "/api/v1/requests/{}/activation"
    assert program.post(path.format(by_program), headers=key()).status_code == 202
    assert program.post(path.format(early.request_id), headers=key()).status_code == 409
    ((_, one, _),) = sent(ACTIVATION_COMMANDS.name, by_page)
    ((_, other, _),) = sent(ACTIVATION_COMMANDS.name, by_program)
    own = ("activation_id", "actor")
    assert essence(one, *own) == essence(other, *own)
    assert one.activated_by is Activator.PARTNER
    assert sent(ACTIVATION_COMMANDS.name, early.request_id) == []


def test_a_code_of_no_letters_opens_nothing(site: Site, sent: Any):
    """Not even a delivery that has no code."""
    story = Story(registration="20000129").submitted().approved().shipped()
    site.write(story)
    site.sql("UPDATE cabinet.requests SET shipping = shipping #- '{kit,code}' WHERE request_id = %s", story.request_id)
    body = {"registration_number": story.registration, "code": "---"}
    visitor = site.person()
    headers = {"X-CSRF-Token": visitor.csrf()}
    assert visitor.post("/api/v1/public/activations", json=body, headers=headers).status_code == 404
    assert visitor.submit("/activate", body, page="/activate").status_code == 422
    assert sent(ACTIVATION_COMMANDS.name, story.request_id) == []
