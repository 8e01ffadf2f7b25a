"""From signing in to activation: through a distributor, and directly; each person in a browser of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Opened, Shoot, SignedIn
from tests.system.conftest import System


def test_through_a_distributor(person: SignedIn, shoot: Shoot) -> None:
    partner = person("lukomor")
    distributor = person("dist-north")
    partner.new_request()
    partner.fill_request(registration="10000012")
    shoot(partner.page, "form-filled")
    request_id = partner.send()

    # L13: approved on its own, seen without a reload.
    partner.expect_stage("Ждёт дистрибьютора")
    expect(partner.page.get_by_text("Номер разрешения").first).to_be_visible()
    shoot(partner.page, "request-waiting")

    # L17, from the list, with a note.
    distributor.go(f"/waiting?q={request_id}")
    distributor.choice(request_id).check()
    distributor.page.get_by_label("Примечание").fill("Оплатим до пятницы")
    shoot(distributor.page, "distributor-waiting")
    distributor.press("Подтвердить выбранные")
    expect(distributor.page.get_by_role("dialog")).to_contain_text("Подтвердить 1\N{NO-BREAK SPACE}заявку на")
    shoot(distributor.page, "distributor-question")
    distributor.agree()
    shoot(distributor.page, "distributor-undo")
    expect(distributor.choice(request_id)).to_have_count(0)

    # L18, in the partner's browser, still without a reload.
    partner.expect_stage("Ждёт активации")
    expect(partner.page.get_by_text("Оплатим до пятницы")).to_be_visible()
    expect(partner.page.get_by_text("Код активации").first).to_be_visible()
    shoot(partner.page, "request-sold")

    partner.go("/sold")
    row = partner.row_of(request_id)
    expect(row).to_contain_text("АО «Завод точных весов»")
    shoot(partner.page, "sold")
    row.get_by_role("button", name="Активировать").click()
    expect(partner.page.get_by_role("dialog")).to_contain_text("Остановить или перенести его нельзя")
    partner.agree()
    partner.expect_stage("Активирована")
    expect(partner.page.locator("#now")).to_contain_text("Сервис активирован и работает с")
    shoot(partner.page, "request-activated")

    # The distributor sees what became of it, but not the code.
    distributor.go("/answered")
    distributor.link_to(request_id).click()
    distributor.expect_stage("Активирована")
    partner.go("/requests")
    shoot(partner.page, "requests")
    assert "Код активации" not in distributor.page.content()


SEEN = "() => document.querySelector('.head .status')?.textContent.trim() === 'Ждёт дистрибьютора'"


def test_approval_is_seen_without_a_reload(person: SignedIn, measured: Callable[[str], None]) -> None:
    """L13: from the click on «Отправить» until the reader's own page says that it is approved."""
    partner = person("lukomor")
    took = []
    for _ in range(5):
        partner.new_request()
        partner.fill_request()
        pages: list[str] = []
        partner.page.on("load", lambda page, pages=pages: pages.append(page.url))
        started = time.monotonic()
        partner.press("Отправить")
        partner.page.wait_for_function(SEEN)
        took.append(time.monotonic() - started)
        expect(partner.page.locator("h1")).to_contain_text("№")
        assert len(pages) <= 1, "the page came once"
    said = ", ".join(f"{each * 1000:.0f}" for each in sorted(took))
    measured(f"«Отправить» clicked → approved seen on the page, without a reload: {said} ms")


def test_directly_with_activation_by_the_user(
    person: SignedIn, opened: Opened, address: str, system: System, shoot: Shoot
) -> None:
    partner = person("romashka-it")
    partner.new_request()
    partner.fill_request(
        distributor=None, contact="Росина Елена Викторовна", inn="500100732259", registration="10000012"
    )
    expect(partner.field("КПП")).to_have_value("")
    request_id = partner.send()
    partner.expect_stage("Ждёт оплаты")
    expect(partner.page.locator("#now")).to_contain_text("Оплатите 20 160,00 ₽")
    shoot(partner.page, "request-to-pay")

    number = (
        partner.page.locator(".papers b").filter(has_text="Счет на оплату").first.inner_text().split("№")[1].strip()
    )
    system.cli("pay", number, "20160.00", "--payer-inn", "0034117920")
    partner.expect_stage("Ждёт активации")
    code = partner.page.locator("[data-copy]").last.get_attribute("data-copy")
    assert code

    user = opened()
    user.goto(f"{address}/activate")
    user.get_by_label("Регистрационный номер").fill("10000012")
    user.get_by_label("Код активации").fill("0000-0000-0000")
    user.get_by_role("button", name="Активировать").click()
    expect(user.get_by_role("alert")).to_contain_text("Активация не прошла")
    user.get_by_label("Код активации").fill(code.lower().replace("-", " "))
    shoot(user, "activation")
    user.get_by_role("button", name="Активировать").click()
    expect(user.get_by_role("status").filter(has_text="Сервис активирован")).to_be_visible()
    partner.expect_stage("Активирована")
    expect(partner.page.get_by_text("Пользователь")).to_be_visible()
    assert partner.request_id == request_id
