"""Pages for everybody: by keyboard alone, without JavaScript, on the smallest phone, and nothing that axe finds."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Opened, Shoot, SignedIn
from tests.browser.look import look
from tests.browser.person import Person
from tests.browser.sending import submit
from tests.system.conftest import System, wait_until
from tests.web.matrix import MATRIX


def test_pages_of_a_visitor(opened: Opened, address: str, shoot: Shoot) -> None:
    page = opened()
    page.goto(f"{address}/sign-in")
    look(page, "sign-in")
    shoot(page, "sign-in")
    page.get_by_label("Логин").fill("lukomor")
    page.get_by_label("Пароль").fill("неверный пароль")
    page.get_by_role("button", name="Войти").click()
    expect(page.get_by_role("alert")).to_have_text("Неверный логин или пароль.")
    look(page, "sign-in with a wrong password")
    for path in ("/activate", "/help", "/nowhere"):
        page.goto(address + path)
        look(page, path)
    page.goto(f"{address}/activate")
    page.get_by_role("button", name="Активировать").click()
    expect(page.locator("[aria-invalid=true]")).to_have_count(2)
    look(page, "activation with mistakes")


def test_pages_of_a_partner(person: SignedIn, shoot: Shoot) -> None:
    partner = person("tihaya-gavan")
    for path in ("/requests", "/requests?q=такого+нет", "/sold", "/requests/new", "/help", "/nowhere"):
        partner.go(path)
        look(partner.page, path)
    partner.new_request()
    look(partner.page, "the form")
    partner.press("Отправить")
    expect(partner.page.get_by_role("alert")).to_be_visible()
    look(partner.page, "the form with mistakes")
    partner.fill_request(contact="Чайкина Вера Дмитриевна", inn="0012004313")
    look(partner.page, "the form with branches")
    for inn in ("0034006272", "0099002702"):
        partner.field("ИНН").fill(inn)
        partner.press("Заполнить из ФНС")
        expect(partner.page.locator("#found")).to_be_visible()
        look(partner.page, f"the form with {inn}")
    partner.field("Покупатель").fill("ООО «Вчерашний день»")
    partner.field("КПП").fill("003401001")
    partner.press("Отправить")
    expect(partner.page.get_by_text("В ФНС нет ИНН 0099002702.")).to_be_visible()
    look(partner.page, "the form that the register doubts")
    partner.press("Всё верно, отправить как есть")
    partner.expect_stage("Не согласована")  # not authorised (L3)
    look(partner.page, "a rejected request")
    shoot(partner.page, "request-rejected")
    partner.page.locator("details.menu > summary").click()
    look(partner.page, "the menu")


def test_pages_of_a_request_on_its_way(person: SignedIn, shoot: Shoot) -> None:
    partner, distributor = person("lukomor"), person("dist-center")
    partner.new_request()
    partner.fill_request(distributor="АО «Центральная Полка Поставок»", registration="2000001")
    request_id = partner.send()
    partner.expect_stage("Ждёт дистрибьютора")
    look(partner.page, "a request that waits")
    distributor.go("/waiting")
    look(distributor.page, "the portal")
    distributor.go(f"/requests/{request_id}")
    look(distributor.page, "the distributor's page of a request")
    shoot(distributor.page, "distributor-request")
    distributor.press("Готовы оплатить счёт")
    expect(distributor.page.get_by_role("dialog")).to_be_visible()
    look(distributor.page, "the question before an answer")
    distributor.agree()
    look(distributor.page, "the seconds to undo an answer")
    distributor.expect_stage("Ждёт активации")
    distributor.go("/answered")
    look(distributor.page, "what was answered")
    shoot(distributor.page, "distributor-answered")
    partner.expect_stage("Ждёт активации")
    partner.press("Активировать")
    partner.agree()
    expect(partner.page.locator("#now")).to_contain_text("Активация не прошла")  # no contract since 2023 (L2, L19)
    look(partner.page, "an activation that was refused")
    shoot(partner.page, "request-refused")
    expect(partner.page.get_by_role("button", name="Повторить активацию")).to_be_visible()
    partner.go("/sold")
    look(partner.page, "sold deliveries")
    partner.go("/requests")
    look(partner.page, "the list")


FIRST = {"visitor": "", "partner": "lukomor", "distributor": "dist-north", "ops": "ops", "auditor": "auditor"}
TOLD_APART = ("GET /requests/{request_id}", "GET /account", "GET /letters", "GET /help", "GET /planned", "GET /balance")
"""Pages that say something else to each role."""
NO_PAGES = {
    "GET /sign-in": "seen by visitors, above",
    "GET /sign-in/oidc": "leads away",
    "GET /sign-in/oidc/back": "leads on",
    "GET /requests/export.xlsx": "a file",
    "GET /requests/export.csv": "a file",
    "GET /requests/file/form.xlsx": "a file",
    "GET /waiting/file/form.xlsx": "a file",
    "GET /signing/documents.zip": "a file",
    "GET /requests/file/{bulk_id}": "needs a file: tests/browser/test_bulk.py",
    "GET /requests/file/{bulk_id}/corrections.xlsx": "a file",
    "GET /requests/{request_id}/documents/{document_id}": "a file",
    "GET /requests/{request_id}/documents/{document_id}/preview.png": "a file",
    "GET /requests/{request_id}/events": "a stream",
    "GET /sold/export.xlsx": "a file",
    "GET /sold/export.csv": "a file",
    "GET /waiting/export.xlsx": "a file",
    "GET /waiting/export.csv": "a file",
    "GET /answered/export.xlsx": "a file",
    "GET /answered/export.csv": "a file",
    "GET /balance/act.pdf": "a file",
    "GET /balance/movements.xlsx": "a file",
    "GET /balance/movements.csv": "a file",
    "GET /expiring.ics": "a file",
    "GET /renewals/not-renewed.xlsx": "a file",
    "GET /planned/{plan_id}": "needs a plan: tests/browser/test_undo.py",
    "GET /ops/stream/events": "a stream",
    "GET /ops/badges": "counts for the menu",
    "GET /ops/search": "leads on",
    "GET /ops/records/file": "a file",
    "GET /ops/records/{topic}/{partition}/{offset}": "needs a record: tests/browser/test_ops.py",
    "GET /ops/records/{topic}/{partition}/{offset}/revealed": "needs a record: tests/browser/test_ops.py",
    "GET /ops/records/{topic}/{partition}/{offset}/file": "a file",
    "GET /ops/letters/{stage}/{number}": "needs a dead letter: tests/browser/test_ops.py",
    "GET /letters/export.xlsx": "a file",
    "GET /letters/export.csv": "a file",
    "GET /letters/off": "a signed link: tests/web/test_letters.py",
    "GET /ops/post/print": "a file",
    "GET /ops/post/register": "a file",
    "GET /ops/money/month.xlsx": "a file",
    "GET /ops/money/month.pdf": "a file",
    "GET /ops/money/export.xlsx": "a file",
    "GET /ops/money/export.csv": "a file",
    "GET /ops/money/refunds/export.xlsx": "a file",
    "GET /ops/money/refunds/export.csv": "a file",
    "GET /audit/export/file": "a file",
    "GET /webhooks/{webhook_id}": "needs a webhook: tests/browser/test_webhooks.py",
    "GET /webhooks/{webhook_id}/deliveries/{number}": "needs a webhook: tests/browser/test_webhooks.py",
    "GET /audit/requests/{request_id}/history.html": "a file",
    "GET /audit/proofs/{stage}/{position}/file": "a file",
    "GET /audit/checkpoints/{log}": "a file",
    "GET /audit/keys": "a file",
}


def test_every_page_there_is(person: SignedIn, opened: Opened, address: str, system: System) -> None:
    """A new page is looked at from its first day: the list is the application's own, by way of tests/web/matrix.py."""
    request_id = submit(system, "lukomor", "lukomor-1", "ООО «Невские шестерни»", "dist-north")
    people = {role: person(login) if login else Person(opened(), address) for role, login in FIRST.items()}
    people["partner"].wait_for_request(request_id)
    with psycopg.connect(system.database_url, options="-c app.scope=all") as connection:

        def written() -> Any:
            return connection.execute("SELECT id FROM notices.mail WHERE party_id = 'lukomor' LIMIT 1").fetchone()

        wait_until(lambda: written() is not None, "a letter is written")
        letter = written()[0]
    places = {
        "{request_id}": request_id, "{request_type}": "1c8-updates-and-addons", "{stage}": "request",
        "{position}": "1", "{id}": str(letter),
    }  # fmt: skip
    pages = [name for name in MATRIX if name.startswith("GET /") and not name.startswith("GET /api/v1/")]
    for name in (each for each in pages if each not in NO_PAGES):
        path = name.removeprefix("GET ")
        for place, value in places.items():
            path = path.replace(place, value)
        roles = [role for role in FIRST if role in MATRIX[name].roles]
        for role in roles if name in TOLD_APART else roles[:1]:
            page = people[role].page
            answer = page.goto(address + path)
            assert answer is not None
            assert answer.ok, f"{path} of {role}: {answer.status}"
            expect(page.locator("h1")).to_be_visible()
            look(page, f"{path} of {role}")


def test_keys_lead_to_the_search_and_tell_what_they_are(person: SignedIn) -> None:
    partner = person("lukomor")
    page, keys = partner.page, partner.page.keyboard
    search = page.get_by_role("searchbox")
    keys.press("/")
    expect(search).to_be_focused()
    keys.type("/?")
    expect(search).to_have_value("/?")  # while something is typed they are letters
    partner.go("/account")
    keys.press("Control+k")
    expect(page).to_have_url(re.compile("/requests#search$"))
    expect(search).to_be_focused()
    page.locator("h1").click()
    keys.press("?")
    dialog = page.get_by_role("dialog", name="Клавиши")
    expect(dialog).to_be_visible()
    look(page, "the keys")
    dialog.get_by_label("Клавиши без Ctrl включены").uncheck()
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    keys.press("/")
    keys.press("?")
    expect(dialog).to_have_count(0)
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Клавиши").click()
    dialog.get_by_label("Клавиши без Ctrl включены").check()


@pytest.mark.parametrize(("login", "home"), [("dist-north", "/waiting"), ("ops", "/ops"), ("auditor", "/audit")])
def test_the_search_of_each_role_is_a_key_away(person: SignedIn, login: str, home: str) -> None:
    somebody = person(login)
    somebody.go("/help")
    somebody.page.keyboard.press("Control+k")
    expect(somebody.page).to_have_url(re.compile(f"{home}#search$"))
    expect(somebody.page.get_by_role("searchbox").first).to_be_focused()


def test_by_keyboard_alone(person: SignedIn) -> None:
    """The whole request in a minute without touching a mouse."""
    partner = person("lukomor")
    page, keys = partner.page, partner.page.keyboard

    def tab_to(target: Locator) -> None:
        expect(target).to_be_visible()
        for _ in range(60):
            if target.evaluate("each => each === document.activeElement"):
                return
            keys.press("Tab")
        raise AssertionError(f"not reached by Tab: {target}")

    keys.press("Tab")
    expect(page.get_by_role("link", name="К содержанию")).to_be_focused()
    keys.press("Enter")
    tab_to(page.get_by_role("link", name="Новая", exact=True))
    keys.press("Enter")
    tab_to(page.get_by_role("link", name="1С:Предприятие 8. Обновления и дополнения"))
    keys.press("Enter")
    tab_to(partner.field("Контакт. лицо"))
    keys.press("ArrowDown")
    tab_to(partner.field("Дистрибьютор"))
    keys.press("ArrowDown")
    tab_to(partner.field("Баз. поставка"))
    keys.press("ArrowDown")
    tab_to(partner.field("Рег. номер поставки"))
    keys.type("3999999")
    tab_to(partner.field("Товар"))
    keys.press("ArrowDown")
    tab_to(partner.field("ИНН"))
    keys.type("7707083893")
    keys.press("Enter")
    expect(partner.field("Покупатель")).to_have_value("АО «Завод точных весов»")
    tab_to(page.get_by_role("button", name="Отправить", exact=True))
    keys.press("Enter")
    partner.expect_stage("Ждёт дистрибьютора")
    expect(page.get_by_text("Дубов Игорь Павлович").first).to_be_visible()


def test_without_javascript(person: SignedIn, system: System) -> None:
    """The main path: form with look-up and filters, mistakes, send, confirm, activate."""
    partner = person("lukomor", java_script_enabled=False)
    distributor = person("dist-north", java_script_enabled=False)
    partner.new_request()
    partner.choose("Контакт. лицо", "Яснова Мария Олеговна")
    partner.choose("Дистрибьютор", "ООО «Северный Склад Программ»")
    partner.choose("Баз. поставка", "1С:Предприятие 8. Управление производственным предприятием")
    partner.press("Подобрать подходящее")
    expect(partner.field("Товар").locator("option")).to_have_count(5)
    partner.choose("Товар", "Продление поддержки УПП, 12\u00a0месяцев")
    partner.field("ИНН").fill("0012004313")
    partner.press("Заполнить из ФНС")
    expect(partner.field("Покупатель")).to_have_value("АО «Молочные реки»")
    partner.page.get_by_label("Нижегородский филиал").check()
    partner.press("Выбрать")
    expect(partner.field("КПП")).to_have_value("005202001")
    partner.press("Отправить")
    expect(partner.page.get_by_role("alert")).to_contain_text("Рег. номер поставки")
    expect(partner.field("Рег. номер поставки")).to_be_focused()
    partner.field("Рег. номер поставки").fill("1000001")
    request_id = partner.send()
    partner.expect_stage("Ждёт дистрибьютора")  # the page looks again by itself until it is decided

    distributor.go(f"/waiting?q={request_id}")
    distributor.choice(request_id).check()
    distributor.press("Подтвердить выбранные")
    expect(distributor.page.locator("h1")).to_contain_text("Подтвердить 1\N{NO-BREAK SPACE}заявку на")
    distributor.agree()
    expect(distributor.choice(request_id)).to_have_count(0)

    def is_sent() -> bool:
        distributor.go("/planned")
        return distributor.page.locator(".plans form").count() == 0

    wait_until(is_sent, "the answer's seconds are over")
    system.settle()
    partner.go("/sold")
    partner.row_of(request_id).get_by_role("button").click()
    partner.agree()
    partner.expect_stage("Активирована")


def test_the_theme_is_switched_and_kept(person: SignedIn) -> None:
    partner = person("lukomor", color_scheme="light")
    shadow = "getComputedStyle(document.querySelector('.sheet, .card')).boxShadow"
    light = partner.page.evaluate(shadow)
    partner.press("Светлая или тёмная тема")
    expect(partner.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert "none" not in (light, partner.page.evaluate(shadow))
    assert light != partner.page.evaluate(shadow), "a shadow has its colour in each"
    partner.page.reload()
    expect(partner.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_page_fits_on_paper(person: SignedIn) -> None:
    partner = person("lukomor")
    partner.page.emulate_media(media="print")
    expect(partner.page.locator(".bar")).to_be_hidden()
    expect(partner.page.locator("h1")).to_be_visible()
    assert len(partner.page.pdf()) > 1_000


@pytest.mark.parametrize("path", ["/requests/00000000-0000-4000-8000-000000000000", "/requests/new/envelope"])
def test_what_is_not_there_is_said_in_russian(person: SignedIn, path: str) -> None:
    partner = person("lukomor")
    answer = partner.page.goto(partner.address + path)
    assert answer is not None
    assert answer.status == 404
    expect(partner.page.get_by_role("heading", name="Не найдено")).to_be_visible()
    partner.follow("На главную")
    expect(partner.page).to_have_url(re.compile("/requests$"))
