"""Ten tasks of operations, each from its start page by what can be read there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from services.ops import dead_letters
from services.payments import work_list
from tests.browser.person import Person
from tests.browser.sending import Case, send
from tests.browser.tasks.conftest import there
from tests.system.conftest import System, wait_until
from tests.system.test_statements import Row, invoiced, load, paid, written

BEGIN = {"путь": "awaiting-confirmation", "напоминание": "awaiting-confirmation"}


@pytest.fixture
def ops(cases: dict[str, Case], worker: Callable[[str], Person]) -> Person:
    return worker("ops")


@dataclass(frozen=True, slots=True)
class Money:
    """What a statement has brought: an invoice that a payment without its number is meant for, one that was overpaid,
    and one that nothing has come for yet."""

    meant: Row
    overpaid: Row
    due: Row


@pytest.fixture(scope="module")
def money(system: System, tmp_path_factory: pytest.TempPathFactory) -> Money:
    found = Money(*(invoiced(system) for _ in range(3)))
    odd = paid(found.meant, f"m-{found.meant['number']}", "100.00", purpose="оплата за ИТС")
    more = paid(found.overpaid, f"o-{found.overpaid['number']}", f"{found.overpaid['amount'] + 777:.2f}")
    load(system, written(tmp_path_factory.mktemp("statement"), "задачи.txt", odd, more))
    with work_list.connect(system.database_url) as books:
        for sql, value in (
            ("SELECT FROM unmatched_payments WHERE number = %s", odd["Номер"]),
            ("SELECT FROM to_return WHERE invoice = %s", found.overpaid["number"]),
        ):
            wait_until(lambda: books.execute(sql.encode(), (value,)).fetchall(), sql)  # noqa: B023
    return found


@pytest.fixture
def put_aside(system: System) -> str:
    """The id of a request whose record names no partner, so that its stage has put it aside."""
    request_id = str(uuid4())
    before = dead_letters.foresee(system.database_url, "request", None, "bad-body").letters
    send(system, "commands.requests", "SubmitRequest.v1", [{"request_id": request_id, "inn": 1}])
    wait_until(
        lambda: dead_letters.foresee(system.database_url, "request", None, "bad-body").letters > before,
        "the record is put aside",
    )
    return request_id


def open_newest(ops: Person, request_id: str) -> None:
    """The record that was put aside last, from what burns by its stage and its reason."""
    ops.page.get_by_role("region", name="Непринятое").get_by_role("link", name="заявка", exact=True).click()
    reasons = ops.page.get_by_role("table", name="По стадии и причине").get_by_role("row")
    of_requests = reasons.filter(has=ops.page.get_by_role("cell", name="Заявка", exact=True))
    of_requests.get_by_role("link", name="Тело не по схеме").click()
    ops.page.get_by_role("table", name="Записи, новые сверху").get_by_role("link").first.click()
    expect(ops.page.get_by_role("region", name="Тело записи")).to_contain_text(request_id)


def test_corrects_a_record(ops: Person, put_aside: str) -> None:
    """Find a record that no stage took, and send it corrected."""
    open_newest(ops, put_aside)
    body = {"request_id": put_aside, "partner_id": "lukomor", "submitted_by": "anna"}
    ops.field("Тело").fill(json.dumps(body))
    ops.field("Что было неверно и почему верно теперь").fill("партнёр не назван")
    ops.press("Отправить исправленную")
    expect(ops.page.get_by_text("Исправленная запись отправлена")).to_be_visible()


def test_writes_a_record_off(ops: Person, put_aside: str) -> None:
    """Find a record that no stage took, and write it off."""
    open_newest(ops, put_aside)
    ops.field("Почему ничего не потеряно").fill("запись этой проверки")
    ops.press("Списать")
    ops.agree()
    expect(ops.page.get_by_role("status").filter(has_text="Списан").first).to_be_visible()


def find(ops: Person, client: str) -> None:
    """A request by its client, from any page of operations."""
    ops.page.get_by_role("searchbox", name="Найти заявку").fill(client)
    ops.press("Найти")
    expect(ops.page.get_by_text("Ждём: подтверждение")).to_be_visible()


def test_sees_a_way(ops: Person, cases: dict[str, Case]) -> None:
    """Find a request by its client, and see for whom it waits."""
    find(ops, cases["путь"].client)
    expect(ops.page.get_by_text("Напоминание получит").first).to_be_visible()


def test_reminds(ops: Person, cases: dict[str, Case]) -> None:
    """Remind a distributor of a request."""
    find(ops, cases["напоминание"].client)
    ops.page.get_by_role("button", name="Напомнить").first.click()
    expect(ops.page.get_by_text("Напоминание отправлено")).to_be_visible()


def test_loads_a_statement(ops: Person, money: Money, tmp_path: Path) -> None:
    """Load a statement of the bank."""
    ops.page.get_by_role("navigation", name="Разделы").get_by_role("link", name=re.compile("^Деньги")).click()
    ops.follow("Выписки")
    ops.page.get_by_label("Файл выписки").set_input_files(written(tmp_path, "ещё.txt", paid(money.due, f"{uuid4()}")))
    ops.press("Загрузить")
    expect(ops.page.get_by_role("status").filter(has_text="из них новых: 1")).to_be_visible()


def test_credits_a_payment(ops: Person, money: Money) -> None:
    """Put a payment to the invoice that it is meant for."""
    ops.page.get_by_role("navigation", name="Разделы").get_by_role("link", name=re.compile("^Деньги")).click()
    waiting = ops.page.get_by_role("article").filter(has_text=f"m-{money.meant['number']}")
    waiting.get_by_role("button", name=re.compile(f"^{money.meant['number']}")).click()
    ops.agree("письмо 12")
    expect(waiting).to_have_count(0)


def test_refunds(ops: Person, money: Money) -> None:
    """Send back what was paid above an invoice."""
    ops.page.get_by_role("navigation", name="Разделы").get_by_role("link", name=re.compile("^Деньги")).click()
    ops.page.get_by_role("link", name=re.compile("^К возврату")).click()
    over = ops.page.get_by_role("article", name=f"Переплата по счёту {money.overpaid['number']}")
    over.get_by_label("Основание").fill("письмо партнёра")
    over.get_by_role("button", name="Поручить возврат").click()
    ops.agree()
    expect(over).to_have_count(0)


def test_reveals_a_record(ops: Person, cases: dict[str, Case]) -> None:
    """Read a record as it lies in Kafka, and reveal what is covered."""
    ops.follow("Поток событий")
    ops.follow("Записи любого топика, как они лежат в Kafka")
    ops.choose("Топик", "commands.requests")
    ops.field("Ключ содержит").fill(cases["путь"].request_id)
    ops.press("Показать")
    ops.follow("SubmitRequest.v1")
    ops.follow("Раскрыть")
    expect(ops.page.get_by_role("region", name=re.compile("Тело записи"))).to_contain_text(cases["путь"].client)


def test_follows_the_stream(ops: Person, cases: dict[str, Case]) -> None:
    """See the events of one request in the stream, and the body of one."""
    ops.follow("Поток событий")
    ops.field("Заявка").fill(cases["путь"].request_id)
    ops.press("Показать")
    ops.page.get_by_role("button", name=re.compile("Тело approval")).first.click()
    expect(ops.page.get_by_role("region", name=re.compile("Тело approval"))).to_contain_text("channel")


def test_finds_a_letter(ops: Person, cases: dict[str, Case]) -> None:
    """Read the letter that was written about a request, and go on to the request."""
    ops.page.get_by_role("navigation", name="Разделы").get_by_role("link", name=re.compile("^Письма")).click()
    ops.search(cases["путь"].client)
    letter = ops.page.get_by_role("row").filter(has_text=cases["путь"].client).get_by_role("link").first
    there(ops, letter)
    letter.click()
    expect(ops.page.get_by_role("region", name="Текст письма")).to_contain_text(cases["путь"].client)
    ops.follow("Открыть заявку")
    expect(ops.page.get_by_text("Ждём: подтверждение")).to_be_visible()
