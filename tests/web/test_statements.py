"""Statements on the page of operations: larger ones than any other body, and from nobody else."""

from __future__ import annotations

import time
from uuid import uuid4

import httpx2
import pytest

from events.topics import BANK_PAYMENTS
from postavka.app.cli.app import add_commands
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.settings import PARTITIONS
from services.payments.statement import LARGEST_FILE
from tests.services.payments.statement.statements import document, statement
from tests.web.conftest import Person, Site

STATEMENTS = "/ops/money/statements"


def upload(person: Person, content: bytes, path: str = STATEMENTS) -> httpx2.Response:
    files = {"file": ("выписка.txt", content)}
    return person.post(path, data={"csrf": person.csrf("/account")}, files=files, timeout=120)


def on_topic(site: Site) -> list[Record]:
    offsets = {(BANK_PAYMENTS.name, number): 0 for number in range(PARTITIONS)}
    return [record for batch in read_records(site.kernel, offsets) for record in batch]


def large() -> bytes:
    mark = uuid4().hex[:6]
    return statement([document(Номер=f"{mark}-{number}") for number in range(10_000)]).encode("cp1251")


def test_ten_thousand_documents_are_uploaded(site: Site):
    """The time is printed, not judged: the machine is shared."""
    before, content = len(on_topic(site)), large()
    started = time.perf_counter()
    answer = upload(site.person("ops"), content)
    spent = time.perf_counter() - started
    assert answer.status_code == 200
    assert "из них новых: 10000" in answer.text
    assert len(on_topic(site)) - before == 10_000
    print(f"\n10,000 documents ({len(content) / 1e6:.1f} MB) uploaded in {spent:.1f} s")


def test_and_read_on_the_command_line(tmp_path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "large.txt"
    file.write_bytes(large())
    add_commands()(["statement", "load", "--dry-run", str(file)], result_action="return_value")
    assert "10000" in capsys.readouterr().out


def test_nobody_else_may_send_as_much(site: Site):
    before, content = len(on_topic(site)), b"x" * (2 * 1024 * 1024)
    assert upload(site.person("lukomor"), content).status_code == 404
    assert upload(site.person("auditor"), content).status_code == 404
    assert upload(site.person("ops"), content, "/ops/money/match").status_code == 413
    assert upload(site.person("ops"), content).status_code == 422, "it is read, and is no statement"
    assert upload(site.person("ops"), b"x" * (LARGEST_FILE + 1024 * 1024)).status_code == 413
    assert len(on_topic(site)) == before
