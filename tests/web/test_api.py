"""The REST API: problems, idempotency, paging, filters, tokens, what is sent to Kafka, documents, activation."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import openpyxl
import psycopg
import pytest

from events.topics import ACTIVATION_COMMANDS, DOCUMENT_COMMANDS, REQUEST_COMMANDS, confirmations_of
from postavka.app.web import create_app
from postavka.kernel.settings import Settings
from postavka.web.identity import tokens, users
from postavka.web.identity.principal import Scope
from postavka.web.settings import WebSettings
from tests.web.conftest import PATIENCE_SECONDS, Site, served
from tests.web.stories import BEGIN, Story

FIELDS = {
    "contact_id": "lukomor-1",
    "distributor_id": "dist-north",
    "base_delivery_id": "upp-13",
    "registration_number": "1000001",
    "product_id": "upp-extension-12",
    "inn": "7707083893",
    "kpp": "773601001",
    "buyer": "АО «Завод точных весов»",
}


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


@pytest.fixture(scope="module")
def partner(site: Site) -> httpx2.Client:
    return site.program(site.token("lukomor"))


@pytest.fixture(scope="module")
def distributor(site: Site) -> httpx2.Client:
    return site.program(site.token("dist-north"))


# Problems


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"),
    [
        ("GET", "/api/v1/nothing", {}, None, 404, "not-found"),
        ("DELETE", "/api/v1/requests", {}, None, 405, "method-not-allowed"),
        ("GET", "/api/v1/requests/not-a-uuid", {}, None, 422, "invalid"),
        ("GET", "/api/v1/requests?limit=0", {}, None, 422, "invalid"),
        ("GET", "/api/v1/requests?status=gone", {}, None, 422, "invalid"),
        ("GET", "/api/v1/requests?after=nonsense", {}, None, 400, "bad-request"),
        ("GET", "/api/v1/requests?since=31.12.2026", {}, None, 422, "invalid"),
        ("POST", "/api/v1/requests", {"Idempotency-Key": '"k"'}, b"{", 400, "bad-request"),
        ("POST", "/api/v1/requests", {"Idempotency-Key": '"k"'}, b"[]", 422, "invalid"),
        ("POST", "/api/v1/requests", {"Idempotency-Key": '"k"'}, b"\xff\xfe", 400, "bad-request"),
        ("POST", "/api/v1/requests", {"Content-Length": "2000000"}, b"{" * 2_000_000, 413, "too-large"),
    ],
)
def test_every_error_is_a_problem_in_russian(
    partner: httpx2.Client, method: str, path: str, headers: dict[str, str], body: bytes | None, status: int, code: str
):
    headers = {"Content-Type": "application/json", **headers}
    answer = partner.request(method, path, headers=headers, content=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["type"].endswith("#" + code)
    assert said["status"] == status
    assert any("а" <= each <= "я" for each in said["title"].lower())
    assert said["instance"] == path.partition("?")[0]


def test_every_wrong_field_is_named_by_pointer(partner: httpx2.Client):
    wrong = {**FIELDS, "inn": "77070838", "registration_number": "12-34", "surprise": 1, "comment": "\x00"}
    del wrong["buyer"]
    answer = partner.post("/api/v1/requests", json=wrong, headers=key())
    assert answer.status_code == 422
    found = {each["pointer"]: each for each in answer.json()["errors"]}
    assert set(found) == {"#/inn", "#/registration_number", "#/surprise", "#/comment", "#/buyer"}
    assert found["#/buyer"]["detail"] == "Укажите покупателя или заполните его по ИНН."
    assert (found["#/inn"]["code"], found["#/surprise"]["detail"]) == ("malformed", "Такого поля нет.")
    assert "77070838" not in answer.text, "what was typed is not repeated"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"inn": "7707083890"}, "#/inn"), ({"kpp": None}, "#/kpp"), ({"inn": "500100732259"}, "#/kpp")],
)
def test_check_digits_and_kpp_are_looked_at(partner: httpx2.Client, change: dict[str, Any], pointer: str):
    answer = partner.post("/api/v1/requests", json={**FIELDS, **change}, headers=key())
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_nobody_submits_for_another_partner(partner: httpx2.Client):
    """Mass assignment: whose request it is comes from the token alone."""
    answer = partner.post("/api/v1/requests", json={**FIELDS, "partner_id": "romashka-it"}, headers=key())
    assert [each["code"] for each in answer.json()["errors"]] == ["extra_forbidden"]


def test_a_form_of_another_kind_is_not_json(partner: httpx2.Client):
    answer = partner.post("/api/v1/requests", data=FIELDS, headers=key())
    assert answer.status_code in (415, 422)
    assert answer.headers["content-type"] == "application/problem+json"


# Idempotency-Key: the scenarios of the draft


def test_without_a_key_400(partner: httpx2.Client):
    for header in (
        {},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": '"'},
        {"Idempotency-Key": "bare"},
        {"Idempotency-Key": f'"{"x" * 101}"'},
    ):
        answer = partner.post("/api/v1/requests", json=FIELDS, headers=header)
        assert answer.status_code == 400
        assert answer.json()["type"].endswith("idempotency-key-missing")


def test_the_same_call_again_has_the_first_answer_and_one_effect(partner: httpx2.Client, sent: Any):
    headers = key()
    first = partner.post("/api/v1/requests", json=FIELDS, headers=headers)
    again = partner.post("/api/v1/requests", json=FIELDS, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(sent(REQUEST_COMMANDS.name, first.json()["request_id"])) == 1


def test_the_same_key_for_another_content_422(partner: httpx2.Client):
    headers = key()
    assert partner.post("/api/v1/requests", json=FIELDS, headers=headers).status_code == 202
    other = partner.post("/api/v1/requests", json={**FIELDS, "comment": "иначе"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-key-reused")


def test_the_same_key_at_the_same_time_is_one_request(partner: httpx2.Client, site: Site, sent: Any):
    headers, token = key(), partner.headers["Authorization"]
    gate = threading.Barrier(8)

    def press(_: int) -> httpx2.Response:
        with httpx2.Client(base_url=site.url, timeout=PATIENCE_SECONDS) as client:
            gate.wait()
            return client.post("/api/v1/requests", json=FIELDS, headers={"Authorization": token, **headers})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(press, range(8)))
    assert {each.status_code for each in answers} <= {202, 409}
    taken = [each.json() for each in answers if each.status_code == 202]
    assert taken
    assert len({each["request_id"] for each in taken}) == 1
    assert all(each.headers["retry-after"] for each in answers if each.status_code == 409)
    assert len(sent(REQUEST_COMMANDS.name, taken[0]["request_id"])) == 1


def test_a_key_belongs_to_who_made_it(site: Site, partner: httpx2.Client):
    headers = key()
    mine = partner.post("/api/v1/requests", json=FIELDS, headers=headers)
    theirs = site.program(site.token("romashka-it")).post(
        "/api/v1/requests", json={**FIELDS, "contact_id": "romashka-1"}, headers=headers
    )
    assert mine.status_code == theirs.status_code == 202
    assert mine.json()["request_id"] != theirs.json()["request_id"]


def test_a_refused_call_may_be_made_again_corrected(partner: httpx2.Client):
    headers = key()
    assert partner.post("/api/v1/requests", json={**FIELDS, "inn": "7707083890"}, headers=headers).status_code == 422
    assert partner.post("/api/v1/requests", json=FIELDS, headers=headers).status_code == 202


def test_an_address_that_cannot_be_mailed_is_refused_at_its_field(partner: httpx2.Client):
    answer = partner.post("/api/v1/requests", json={**FIELDS, "client_email": "a..b@mail.ru"}, headers=key())
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "#/client_email"
    assert "точка" in error["detail"]


def test_a_call_whose_process_died_is_carried_out_under_the_same_id(site: Site, partner: httpx2.Client):
    headers = key()
    first = partner.post("/api/v1/requests", json=FIELDS, headers=headers)
    site.sql("UPDATE accounts.answers SET status = NULL WHERE key = %s", headers["Idempotency-Key"].strip('"'))
    assert partner.post("/api/v1/requests", json=FIELDS, headers=headers).status_code == 409, "it may be under way"
    site.sql("UPDATE accounts.answers SET started_at = started_at - interval '2 minutes'")
    again = partner.post("/api/v1/requests", json=FIELDS, headers=headers)
    assert again.status_code == 202
    assert again.json()["request_id"] == first.json()["request_id"]


# What is sent


def test_a_request_is_the_command_of_its_sender(site: Site, sent: Any):
    token = site.token("lukomor", name="обмен с 1С")
    answer = site.program(token).post("/api/v1/requests", json=FIELDS, headers=key())
    ((envelope, command, record),) = sent(REQUEST_COMMANDS.name, answer.json()["request_id"])
    assert envelope.type == "SubmitRequest.v1"
    assert command.partner_id == "lukomor"
    assert command.submitted_by == "token:обмен с 1С"
    assert command.buyer == FIELDS["buyer"]
    assert record.key == str(command.request_id).encode()


def test_a_distributors_answer_is_the_record_of_its_own_client(site: Site, distributor: httpx2.Client, sent: Any):
    story = Story().submitted().approved()
    site.write(story)
    answer = distributor.post(
        f"/api/v1/requests/{story.request_id}/confirmation", json={"accepted": True, "note": "оплатим"}, headers=key()
    )
    assert answer.status_code == 202
    ((envelope, command, _),) = sent(confirmations_of("dist-north"), story.request_id)
    assert envelope.type == "DistributorConfirmation.v1"
    assert (command.accepted, command.note) == (True, "оплатим")
    assert command.confirmation_id


def test_many_answers_at_once_are_told_one_by_one(site: Site, distributor: httpx2.Client, sent: Any):
    waiting, done, foreign = (
        Story().submitted().approved(),
        Story().submitted().approved().shipped(),
        Story("lukomor", "dist-ural").submitted().approved(),
    )
    site.write(waiting, done, foreign)
    ids = [str(each.request_id) for each in (waiting, done, foreign)]
    answer = distributor.post(
        "/api/v1/confirmations",
        json={"answers": [{"request_id": each, "accepted": False} for each in ids]},
        headers=key(),
    )
    assert [each["result"] for each in answer.json()["results"]] == ["accepted", "not-waiting", "not-found"]
    assert [command.accepted for _, command, _ in sent(confirmations_of("dist-north"), waiting.request_id)] == [False]


def test_what_is_not_possible_any_more_is_said_at_once(site: Site, partner: httpx2.Client, distributor: httpx2.Client):
    story = Story().submitted().approved().shipped().activated()
    site.write(story)
    path = f"/api/v1/requests/{story.request_id}"
    for client, act, body in (
        (partner, "withdrawal", {}),
        (partner, "activation", None),
        (distributor, "confirmation", {"accepted": True}),
    ):
        answer = client.post(f"{path}/{act}", json=body, headers=key())
        assert answer.status_code == 409, act
        assert answer.json()["type"].endswith("conflict")


def test_a_partner_activates_and_withdraws(site: Site, partner: httpx2.Client, sent: Any):
    shipped, fresh = Story().submitted().approved().shipped(), Story().submitted().approved()
    site.write(shipped, fresh)
    done = partner.post(f"/api/v1/requests/{shipped.request_id}/activation", headers=key())
    assert done.status_code == 202
    ((_, command, _),) = sent(ACTIVATION_COMMANDS.name, shipped.request_id)
    assert (command.partner_id, command.activation_id) == ("lukomor", done.json()["activation_id"])
    done = partner.post(f"/api/v1/requests/{fresh.request_id}/withdrawal", json={"reason": "ошибка"}, headers=key())
    assert done.status_code == 202
    ((_, command, _),) = sent(REQUEST_COMMANDS.name, fresh.request_id)
    assert command.withdrawn_by.startswith("token:")
    assert command.reason == "ошибка"


# Reading


def test_pages_of_a_list_are_whole_whatever_comes_in_between(site: Site):
    client = site.program(site.token("tihaya-gavan"))
    stories = [
        Story("tihaya-gavan", at=BEGIN + timedelta(minutes=number // 3), buyer=f"Покупатель {number}").submitted()
        for number in range(25)
    ]
    site.write(*stories)
    seen: list[str] = []
    after: str | None = None
    while True:
        page = client.get("/api/v1/requests", params={"limit": 7, **({"after": after} if after else {})}).json()
        seen += [each["request_id"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
        site.write(Story("tihaya-gavan", at=BEGIN + timedelta(days=1)).submitted())
    assert len(seen) == len(set(seen)) == 25
    assert set(seen) == {str(each.request_id) for each in stories}


def test_lists_are_filtered_and_searched(site: Site):
    client = site.program(site.token("ip-berezin"))
    yolka = Story("ip-berezin", buyer="ООО «Ёлочная_игрушка 100%»", at=BEGIN).submitted()
    shipped = Story("ip-berezin", buyer="АО Берёзка", at=BEGIN + timedelta(days=2)).submitted().approved().shipped()
    rejected = Story("ip-berezin", buyer="АО Осина", at=BEGIN + timedelta(days=4), events=254).submitted().rejected()
    site.write(yolka, shipped, rejected)

    def found(**params: Any) -> set[str]:
        return {each["buyer"] for each in client.get("/api/v1/requests", params=params).json()["items"]}

    everything = {each.buyer for each in (yolka, shipped, rejected)}
    assert found() == everything
    assert found(search="елочная") == {yolka.buyer}, "«е» finds «ё», small letters find capitals"
    assert found(search="ИГРУШКА_100") == set(), "_ is no wildcard"
    assert found(search="100%") == {yolka.buyer}
    assert found(search="ао березка") == {shipped.buyer}
    assert found(search="333277779796390250944") == {shipped.buyer}, "a permission number without its hyphens"
    assert found(search="157964077793") == {shipped.buyer}, "a kit's number"
    assert found(search=str(rejected.request_id)[:8]) == {rejected.buyer}
    assert found(search="№ 2026-000255 осина") == found(search="2026/000255") == {rejected.buyer}, "what people call it"
    assert found(status="rejected") == {rejected.buyer}
    assert found(status=["rejected", "submitted"]) == {rejected.buyer, yolka.buyer}
    assert found(since="2026-03-18", until="2026-03-18") == {shipped.buyer}
    assert found(since="0001-01-01", until="9999-12-31") == everything
    assert found(search="'; DROP TABLE x; --") == set()


def test_days_are_moscows(site: Site):
    client = site.program(site.token("romashka-it"))
    late = Story("romashka-it", buyer="Поздний", at=BEGIN.replace(hour=21, minute=30)).submitted()  # 00:30 in Moscow
    site.write(late)
    params = {"search": "поздний"}
    assert client.get("/api/v1/requests", params={**params, "since": "2026-03-17"}).json()["items"]
    assert not client.get("/api/v1/requests", params={**params, "until": "2026-03-16"}).json()["items"]


def test_the_activation_code_is_shown_to_the_partner_alone(site: Site, partner: Any, distributor: Any):
    story = Story().submitted().approved().shipped()
    site.write(story)
    path = f"/api/v1/requests/{story.request_id}"
    assert partner.get(path).json()["kit"]["code"] == story.code
    for reader in (distributor, site.person("ops"), site.person("auditor")):
        shown = reader.get(path)
        assert shown.json()["kit"]["code"] is None
        assert story.code not in shown.text
        assert story.code not in reader.get(f"{path}/timeline").text


def test_the_timeline_tells_the_story(site: Site, partner: httpx2.Client):
    story = Story().submitted().approved().shipped().activation_refused("a-1", "Нет договора.").activated("a-2")
    site.write(story)
    moments = partner.get(f"/api/v1/requests/{story.request_id}/timeline").json()["moments"]
    kinds = [each["kind"] for each in moments]
    assert kinds == [
        "submitted", "approved", "permitted", "confirmed", "ordered", "shipped", "activation-refused", "activated",
    ]  # fmt: skip
    assert moments == sorted(moments, key=lambda each: each["at"])


def test_a_request_can_be_read_right_after_it_was_sent(site: Site, partner: httpx2.Client):
    """The cabinet has it a moment later: the reader waits instead of being told that it doesn't exist."""
    sent = partner.post("/api/v1/requests", json=FIELDS, headers=key())
    story = Story(request_id=UUID(sent.json()["request_id"])).submitted()
    timer = threading.Timer(0.3, lambda: site.write(story))
    timer.start()
    answer = partner.get(sent.headers["location"])
    timer.join()
    assert answer.status_code == 200
    assert answer.json()["status"] == "submitted"


def test_a_copy_has_the_fields_of_a_new_request(site: Site, partner: httpx2.Client):
    story = Story().submitted()
    site.write(story)
    fields = partner.get(f"/api/v1/requests/{story.request_id}/copy").json()
    assert partner.post("/api/v1/requests", json=fields, headers=key()).status_code == 202


def test_lists_are_the_tenants_own(site: Site, partner: httpx2.Client, distributor: httpx2.Client):
    contacts = {each["id"] for each in partner.get("/api/v1/contacts").json()["items"]}
    assert contacts == {"lukomor-1", "lukomor-2", "lukomor-3"}
    assert distributor.get("/api/v1/contacts").status_code == 404
    fitting = partner.get("/api/v1/products", params={"base_delivery_id": "upp-13"}).json()["items"]
    assert {each["service"] for each in fitting} == {"upp-extension"}
    assert [each["months"] for each in fitting] == [1, 3, 6, 12]
    assert fitting[-1]["price"] == "32400.00"
    bases = partner.get("/api/v1/base-deliveries", params={"product_id": "upp-extension-12"}).json()["items"]
    assert {each["id"] for each in bases} == {"upp-13", "upp-13-10"}
    assert len(partner.get("/api/v1/distributors").json()["items"]) == 3


def test_a_company_is_found_by_its_number(site: Site, partner: httpx2.Client):
    from postavka.domain.tax_register.table import TableRegister  # a company of the table that ships

    inn = next(iter(TableRegister()._companies))
    found = partner.post("/api/v1/company-lookups", json={"inn": inn})
    assert found.status_code == 200
    assert found.json()["inn"] == inn
    assert partner.post("/api/v1/company-lookups", json={"inn": "7707083890"}).status_code == 422
    unknown = partner.post("/api/v1/company-lookups", json={"inn": "7736050003"})
    assert unknown.status_code in (200, 404)


def test_documents_are_listed_downloaded_and_returned(site: Site, partner: Any, distributor: Any, sent: Any):
    blobs = site.app.state.web.blobs
    original, pdf = b'{"form":"postavka.document/1"}', b"%PDF-1.7 " + uuid4().bytes
    story = Story().submitted().approved().documented("doc-1", blobs.put(original), blobs.put(pdf))
    site.write(story)
    path = f"/api/v1/requests/{story.request_id}/documents"
    (listed,) = distributor.get(path).json()["items"]
    assert listed["title"] == "Акт приема-передачи"
    assert listed["yours_to_sign"]
    assert not partner.get(path).json()["items"][0]["yours_to_sign"]
    got = distributor.get(f"{path}/doc-1/files/original")
    assert got.content == original
    assert "attachment" in got.headers["content-disposition"]
    assert got.headers["x-content-type-options"] == "nosniff"
    assert distributor.get(f"{path}/doc-1/files/pdf").content == pdf
    assert distributor.get(f"{path}/doc-2/files/pdf").status_code == 404
    signature = base64.b64encode(b"a signature").decode()
    body = {"signature": signature}
    assert partner.post(f"{path}/doc-1/signature", json=body, headers=key()).status_code == 404, "another signs it"
    assert distributor.post(f"{path}/doc-1/signature", json=body, headers=key()).status_code == 202
    ((_, command, _),) = sent(DOCUMENT_COMMANDS.name, story.request_id)
    assert (command.document_id, command.signature) == ("doc-1", signature)


def test_a_workbook_that_had_to_end_says_so(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.cabinet.pages.export.MOST_ROWS", 2)
    site.write(*(Story("tihaya-gavan").submitted() for _ in range(3)))
    sheet = openpyxl.load_workbook(io.BytesIO(site.person("tihaya-gavan").get("/requests/export.xlsx").content)).active
    assert sheet is not None
    printed = (sheet.page_setup.orientation, sheet.page_setup.fitToHeight, sheet.print_title_rows)
    assert printed == ("landscape", 0, "$1:$1"), "as wide as a sheet, its head on each"
    rows = list(sheet.iter_rows(values_only=True))
    assert len(rows) == 4
    assert str(rows[3][0]).startswith("Здесь первые 2 строк.")


# Tokens


def test_a_token_does_what_its_scopes_say_and_no_more(site: Site):
    reader = site.program(site.token("lukomor", scopes=[Scope.READ]))
    assert reader.get("/api/v1/requests").status_code == 200
    assert reader.get("/api/v1/me").json()["scopes"] == ["read"]
    assert reader.post("/api/v1/requests", json=FIELDS, headers=key()).status_code == 404
    writer = site.program(site.token("lukomor", scopes=[Scope.SUBMIT]))
    assert writer.get("/api/v1/requests").status_code == 404
    assert writer.post("/api/v1/requests", json=FIELDS, headers=key()).status_code == 202


@pytest.mark.parametrize("change", ["revoked_at = now()", "expires_at = now() - interval '1 second'"])
def test_a_revoked_or_expired_token_opens_nothing(site: Site, change: str):
    token = site.token("lukomor")
    client = site.program(token)
    assert client.get("/api/v1/me").status_code == 200
    site.sql(f"UPDATE accounts.tokens SET {change} WHERE hint = %s", token[-4:])  # noqa: S608
    refused = client.get("/api/v1/me")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "value", ["Bearer x", "Bearer", "Basic bHVrb21vcjpwb3N0YXZrYS1kZW1v", "bearer pst_" + "x" * 49]
)
def test_a_bad_token_is_not_made_good_by_a_cookie(site: Site, value: str):
    browser = site.person("lukomor")
    assert browser.get("/api/v1/me").status_code == 200
    assert browser.get("/api/v1/me", headers={"Authorization": value}).status_code == 401


def test_a_token_is_shown_once_and_revoked_by_its_tenant(site: Site):
    browser = site.person("romashka-it")
    made = browser.submit("/account/tokens", {"name": "Учёт", "days": "10", "scope": "read"})
    secret = next(word for word in made.text.replace("<", " ").replace(">", " ").split() if word.startswith("pst_"))
    assert secret not in browser.get("/account").text
    assert site.sql("SELECT count(*) FROM accounts.tokens WHERE position(%s in tokens::text) > 0", secret) == [(0,)]
    ((token_id,),) = site.sql("SELECT token_id FROM accounts.tokens WHERE name = 'Учёт'")
    assert site.person("lukomor").submit(f"/account/tokens/{token_id}/revoke").status_code == 404
    assert site.program(secret).get("/api/v1/me").status_code == 200
    assert browser.submit(f"/account/tokens/{token_id}/revoke").status_code == 303
    assert site.program(secret).get("/api/v1/me").status_code == 401


def test_a_token_goes_with_the_account_that_made_it(site: Site):
    browser = site.person("tihaya-gavan")
    made = browser.submit("/account/tokens", {"name": "Обмен", "days": "366", "scope": "read"})
    secret = next(word for word in made.text.replace("<", " ").replace(">", " ").split() if word.startswith("pst_"))
    others = site.token("tihaya-gavan")

    async def close() -> int:
        async with await psycopg.AsyncConnection.connect(site.database) as rows:
            return await tokens.revoke_made_by(rows, await users.disable(rows, "tihaya-gavan"))

    try:
        assert site.program(secret).get("/api/v1/me").status_code == 200
        assert asyncio.run(close()) == 1
        assert site.program(secret).get("/api/v1/me").status_code == 401
        assert site.program(others).get("/api/v1/me").status_code == 200, "another account made it"
    finally:
        site.sql("UPDATE accounts.users SET disabled_at = NULL WHERE login = 'tihaya-gavan'")


def test_a_signed_in_person_may_call_the_api_with_the_csrf_token_only(site: Site):
    browser = site.person("lukomor")
    assert browser.get("/api/v1/me").json()["role"] == "partner"
    assert browser.post("/api/v1/requests", json=FIELDS, headers=key()).status_code == 403
    token = browser.csrf("/account")
    assert browser.post("/api/v1/requests", json=FIELDS, headers={"X-CSRF-Token": token, **key()}).status_code == 202


def test_a_tenant_calls_so_often_and_no_more(web_database: str, kernel: Settings, site: Site):
    config = WebSettings(calls_per_minute=5, _env_file=None)
    token, other = site.token("lukomor"), site.token("romashka-it")
    with served(create_app(kernel, config), web_database, kernel) as running:
        client = running.program(token)
        codes = [client.get("/api/v1/me").status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        assert client.get("/api/v1/me").headers["retry-after"]
        assert running.program(other).get("/api/v1/me").status_code == 200


def test_a_tenant_has_so_much_kept_in_a_day(web_database: str, kernel: Settings, site: Site):
    config = WebSettings(tenant_bytes_per_day=1_000, _env_file=None)
    with served(create_app(kernel, config), web_database, kernel) as running:
        client, other = (running.program(site.token(tenant)) for tenant in ("lukomor", "romashka-it"))
        sent = [client.post("/api/v1/requests", json=FIELDS, headers=key()) for _ in range(4)]
        codes = [each.status_code for each in sent]
        assert codes == sorted(codes)
        assert (codes[0], codes[-1]) == (202, 429)
        assert int(sent[-1].headers["retry-after"]) > 0
        assert client.get("/api/v1/requests").status_code == 200, "reading costs nothing"
        assert (
            other.post("/api/v1/requests", json={**FIELDS, "contact_id": "romashka-1"}, headers=key()).status_code
            == 202
        )


def test_twenty_refused_signatures_of_a_document_are_enough(site: Site, distributor: httpx2.Client):
    refusal = {"reason": {"code": "x", "message": "Подпись не сошлась."}, "at": "2026-03-16T09:30:00Z"}
    body, codes = {"signature": base64.b64encode(b"a signature").decode()}, []
    for count in (19, 20):
        story = Story().submitted().approved().documented("doc-1", "0" * 64, "1" * 64)
        story.row["shipping"]["documents"]["doc-1"]["refusals"] = [refusal] * count
        site.write(story)
        path = f"/api/v1/requests/{story.request_id}/documents/doc-1/signature"
        codes.append(distributor.post(path, json=body, headers=key()).status_code)
    assert codes == [202, 409]


# The user's activation (L19)


def test_a_user_activates_with_number_and_code(site: Site, kernel: Settings, sent: Any):
    story = Story(registration="2000001").submitted().approved().shipped()
    site.write(story)
    headers = key()
    body = {"registration_number": "2000001", "code": story.code.lower().replace("-", " ")}
    browser = site.person()
    token = browser.csrf()

    def play_activation() -> None:
        ((_, command, _),) = _until(lambda: sent(ACTIVATION_COMMANDS.name, story.request_id))
        site.write(story.activation_refused(command.activation_id, "Для номера 2000001 нет договора 1С:ИТС."))

    stage = threading.Thread(target=play_activation)
    stage.start()
    refused = browser.post("/api/v1/public/activations", json=body, headers={"X-CSRF-Token": token, **headers})
    stage.join()
    assert refused.json()["state"] == "refused"
    assert "договора" in refused.json()["message"]
    again = browser.post("/api/v1/public/activations", json=body, headers={"X-CSRF-Token": token, **headers})
    assert again.json() == refused.json(), "the same try has the same outcome"
    site.write(story.activated())
    done = browser.post("/api/v1/public/activations", json=body, headers={"X-CSRF-Token": token, **key()})
    assert done.json()["state"] == "activated"
    assert done.json()["service_until"]


def test_an_unknown_number_and_a_wrong_code_are_one_answer(site: Site):
    story = Story(registration="2000002").submitted().approved().shipped()
    unsold = Story(registration="2000003").submitted().approved()
    site.write(story, unsold)
    browser = site.person()
    headers = {"X-CSRF-Token": browser.csrf()}
    answers = [
        browser.post("/api/v1/public/activations", json={"registration_number": number, "code": code}, headers=headers)
        for number, code in (("2000002", "WRONG"), ("2999999", story.code), ("2000003", unsold.code), ("2000002", "-"))
    ]
    assert {each.status_code for each in answers} == {404}
    assert len({each.text for each in answers}) == 1


def test_codes_are_not_guessed_at_for_long(web_database: str, kernel: Settings):
    config = WebSettings(activations_per_address=3, _env_file=None)
    with served(create_app(kernel, config), web_database, kernel) as running:
        browser = running.person()
        headers = {"X-CSRF-Token": browser.csrf()}
        body = {"registration_number": "2000002", "code": "WRONG"}
        codes = [browser.post("/api/v1/public/activations", json=body, headers=headers).status_code for _ in range(4)]
        assert codes == [404, 404, 404, 429]


def test_nor_are_those_of_one_number_from_many_addresses(web_database: str, kernel: Settings):
    config = WebSettings(activations_per_number=3, _env_file=None)
    with served(create_app(kernel, config), web_database, kernel) as running:
        body, codes = {"registration_number": "2000002", "code": "WRONG"}, []
        for last in range(4):
            browser = running.person(**{"X-Forwarded-For": f"198.51.100.{last}"})
            headers = {"X-CSRF-Token": browser.csrf()}
            codes.append(browser.post("/api/v1/public/activations", json=body, headers=headers).status_code)
        assert codes == [404, 404, 404, 429]
        assert browser.submit("/activate", body, page="/activate").status_code == 429


# Bounds and secrets


def test_a_body_without_a_length_is_bounded_too(site: Site, partner: httpx2.Client):
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    answer = partner.post("/api/v1/requests", content=pieces(), headers={"Content-Type": "application/json", **key()})
    assert answer.status_code == 413


def test_no_secret_is_logged(site: Site, capfd: pytest.CaptureFixture[str]):
    canary, token = "канарейка-5000", site.token("lukomor")
    client = site.program(token)
    client.post("/api/v1/requests", json={**FIELDS, "comment": canary, "buyer": canary}, headers=key())
    client.get("/api/v1/requests", params={"search": canary})
    client.post("/api/v1/company-lookups", json={"inn": "500100732259"})
    browser = site.person()
    browser.sign_in(canary, canary)
    browser.sign_in("lukomor", canary)
    browser.sign_in("lukomor")
    cookie = browser.cookies["postavka-session"]
    client.post("/api/v1/requests", content=json.dumps({"inn": canary}), headers={"Content-Type": "application/json"})
    said = "".join(capfd.readouterr())
    assert "answered" in said, "the log is seen here"
    for secret in (canary, token, token[4:20], cookie, "500100732259", "postavka-demo"):
        assert secret not in said


def _until(look: Callable[[], list[Any]]) -> list[Any]:
    for _ in range(30):
        if found := look():
            return found
    raise AssertionError("it has not come")
