"""What can't be undone is asked about, waits its seconds, and is sent once: whatever dies, whoever else is there."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest

from events.topics import ACTIVATION_COMMANDS, REQUEST_COMMANDS, confirmations_of
from postavka.app.web import create_app
from postavka.kernel.settings import Settings
from postavka.web.commands import NotSentYet
from postavka.web.database import Database
from postavka.web.identity.principal import SCOPES, Principal, Role, Scope
from postavka.web.planned import store
from postavka.web.planned.kinds import CommandKind, CommandOutcome
from postavka.web.planned.sender import NOT_DONE, PlannedSender
from postavka.web.planned.store import NewPlan
from postavka.web.problem import problem
from postavka.web.settings import WebSettings
from tests.kernel.polling import PATIENCE_SECONDS
from tests.web.conftest import HIDDEN, Person, Site, served
from tests.web.stories import Story

ANSWERS = confirmations_of("dist-north")
LONG = 240
"""Seconds in which nothing is sent by itself; pages tell of what is sent within five minutes."""


@pytest.fixture
def patient(web_database: str, kernel: Settings) -> Iterator[Site]:
    """Leaves time to undo."""
    config = WebSettings(undo_seconds=LONG, failures_per_address=100_000, _env_file=None)
    with served(create_app(kernel, config), web_database, kernel) as running:
        yield running


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


def hidden(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in HIDDEN.findall(page)}


def plan_of(person: Person, path: str, data: dict[str, Any]) -> str:
    """Agree, and leave: the id of what is planned."""
    asked = person.submit(path, data)
    assert asked.status_code == 200, asked.status_code
    fields = hidden(asked.text)
    assert person.post(path, data={**data, **fields}).status_code == 303
    return fields["plan_id"]


def due(site: Site, plan_id: str) -> None:
    """Its seconds are over."""
    site.sql("UPDATE planned.commands SET not_before = now() WHERE plan_id = %s", UUID(plan_id))


def wait_for(site: Site, plan_id: str, *states: str) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        ((state, outcome),) = site.sql("SELECT state, outcome FROM planned.commands WHERE plan_id = %s", UUID(plan_id))
        if state in states:
            return str(outcome)
        assert time.monotonic() < deadline, f"still {state}"
        time.sleep(0.05)


class TestTheQuestion:
    def test_names_what_how_many_and_how_much(self, site: Site) -> None:
        stories = [Story().submitted().approved() for _ in range(7)]
        site.write(*stories)
        over = Story().submitted().approved().shipped()
        site.write(over)
        ids = [str(each.request_id) for each in (*stories, over)]
        page = site.person("dist-north").submit("/waiting/answer", {"answer": "confirm", "request_id": ids}).text
        title = re.search(r'<h1 id="ask-title">(.*?)</h1>', page)
        assert title
        assert re.fullmatch(r"Подтвердить 7\xa0заявок на [\d\xa0]+,\d\d\xa0₽\?", unescape(title[1])), title[1]
        assert "и ещё 2\N{NO-BREAK SPACE}заявки" in page
        assert "уже ответили или их отозвали: 1" in page

    def test_a_refusal_needs_a_reason(self, site: Site, sent: Any) -> None:
        story = Story().submitted().approved()
        site.write(story)
        data = {"answer": "decline", "request_id": str(story.request_id), "note": "  "}
        distributor = site.person("dist-north")
        fields = hidden(distributor.submit("/waiting/answer", data).text)
        again = distributor.post("/waiting/answer", data={**data, **fields})
        assert again.status_code == 422
        assert "Напишите причину" in again.text
        assert distributor.agree("/waiting/answer", {**data, "note": "нет лимита"}).status_code == 303
        ((_, command, _),) = sent(ANSWERS, story.request_id)
        assert (command.accepted, command.note) == (False, "нет лимита")

    def test_is_asked_anew_when_what_it_is_about_has_changed(self, patient: Site) -> None:
        stories = [Story().submitted().approved() for _ in range(2)]
        patient.write(*stories)
        data = {"answer": "confirm", "request_id": [str(each.request_id) for each in stories]}
        distributor = patient.person("dist-north")
        fields = hidden(distributor.submit("/waiting/answer", data).text)
        patient.write(stories[0].shipped())
        again = distributor.post("/waiting/answer", data={**data, **fields})
        assert again.status_code == 409
        assert "Подтвердить 1\N{NO-BREAK SPACE}заявку" in again.text

    def test_its_answer_twice_is_one_plan(self, patient: Site) -> None:
        story = Story().submitted().approved().shipped()
        patient.write(story)
        partner, path = patient.person("lukomor"), f"/sold/{story.request_id}/activate"
        fields = hidden(partner.submit(path).text)
        for _ in range(2):
            assert partner.post(path, data=fields).status_code == 303
        assert len(patient.sql("SELECT 1 FROM planned.commands WHERE subjects = %s", [str(story.request_id)])) == 1


class TestTheSeconds:
    def test_every_page_tells_and_any_device_undoes(self, patient: Site, sent: Any) -> None:
        story = Story().submitted().approved().shipped()
        patient.write(story)
        one, other, colleague = (patient.person(each) for each in ("lukomor", "lukomor", "romashka-it"))
        plan_id = plan_of(one, f"/sold/{story.request_id}/activate", {})
        for page in ("/requests", "/sold", "/planned", f"/requests/{story.request_id}"):
            assert f'data-plan="{plan_id}"' in other.get(page).text
            assert f'data-plan="{plan_id}"' not in colleague.get(page).text
        assert "активация уходит" in other.get("/sold").text
        assert "активация уходит" not in colleague.get("/sold").text
        assert colleague.get(f"/planned/{plan_id}").status_code == 404
        assert colleague.submit(f"/planned/{plan_id}/undo").status_code == 404
        assert patient.person("dist-north").submit(f"/planned/{plan_id}/undo").status_code == 404
        assert patient.person("ops").get(f"/planned/{plan_id}").status_code == 404
        assert patient.person("auditor").get(f"/planned/{plan_id}").status_code == 404
        assert other.submit(f"/planned/{plan_id}/undo", {"back": "/sold"}).headers["location"] == "/sold"
        assert one.submit(f"/planned/{plan_id}/undo").headers["location"].endswith("done=too-late")
        due(patient, plan_id)
        assert wait_for(patient, plan_id, "undone").startswith("Отменено")
        assert sent(ACTIVATION_COMMANDS.name, story.request_id) == []

    def test_over_it_is_judged_by_the_state_of_that_moment(self, patient: Site, sent: Any) -> None:
        stories = [Story().submitted().approved() for _ in range(3)]
        patient.write(*stories)
        data = {"answer": "confirm", "request_id": [str(each.request_id) for each in stories]}
        plan_id = plan_of(patient.person("dist-north"), "/waiting/answer", data)
        gone = Story().submitted()
        patient.write(gone, stories[0].shipped())
        withdrawal = plan_of(patient.person("lukomor"), f"/requests/{gone.request_id}/withdraw", {})
        patient.write(gone.approved().shipped())
        for each in (plan_id, withdrawal):
            due(patient, each)
        assert "2\N{NO-BREAK SPACE}ответа" in (said := wait_for(patient, plan_id, "sent"))
        assert "Не ждали ответа: 1" in said
        assert wait_for(patient, withdrawal, "refused").startswith("Отозвать нельзя")
        assert sent(ANSWERS, stories[0].request_id) == sent(REQUEST_COMMANDS.name, gone.request_id) == []
        assert len(sent(ANSWERS, stories[1].request_id)) == 1

    def test_of_somebody_who_was_shut_out_nothing_is_sent(self, patient: Site, sent: Any) -> None:
        story = Story("romashka-it", "dist-north").submitted().approved().shipped()
        patient.write(story)
        plan_id = plan_of(patient.person("romashka-it"), f"/sold/{story.request_id}/activate", {})
        patient.sql("UPDATE accounts.users SET disabled_at = now() WHERE login = 'romashka-it'")
        try:
            due(patient, plan_id)
            assert "закрыт" in wait_for(patient, plan_id, "refused")
        finally:
            patient.sql("UPDATE accounts.users SET disabled_at = NULL WHERE login = 'romashka-it'")
        assert sent(ACTIVATION_COMMANDS.name, story.request_id) == []


class TestAProgram:
    """Has no seconds to undo; it may name the moment itself."""

    def test_names_the_moment_and_may_undo(self, site: Site, sent: Any) -> None:
        sold, open_ = Story().submitted().approved().shipped(), Story().submitted().approved()
        site.write(sold, open_)
        partner, distributor = site.program(site.token("lukomor")), site.program(site.token("dist-north"))
        moment = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        path, later = f"/api/v1/requests/{sold.request_id}/activation", {"not_before": moment}
        again = key()
        one, same = (partner.post(path, json=later, headers=again) for _ in range(2))
        assert one.status_code == 202, one.text
        assert same.json() == one.json()
        plan = partner.get(f"/api/v1/planned/{one.json()['plan_id']}").json()
        assert (plan["state"], plan["request_ids"]) == ("waiting", [str(sold.request_id)])
        own = f"/api/v1/planned/{plan['plan_id']}"
        assert distributor.get(own).status_code == distributor.delete(own).status_code == 404
        reader = site.program(site.token("lukomor", scopes=[Scope.READ]))
        assert reader.get(own).status_code == 200
        assert reader.delete(own).status_code == 404
        assert [partner.delete(own).json()["state"] for _ in range(2)] == ["undone", "undone"]

        gone = str(uuid4())
        body = {
            "answers": [
                {"request_id": str(each), "accepted": True} for each in (open_.request_id, sold.request_id, gone)
            ],
            "not_before": moment,
        }
        answered = distributor.post("/api/v1/confirmations", json=body, headers=key()).json()
        assert [each["result"] for each in answered["results"]] == ["planned", "not-waiting", "not-found"]
        due(site, answered["plan_id"])
        wait_for(site, answered["plan_id"], "sent")
        ((_, command, _),) = sent(ANSWERS, open_.request_id)
        assert command.accepted is True
        assert sent(ACTIVATION_COMMANDS.name, sold.request_id) == []

    def test_a_moment_that_has_passed_is_now_and_nonsense_is_refused(self, site: Site, sent: Any) -> None:
        story = Story().submitted().approved()
        site.write(story)
        distributor = site.program(site.token("dist-north"))
        path = f"/api/v1/requests/{story.request_id}/confirmation"
        for wrong in ("2026-12-01T00:00:00", 1_800_000_000, "завтра", "9999-12-31T23:59:59Z"):
            refused = distributor.post(path, json={"accepted": True, "not_before": wrong}, headers=key())
            assert refused.status_code == 422, wrong
        done = distributor.post(path, json={"accepted": True, "not_before": "2026-01-01T00:00:00Z"}, headers=key())
        assert (done.status_code, done.json()["plan_id"]) == (202, None)
        assert len(sent(ANSWERS, story.request_id)) == 1


WHO = Principal("00000000-0000-4000-8000-0000000000aa", "t", Role.OPS, scopes=frozenset(SCOPES[Role.OPS]), actor="t")


class TestTheSender:
    """Several processes at one table, with a kind of command that notes what it is told."""

    @pytest.fixture
    def told(self) -> list[str]:
        return []

    def senders(self, site: Site, number: int, kind: CommandKind) -> tuple[list[PlannedSender], list[Database]]:
        databases = [Database(site.database, 3) for _ in range(number)]
        parts = [_Parts(each) for each in databases]
        return [PlannedSender(each, [kind]) for each in parts], databases  # type: ignore[arg-type]

    async def plan(self, database: Database, kind: str, count: int, later: timedelta = timedelta()) -> None:
        async with database.accounts() as rows:
            for number in range(count):
                new = NewPlan(uuid4(), kind, {"number": number}, [], "t", "/", datetime.now(UTC) + later)
                await store.plan(rows, WHO, new, timedelta())

    @pytest.fixture(autouse=True)
    def alone(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """The applications of other tests leave these commands to this one's senders."""

        async def stands(*_: Any) -> bool:
            return True

        monkeypatch.setattr("postavka.web.planned.sender.still_stands", stands)

    def run(self, coroutine: Any) -> Any:
        return asyncio.run(coroutine)

    def test_many_at_once_send_each_one_once(self, own: Site, told: list[str]) -> None:
        async def note(_: Any, __: Principal, fields: Any) -> CommandOutcome:
            told.append(fields["number"])
            await asyncio.sleep(0)
            return CommandOutcome(True, "ok")

        async def work() -> None:
            senders, databases = self.senders(own, 4, CommandKind("t", note))
            for each in databases:
                await each.open()
            await self.plan(databases[0], "t", 60)
            await self.plan(databases[0], "t", 1, timedelta(hours=1))

            async def until_nothing(sender: PlannedSender) -> None:
                while await sender.send_next():
                    pass

            await asyncio.gather(*(until_nothing(each) for each in senders))
            for each in databases:
                await each.close()

        self.run(work())
        assert sorted(told) == list(range(60))

    def test_what_a_process_dies_over_another_sends_under_the_same_ids(self, own: Site, told: list[str]) -> None:
        async def work() -> None:
            begun = asyncio.Event()

            async def die(_: Any, __: Principal, fields: Any) -> CommandOutcome:
                told.append(fields["number"])
                begun.set()
                await asyncio.sleep(LONG)
                raise AssertionError

            async def note(_: Any, __: Principal, fields: Any) -> CommandOutcome:
                told.append(fields["number"])
                return CommandOutcome(True, "ok")

            (dying,), (first,) = self.senders(own, 1, CommandKind("t", die))
            (living,), (second,) = self.senders(own, 1, CommandKind("t", note))
            await first.open()
            await second.open()
            await self.plan(first, "t", 1)
            at_work = asyncio.create_task(dying.send_next())
            await begun.wait()
            assert not await living.send_next(), "while one sends it, nobody else does"
            at_work.cancel()
            await asyncio.gather(at_work, return_exceptions=True)
            assert await living.send_next()
            assert not await living.send_next()
            await first.close()
            await second.close()

        self.run(work())
        assert told == [0, 0]

    def test_a_server_that_is_away_is_waited_for_and_an_error_is_told(self, own: Site, told: list[str]) -> None:
        async def fail(_: Any, __: Principal, fields: Any) -> CommandOutcome:
            told.append(fields["number"])
            raise [NotSentYet("t"), ZeroDivisionError(), problem(409, "conflict", "Поздно.")][fields["number"]]

        async def work() -> None:
            (sender,), (database,) = self.senders(own, 1, CommandKind("t", fail))
            await database.open()
            await self.plan(database, "t", 3)
            while await sender.send_next():
                pass
            await database.close()

        self.run(work())
        found = own.sql("SELECT state, tries > 0, again_at IS NOT NULL, outcome FROM planned.commands")
        assert len(found) == 3
        assert ("waiting", True, True, None) in found
        assert {row[3] for row in found if row[0] == "refused"} == {"Поздно.", NOT_DONE}


class _Parts:
    """As much of the application as a sender needs."""

    def __init__(self, database: Database) -> None:
        self.database = database


@pytest.fixture
def own(database: str) -> Site:
    """A database where no application sends."""
    return Site("", None, database, None)  # type: ignore[arg-type]
