"""Many requests at once: each row is judged as the form would, sent once however often, and given back to correct."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Sequence
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import openpyxl
import orjson
import pytest

from events.topics import REQUEST_COMMANDS, confirmations_of
from postavka.web.commands import NotSentYet
from postavka.web.spreadsheet.reading import MOST_ROWS
from services.cabinet.bulk.columns import HEADINGS
from services.cabinet.words import product_name
from tests.kernel.polling import until
from tests.web.conftest import Person, Site
from tests.web.matrix import NEW
from tests.web.stories import BASES, DISTRIBUTORS, PARTNERS, PRODUCTS, Story

NORTH = DISTRIBUTORS["dist-north"].name
BASE = BASES["upp-13"].name
PRODUCT = product_name(*(getattr(PRODUCTS["upp-extension-12"], each) for each in ("service", "months", "name")))


@pytest.fixture
def partner(site: Site) -> Person:
    return site.person("lukomor")


def number() -> str:
    """A registration number that no other row of these tests has."""
    return str(uuid4().int % 9_000_000_000 + 1_000_000_000)


def row(**changed: str) -> dict[str, str]:
    contact = PARTNERS["lukomor"].contacts[0].name
    return {
        "contact_id": contact, "distributor_id": NORTH, "base_delivery_id": BASE, "registration_number": number(),
        "product_id": "upp-extension-12", "inn": "7707083893", "buyer": "АО «Завод точных весов»", "kpp": "773601001",
        **changed,
    }  # fmt: skip


def csv_of(rows: Sequence[dict[str, str]]) -> bytes:
    names = list(HEADINGS)
    lines = [[HEADINGS[name] for name in names], *([each.get(name, "") for name in names] for each in rows)]
    return "\n".join(";".join(line) for line in lines).encode("cp1251")


def upload(partner: Person, data: bytes, name: str = "заявки.csv") -> Any:
    return partner.post("/requests/file", data={"csrf": partner.csrf("/requests/file")}, files={"file": (name, data)})


def checked(partner: Person, rows: Sequence[dict[str, str]]) -> str:
    """The address of the verdict."""
    answer = upload(partner, csv_of(rows))
    assert answer.status_code == 303, answer.text[:3_000]
    return str(answer.headers["location"])


def state(partner: Person, path: str) -> list[tuple[str, str, dict[str, str]]]:
    """Of each row its state, its request, and what is wrong."""
    found = partner.get(f"/api/v1/bulk/requests/{path.rpartition('/')[2]}").json()["rows"]
    return [(each["state"], each["request_id"], {e["field"]: e["message"] for e in each["errors"]}) for each in found]


def states(partner: Person, path: str) -> list[str]:
    return [each for each, _, _ in state(partner, path)]


class TestTheVerdict:
    def test_each_row_is_judged_as_the_form_would(self, partner: Person):
        path = checked(
            partner,
            [
                row(),
                row(inn="7707083890", registration_number="12-34", product_id="Нет такого"),
                row(buyer="ООО «Не тот»"),
                row(buyer="ООО «Не тот»", anyway="Да"),
                row(distributor_id="", contact_id="", kpp=""),
                row(client_email="not an address"),
            ],
        )
        found = state(partner, path)
        assert [each for each, _, _ in found] == ["ready", "wrong", "wrong", "ready", "wrong", "wrong"]
        assert found[1][2].keys() == {"inn", "registration_number", "product_id"}
        assert "Завод точных весов" in found[2][2]["buyer"]
        assert found[4][2] == {"kpp": "Укажите КПП организации."}
        assert found[5][2].keys() == {"client_email"}
        page = partner.get(path).text
        assert "Отправить 2" in page and "Исправить: 4" in page  # noqa: PT018
        assert "Или поставьте «да»" in page

    def test_what_is_asked_for_already_is_held_unless_its_sender_is_sure(self, site: Site, partner: Person):
        story = Story(registration=number(), events=254).submitted().approved()
        site.write(story)
        twin = row(registration_number=story.registration)
        path = checked(partner, [twin, twin | {"anyway": "да"}, row(registration_number="1234567")] * 2)
        found = state(partner, path)
        assert [each for each, _, _ in found[:3]] == ["wrong", "ready", "ready"]
        assert f"Уже есть заявка {story.name} " in found[0][2][None]
        assert found[5][2][None] == "То же, что в строке 4."
        assert len({request_id for _, request_id, _ in found}) == 6

    def test_a_workbook_of_ours_is_filled_in_and_read(self, partner: Person):
        book = openpyxl.load_workbook(io.BytesIO(partner.get("/requests/file/form.xlsx").content))
        lists = {cell[0].value: [each.value for each in cell[1:] if each.value] for cell in book["Списки"].columns}
        assert NORTH in lists["Дистрибьютор"]
        assert len(book.active.data_validations.dataValidation) == 5
        assert PRODUCT in lists["Товар"]
        book.active.append([row(product_id=PRODUCT).get(name) for name in HEADINGS])
        target = io.BytesIO()
        book.save(target)
        answer = upload(partner, target.getvalue(), "заявки.xlsx")
        assert states(partner, answer.headers["location"]) == ["ready"]

    def test_a_file_that_cannot_be_read_is_answered_at_its_field(self, partner: Person):
        refused = upload(partner, b"%PDF-1.7\x00")
        assert refused.status_code == 422
        assert 'id="file-error"' in refused.text and "не книга Excel" in refused.text  # noqa: PT018
        assert upload(partner, b"", "").status_code == 422

    def test_what_stands_in_it_stays_text(self, partner: Person):
        hostile = "<img src=x onerror=alert(1)>"
        path = checked(partner, [row(buyer=hostile, comment="=cmd|'/C calc'!A0")])
        assert hostile not in partner.get(path).text
        book = openpyxl.load_workbook(io.BytesIO(partner.get(f"{path}/corrections.xlsx").content))
        cells = {each.value: each.data_type for each in book.active[2] if each.value}
        assert cells[hostile] == cells["=cmd|'/C calc'!A0"] == "s"

    def test_five_hundred_rows_are_judged_in_one_call(self, partner: Person, measured: Any):
        began = time.perf_counter()
        path = checked(partner, [row() for _ in range(MOST_ROWS)])
        measured(f"a file judged, {MOST_ROWS} rows: {time.perf_counter() - began:.2f} s")
        assert set(states(partner, path)) == {"ready"}
        assert upload(partner, csv_of([row() for _ in range(MOST_ROWS + 1)])).status_code == 422


class TestSending:
    def test_all_that_can_be_sent_is_sent_once_and_the_rest_comes_back(self, partner: Person, sent: Any):
        wrong = row(inn="1", comment="исправить")
        rows = [row(), row(), wrong]
        path = checked(partner, rows)
        ids = [request_id for _, request_id, _ in state(partner, path)]
        assert "Отправить 2" in partner.submit(f"{path}/send").text.replace("\xa0", " ")
        assert partner.agree(f"{path}/send").status_code == 303
        assert states(partner, path) == ["sent", "sent", "wrong"]
        ((_, command, _),) = sent(REQUEST_COMMANDS.name, UUID(ids[0]))
        assert (command.partner_id, command.product_id, command.kpp) == ("lukomor", "upp-extension-12", "773601001")
        assert sent(REQUEST_COMMANDS.name, UUID(ids[2])) == []

        again = checked(partner, rows)
        assert states(partner, again) == ["already", "already", "wrong"]
        assert partner.submit(f"{again}/send").status_code == 303, "nothing is left to ask about"

        book = openpyxl.load_workbook(io.BytesIO(partner.get(f"{path}/corrections.xlsx").content))
        assert "ИНН" in book.active[2][-1].value
        book.active["F2"] = "7707083893"
        target = io.BytesIO()
        book.save(target)
        corrected = upload(partner, target.getvalue(), "исправлено.xlsx").headers["location"]
        assert states(partner, corrected) == ["ready"]

    def test_two_browsers_with_the_same_file_send_the_same_requests(self, partner: Person, sent: Any):
        rows = [row(), row()]
        first, second = checked(partner, rows), checked(partner, rows)
        ids = [request_id for _, request_id, _ in state(partner, first)]
        assert ids == [request_id for _, request_id, _ in state(partner, second)]
        partner.agree(f"{first}/send")
        partner.agree(f"{second}/send")
        assert states(partner, second) == ["sent", "sent"]
        assert [len(sent(REQUEST_COMMANDS.name, UUID(each))) for each in ids] == [1, 1]

    def test_what_is_over_may_be_asked_for_anew_by_the_same_row(self, site: Site, partner: Person):
        same = row()
        ((_, before, _),) = state(partner, checked(partner, [same]))
        story = Story(registration=same["registration_number"], request_id=UUID(before)).submitted().rejected()
        site.write(story)
        ((found, after, _),) = state(partner, checked(partner, [same]))
        assert (found, after != before) == ("ready", True)

    def test_a_broker_that_goes_away_in_the_middle_loses_and_doubles_nothing(
        self, site: Site, partner: Person, monkeypatch: pytest.MonkeyPatch, sent: Any
    ):
        commands = site.app.state.web.commands
        submit, tries = commands.submit, []

        async def away_once(command: Any) -> None:
            tries.append(command.request_id)
            if len(tries) == 2:
                raise NotSentYet("away")
            await submit(command)

        monkeypatch.setattr(commands, "submit", away_once)
        path = checked(partner, [row() for _ in range(3)])
        ids = [request_id for _, request_id, _ in state(partner, path)]
        partner.agree(f"{path}/send")
        assert states(partner, path) == ["sent"] * 3
        assert all(sent(REQUEST_COMMANDS.name, UUID(each)) for each in ids)

    def test_nobody_else_sees_or_sends_it(self, site: Site, partner: Person):
        path = checked(partner, [row()])
        other = site.person("romashka-it")
        for each in (path, f"{path}/corrections.xlsx", f"/api/v1/bulk/requests/{path.rpartition('/')[2]}"):
            assert other.get(each).status_code == 404
        assert other.submit(f"{path}/send").status_code == 404

    def test_a_persons_data_lies_under_its_key(self, site: Site, partner: Person):
        path = checked(partner, [row(client_email="anna@firm.example", client_phone="+7 495 000-00-00")])
        ((rows,),) = site.sql("SELECT rows::text FROM cabinet.bulk WHERE bulk_id = %s", UUID(path.rpartition("/")[2]))
        assert "anna@" not in rows and "495" not in rows and "enc:v1:" in rows  # noqa: PT018
        assert states(partner, path) == ["ready"]


class TestByProgram:
    def call(self, site: Site, key: str, **body: Any) -> Any:
        program = site.program(site.token("lukomor"))
        return program.post("/api/v1/bulk/requests", json=body, headers={"Idempotency-Key": f'"{key}"'})

    def test_one_key_sends_all_once_and_the_result_is_asked_for(self, site: Site, sent: Any):
        program = site.program(site.token("lukomor"))
        key = {"Idempotency-Key": f'"{uuid4()}"'}
        body = {"requests": [NEW | {"registration_number": number()}, {"inn": "1"}, NEW]}
        first = program.post("/api/v1/bulk/requests", json=body, headers=key)
        assert first.status_code == 202
        assert [each["state"] for each in first.json()["rows"]] == ["ready", "wrong", "ready"]
        assert {each["field"] for each in first.json()["rows"][1]["errors"]} >= {"inn", "contact_id", "buyer"}
        again = program.post("/api/v1/bulk/requests", json=body, headers=key)
        assert (again.headers["Idempotency-Replayed"], again.content) == ("true", first.content)
        until(lambda: program.get(first.headers["Location"]).json()["state"] != "waiting", "all is sent")
        found = program.get(first.headers["Location"]).json()
        assert (found["state"], found["sent"], found["wrong"]) == ("sent", 2, 1)
        assert len(sent(REQUEST_COMMANDS.name, UUID(found["rows"][0]["request_id"]))) == 1

    def test_what_becomes_of_it_is_told_as_it_happens(self, site: Site):
        program = site.program(site.token("lukomor"))
        body = {"requests": [NEW | {"registration_number": number()}, {"inn": "1"}]}
        key = {"Idempotency-Key": f'"{uuid4()}"'}
        bulk = program.post("/api/v1/bulk/requests", json=body, headers=key)
        told = []
        with program.stream("GET", f"{bulk.headers['Location']}/events") as stream:
            for line in stream.iter_lines():
                if not line.startswith("data: "):
                    continue
                told.append(orjson.loads(line.removeprefix("data: ")))
                row = told[-1]["rows"][0]
                if row["state"] == "sent" and row["status"] is None:  # the stages, which are not here, would say so
                    site.write(Story(request_id=UUID(row["request_id"])).submitted().approved())
        assert (told[-1]["state"], told[-1]["rows"][0]["status"]) == ("sent", "awaiting-confirmation")

    def test_a_dry_run_sends_nothing(self, site: Site):
        found = self.call(site, str(uuid4()), requests=[NEW], dry_run=True).json()
        assert (found["state"], found["ready"]) == ("checked", 1)
        assert site.sql("SELECT 1 FROM planned.commands WHERE plan_id = %s", UUID(found["bulk_id"])) == []

    def test_too_many_rows_and_a_text_with_nul_are_refused(self, site: Site):
        assert self.call(site, str(uuid4()), requests=[NEW] * (MOST_ROWS + 1)).status_code == 422
        assert self.call(site, str(uuid4()), requests=[NEW | {"buyer": "x\0"}]).status_code in (400, 422)
        assert self.call(site, str(uuid4()), requests=[]).status_code == 422


class TestAnswersFromAFile:
    def test_a_file_is_judged_and_then_sent_by_the_ids_of_the_pages(self, site: Site, sent: Any):
        one, two, other = (
            Story(distributor=who).submitted().approved() for who in ("dist-north",) * 2 + ("dist-ural",)
        )
        site.write(one, two, other)
        north = site.person("dist-north")
        lines = [f"{one.request_id};да;", f"{two.request_id};нет;лимит", f"{other.request_id};да;"]
        data = "\n".join(("Заявка;Ответ;Примечание", *lines)).encode("cp1251")
        page = north.post(
            "/waiting/file", data={"csrf": north.csrf("/waiting/file")}, files={"file": ("ответы.csv", data)}
        )
        assert page.status_code == 200
        assert "Такой заявки среди ваших нет" in page.text
        answers = unescape(re.findall(r'name="answers" value="([^"]*)"', page.text)[0])
        assert str(other.request_id) not in answers
        question = north.submit("/waiting/file/send", {"answers": answers})
        assert "Подтвердить 1 заявку на" in question.text.replace("\xa0", " ")
        assert "и отказать по 1 заявке" in question.text.replace("\xa0", " ")
        north.agree("/waiting/file/send", {"answers": answers})
        ((_, yes, _),) = sent(confirmations_of("dist-north"), one.request_id)
        ((_, no, _),) = sent(confirmations_of("dist-north"), two.request_id)
        assert (yes.accepted, yes.confirmation_id) == (True, f"web-{one.request_id}-yes")
        assert (no.accepted, no.note) == (False, "лимит")

    def test_answers_of_others_are_taken_from_nobody(self, site: Site):
        other = Story(distributor="dist-ural").submitted().approved()
        site.write(other)
        forged = f'{{"answers": [{{"request_id": "{other.request_id}", "accepted": true}}]}}'
        done = site.person("dist-north").submit("/waiting/file/send", {"answers": forged})
        assert (done.status_code, done.headers["location"]) == (303, "/waiting?done=not-waiting")
        assert site.person("dist-north").submit("/waiting/file/send", {"answers": "[["}).status_code == 422

    def test_a_program_tries_without_sending(self, site: Site):
        story = Story().submitted().approved()
        site.write(story)
        body = {"answers": [{"request_id": str(each), "accepted": True} for each in (story.request_id, uuid4())]}
        program = site.program(site.token("dist-north"))
        key = {"Idempotency-Key": f'"{uuid4()}"'}
        found = program.post("/api/v1/confirmations", json=body | {"dry_run": True}, headers=key).json()["results"]
        assert [each["result"] for each in found] == ["ready", "not-found"]
