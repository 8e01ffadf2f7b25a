"""Lists: filters that stay in the address, files, and the distributor's answers to many at once."""

from __future__ import annotations

import csv
import io
import re

import openpyxl
from playwright.sync_api import expect

from tests.browser.conftest import Shoot, SignedIn
from tests.browser.look import look
from tests.browser.sending import submit, submit_many
from tests.system.conftest import System


def test_filters_stay_in_the_address_and_in_the_files(person: SignedIn, system: System, shoot: Shoot) -> None:
    mine = submit(system, "ip-berezin", "berezin-1", "=Ёжик и Ко")
    other = submit(system, "ip-berezin", "berezin-1", "ООО «Невские шестерни»")
    partner = person("ip-berezin")
    page = partner.page
    partner.wait_for_request(mine)
    partner.wait_for_request(other)
    partner.go("/requests")
    expect(partner.link_to(mine)).to_be_visible()
    expect(partner.link_to(other)).to_be_visible()

    page.get_by_label("Поиск").fill("ежик")
    expect(partner.link_to(other)).to_have_count(0)
    expect(partner.link_to(mine)).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?q=%D0%B5%D0%B6%D0%B8%D0%BA"))
    page.reload()
    expect(page.get_by_label("Поиск")).to_have_value("ежик")
    expect(page.locator("tbody tr")).to_have_count(1)

    sheet = openpyxl.load_workbook(io.BytesIO(partner.download("XLSX"))).active
    assert sheet is not None
    lines = list(sheet.iter_rows(values_only=True))
    assert [line[0] for line in lines] == ["Заявка", mine]
    assert sheet["D2"].data_type == "s"  # a name is no formula
    assert sheet["D2"].value == "=Ёжик и Ко"
    table = list(csv.reader(io.StringIO(partner.download("CSV").decode("utf-8-sig")), delimiter=";"))
    assert table[1][0] == mine
    assert table[1][3] == "'=Ёжик и Ко"
    assert table[1][8] == "5400,00"

    page.locator("#stage").select_option("activated")
    expect(page.get_by_role("heading", name="Ничего не нашлось")).to_be_visible()
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name=re.compile("^В работе")).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("group=open"))

    page.get_by_text("Контрагент, сумма, порядок, столбцы").click()
    expect(page.get_by_role("columnheader", name="Контактное лицо")).to_have_count(0)
    page.locator("fieldset").get_by_label("Контактное лицо").check()
    expect(page.get_by_role("columnheader", name="Контактное лицо")).to_be_visible()
    expect(page).to_have_url(re.compile("columns=contact"))
    page.get_by_text("Сохранить отбор").click()
    partner.field("Название отбора").fill("Ёжики в работе")
    partner.press("Сохранить")
    expect(page.get_by_text("Отбор сохранён")).to_be_visible()
    saved = page.get_by_role("navigation", name="Сохранённые отборы")
    look(page, "a list with a saved view")
    shoot(page, "list-view")
    partner.go("/requests")
    expect(page.get_by_role("columnheader", name="Контактное лицо")).to_have_count(0)
    saved.get_by_role("link", name="Ёжики в работе").click()
    expect(page.get_by_role("columnheader", name="Контактное лицо")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(saved.get_by_role("link")).to_have_attribute("aria-current", "true")
    saved.get_by_role("button", name="Удалить отбор «Ёжики в работе»").click()
    expect(saved).to_have_count(0)


def test_a_distributor_declines_many_with_a_note(person: SignedIn, system: System) -> None:
    distributor = person("dist-ural")
    page = distributor.page
    client, ids = submit_many(system, distributor, 3)
    distributor.go(f"/waiting?q={client}")
    distributor.press("Отказать")
    expect(page.locator(".toast:not([id])")).to_contain_text("Сначала отметьте заявки")
    expect(page.get_by_role("dialog")).to_have_count(0)
    for request_id in ids[:2]:
        distributor.choice(request_id).check()
    distributor.press("Отказать")
    distributor.agree("Нет договора с партнёром")
    expect(distributor.choice(ids[0])).to_have_count(0)
    expect(distributor.choice(ids[2])).to_be_visible()
    expect(page.locator(".said")).to_contain_text("Отправлено: 2\N{NO-BREAK SPACE}ответа.")

    partner = person("ip-berezin")
    partner.go(f"/requests/{ids[0]}")
    partner.expect_stage("Дистрибьютор отказал")
    expect(partner.page.locator("#now")).to_contain_text("Нет договора с партнёром")
    expect(partner.page.get_by_role("link", name="Скопировать в новую")).to_be_visible()
    distributor.go("/answered")
    expect(distributor.row_of(ids[0])).to_contain_text("Дистрибьютор отказал")


def test_a_signature_is_sent_and_what_is_none_is_not(person: SignedIn, system: System) -> None:
    request_id = submit(system, "lukomor", "lukomor-1", "ООО «Невские шестерни»", "dist-north")
    distributor = person("dist-north")
    distributor.wait_for_request(request_id)
    for content, said in ((b"\x30\x03\x02\x01\x05", "Подпись отправлена"), ("нет".encode(), "Это не файл подписи")):
        distributor.go(f"/requests/{request_id}")
        distributor.page.get_by_text("Вернуть подписанный документ").click()
        distributor.page.get_by_label("Файл подписи").set_input_files(
            {"name": "act.sig", "mimeType": "application/octet-stream", "buffer": content}
        )
        distributor.press("Отправить подпись")
        expect(distributor.page.get_by_text(said)).to_be_visible()


def test_another_partners_request_is_not_there(person: SignedIn, system: System) -> None:
    request_id = submit(system, "ip-berezin", "berezin-1", "ООО «Невские шестерни»")
    stranger = person("lukomor")
    for path in (f"/requests/{request_id}", f"/requests/new/1c8-updates-and-addons?copy={request_id}"):
        answer = stranger.page.goto(stranger.address + path)
        assert answer is not None
        assert answer.status == 404
