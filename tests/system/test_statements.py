"""Money from the bank's statement to the gate, on the running whole: files, the folder, the queue, refunds, months."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import openpyxl
from pypdf import PdfReader

from events.commands import SubmitRequest, WithdrawRequest
from events.request import REQUEST_TYPE
from events.topics import REQUEST_COMMANDS
from postavka.app.one_box.demo import DIRECT
from postavka.domain.calendar import today
from postavka.kernel.errors import NOT_FOUND, REFUSED
from postavka.kernel.outbox.command_sender import Sender
from services.payments import work_list
from services.payments.loader import Loader, StatementReport
from tests.services.payments.statement.statements import document, outgoing, statement
from tests.system.conftest import System, wait_until

PARTNER = {**DIRECT, "partner_id": "lukomor", "contact_id": "lukomor-1"}
INN = "0012045782"
TODAY = f"{today():%d.%m.%Y}"
Row = dict[str, Any]


def written(folder: Path, name: str, *documents: dict[str, str], encoding: str = "cp1251") -> Path:
    file = folder / name
    text = statement(documents, first=TODAY, last=TODAY)
    file.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    return file


def paid(invoice: Row, number: str, amount: str | None = None, inn: str = INN, purpose: str = "") -> dict[str, str]:
    """A payment order for an invoice."""
    return document(
        Номер=number,
        Дата=TODAY,
        ДатаПоступило=TODAY,
        Сумма=amount or f"{invoice['amount']:.2f}",
        ПлательщикИНН=inn,
        НазначениеПлатежа=purpose or f"Оплата по счету № {invoice['number']} от {TODAY}",
    )


def ask(system: System, what: Callable[[Any], Any], of: str) -> Any:
    """Ask the books until they have an answer."""
    with work_list.connect(system.database_url) as books:
        wait_until(lambda: what(books), of)
        return what(books)


def one(system: System, sql: str, *values: Any) -> Row:
    """The first row of the books that fits, once there is one."""
    found: Row = ask(system, lambda books: books.execute(sql.encode(), values).fetchone(), sql)
    return found


def invoiced(system: System) -> Row:
    """A direct sale with its invoice."""
    request_id = uuid4()
    asked = SubmitRequest(request_id=request_id, submitted_by="test", request_type=REQUEST_TYPE, **PARTNER)
    send(system, asked)
    return one(system, "SELECT * FROM invoices WHERE request_id = %s", request_id)


def send(system: System, command: SubmitRequest | WithdrawRequest) -> None:
    sender = Sender(system.config, "/test")
    sender.send(REQUEST_COMMANDS.name, str(command.request_id), command)
    sender.flush()


def load(system: System, *files: Path) -> list[StatementReport]:
    loader = Loader(system.config)
    return [loader.load(file.read_bytes(), file.name, "test", "test") for file in files]


def shipped(system: System, invoice: Row) -> None:
    one(system, "SELECT * FROM sales WHERE request_id = %s AND shipped_on IS NOT NULL", invoice["request_id"])


def waiting(system: System, number: str) -> Row:
    """The unmatched payment with this number of the payment order."""
    return one(system, "SELECT * FROM unmatched_payments WHERE number = %s", number)


def test_a_statement_pays_and_the_same_again_changes_nothing(system: System, tmp_path: Path):
    invoice = invoiced(system)
    number, half = invoice["number"], f"{invoice['amount'] / 2:.2f}"
    first = paid(invoice, f"{number}-1", half)
    second = paid(invoice, f"{number}-2", half, purpose=f"сч.{number[:4]}-{int(number[5:])} остаток")
    said = json.loads(system.cli("statement", "load", str(written(tmp_path, "first.txt", first)), "--json"))
    assert (said[0]["new"], said[0]["is_known"]) == ({"count": 1, "amount": half}, False)
    reports = load(
        system,
        tmp_path / "first.txt",
        written(tmp_path, "both.txt", first, second, encoding="utf-8"),
        written(tmp_path, "again.txt", second, first),
    )
    assert [(each.is_known, each.new.count) for each in reports] == [(True, 0), (False, 1), (False, 0)]
    shipped(system, invoice)
    with work_list.connect(system.database_url) as books:
        booked = books.execute("SELECT amount FROM booked WHERE invoice = %s", (number,)).fetchall()
        assert [f"{each['amount']:.2f}" for each in booked] == [half, half]
        assert {"first.txt", "both.txt", "again.txt"} <= {each["name"] for each in work_list.statements(books)}


def test_a_broken_statement_is_refused_with_its_lines(system: System, tmp_path: Path):
    text = statement([document(Номер="1")], last="2026-11")
    file = tmp_path / "bad.txt"
    file.write_bytes(text.encode("cp1251"))
    done = system.run_cli("statement", "load", str(file))
    assert done.returncode == 2
    line = next(number for number, each in enumerate(text.split("\n"), 1) if each == "ДатаКонца=2026-11")
    assert f"строка {line}: ДатаКонца «2026-11»" in done.stderr
    assert "ничего из неё не загружено" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_odd_document_waits_and_the_others_are_taken(system: System, tmp_path: Path):
    text = statement([document(Номер="odd-1", Дата="вчера"), document(Номер="odd-2")])
    file = tmp_path / "odd.txt"
    file.write_bytes(text.encode("cp1251"))
    assert "1 odd documents" in system.cli("statement", "load", "--dry-run", str(file))
    (said,) = json.loads(system.cli("statement", "load", str(file), "--json"))
    assert (said["new"]["count"], said["odd"]["count"]) == (1, 1)
    (waits,) = [
        each
        for each in json.loads(system.cli("payments", "unmatched", "--json"))["documents"]
        if each["statement_name"] == "odd.txt"
    ]
    assert "Дата «вчера»" in system.cli("payments", "unmatched", COLUMNS="300")
    assert system.run_cli("payments", "book", waits["id"], "--why", "нельзя").returncode == NOT_FOUND
    assert "done" in system.cli("payments", "close", waits["id"], "--why", "исправлено в копии")
    assert waits["id"] not in system.cli("payments", "unmatched")


def test_a_statement_dropped_into_the_folder_is_taken(system: System, tmp_path: Path):
    invoice = invoiced(system)
    folder = system.launch.home / "statements"
    wait_until(lambda: (folder / "done").is_dir(), "the folder is watched")
    written(tmp_path, "whole.txt", paid(invoice, f"{invoice['number']}-f")).replace(folder / "whole.txt")
    shipped(system, invoice)
    wait_until(lambda: (folder / "done" / "whole.txt").exists(), "the file is moved")
    assert "из них новых: 1" in (folder / "done" / "whole.txt.report.txt").read_text("utf-8")


def test_operations_match_a_payment_and_the_gate_opens(system: System, tmp_path: Path):
    invoice = invoiced(system)
    order = paid(invoice, f"m-{invoice['number']}", "100000.00", inn="7736050003", purpose="за партнёра, по письму")
    load(system, written(tmp_path, "other.txt", order))
    payment = waiting(system, order["Номер"])
    assert payment["payment_id"] in system.cli("payments", "unmatched")
    refused = system.run_cli("payments", "match", payment["payment_id"], "2026-9999999", "--why", "опечатка")
    assert refused.returncode == REFUSED
    assert "Счёта 2026-9999999 нет." in refused.stderr
    begun = payment["payment_id"][:-3]
    assert "done" in system.cli("payments", "match", begun, invoice["number"], "--why", "письмо № 7")
    shipped(system, invoice)
    assert waiting(system, order["Номер"])["left_over"] == 100_000 - invoice["amount"]
    assert "done" in system.cli("payments", "return", payment["payment_id"], "--why", "лишнее", "--by", "orlova")
    assert payment["payment_id"] in system.cli("payments", "refunds", COLUMNS="300")
    parts = json.loads(system.cli("payments", "show", payment["payment_id"]))["parts"]
    assert [(each["invoice"], each["note"]) for each in parts] == [(invoice["number"], "письмо № 7"), (None, "лишнее")]


def test_what_came_above_an_invoice_is_owed_back(system: System, tmp_path: Path):
    invoice = invoiced(system)
    load(system, written(tmp_path, "over.txt", paid(invoice, f"over-{invoice['number']}", "99999.00")))
    one(system, "SELECT 1 FROM to_return WHERE invoice = %s AND cause = 'overpaid'", invoice["number"])
    owed = json.loads(system.cli("payments", "refunds", "--json"))["to_return"]
    (over,) = [each for each in owed if each["invoice"] == invoice["number"]]
    assert float(over["amount"]) == 99_999 - float(invoice["amount"])
    assert "переплата" in system.cli("payments", "refunds", COLUMNS="300")
    assert "done" in system.cli("payments", "return", "--invoice", invoice["number"], "--why", "переплата")
    one(system, "SELECT 1 FROM to_return WHERE invoice = %s AND cause = 'ordered'", invoice["number"])


def test_a_paid_request_that_is_withdrawn_is_owed_a_refund(system: System, tmp_path: Path):
    invoice = invoiced(system)
    load(system, written(tmp_path, "part.txt", paid(invoice, f"w-{invoice['number']}", "500.00")))
    one(system, "SELECT 1 FROM invoices WHERE number = %s AND paid = 500", invoice["number"])
    send(system, WithdrawRequest(request_id=invoice["request_id"], partner_id="lukomor", withdrawn_by="test"))
    owed = one(system, "SELECT * FROM to_return WHERE invoice = %s", invoice["number"])
    back = outgoing(
        Дата=TODAY,
        ДатаСписано=TODAY,
        Номер=f"b-{invoice['number']}",
        Сумма="500.00",
        ПолучательИНН=INN,
        НазначениеПлатежа=owed["purpose"],
    )
    (report,) = load(system, written(tmp_path, "back.txt", back))
    assert report.new_returns.count == 1
    one(system, "SELECT 1 FROM invoices WHERE number = %s AND paid = 0 AND owed = 0", invoice["number"])
    cabinet = "SELECT 1 FROM cabinet.requests WHERE request_id = %s AND billing ->> 'refund_owed' = '0.00'"
    one(system, cabinet, invoice["request_id"])


def test_the_month_is_reconciled(system: System, tmp_path: Path):
    invoice = invoiced(system)
    load(system, written(tmp_path, "some.txt", paid(invoice, f"r-{invoice['number']}", "700.00")))
    one(system, "SELECT 1 FROM invoices WHERE number = %s AND paid = 700", invoice["number"])
    pdf, xlsx = tmp_path / "month.pdf", tmp_path / "month.xlsx"
    written_to = ("--pdf", str(pdf), "--xlsx", str(xlsx))
    (account,) = json.loads(system.cli("reconcile", "--partner", "lukomor", "--json", *written_to))["accounts"]
    unpaid = [each for each in account["open"] if each["kind"] == "unpaid" and invoice["number"] in each["text"]]
    assert [float(each["amount"]) for each in unpaid] == [float(invoice["amount"]) - 700]
    text = "\n".join(page.extract_text() for page in PdfReader(pdf).pages)
    assert "Акт сверки" in text
    assert "Лукоморье-Софт" in text
    assert invoice["number"] in text
    book = openpyxl.load_workbook(xlsx)
    assert book.sheetnames == ["Сальдо", "Движения", "Не закрыто"]
    assert any(invoice["number"] in str(cell.value) for row in book["Не закрыто"] for cell in row)
    assert "2026-11" in system.run_cli("reconcile", "--month", "ноябрь").stderr
