"""The auditor at its pages: finds a request, reads its history, sees how it stood, what is signed, and who looked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
from playwright.sync_api import expect

from postavka.domain.calendar import MOSCOW
from services.audit.findings import Finding
from services.audit.integrity.keys import read_key
from services.audit.settings import AuditSettings
from services.audit.verification.acknowledgements import publish, statement_of
from tests.browser.conftest import Shoot
from tests.browser.look import look
from tests.browser.person import Person
from tests.system.conftest import System
from tests.system.traffic import DIRECT

SignedIn = Callable[..., Person]


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


def _local(moment: datetime) -> str:
    return moment.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M")
