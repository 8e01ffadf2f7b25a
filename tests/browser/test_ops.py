"""Pages of operations in a real browser: what waits, the live stream, a request's way, dead letters put right."""

from __future__ import annotations

import json
import re
import time
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from services.ops import dead_letters
from tests.browser.conftest import Shoot, SignedIn
from tests.browser.look import look
from tests.system.conftest import System, wait_until
from tests.system.traffic import Traffic


@pytest.fixture
def traffic(system: System) -> Traffic:
    """A sender of records."""
    return system.traffic()


def submit(traffic: Traffic) -> str:
    """A request that nothing is wrong with, waiting for its distributor."""
    request_id = str(uuid4())
    body = {
        "request_id": request_id,
        "partner_id": "lukomor",
        "submitted_by": "anna",
        "request_type": "1c8-updates-and-addons",
        "contact_id": "lukomor-1",
        "distributor_id": "dist-north",
        "base_delivery_id": "upp-13",
        "registration_number": "1000001",
        "product_id": "upp-extension-12",
        "inn": "7707083893",
        "kpp": "773601001",
        "buyer": "АО «Завод точных весов»",
    }
    traffic.send("commands.requests", request_id, "SubmitRequest.v1", body)
    traffic.flush()
    return request_id


def put_aside(traffic: Traffic) -> str:
    """A record of a request that its stage can't take."""
    request_id = str(uuid4())
    traffic.send("commands.requests", request_id, "SubmitRequest.v1", {"request_id": request_id, "inn": 1})
    traffic.flush()
    return request_id


def test_the_home_of_operations_says_what_burns_and_the_menu_the_same(
    person: SignedIn, traffic: Traffic, shoot: Shoot
) -> None:
    ops = person("ops")
    expect(ops.page).to_have_url(re.compile("/ops$"))
    menu = ops.page.get_by_role("navigation", name="Разделы").get_by_role("link", name="Непринятое")
    refused = ops.page.get_by_role("region", name="Непринятое")
    before = int((refused.locator("h2 .number").text_content() or "0").replace("\N{NO-BREAK SPACE}", ""))
    submit(traffic)
    put_aside(traffic)
    # The page follows by itself, and the menu has the same number: of other tests' records as well.
    expect(refused.locator("h2 .number")).not_to_have_text(str(before), timeout=60_000)
    ops.page.reload()
    now = refused.locator("h2 .number").text_content() or ""
    assert int(now.replace("\N{NO-BREAK SPACE}", "")) > before
    expect(menu).to_contain_text(now.replace("\N{NO-BREAK SPACE}", ""))
    look(ops.page, "the home of operations")
    shoot(ops.page, "ops-home")
    refused.get_by_role("link", name="заявка", exact=True).click()
    expect(ops.page).to_have_url(re.compile(r"/ops/letters\?stage=request"))
    ops.go("/ops")
    ops.follow("15 минут")
    expect(ops.page.get_by_role("link", name="15 минут")).to_have_attribute("aria-current", "true")
    ops.page.get_by_role("region", name="Стадии").get_by_role("link", name="Согласование").click()
    expect(ops.page).to_have_url(re.compile(r"/ops/stream\?stage=approval"))


def test_the_tab_tells_what_is_new_until_somebody_looks(person: SignedIn) -> None:
    ops = person("ops")
    page = ops.page
    counts = {"/ops/waiting": 0}
    page.route("**/ops/badges", lambda route: route.fulfill(json=counts))
    page.clock.install()
    ops.go("/account")
    menu = page.get_by_role("navigation", name="Разделы").get_by_role("link", name="Что ждёт")
    page.clock.run_for(11_000)
    expect(menu.locator(".count")).to_have_count(0)
    counts["/ops/waiting"] = 3
    page.clock.run_for(11_000)
    expect(menu).to_contain_text("3")
    expect(page).to_have_title(re.compile(r"^\(\+3\) "))
    icon = page.locator("link[rel='icon']")
    expect(icon).to_have_attribute("href", re.compile("alarm"))
    page.mouse.move(200, 300)
    expect(page).to_have_title(re.compile("^Учётная запись"))
    expect(icon).not_to_have_attribute("href", re.compile("alarm"))


def test_records_of_any_topic_are_browsed_and_revealed_on_record(
    person: SignedIn, traffic: Traffic, system: System, shoot: Shoot
) -> None:
    request_id = submit(traffic)
    ops = person("ops")
    key = f"/ops/records?topic=commands.requests&key={request_id}"
    row = ops.page.get_by_role("row").filter(has_text=request_id)

    def listed() -> bool:
        ops.go(key)
        return row.count() > 0

    wait_until(listed, "the command lies on its topic")
    row.get_by_role("button", name=re.compile("Тело и заголовки")).click()
    body = ops.page.get_by_role("region", name=re.compile("Тело записи"))
    expect(body).to_contain_text("lukomor")
    expect(body).not_to_contain_text("Завод точных весов")
    look(ops.page, "a record unfolded")
    shoot(ops.page, "ops-records")
    row.get_by_role("link", name="SubmitRequest.v1").click()
    expect(body).not_to_contain_text("Завод точных весов")
    look(ops.page, "a record, covered")
    ops.follow("Раскрыть")
    expect(body).to_contain_text("Завод точных весов")
    look(ops.page, "a record, revealed")
    shoot(ops.page, "ops-record")
    auditor = person("auditor")
    auditor.go(f"/audit/looked?request_id={request_id}")
    expect(auditor.page.get_by_role("row").filter(has_text="/revealed")).to_contain_text("commands.requests")

    ops.go("/ops/records?topic=approval.events&where=%24.version+%3E")
    expect(ops.page.get_by_text("Не понять отбор")).to_be_visible()
    ops.go("/ops/records?topic=privacy.erasures&order=old")
    look(ops.page, "a topic with little or nothing")
    ops.go("/ops/records?topic=approval.events")
    lines = ops.download("Скачать экран").splitlines()
    assert {json.loads(line)["topic"] for line in lines} == {"approval.events"}


def stream_is_open(page: Page) -> None:
    expect(page.locator("[data-state]")).to_have_text("живой поток")


def test_events_arrive_in_the_stream_and_wait_out_a_pause(person: SignedIn, traffic: Traffic, shoot: Shoot) -> None:
    ops = person("ops")
    ops.go("/ops/stream")
    stream_is_open(ops.page)
    fresh = ops.page.locator("tbody[data-new]")
    first = submit(traffic)
    expect(fresh.get_by_role("link", name="Approved").first).to_be_visible()
    expect(fresh.locator(f"a[href='/ops/requests/{first}']").first).to_be_visible()
    shoot(ops.page, "ops-stream")
    fresh.get_by_role("button", name=re.compile("Тело approval")).first.click()
    expect(fresh.get_by_role("region", name=re.compile("Тело approval"))).to_contain_text("channel")
    look(ops.page, "the stream with a body unfolded")
    ops.press("Пауза")
    second = submit(traffic)
    time.sleep(1.5)
    expect(fresh.locator(f"a[href='/ops/requests/{second}']")).to_have_count(0)
    ops.press("Дальше")
    expect(fresh.locator(f"a[href='/ops/requests/{second}']").first).to_be_visible()


def test_the_stream_can_be_filtered_and_shows_the_past(person: SignedIn, traffic: Traffic) -> None:
    request_id = submit(traffic)
    ops = person("ops")
    ops.go(f"/ops/stream?request_id={request_id[:13]}")
    rows = ops.page.locator("tbody[data-past], tbody[data-new]").get_by_role("row")
    expect(rows.filter(has_text="Approved")).to_have_count(1)
    submit(traffic)
    time.sleep(1.5)
    expect(rows.filter(has_not=ops.page.locator(f'a[href="/ops/requests/{request_id}"]'))).to_have_count(0)
    ops.go("/ops/stream?type=Approved")
    older = ops.page.get_by_role("link", name="Раньше")
    while older.count():
        older.click()
        ops.page.wait_for_timeout(300)
    shown = ops.page.locator("tbody[data-past] .lead").all_inner_texts()
    assert shown
    assert set(shown) == {"Approved"}


def test_a_request_is_drawn_with_who_must_act_and_can_be_reminded(
    person: SignedIn, traffic: Traffic, shoot: Shoot
) -> None:
    request_id = submit(traffic)
    ops = person("ops")
    for _ in range(50):
        ops.go(f"/ops/search?q={request_id}")
        if request_id in ops.page.url:
            break
        ops.page.wait_for_timeout(200)
    # The cabinet may know of the approval before shipping has issued the act.
    for _ in range(300):
        if ops.page.get_by_text(re.compile("документ act-.* выписан")).count():
            break
        ops.page.wait_for_timeout(300)
        ops.page.reload()
    expect(ops.page.get_by_text("Ждём: подтверждение")).to_be_visible()
    way = ops.page.get_by_role("listitem").filter(has=ops.page.get_by_text("подтверждение", exact=True))
    expect(way).to_contain_text("дистрибьютор")
    expect(way).to_contain_text("из 3 дн.")
    expect(way).to_contain_text("ждём")
    ops.page.get_by_text("Что было по дороге").click()
    expect(ops.page.get_by_role("link", name=re.compile("документ act-.* выписан"))).to_be_visible()
    look(ops.page, "a request's way")
    shoot(ops.page, "ops-request")
    ops.page.get_by_placeholder("Приписка, если нужна").first.fill("Клиент торопится")
    ops.page.get_by_role("button", name="Напомнить").first.click()
    expect(ops.page.get_by_text("Напоминание отправлено")).to_be_visible()
    expect(ops.page.get_by_text("Об этом уже напомнили: дистрибьютор ")).to_be_visible()
    ops.go(f"/ops/requests/{request_id}")
    ops.page.get_by_role("button", name="Напомнить").first.click()
    expect(ops.page.get_by_text("Уже напоминали")).to_be_visible()
    ops.page.get_by_role("link", name="Approved").click()
    expect(ops.page.get_by_role("heading", name="Approved.v", exact=False)).to_be_visible()
    expect(ops.page.get_by_role("link", name=re.compile("RequestSubmitted"))).to_be_visible()
    look(ops.page, "an event")
    ops.page.get_by_role("link", name=re.compile("BillingOpened")).click()
    expect(ops.page.get_by_role("heading", name="BillingOpened.v", exact=False)).to_be_visible()


def test_a_dead_letter_is_diagnosed_corrected_and_settled(
    system: System, person: SignedIn, traffic: Traffic, shoot: Shoot
) -> None:
    request_id = str(uuid4())
    traffic.send("commands.requests", request_id, "SubmitRequest.v1", {"request_id": request_id, "inn": 1})
    traffic.flush()
    ops = person("ops")
    link = ops.page.get_by_role("row", name=re.compile("partner_id")).get_by_role("link").first
    for _ in range(50):
        ops.go("/ops/letters?stage=request&code=bad-body")
        if link.count():
            break
        ops.page.wait_for_timeout(200)
    look(ops.page, "dead letters")
    link.click()
    expect(ops.page.get_by_text("Тело не подходит под схему типа")).to_be_visible()
    look(ops.page, "a dead letter")
    shoot(ops.page, "ops-letter")
    body = {"request_id": request_id, "partner_id": "lukomor", "submitted_by": "anna"}
    ops.field("Тело").fill(json.dumps(body))
    ops.field("Что было неверно и почему верно теперь").fill("партнёр не назван")
    ops.press("Отправить исправленную")
    expect(ops.page.get_by_text("Исправленная запись отправлена")).to_be_visible()
    expect(ops.page.get_by_role("button", name="Повторить")).to_have_count(0)
    for _ in range(50):
        ops.go(f"/ops/requests/{request_id}")
        if ops.page.get_by_role("link", name="RequestSubmitted").count():
            return
        ops.page.wait_for_timeout(200)
    raise AssertionError("the corrected request was not taken")


def test_many_dead_letters_are_retried_at_once_with_progress(
    person: SignedIn, traffic: Traffic, system: System, shoot: Shoot
) -> None:
    code, many = "unknown-type", 250
    before = dead_letters.foresee(system.database_url, "billing", None, code).letters
    for each in range(many):
        traffic.send("bank.payments", f"page-{each}", "BankPayment.v9", {"payment_id": f"page-{each}"})
    traffic.flush()
    wait_until(
        lambda: dead_letters.foresee(system.database_url, "billing", None, code).letters == before + many,
        "all are put aside",
    )
    ops = person("ops")
    ops.go(f"/ops/letters?stage=billing&code={code}")
    expect(ops.page.get_by_text(f"Будет затронуто: {before + many}\N{NO-BREAK SPACE}")).to_be_visible()
    look(ops.page, "many dead letters")
    shoot(ops.page, "ops-letters")
    ops.page.get_by_label("Почему, если стоит записать").fill("вышел выпуск, который их читает")
    ops.page.get_by_role("button", name=re.compile("Повторить все")).click()
    told = f"Попробовано {before + many} из {before + many}: принято 0, отложено снова {before + many}."
    expect(ops.page.get_by_text(told)).to_be_visible(timeout=180_000)
    look(ops.page, "a retry that has ended")
    ops.page.get_by_role("link", name="Показать, что отложено снова").click()
    ops.field("Почему ничего не потеряно").fill("записи этой проверки")
    ops.page.get_by_role("button", name=re.compile("Списать все")).click()
    expect(ops.page.get_by_role("dialog")).to_contain_text(f"Списать {before + many}")
    ops.agree()
    expect(ops.page.get_by_text(f"Списано: {before + many}.")).to_be_visible()
    assert dead_letters.foresee(system.database_url, "billing", None, code).letters == 0


def test_a_click_is_one_trace_as_far_as_the_row_of_the_cabinet(person: SignedIn, system: System) -> None:
    partner = person("lukomor")
    partner.new_request()
    partner.fill_request()
    request_id = partner.send()
    partner.expect_stage("Ждёт дистрибьютора")
    tail = system.cli("log", "tail", "--request", request_id, "--since", "1h", "--no-follow", "--json")
    (trace,) = {json.loads(line)["trace"].split("-")[1] for line in tail.splitlines()}
    names = ("postavka-web", "postavka-request", "postavka-approval", "postavka-shipping", "postavka-cabinet")

    def whole() -> bool:
        found = system.collector.of(trace)
        linked = {span.parent for span in found} <= {span.id for span in found} | {""}
        return linked and {span.service for span in found} >= set(names)

    wait_until(whole, f"spans of {names} that hang together")
    spans = system.collector.of(trace)
    (click,) = [span for span in spans if not span.parent]
    assert (click.service, click.name) == ("postavka-web", "POST /requests/new/{request_type}")


@pytest.mark.parametrize("path", ["/ops/waiting", "/ops/waiting?what=signature", "/ops/streams", "/ops/stream"])
def test_pages_are_for_everybody(person: SignedIn, path: str, shoot: Shoot) -> None:
    ops = person("ops")
    ops.go(path)
    look(ops.page, path)
    shoot(ops.page, "ops" + path.removeprefix("/ops").replace("/", "-").replace("?what=", "-"))
