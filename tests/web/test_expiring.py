"""«Истекают»: what ends soon, «Продлить» for many with everything filled in, and the calendar of ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import pytest

from events.topics import REQUEST_COMMANDS
from events.versions import CONTRACT
from postavka.domain.calendar import MOSCOW, today
from postavka.domain.tax_register import NotAnswering
from postavka.web.spreadsheet.writing import XLSX
from services.cabinet.renewals.calendar import LONGEST_LINE, calendar
from services.cabinet.renewals.ending import Ending
from services.cabinet.requests import Row
from tests.kernel.polling import until
from tests.web.conftest import HIDDEN, Person, Site
from tests.web.stories import PARTNERS, Story

PARTNER = "romashka-it"
PAGE = "/expiring"


def ending(days: int, **changes: Any) -> Story:
    """Sold; its service ends in so many days."""
    story = Story(**{"partner": PARTNER, **changes})
    last = today() + timedelta(days=days)
    return story.submitted().approved().shipped().activated().serving(last - timedelta(days=364), last)


def ids_on(page: str) -> list[str]:
    """The services of the list that can be chosen, in its order."""
    return re.findall(r'name="request_id" value="([0-9a-f-]{36})"', page)


def chosen(stories: Sequence[Story]) -> list[str]:
    return [str(each.request_id) for each in stories]


class WaitingRegister:
    """Answers nobody before so many wait for it. `most`: the most that have waited at once."""

    def __init__(self, many: int) -> None:
        self.most = self._waiting = 0
        self._many, self._enough = many, asyncio.Event()

    async def find(self, inn: str) -> None:
        self._waiting += 1
        self.most = max(self.most, self._waiting)
        if self.most == self._many:
            self._enough.set()
        try:
            await self._enough.wait()
        finally:
            self._waiting -= 1
        raise NotAnswering("later")


@pytest.fixture
def partner(site: Site) -> Person:
    """Nothing of this partner is in the cabinet yet."""
    site.sql("DELETE FROM cabinet.requests WHERE partner_id = %s", PARTNER)
    return site.person(PARTNER)


def test_lists_what_ends_within_the_days_that_are_asked_for_the_nearest_first(site: Site, partner: Person) -> None:
    today_, in_ten, in_forty, in_eighty, yesterday = (ending(days) for days in (0, 10, 40, 80, -1))
    site.write(in_eighty, in_forty, today_, yesterday, in_ten)
    assert ids_on(partner.get(PAGE).text) == chosen([today_, in_ten, in_forty])
    assert ids_on(partner.get(f"{PAGE}?days=14").text) == chosen([today_, in_ten])
    assert ids_on(partner.get(f"{PAGE}?days=90").text) == chosen([today_, in_ten, in_forty, in_eighty])
    assert ids_on(partner.get(f"{PAGE}?days=ended").text) == chosen([yesterday])
    assert ids_on(partner.get(f"{PAGE}?days=17&after=nonsense").text) == chosen([today_, in_ten, in_forty])


def test_count_and_sum_leave_out_what_is_being_renewed_and_the_menu_counts_the_same(
    site: Site, partner: Person
) -> None:
    first, second = ending(5), ending(50)
    under_way = Story(partner=PARTNER, renews=str(first.request_id)).submitted().approved()
    rejected = Story(partner=PARTNER, renews=str(second.request_id)).submitted().rejected()
    site.write(first, second, under_way, rejected)
    page = unescape(partner.get(PAGE).text)
    assert "Не продлены: 1\N{NO-BREAK SPACE}сервис на 32\N{NO-BREAK SPACE}400,00\N{NO-BREAK SPACE}₽" in page
    assert ids_on(page) == chosen([second]), "and only what nothing is to prolong can be chosen"
    assert f"/requests/{under_way.request_id}" in page
    assert str(rejected.request_id) not in page
    for path in (PAGE, "/sold", "/requests"):
        assert re.search(r'href="/expiring"[^>]*>Истекают<span class="count"><span aria-hidden="true">1<',
                         partner.get(path).text), path  # fmt: skip


def test_many_are_renewed_with_everything_filled_in(
    site: Site, partner: Person, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [uuid4() for _ in range(20)]
    monkeypatch.setattr("services.cabinet.renewals.renew.new_id", iter(ids).__next__)
    stories = [ending(days) for days in (3, 4)]
    busy = ending(5)
    under_way = Story(partner=PARTNER, renews=str(busy.request_id), events=254).submitted()
    site.write(*stories, busy, under_way)
    data = {"request_id": chosen([*stories, busy])}
    question = unescape(partner.submit(f"{PAGE}/renew", data, page=PAGE).text)
    assert "Продлить 2\N{NO-BREAK SPACE}сервиса на 64\N{NO-BREAK SPACE}800,00" in question
    assert f"уже продлевается заявкой {under_way.name}" in question
    assert partner.agree(f"{PAGE}/renew", data).status_code == 303
    found = [each for request_id in ids for each in sent(REQUEST_COMMANDS.name, request_id)]
    for story, (envelope, command, _) in zip(stories, found, strict=True):
        assert envelope.type == "SubmitRequest.v2"
        assert command.renews == str(story.request_id)
        asked = story.row["request"]
        fields = (
            "contact_id",
            "distributor_id",
            "base_delivery_id",
            "registration_number",
            "product_id",
            "inn",
            "buyer",
        )
        assert [getattr(command, name) for name in fields] == [asked[name] for name in fields]


def test_the_register_is_asked_about_all_clients_at_once(
    site: Site, partner: Person, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, two hundred clients of a register that is slow to answer would hold up whatever else is planned."""
    ids = [uuid4() for _ in range(20)]
    monkeypatch.setattr("services.cabinet.renewals.renew.new_id", iter(ids).__next__)
    stories = [ending(3, buyer=f"ООО «Клиент {number}»") for number in range(3)]
    site.write(*stories)
    register = WaitingRegister(len(stories))
    monkeypatch.setattr(site.app.state.web, "register", register)
    partner.agree(f"{PAGE}/renew", {"request_id": chosen(stories)})
    assert register.most == len(stories)
    assert len([each for request_id in ids for each in sent(REQUEST_COMMANDS.name, request_id)]) == len(stories)


def test_a_client_whom_the_register_knows_otherwise_is_left_for_a_person(site: Site, partner: Person) -> None:
    fits, differs = ending(3), ending(4, buyer="ООО «Электрополюс»")
    site.write(fits, differs)
    partner.agree(f"{PAGE}/renew", {"request_id": chosen([fits, differs])})
    ((state, outcome),) = site.sql(
        "SELECT state, outcome FROM planned.commands WHERE subjects = %s", chosen([fits, differs])
    )
    assert state == "sent"
    assert unescape(outcome).startswith(
        "Отправлено: 1\N{NO-BREAK SPACE}заявка. Не отправлено: ООО «Электрополюс»: По данным ФНС"
    )


class TestPlanned:
    def test_it_waits_for_the_morning_of_its_day_is_shown_and_can_be_taken_back(
        self, site: Site, partner: Person
    ) -> None:
        story, on = ending(20), today() + timedelta(days=5)
        site.write(story)
        data = {"request_id": chosen([story]), "do": "plan", "on": on.isoformat()}
        question = unescape(partner.submit(f"{PAGE}/renew", data, page=PAGE).text)
        assert f"Запланировать на {on:%d.%m.%Y}: продлить 1\N{NO-BREAK SPACE}сервис" in question
        fields = {name: unescape(value) for name, value in HIDDEN.findall(question)}
        for _ in range(2):  # agreed to twice, it is planned once
            assert partner.post(f"{PAGE}/renew", data={**data, **fields}).headers["location"] == PAGE
        ((plan_id, not_before),) = site.sql(
            "SELECT plan_id, not_before FROM planned.commands WHERE subjects = %s", chosen([story])
        )
        assert not_before.astimezone(MOSCOW) == datetime.combine(on, time(9), MOSCOW)
        page = partner.get(PAGE).text
        assert f"Уйдёт {on:%d.%m.%Y}" in page
        assert ids_on(page) == []
        again = partner.submit(f"{PAGE}/renew", {"request_id": chosen([story])}, page=PAGE)
        assert again.headers["location"].endswith("done=nothing-to-renew"), "it is planned already"
        partner.submit(f"/planned/{plan_id}/undo", {"back": PAGE}, page=PAGE)
        assert ids_on(partner.get(PAGE).text) == chosen([story])
        ((announced, by),) = site.sql("SELECT announced, finished_by FROM planned.commands WHERE plan_id = %s", plan_id)
        assert [(each["renews"], each["day"]) for each in announced] == [(str(story.request_id), on.isoformat())]
        assert by == PARTNER, "the log is told who has taken it back"

    def test_on_its_day_it_is_sent_and_what_can_not_be_is_told_with_the_reason(
        self, site: Site, partner: Person, sent: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [uuid4() for _ in range(20)]
        monkeypatch.setattr("services.cabinet.renewals.renew.new_id", iter(ids).__next__)
        stories = [ending(days) for days in (20, 21)]
        site.write(*stories)
        on = (today() + timedelta(days=5)).isoformat()
        data = {"request_id": chosen(stories), "do": "plan", "on": on}
        fields = {
            name: unescape(value)
            for name, value in HIDDEN.findall(partner.submit(f"{PAGE}/renew", data, page=PAGE).text)
        }
        partner.post(f"{PAGE}/renew", data={**data, **fields})
        site.write(Story(partner=PARTNER, renews=str(stories[1].request_id)).submitted())  # somebody was quicker
        plan = UUID(fields["plan_id"])
        site.sql("UPDATE planned.commands SET not_before = now() WHERE plan_id = %s", plan)

        def planned() -> tuple[str, str]:
            return site.sql("SELECT state, outcome FROM planned.commands WHERE plan_id = %s", plan)[0]

        until(lambda: planned()[0] != "waiting", "the plan is carried out")
        state, outcome = planned()
        assert state == "sent"
        assert "Не отправлено: АО «Завод точных весов»: уже продлевается заявкой" in outcome
        ((_, command, _),) = [each for one in ids for each in sent(REQUEST_COMMANDS.name, one)]
        assert command.renews == str(stories[0].request_id)
        assert "уже продлевается заявкой" in partner.get("/planned").text
        ((announced, not_sent),) = site.sql("SELECT announced, not_sent FROM planned.commands WHERE plan_id = %s", plan)
        left = {each["request_id"] for each in announced if each["renews"] == str(stories[1].request_id)}
        assert not_sent.keys() == left, "the log is told of this one"
        assert next(iter(not_sent.values())).startswith("уже продлевается заявкой")

    @pytest.mark.parametrize("on", ["", "2020-01-01", "9999-12-31", "завтра"])
    def test_a_day_that_is_none_to_come_is_asked_for(self, site: Site, partner: Person, on: str) -> None:
        story = ending(20)
        site.write(story)
        data = {"request_id": chosen([story]), "do": "plan", "on": on}
        assert partner.submit(f"{PAGE}/renew", data, page=PAGE).headers["location"].endswith("done=no-such-day")


def test_another_partners_service_can_not_be_chosen(site: Site, partner: Person) -> None:
    story = ending(3, partner="lukomor")
    site.write(story)
    answer = partner.submit(f"{PAGE}/renew", {"request_id": chosen([story])}, page=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("done=no-service-chosen")


def test_nothing_is_renewed_while_the_release_before_could_come_back(site: Site, partner: Person) -> None:
    story = ending(3)
    site.write(story)
    site.sql("UPDATE installation.contract SET finished = %s", CONTRACT - 1)
    try:
        partner.agree(f"{PAGE}/renew", {"request_id": chosen([story])})
        ((outcome,),) = site.sql("SELECT outcome FROM planned.commands WHERE subjects = %s", chosen([story]))
        assert "--finish" in outcome
    finally:
        site.sql("UPDATE installation.contract SET finished = %s", CONTRACT)


def test_the_calendar_opens_with_its_address_alone_and_a_new_one_closes_the_former(site: Site, partner: Person) -> None:
    story = ending(7)
    site.write(story, ending(8, partner="lukomor"))
    addresses = []
    for _ in range(2):
        made = unescape(partner.submit(f"{PAGE}/calendar", {}, page=PAGE).text)
        found = re.search(r'data-copy="([^"]*?(/expiring\.ics\?key=[\w-]+))"', made)
        assert found
        addresses.append(found[2])
    anybody = site.person()
    assert anybody.get(addresses[0]).status_code == 404
    answer = anybody.get(addresses[1])
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    (event,) = events_of(answer.content)
    assert event["UID"] == f"{story.request_id}@postavka"
    site.sql("UPDATE accounts.users SET disabled_at = now() WHERE login = %s", PARTNER)
    try:
        assert anybody.get(addresses[1]).status_code == 404
    finally:
        site.sql("UPDATE accounts.users SET disabled_at = NULL WHERE login = %s", PARTNER)


def events_of(content: bytes) -> list[dict[str, str]]:
    """Reads what the calendar holds, as RFC 5545 has it: lines of at most 75 octets, unfolded, with their escapes."""
    lines = content.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) <= LONGEST_LINE and b"\n" not in line for line in lines)
    whole = content.replace(b"\r\n ", b"").decode().split("\r\n")[:-1]
    assert (whole[0], whole[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    found: list[dict[str, str]] = []
    for line in whole:
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found:
            plain = re.sub(r"\\(.)", lambda each: "\n" if each[1] in "nN" else each[1], value)
            found[-1].setdefault(name, plain)
    return found


@pytest.mark.parametrize(
    "buyer", ["ООО «Ы»", "a;b,c\\d", "длинное имя " * 20, "в две\r\nBEGIN:VALARM\nстроки\x07", "😀" * 40]
)
def test_whatever_a_buyer_is_called_stands_in_the_summary(buyer: str) -> None:
    groups = {"request": {"buyer": buyer, "product_id": "p"}, "renewal": {"service_until": "2028-02-29"}}
    row = Row(UUID(int=1), "activated", None, "p-1", None, groups)
    at = datetime(2028, 1, 1, 9, tzinfo=UTC)
    (event,) = events_of(calendar([Ending(row)], "https://site.example", at))
    shown = re.sub(r"[\x00-\x09\x0b-\x1f]", "", buyer.strip().replace("\r\n", "\n"))
    assert event["SUMMARY"] == f"Последний день сервиса: {shown}"
    assert (event["DTSTART;VALUE=DATE"], event["DTEND;VALUE=DATE"]) == ("20280229", "20280301")
    assert date(2028, 2, 29) + timedelta(days=1) == date(2028, 3, 1)


class TestReport:
    def test_tells_what_ended_in_a_month_and_nothing_is_to_prolong(self, site: Site, partner: Person) -> None:
        lost, late, prolonged, of_another = ending(-1), ending(-2), ending(-1), ending(-1, partner="lukomor")
        under_way = Story(partner=PARTNER, renews=str(prolonged.request_id)).submitted()
        site.write(lost, late, prolonged, of_another, under_way, ending(1))
        days = [today() - timedelta(days=back) for back in (2, 1)]
        told: list[str] = []
        program = site.program(site.token(PARTNER))
        for month in sorted({f"{day:%Y-%m}" for day in days}):
            answer = program.get("/api/v1/renewals/not-renewed", params={"month": month, "limit": 1}).json()
            while True:
                told += [each["request_id"] for each in answer["items"]]
                if answer["next"] is None:
                    break
                query = {"month": month, "limit": 1, "after": answer["next"]}
                answer = program.get("/api/v1/renewals/not-renewed", params=query).json()
        assert told == chosen([late, lost]), "page by page, the earliest last day first"

    def test_the_file_holds_a_line_for_each_and_operations_get_all_partners(self, site: Site, partner: Person) -> None:
        mine, of_another = ending(-1), ending(-1, partner="lukomor", buyer="ООО «Крутое, =имя»")
        site.write(mine, of_another)
        month = f"{today() - timedelta(days=1):%Y-%m}"
        for reader, there in ((partner, [mine]), (site.person("ops"), [mine, of_another])):
            answer = reader.get(f"/renewals/not-renewed.xlsx?month={month}")
            assert answer.headers["content-type"] == XLSX
            text = ZipFile(BytesIO(answer.content)).read("xl/worksheets/sheet1.xml").decode()
            found = [each for each in (mine, of_another) if str(each.request_id) in text]
            assert found == there
            assert "<f>" not in text
        for wrong in ("", "2026-13", "9999-01", "2026-1"):
            assert partner.get(f"/renewals/not-renewed.xlsx?month={wrong}").status_code == 404

    def test_operations_see_what_ended_unanswered_and_how_many_on_their_home(self, site: Site) -> None:
        lost, long_ago, prolonged = ending(-1), ending(-91), ending(-1)
        site.write(lost, long_ago, prolonged, Story(partner=PARTNER, renews=str(prolonged.request_id)).submitted())
        ops = site.person("ops")
        page = ops.get("/ops/lapsed").text
        listed = [str(each.request_id) for each in (lost, long_ago, prolonged) if str(each.request_id) in page]
        assert listed == [str(lost.request_id)]

        def counted() -> int:
            card = re.search(r'<a class="status tone-wait" href="/ops/lapsed">(\d+)', ops.get("/ops").text)
            return int(card[1]) if card else 0

        number = len(re.findall(r'href="/ops/requests/', page))
        until(lambda: counted() == number, "those of the list are counted")

    def test_a_distributor_sees_by_month_and_partner_what_is_coming(self, site: Site, partner: Person) -> None:
        soon, renewed = ending(40), ending(40)
        under_way = Story(partner=PARTNER, renews=str(renewed.request_id)).submitted().approved()
        site.write(soon, renewed, under_way)
        page = unescape(site.person("dist-north").get("/renewals").text)
        name = PARTNERS[PARTNER].name
        line = page[page.index(name) :]
        numbers = re.findall(r'data-label="(Заканчиваются|Продлеваются|Не продлены)">(\d+)<', line)[:3]
        assert numbers == [("Заканчиваются", "2"), ("Продлеваются", "1"), ("Не продлены", "1")]
        assert name not in site.person("dist-ural").get("/renewals").text
