"""Ten tasks of a partner, each from its start page by what can be read there."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import openpyxl
import pytest
from playwright.sync_api import expect

from services.cabinet.bulk.columns import HEADINGS
from tests.browser.conftest import Shoot
from tests.browser.look import look
from tests.browser.person import FRESH, Person
from tests.browser.sending import Case
from tests.browser.test_bulk import GOOD

BEGIN = {
    "ждёт": "awaiting-confirmation",
    "отзыв": "awaiting-confirmation",
    "ошибка": "rejected",
    "счёт": "awaiting-payment",
    "продана": "shipped",
    "кончается": "activated",
}
CONTACT, DISTRIBUTOR = "Березина Ольга Юрьевна", "ООО «Уральский Каменный Цветок Дистрибуция»"


@pytest.fixture
def partner(cases: dict[str, Case], worker: Callable[[str], Person]) -> Person:
    return worker("ip-berezin")


def test_sends(partner: Person) -> None:
    """Send a request with the client from the tax register, and see it approved."""
    partner.follow("Новая")
    partner.page.get_by_role("link", name="1С:Предприятие 8. Обновления и дополнения").click()
    partner.fill_request(contact=CONTACT, distributor=DISTRIBUTOR)
    partner.press("Отправить")
    partner.expect_stage("Ждёт дистрибьютора")


def test_finds(partner: Person, cases: dict[str, Case]) -> None:
    """Find a request by its client, and see who has to act."""
    partner.find(cases["ждёт"].client)
    expect(partner.page.get_by_role("region", name="Что сейчас")).to_contain_text(DISTRIBUTOR)


def test_corrects(partner: Person, cases: dict[str, Case]) -> None:
    """Correct a rejected request, and send it anew."""
    partner.find(cases["ошибка"].registration)
    partner.follow("Исправить и отправить заново")
    partner.choose("Контакт. лицо", CONTACT)
    partner.press("Отправить")
    partner.expect_stage("Ждёт дистрибьютора")


def test_withdraws(partner: Person, cases: dict[str, Case]) -> None:
    """Take a request back."""
    partner.find(cases["отзыв"].client)
    partner.page.get_by_text("Отозвать заявку").click()
    partner.press("Отозвать")
    partner.agree()
    partner.expect_stage("Отозвана")


def test_pays(partner: Person, cases: dict[str, Case]) -> None:
    """Take the invoice of a direct purchase."""
    partner.page.get_by_role("link", name=re.compile("^Ждут вас")).click()
    partner.find(cases["счёт"].client)
    region = partner.page.get_by_role("region", name="Что сейчас")
    with partner.page.expect_download() as given:
        region.get_by_role("link", name=re.compile("счёт", re.IGNORECASE)).click()
    assert given.value.path().read_bytes().startswith(b"%PDF")


def test_activates(partner: Person, cases: dict[str, Case]) -> None:
    """Activate what was sold."""
    partner.page.get_by_role("link", name=re.compile("^Проданные поставки")).click()
    partner.search(cases["продана"].client)
    row = partner.page.get_by_role("row").filter(has_text=cases["продана"].client)
    row.get_by_role("button", name=re.compile("^Активировать")).click()
    partner.agree()
    partner.expect_stage("Активирована")


def test_renews(partner: Person, cases: dict[str, Case], shoot: Shoot) -> None:
    """Renew a service that ends soon."""
    partner.page.get_by_role("link", name=re.compile("^Истекают")).click()
    row = partner.page.get_by_role("row").filter(has_text=cases["кончается"].registration)
    expect(row).to_be_visible()
    look(partner.page, "services that end")
    shoot(partner.page, "expiring")
    row.get_by_role("link", name=re.compile("^Продлить")).click()
    partner.press("Отправить")
    partner.expect_stage("Ждёт дистрибьютора")


def test_sends_many(partner: Person) -> None:
    """Send two requests from a file."""
    partner.follow("Из файла")
    book = openpyxl.load_workbook(io.BytesIO(partner.download("Образец XLSX")))
    for _ in range(2):
        row = GOOD | {"distributor_id": DISTRIBUTOR, "registration_number": str(next(FRESH))}
        book.active.append([row.get(name) for name in HEADINGS])
    filled = io.BytesIO()
    book.save(filled)
    field = partner.page.get_by_label("Файл с заявками")
    field.set_input_files({"name": "заявки.xlsx", "mimeType": "application/octet-stream", "buffer": filled.getvalue()})
    partner.press("Проверить")
    partner.page.get_by_role("button", name=re.compile(r"^Отправить 2\sзаявки$")).click()
    partner.agree()
    expect(partner.page.get_by_role("status").filter(has_text=re.compile(r"Отправлено: 2\sзаявки"))).to_be_visible()


def test_exports(partner: Person, cases: dict[str, Case]) -> None:
    """Take what was filtered as a file for Excel."""
    partner.search(cases["ждёт"].client)
    expect(partner.page.get_by_role("row")).to_have_count(2)
    table = list(csv.reader(io.StringIO(partner.download("CSV").decode("utf-8-sig")), delimiter=";"))
    assert [row[0] for row in table[1:]] == [cases["ждёт"].request_id]


def test_makes_a_token(partner: Person) -> None:
    """Make a token for the own program."""
    partner.page.get_by_label(re.compile("профиль и выход")).click()
    partner.follow("Учётная запись")
    partner.field("Название нового токена").fill("обмен с 1С")
    partner.press("Создать")
    expect(partner.page.get_by_role("status").filter(has_text="Токен создан")).to_be_visible()
    look(partner.page, "a token, shown once")
