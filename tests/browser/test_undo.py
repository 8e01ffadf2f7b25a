"""What can't be undone: a question with number and sum, seconds to undo on any device, a word that covers nothing."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Shoot, SignedIn
from tests.browser.look import look
from tests.browser.person import Person
from tests.browser.sending import submit, submit_many
from tests.system.conftest import System

UNDONE = "Отменено: ничего не отправлено."
COVERED = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
    .filter((each) => each.checkVisibility() && !each.closest(".toast"))
    .filter((each) => {
        const box = each.getBoundingClientRect();
        return document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)?.closest(".toast");
    })
    .map((each) => each.outerHTML.slice(0, 90))"""
"""What can be pressed or filled in, and has a toast over its middle."""


def chosen(system: System, person: SignedIn, at: str, count: int = 2, **options: object) -> tuple[Person, list[str]]:
    """A distributor's list with so many requests ticked."""
    distributor = person("dist-ural", at=at, anew=True, **options)
    client, ids = submit_many(system, distributor, count)
    distributor.go(f"/waiting?q={client}")
    for request_id in ids:
        distributor.choice(request_id).check()
    return distributor, ids


def under_way(page: Page, words: str) -> Locator:
    """The bar of a command that can still be undone."""
    return page.locator("[data-plan]", has_text=words)


def said_of(page: Page, words: str) -> Locator:
    """What the bar says of the command that was given last."""
    return page.locator(".said .toast", has_text=words).first


def covers_nothing(page: Page) -> None:
    """On the desktop and on the phone, at the top and at the bottom of the page."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for to in ("0", "document.body.scrollHeight"):
            page.evaluate(f"scrollTo(0, {to})")
            assert page.evaluate(COVERED) == [], width
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("scrollTo(0, 0)")


def test_many_are_confirmed_and_undone_on_another_device(
    system: System, person: SignedIn, address_with_time: str, shoot: Shoot
) -> None:
    distributor, ids = chosen(system, person, address_with_time)
    page = distributor.page
    distributor.press("Подтвердить выбранные")
    dialog = page.get_by_role("dialog")
    title = re.compile(r"^Подтвердить 2\sзаявки на [\d\s]+,\d\d\s₽\?$")
    expect(dialog.get_by_role("heading")).to_have_text(title)
    look(page, "the question")
    shoot(page, "question")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    distributor.press("Подтвердить выбранные")
    distributor.agree()
    bar = under_way(page, "Подтвердить 2")
    expect(bar).to_contain_text(re.compile(r"Подтвердить 2\sзаявки на .*₽"))
    expect(bar).to_contain_text("уйдёт через")
    expect(distributor.choice(ids[0])).to_have_count(0)
    covers_nothing(page)
    look(page, "the seconds to undo")
    shoot(page, "undo")
    queue = page.url.removeprefix(address_with_time)
    page.close()  # a closed tab loses nothing

    other = person("dist-ural", at=address_with_time, anew=True)
    look(other.page, "another device")
    other.go("/planned")
    expect(other.page.get_by_role("listitem").filter(has_text="Подтвердить 2").first).to_contain_text("Уйдёт")
    look(other.page, "planned commands")
    shoot(other.page, "planned")
    other.go(queue)
    under_way(other.page, "Подтвердить 2").get_by_role("button").click()
    expect(said_of(other.page, "Подтвердить 2")).to_contain_text(UNDONE)
    for request_id in ids:
        expect(other.choice(request_id)).to_be_visible()


def test_a_refusal_without_javascript_asks_for_a_reason(
    system: System, person: SignedIn, address_with_time: str, shoot: Shoot
) -> None:
    distributor, _ = chosen(system, person, address_with_time, 1, java_script_enabled=False)
    page = distributor.page
    distributor.press("Отказать")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Отказать по 1")
    page.get_by_label("Причина отказа").fill("   ")
    distributor.press("Отказать")
    expect(page.get_by_text("Напишите причину")).to_be_visible()
    distributor.agree("Нет лимита")
    expect(under_way(page, "Отказать по 1")).to_contain_text("уйдёт в")
    under_way(page, "Отказать по 1").get_by_role("button").click()
    expect(said_of(page, "Отказать по 1")).to_contain_text(UNDONE)


def test_what_comes_of_it_is_told_where_one_is(system: System, person: SignedIn, address: str) -> None:
    distributor, ids = chosen(system, person, address, 1)
    distributor.press("Подтвердить выбранные")
    distributor.agree()
    expect(distributor.page.locator(".said")).to_contain_text("Отправлено: 1\N{NO-BREAK SPACE}ответ.")
    expect(distributor.choice(ids[0])).to_have_count(0)
    covers_nothing(distributor.page)


def test_many_are_reminded(system: System, person: SignedIn, address_with_time: str, shoot: Shoot) -> None:
    request_id = submit(system, "ip-berezin", "berezin-2", "ООО «Невские шестерни»", "dist-ural")
    ops = person("ops", at=address_with_time)
    page = ops.page
    ops.wait_for_request(request_id)
    ops.go("/ops/waiting?what=confirmation")
    ops.press("Напомнить о выбранных")
    expect(page.get_by_text("Сначала отметьте заявки")).to_be_visible()
    page.get_by_label("Выбрать все").check()
    shoot(page, "ops-remind-many")
    ops.press("Напомнить о выбранных")
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"Напомнить о \d+"))
    look(page, "the question before reminders")
    ops.agree()
    under_way(page, "Напомнить о").get_by_role("button").click()
    expect(said_of(page, "Напомнить о")).to_contain_text(UNDONE)
