"""Operations and the auditor at the pages of money: a statement uploaded, a payment put to its invoice, refunds."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from playwright.sync_api import expect

from services.payments import work_list
from tests.browser.conftest import Shoot, SignedIn
from tests.browser.look import look
from tests.browser.person import Person
from tests.system.conftest import System, wait_until
from tests.system.test_statements import invoiced, paid, written


def outcome(ops: Person) -> None:
    """To what came of the order that was given last."""
    ops.page.locator(".said .toast").first.get_by_role("link", name="Что вышло").click()


def test_a_statement_is_uploaded_and_what_it_leaves_is_matched(
    system: System, person: SignedIn, shoot: Shoot, tmp_path: Path
) -> None:
    invoice = invoiced(system)
    order = paid(invoice, f"w-{invoice['number']}", "30000.00", purpose="оплата за ИТС, письмо 12")
    file = written(tmp_path, "выписка.txt", order)
    ops = person("ops")

    ops.go("/ops/money/statements")
    ops.page.get_by_label("Файл выписки").set_input_files(file)
    ops.press("Загрузить")
    expect(ops.page.get_by_role("status").filter(has_text="из них новых: 1")).to_be_visible()
    shoot(ops.page, "money-statements")
    look(ops.page, "money-statements")
    broken = tmp_path / "broken.txt"
    broken.write_bytes(file.read_bytes().replace("КонецФайла".encode("cp1251"), b""))
    ops.page.get_by_label("Файл выписки").set_input_files(broken)
    ops.press("Загрузить")
    expect(ops.page.get_by_role("alert")).to_contain_text("файл оборван")

    def card() -> None:
        ops.go("/ops/money")
        expect(ops.page.get_by_role("article").filter(has_text=order["Номер"])).to_be_visible()

    with work_list.connect(system.database_url) as books:
        sql = "SELECT 1 FROM unmatched_payments WHERE number = %s"
        wait_until(lambda: books.execute(sql.encode(), (order["Номер"],)).fetchone(), "it is in the queue")
    card()
    shoot(ops.page, "money-queue")
    look(ops.page, "money-queue")
    ops.field("Поиск").fill(order["Номер"])
    ops.press("Найти")
    expect(ops.page.get_by_role("article")).to_have_count(1)
    lines = list(csv.reader(io.StringIO(ops.download("CSV").decode("utf-8-sig")), delimiter=";"))
    assert [(row[0], row[2], row[6]) for row in lines[1:]] == [("Поступление без счёта", "30000,00", order["Номер"])]
    assert ops.download("XLSX").startswith(b"PK")
    look(ops.page, "money-filtered")
    ops.go("/ops/money")
    waiting = ops.page.get_by_role("article").filter(has_text=order["Номер"])
    expect(waiting.get_by_label("Счёт")).to_have_value("")  # nothing fits by number or sum: nothing is chosen
    waiting.get_by_label("Счёт").fill("2026-9999999")
    waiting.get_by_label("Основание").fill("опечатка")
    waiting.get_by_role("button", name="Зачесть по счёту").click()
    ops.agree()
    outcome(ops)
    expect(ops.page.get_by_role("alert")).to_contain_text("Счёта 2026-9999999 нет.")
    waiting.get_by_label("Счёт").fill(invoice["number"])
    waiting.get_by_label("Основание").fill("письмо 12")
    waiting.get_by_role("button", name="Зачесть по счёту").click()
    ops.agree()
    outcome(ops)
    expect(ops.page.get_by_role("status").filter(has_text="Выполнено")).to_be_visible()
    waiting.get_by_label("Основание").fill("остаток")
    waiting.get_by_role("button", name="Вернуть плательщику").click()
    expect(ops.page.get_by_role("dialog")).to_contain_text(re.compile("Вернуть .*₽"))
    look(ops.page, "the question before a return")
    ops.agree()
    outcome(ops)
    expect(ops.page.get_by_role("status").filter(has_text="Выполнено")).to_be_visible()
    expect(waiting).to_have_count(0)
    ops.go("/ops/money/refunds")
    expect(ops.page.get_by_role("cell", name=re.compile("Возврат ошибочно перечисленных")).first).to_be_visible()
    shoot(ops.page, "money-refunds")
    look(ops.page, "money-refunds")


def test_an_odd_document_and_an_overpayment_are_dealt_with(system: System, person: SignedIn, tmp_path: Path) -> None:
    invoice = invoiced(system)
    number = invoice["number"]
    odd = {**paid(invoice, f"x-{number}"), "Дата": "вчера"}
    file = written(tmp_path, f"{number}.txt", paid(invoice, f"o-{number}", f"{invoice['amount'] + 777:.2f}"), odd)
    ops = person("ops")
    ops.go("/ops/money/statements")
    ops.page.get_by_label("Файл выписки").set_input_files(file)
    ops.press("Загрузить")
    expect(ops.page.get_by_role("status").filter(has_text="Дата «вчера»")).to_be_visible()
    ops.go("/ops/money")
    waits = ops.page.get_by_role("article").filter(has_text=f"{number}.txt")
    waits.get_by_text("Как в выписке").click()
    expect(waits.locator(".letter")).to_contain_text(f"Номер=x-{number}")
    look(ops.page, "money-odd")
    waits.get_by_label("Основание").fill("исправлено в копии")
    waits.get_by_role("button", name="Убрать из очереди").click()
    ops.agree()
    expect(ops.page.get_by_role("status").filter(has_text="Убран из очереди")).to_be_visible()
    expect(waits).to_have_count(0)

    with work_list.connect(system.database_url) as books:
        sql = "SELECT 1 FROM to_return WHERE invoice = %s"
        wait_until(lambda: books.execute(sql.encode(), (number,)).fetchone(), "what came above it is owed back")
    ops.go("/ops/money/refunds")
    over = ops.page.get_by_role("article", name=f"Переплата по счёту {number}")
    expect(over).to_contain_text("777,00")
    look(ops.page, "money-overpaid")
    over.get_by_label("Основание").fill("письмо партнёра")
    over.get_by_role("button", name="Поручить возврат").click()
    ops.agree()
    outcome(ops)
    expect(ops.page.get_by_role("status").filter(has_text="Выполнено")).to_be_visible()
    ops.go("/ops/money/refunds")
    expect(over).to_have_count(0)
    expect(ops.page.get_by_role("cell", name=re.compile(f"счету № {number}"))).to_be_visible()


def test_an_overpayment_is_credited_to_another_invoice(
    system: System, person: SignedIn, shoot: Shoot, tmp_path: Path
) -> None:
    first, second = invoiced(system), invoiced(system)
    number, other = first["number"], second["number"]
    over = paid(first, f"c-{number}", f"{first['amount'] + 500:.2f}")
    ops = person("ops")
    ops.go("/ops/money/statements")
    ops.page.get_by_label("Файл выписки").set_input_files(written(tmp_path, f"{number}.txt", over))
    ops.press("Загрузить")
    with work_list.connect(system.database_url) as books:
        sql = "SELECT 1 FROM to_return WHERE invoice = %s AND cause = 'overpaid'"
        wait_until(lambda: books.execute(sql.encode(), (number,)).fetchone(), "it is overpaid")
    ops.go("/ops/money/refunds")
    card = ops.page.get_by_role("article", name=f"Переплата по счёту {number}")
    expect(card.get_by_label("Счёт")).to_have_value("")  # no invoice has this very sum due: nothing is chosen
    shoot(ops.page, "money-overpaid")
    look(ops.page, "money-overpaid")
    card.get_by_label("Счёт").fill(other)
    card.get_by_label("Основание").fill("письмо партнёра")
    card.get_by_role("button", name="Зачесть по счёту").click()
    asked = ops.page.get_by_role("dialog")
    expect(asked).to_contain_text(re.compile(f"Зачесть 500,00.₽ переплаты по счёту {number} в оплату счёта {other}"))
    look(ops.page, "the question before a credit")
    ops.agree()
    outcome(ops)
    expect(ops.page.get_by_role("status").filter(has_text="Выполнено")).to_contain_text("500,00")
    ops.go("/ops/money/refunds")
    expect(card).to_have_count(0)
    partner = person("lukomor")
    partner.go("/balance")
    expect(partner.page.get_by_role("row", name=re.compile(f"Зачёт переплаты по счёту № {other}"))).to_contain_text(
        "500"
    )
    expect(
        partner.page.get_by_role("row", name=re.compile(f"другого счёта, оплата по счёту № {number}"))
    ).to_be_visible()
    shoot(partner.page, "balance-credited")
    look(partner.page, "balance-credited")


def test_the_month_is_shown_and_downloaded(system: System, person: SignedIn, shoot: Shoot) -> None:
    invoice = invoiced(system)
    auditor = person("auditor")
    auditor.go("/ops/money/month")
    expect(auditor.page.get_by_text(re.compile(f"Счёт № {invoice['number']}"))).to_be_visible()
    shoot(auditor.page, "money-month")
    look(auditor.page, "money-month")
    with auditor.page.expect_download() as workbook:
        auditor.follow("Excel")
    assert workbook.value.suggested_filename.endswith(".xlsx")
    with auditor.page.expect_download() as act:
        auditor.page.get_by_role("link", name=re.compile("акт сверки, ООО «Лукоморье-Софт»")).first.click()
    assert Path(act.value.path()).read_bytes().startswith(b"%PDF")
    auditor.go("/ops/money")
    expect(auditor.page.get_by_role("button", name="Зачесть по счёту")).to_have_count(0)


def test_partners_do_not_see_it(person: SignedIn) -> None:
    partner = person("lukomor")
    partner.go("/ops/money")
    expect(partner.page.get_by_role("heading", name="Деньги")).to_have_count(0)
