"""Ten tasks of a distributor, each from its start page by what can be read there."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

import openpyxl
import pytest
from playwright.sync_api import expect

from services.cabinet.signing.archive import pack
from tests.browser.person import Person
from tests.browser.sending import Case
from tests.browser.tasks.conftest import there

WAITING = ("одна", "первая", "вторая", "отказ", "книга", "подпись", "несогласие", "архив")
BEGIN = dict.fromkeys(WAITING, "awaiting-confirmation") | {"продана": "shipped"}
SIGNATURE = b"\x30\x03\x02\x01\x05"


@pytest.fixture
def distributor(cases: dict[str, Case], worker: Callable[[str], Person]) -> Person:
    return worker("dist-ural")


def sent(distributor: Person, words: str) -> None:
    """What is said once the command has left."""
    expect(distributor.page.get_by_role("status").filter(has_text=re.compile(words)).first).to_be_visible()


def test_confirms(distributor: Person, cases: dict[str, Case]) -> None:
    """Confirm one request, and see it made."""
    distributor.find(cases["одна"].client)
    distributor.press("Готовы оплатить счёт")
    distributor.agree()
    distributor.expect_stage("Ждёт активации")


def test_confirms_many(distributor: Person, cases: dict[str, Case]) -> None:
    """Confirm two requests at once, with a note."""
    distributor.search(cases["первая"].client.split()[-1])
    for name in ("первая", "вторая"):
        row = distributor.page.get_by_role("row").filter(has_text=cases[name].client)
        row.get_by_role("checkbox").check()
    distributor.page.get_by_label("Примечание").fill("Оплатим до пятницы")
    distributor.press("Подтвердить выбранные")
    distributor.agree()
    sent(distributor, r"Отправлено: 2\sответа")


def test_declines(distributor: Person, cases: dict[str, Case]) -> None:
    """Decline a request, with the reason."""
    distributor.find(cases["отказ"].client)
    distributor.press("Отказать")
    distributor.agree("Нет договора с партнёром")
    distributor.expect_stage("Дистрибьютор отказал")


def test_answers_by_file(distributor: Person, cases: dict[str, Case]) -> None:
    """Answer from a workbook of what waits."""
    distributor.follow("Ответы из файла")
    book = openpyxl.load_workbook(io.BytesIO(distributor.download("Что ждёт ответа, XLSX")))
    for row in book.active.iter_rows(min_row=2):
        if row[0].value == cases["книга"].request_id:
            row[1].value = "да"
    filled = io.BytesIO()
    book.save(filled)
    field = distributor.page.get_by_label("Файл с ответами")
    field.set_input_files({"name": "ответы.xlsx", "mimeType": "application/octet-stream", "buffer": filled.getvalue()})
    distributor.press("Проверить")
    distributor.page.get_by_role("button", name=re.compile(r"^Отправить 1\sответ$")).click()
    distributor.agree()
    sent(distributor, r"Отправлено: 1\sответ")


def test_signs(distributor: Person, cases: dict[str, Case]) -> None:
    """Return the signature of one document."""
    distributor.find(cases["подпись"].client)
    distributor.page.get_by_text("Вернуть подписанный документ").click()
    field = distributor.page.get_by_label("Файл подписи")
    field.set_input_files({"name": "act.sig", "mimeType": "application/octet-stream", "buffer": SIGNATURE})
    distributor.press("Отправить подпись")
    sent(distributor, "Подпись отправлена")


def test_refuses_to_sign(distributor: Person, cases: dict[str, Case]) -> None:
    """Refuse to sign a document, and say what is wrong with it."""
    distributor.find(cases["несогласие"].client)
    distributor.page.get_by_text("Отказаться от подписания").click()
    distributor.page.get_by_label("Что не так с документом").fill("Не тот КПП")
    distributor.press("Отправить отказ")
    expect(distributor.page.get_by_text(re.compile("Отказ от подписания .*: Не тот КПП")).first).to_be_visible()


def test_signs_many(distributor: Person, cases: dict[str, Case]) -> None:
    """Take the documents that wait for a signature as one archive, and bring the signatures back as one."""
    wanted = cases["архив"]
    distributor.page.get_by_role("link", name=re.compile("^На подпись")).click()
    row = distributor.page.get_by_role("row").filter(has_text=wanted.client)
    there(distributor, row)
    name = row.get_by_role("cell").last.inner_text()
    with zipfile.ZipFile(io.BytesIO(distributor.download(re.compile("Скачать")))) as parts:
        assert name in parts.namelist()
    field = distributor.page.get_by_label("Архив с подписями")
    archive = {"name": "подписи.zip", "mimeType": "application/zip", "buffer": pack([(f"{name}.sig", SIGNATURE)])}
    field.set_input_files(archive)
    distributor.press("Отправить подписи")
    verdict = distributor.page.get_by_role("table", name="Отправлено на проверку")
    expect(verdict.get_by_role("row").filter(has_text=wanted.client)).to_contain_text("отправлена на проверку")


def test_filters_and_exports(distributor: Person, cases: dict[str, Case]) -> None:
    """Take what waits of one partner as a workbook."""
    distributor.page.get_by_text("Контрагент, сумма, порядок").click()
    distributor.choose("Партнёр", "ИП Березин Тимофей Ильич")
    expect(distributor.page).to_have_url(re.compile("party=ip-berezin"))
    sheet = openpyxl.load_workbook(io.BytesIO(distributor.download("XLSX"))).active
    head, *rows = sheet.iter_rows(values_only=True)
    assert {row[head.index("Партнёр")] for row in rows} == {"ИП Березин Тимофей Ильич"}


def test_sees_what_came_of_it(distributor: Person, cases: dict[str, Case]) -> None:
    """See what came of an answer."""
    distributor.page.get_by_role("navigation", name="Разделы").get_by_role("link", name="Отвеченные").click()
    distributor.find(cases["продана"].client)
    distributor.expect_stage("Ждёт активации")


def test_takes_its_reconciliation(distributor: Person) -> None:
    """Take the act of reconciliation."""
    distributor.follow("Взаиморасчёты")
    there(distributor, distributor.page.get_by_role("link", name="Акт сверки"))
    assert distributor.download("Акт сверки").startswith(b"%PDF")
