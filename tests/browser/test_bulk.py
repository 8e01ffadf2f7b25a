"""Many at once from a file, by the pages alone: the form, the verdict, sending, and what came of it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import openpyxl
from playwright.sync_api import expect

from services.cabinet.bulk.columns import HEADINGS
from tests.browser.conftest import Shoot, SignedIn
from tests.browser.look import look
from tests.browser.person import FRESH
from tests.browser.sending import submit_many
from tests.system.conftest import System

GOOD = {
    "distributor_id": "ООО «Северный Склад Программ»",
    "base_delivery_id": "1С:Предприятие 8. Молокозавод",
    "product_id": "1С:ИТС Отраслевой, 12 месяцев",
    "inn": "7707083893",
    "buyer": "АО «Завод точных весов»",
    "kpp": "773601001",
}


def test_a_file_is_judged_corrected_sent_and_followed(person: SignedIn, shoot: Shoot, tmp_path: Path) -> None:
    partner = person("lukomor")
    page = partner.page
    partner.go("/requests")
    partner.follow("Из файла")
    look(page, "the form for files")
    shoot(page, "bulk-form")
    form = tmp_path / "заявки.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(partner.download("Образец XLSX")))
    for changed in ({}, {}, {"inn": "7707083890", "product_id": "Такого нет"}, {"buyer": "ООО «Другая фирма»"}):
        row = GOOD | {"registration_number": str(next(FRESH))} | changed
        book.active.append([row.get(name) for name in HEADINGS])
    book.save(form)

    broken = tmp_path / "фото.xlsx"
    broken.write_bytes(b"\xff\xd8\xff\x00")
    page.get_by_label("Файл с заявками").set_input_files(broken)
    partner.press("Проверить")
    expect(page.locator("#file-error")).to_contain_text("не книга Excel")
    look(page, "a file that can't be read")

    page.get_by_label("Файл с заявками").set_input_files(form)
    partner.press("Проверить")
    expect(page.get_by_role("heading", level=1)).to_have_text("заявки.xlsx")
    expect(page.get_by_role("table", name="Исправить: 2")).to_contain_text("По данным ФНС")
    look(page, "the verdict on a file")
    shoot(page, "bulk")

    page.get_by_role("button", name=re.compile(r"^Отправить 2\sзаявки$")).click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"Отправить 2\sзаявки на .*₽"))
    look(page, "the question before a file is sent")
    partner.agree()
    expect(page.locator(".said")).to_contain_text(re.compile(r"Отправлено: 2\sзаявки"))
    page.reload()
    sent = page.get_by_role("table", name="Отправлены: 2")
    expect(sent.get_by_role("link").first).to_be_visible()
    look(page, "a file that was sent")

    corrected = tmp_path / "исправить.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(partner.download("Только эти строки, XLSX")))
    places = list(HEADINGS)
    for name, value in (("inn", GOOD["inn"]), ("product_id", GOOD["product_id"])):
        book.active.cell(2, places.index(name) + 1, value)
    book.active.cell(3, places.index("anyway") + 1, "да")
    book.save(corrected)
    partner.go("/requests/file")
    page.get_by_label("Файл с заявками").set_input_files(corrected)
    partner.press("Проверить")
    expect(page.get_by_role("table", name="Можно отправить: 2")).to_be_visible()
    expect(page.get_by_role("table", name=re.compile("Исправить"))).to_have_count(0)


def test_a_distributor_answers_by_file(system: System, person: SignedIn, shoot: Shoot, tmp_path: Path) -> None:
    distributor = person("dist-ural")
    page = distributor.page
    client, ids = submit_many(system, distributor, 3)
    distributor.go("/waiting")
    distributor.follow("Ответы из файла")
    look(page, "the form for answers")
    form = tmp_path / "ответы.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(distributor.download("Что ждёт ответа, XLSX")))
    for row in book.active.iter_rows(min_row=2):
        if row[0].value in ids:
            row[1].value = "нет" if row[0].value == ids[2] else "да"
    book.active.append(["нет такой", "да"])
    book.save(form)
    page.get_by_label("Файл с ответами").set_input_files(form)
    distributor.press("Проверить")
    expect(page.get_by_text("Отказ без причины")).to_be_visible()
    expect(page.get_by_text("Такой заявки среди ваших нет")).to_be_visible()
    look(page, "the verdict on answers")
    shoot(page, "answers")
    page.get_by_role("button", name=re.compile(r"^Отправить 2\sответа$")).click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"Подтвердить 2\sзаявки на .*₽"))
    distributor.agree()
    expect(page.locator(".said")).to_contain_text(re.compile(r"Отправлено: 2\sответа"))
    distributor.go(f"/waiting?q={client}")
    expect(distributor.choice(ids[2])).to_be_visible()
    expect(distributor.choice(ids[0])).to_have_count(0)
