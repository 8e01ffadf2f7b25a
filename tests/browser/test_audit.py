"""The auditor at its pages: finds a request, reads its history, sees how it stood, what is signed, and who looked."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from playwright.sync_api import expect

from postavka.domain.calendar import MOSCOW
from services.audit.findings import Finding
from services.audit.integrity.keys import read_key
from services.audit.settings import AuditSettings
from services.audit.verification.acknowledgements import publish, statement_of
from services.audit.verifier import main as verifier_main
from tests.browser.conftest import Shoot, SignedIn
from tests.browser.look import look
from tests.system.conftest import System
from tests.system.traffic import DIRECT


def test_the_auditor_reads_what_happened_and_who_looked(system: System, person: SignedIn, shoot: Shoot) -> None:
    sent = system.traffic()
    sent.run(1, 10, plans=(DIRECT,))
    system.settle()
    (request,) = sent.plans
    with psycopg.connect(system.database_url, options="-c app.scope=all") as connection:
        row = connection.execute(
            "SELECT shipping ->> 'permission_number' FROM cabinet.requests WHERE request_id = %s", (request,)
        ).fetchone()
    assert row is not None

    auditor = person("auditor")
    expect(auditor.page).to_have_url(re.compile("/audit$"))
    auditor.page.get_by_role("searchbox").fill(row[0])
    auditor.press("Найти")
    look(auditor.page, "audit-search")
    shoot(auditor.page, "audit-search")
    auditor.follow(request)
    expect(auditor.page.get_by_role("heading", name="История заявки")).to_be_visible()
    timeline = auditor.page.locator(".timeline .entries li")
    expect(timeline.filter(has_text="Выставлен счёт")).to_have_count(1)
    expect(timeline.filter(has_text="Оплата получена")).to_have_count(2)
    expect(timeline.filter(has_text="Сервис активирован")).to_have_count(1)
    box = auditor.page.locator(".timeline svg.lanes").bounding_box()
    assert box is not None
    assert box["width"] > 300
    look(auditor.page, "audit-history")
    shoot(auditor.page, "audit-history")
    timeline.first.get_by_role("link").first.click()
    expect(auditor.page.locator("pre:target")).to_contain_text("commands.requests")

    auditor.follow("На дату")
    auditor.go(f"/audit/as-of?request_id={request}&at=" + _local(datetime.now(UTC) + timedelta(minutes=1)))
    expect(auditor.page.get_by_role("row").filter(has_text=request)).to_contain_text("ктивирован")
    look(auditor.page, "audit-as-of")
    shoot(auditor.page, "audit-as-of")
    auditor.go("/audit/as-of?partner=lukomor&at=" + _local(datetime.now(UTC) - timedelta(days=1)))
    expect(auditor.page.get_by_text("Тогда здесь ничего не было")).to_be_visible()

    finding = Finding("gate", "shipping/812", "manufacturing was ordered, and there is no such answer (L17)")
    key, reason = read_key(AuditSettings().key_file(system.config)), "Заказано вручную по акту № 14"
    publish(system.config, statement_of(key, AuditSettings().origin, finding, "auditor-1", reason, datetime.now(UTC)))
    auditor.go("/audit/checkpoints")
    accepted = auditor.page.get_by_role("row").filter(has_text="shipping/812")
    expect(accepted.filter(has_text="Заказано вручную по акту № 14").first).to_contain_text("auditor-1")
    expect(auditor.page.get_by_role("row").filter(has_text="approval.events")).to_be_visible()
    look(auditor.page, "audit-checkpoints")
    shoot(auditor.page, "audit-checkpoints")

    partner = person("lukomor")
    partner.go(f"/requests/{request}")
    auditor.go(f"/audit/looked?request_id={request}")
    mine = auditor.page.get_by_role("row").filter(has_text="lukomor")
    expect(mine.first).to_contain_text(f"/requests/{request}")
    expect(auditor.page.get_by_role("row").filter(has_text=f"/audit/requests/{request}").first).to_be_visible()
    look(auditor.page, "audit-looked")
    shoot(auditor.page, "audit-looked")


def test_the_auditor_begins_at_how_the_whole_stands_and_verifies_it(person: SignedIn, shoot: Shoot) -> None:
    auditor = person("auditor")
    state = auditor.page.get_by_role("region", name="Состояние")
    expect(state).to_contain_text("Последняя сверка")
    button = auditor.page.get_by_role("button", name="Проверить сейчас")
    button.click()
    expect(auditor.page.get_by_role("status").filter(has_text="Сверка")).to_be_visible()
    look(auditor.page, "a verification at work")
    # Whatever it finds of what other tests have forged: the page follows it to its end.
    expect(button).to_be_visible(timeout=300_000)
    expect(state).to_contain_text(re.compile("всё как было записано|найдено"))
    expect(state).to_contain_text("auditor")
    look(auditor.page, "the auditor's home")
    shoot(auditor.page, "audit-home")


def test_an_event_is_proved_by_a_file_that_the_verifier_takes(
    system: System, person: SignedIn, shoot: Shoot, tmp_path: Path
) -> None:
    sent = system.traffic()
    sent.run(1, 10, plans=(DIRECT,))
    system.settle()
    system.cli("audit", "checkpoint", "--now")
    (request,) = sent.plans
    auditor = person("auditor")
    auditor.go(f"/audit/requests/{request}")
    record = auditor.page.locator("details.record").filter(has_text="Approved.v3").first
    record.locator("summary").click()
    record.get_by_role("link", name="Доказать").click()
    expect(auditor.page.get_by_role("link", name="Скачать доказательство")).to_be_visible()
    look(auditor.page, "a proof")
    shoot(auditor.page, "audit-proof")
    proof, keys = tmp_path / "proof.json", tmp_path / "keys.txt"
    proof.write_bytes(auditor.download("Скачать доказательство"))
    keys.write_bytes(auditor.download("Ключи"))
    assert verifier_main(["proof", str(proof), "--keys", str(keys)]) == 0

    auditor.go("/audit/export")
    look(auditor.page, "the form of an export")
    shoot(auditor.page, "audit-export")
    auditor.field("Заявка — если одна").fill(request)
    with auditor.page.expect_download() as given:
        auditor.press("Выгрузить")
    with zipfile.ZipFile(given.value.path()) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert {name for name in archive.namelist() if name.endswith(".jsonl")} <= set(manifest["files"])
        for name, about in manifest["files"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == about["sha256"], name
        approved = [json.loads(line) for line in archive.read("events/approval.events.jsonl").splitlines()]
        assert [row["subject"] for row in approved] == [request]
        assert {"README.md", "verifier.py", "schemas/Approved.v3.json"} <= set(archive.namelist())
    auditor.go("/audit/export/file?since=2026-03-02T00:00&until=2026-03-01T00:00")
    expect(auditor.page.get_by_role("alert")).to_contain_text("раньше второго")
    auditor.go(f"/audit/looked?request_id={request}&actor=auditor")
    expect(auditor.page.get_by_role("cell", name="/audit/export/file").first).to_be_visible()

    now = datetime.now(UTC) + timedelta(minutes=1)
    auditor.go(f"/audit/diff?request_id={request}&earlier={_local(now - timedelta(days=1))}&later={_local(now)}")
    expect(auditor.page.get_by_role("row").filter(has_text=request)).to_contain_text("не было")
    look(auditor.page, "a difference")
    shoot(auditor.page, "audit-diff")


def _local(moment: datetime) -> str:
    return moment.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M")
