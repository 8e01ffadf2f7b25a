"""Webhooks on pages, with a real receiver behind them: added, seen at work, posted again, replayed, removed."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import Shoot, SignedIn
from tests.browser.look import look
from tests.browser.sending import submit
from tests.faults.receiver import receiving
from tests.system.conftest import System, wait_until
from tests.system.oracle import Post


def test_from_the_first_webhook_to_the_last(person: SignedIn, system: System, shoot: Shoot) -> None:
    partner = person("romashka-it")
    page = partner.page
    partner.go("/webhooks")
    look(page, "no webhooks")
    partner.field("Адрес вашей программы").fill("https://10.1.2.3/hook")
    partner.press("Добавить")
    expect(page.get_by_role("alert")).to_contain_text("не адрес в интернете")
    look(page, "an address that is refused")
    with receiving() as (receiver, address):
        partner.field("Адрес вашей программы").fill(address)
        partner.press("Добавить")
        expect(page.get_by_role("heading", name="Работает")).to_be_visible()
        look(page, "a webhook without deliveries")
        request_id = submit(system, "romashka-it", "romashka-1", "ООО «Невские шестерни»", "dist-north")
        partner.wait_for_request(request_id)

        def posts() -> list[Post]:
            return [each for each in receiver.posts if each.event["subject"] == request_id]

        wait_until(lambda: "Approved.v3" in [each.event["type"] for each in posts()], "it is posted")
        first = posts()[0]
        assert first.event["type"] == "RequestSubmitted.v2"
        partner.go("/webhooks")
        look(page, "the webhooks")
        shoot(page, "webhooks")
        partner.follow(address)
        expect(page.get_by_role("cell", name=re.compile("Доставлено")).first).to_be_visible()
        look(page, "a webhook with deliveries")
        shoot(page, "webhook")
        page.get_by_text("Секрет для проверки подписи").click()
        expect(page.get_by_text("whsec_")).to_be_visible()
        partner.press("Сменить секрет")
        expect(page.get_by_text("Секрет сменён")).to_be_visible()
        page.locator(f"a[href$='/deliveries/{first.number}']").click()
        look(page, "a delivery")
        shoot(page, "webhook-delivery")
        partner.press("Отправить ещё раз")
        expect(page.get_by_text("Событие уйдёт ещё раз")).to_be_visible()
        wait_until(lambda: posts().count(first) == 2, "it is posted again, as it was")
        partner.follow("Назад к вебхуку")
        before = len(posts())
        page.get_by_role("button", name=f"Повторить отсюда с события {first.number}", exact=True).click()
        expect(page.get_by_text("уйдут снова")).to_be_visible()
        wait_until(lambda: len(posts()) >= before + 2, "all of it is posted again")
        assert posts()[before : before + 2] == posts()[:2]
        partner.press("Выключить")
        expect(page.get_by_role("heading", name="Выключен вручную")).to_be_visible()
        partner.press("Удалить вебхук")
        expect(page.get_by_role("heading", name="Вебхуков нет")).to_be_visible()
