"""Ten tasks of the auditor, each from its start page by what can be read there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from postavka.domain.calendar import MOSCOW
from tests.browser.person import Person
from tests.browser.sending import Case
from tests.browser.tasks.conftest import there
from tests.system.conftest import System

BEGIN = {"история": "awaiting-confirmation"}


@pytest.fixture
def auditor(cases: dict[str, Case], worker: Callable[[str], Person]) -> Person:
    return worker("auditor")


@pytest.fixture(scope="module")
def signed(system: System, cases: dict[str, Case]) -> None:
    """All logs are signed, with the events of the cases."""
    system.cli("audit", "checkpoint", "--now")


def history(auditor: Person, case: Case) -> None:
    """Of a request, found by its client."""
    auditor.page.get_by_role("searchbox").fill(case.client)
    auditor.press("Найти")
    auditor.follow(case.request_id)
    expect(auditor.page.get_by_role("heading", name="История заявки")).to_be_visible()


def local(moment: datetime) -> str:
    return moment.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M")


def test_sees_how_the_whole_stands(auditor: Person) -> None:
    """See how many events there are, how far they are signed, and what the last verification found."""
    state = auditor.page.get_by_role("region", name="Состояние")
    for said in ("Событий", "Подписано", "Последняя сверка"):
        expect(state.get_by_text(said)).to_be_visible()
    expect(auditor.page.get_by_role("button", name="Проверить сейчас")).to_be_visible()


def test_reads_a_history(auditor: Person, cases: dict[str, Case]) -> None:
    """Read what happened to a request, and from what each event came."""
    history(auditor, cases["история"])
    records = auditor.page.get_by_role("region", name="Записи полностью")
    expect(records.get_by_text(re.compile(r"Approved\.v")).first).to_be_visible()


def test_saves_a_history(auditor: Person, cases: dict[str, Case]) -> None:
    """Save a history as one file that needs no server."""
    history(auditor, cases["история"])
    assert cases["история"].request_id in auditor.download("Сохранить").decode()


@pytest.mark.usefixtures("signed")
def test_proves_an_event(auditor: Person, cases: dict[str, Case]) -> None:
    """Take the proof of an event, and the keys that it is checked by."""
    history(auditor, cases["история"])
    records = auditor.page.get_by_role("region", name="Записи полностью")
    records.get_by_text(re.compile(r"Approved\.v")).first.click()
    auditor.follow("Доказать")
    assert b"checkpoint" in auditor.download("Скачать доказательство")
    assert auditor.download("Ключи")


def test_looks_at_a_day(auditor: Person, cases: dict[str, Case]) -> None:
    """See how a request stood at a moment."""
    history(auditor, cases["история"])
    auditor.page.get_by_role("main").get_by_role("link", name="На дату").click()
    auditor.field("Момент, московское время").fill(local(datetime.now(UTC) - timedelta(days=1)))
    auditor.press("Показать")
    expect(auditor.page.get_by_role("heading", name="Тогда здесь ничего не было")).to_be_visible()


def test_compares_two_moments(auditor: Person, cases: dict[str, Case]) -> None:
    """See what has changed between two moments."""
    auditor.follow("Что изменилось")
    now = datetime.now(UTC) + timedelta(minutes=1)
    auditor.field("С момента, московское время").fill(local(now - timedelta(days=1)))
    auditor.field("по момент").fill(local(now))
    auditor.field("или заявка").fill(cases["история"].request_id)
    auditor.press("Сравнить")
    expect(auditor.page.get_by_role("row").filter(has_text=cases["история"].request_id)).to_contain_text("не было")


def test_sees_who_looked(auditor: Person, cases: dict[str, Case]) -> None:
    """See who has looked at a request."""
    history(auditor, cases["история"])
    auditor.page.get_by_role("main").get_by_role("link", name="Кто смотрел").click()
    expect(auditor.page.get_by_role("row").filter(has_text=cases["история"].request_id).first).to_contain_text(
        "auditor"
    )


@pytest.mark.usefixtures("signed")
def test_keeps_a_checkpoint(auditor: Person) -> None:
    """Take the last signature of a log, to be kept elsewhere."""
    auditor.follow("Подписи журналов")
    row = auditor.page.get_by_role("row").filter(has_text="approval.events")
    with auditor.page.expect_download() as given:
        row.get_by_role("link").click()
    assert b"approval" in given.value.path().read_bytes()


def test_checks_a_month(auditor: Person) -> None:
    """Take the month's reconciliation as a workbook."""
    auditor.follow("Деньги")
    auditor.follow("Сверка")
    assert auditor.download("Excel").startswith(b"PK")


def test_finds_a_letter(auditor: Person, cases: dict[str, Case]) -> None:
    """Read the letter that was written about a request, and go on to the request."""
    auditor.follow("Письма")
    auditor.search(cases["история"].client)
    letter = auditor.page.get_by_role("row").filter(has_text=cases["история"].client).get_by_role("link").first
    there(auditor, letter)
    letter.click()
    expect(auditor.page.get_by_role("region", name="Текст письма")).to_contain_text(cases["история"].client)
    auditor.follow("Открыть заявку")
    expect(auditor.page.get_by_role("heading", name="История заявки")).to_be_visible()
