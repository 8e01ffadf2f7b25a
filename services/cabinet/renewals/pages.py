"""«Истекают»: services that end soon or have ended, «Продлить» for one or many, and the address of their calendar."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.domain.calendar import MOSCOW, today
from postavka.domain.reference.store import Snapshot
from postavka.kernel.store.queries import load_queries
from postavka.web.authorization import ANYBODY, allowed
from postavka.web.database import Connection
from postavka.web.fields import ids_in
from postavka.web.formats import money, plural
from postavka.web.frame import reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.identity.sessions import digest
from postavka.web.navigation import Entry
from postavka.web.planned.ask import PLAN_ID, ask_first
from postavka.web.planned.store import PlannedCommand
from postavka.web.problem import not_found
from postavka.web.sign_in.return_to import back_to, own_path
from postavka.web.state import web
from services.cabinet.renewals.calendar import MEDIA_TYPE, calendar
from services.cabinet.renewals.ending import MOST, Ending, Endings, Period, ended_lately
from services.cabinet.renewals.renew import RENEW, price_of, question_of_renewals, renewals_of, sort_out
from services.cabinet.renewals.report import recent_reports
from services.cabinet.view.lines import RequestLine, line
from services.cabinet.view.lists import Tab
from services.cabinet.words import ShownStage, stage_of

QUERIES = load_queries("services.cabinet")

router = APIRouter(include_in_schema=False)
PATH = "/expiring"
NAVIGATION = (Entry("Истекают", PATH, frozenset((Role.PARTNER,)), 22),)
SOON_DAYS = 60
"""What ends within so many days is counted in the menu: the first reminder comes then as well."""
CALENDAR_DAYS = 400
LONGEST_PLAN_DAYS = 366
MORNING = time(9)
"""In Moscow: when what is planned for a day is sent."""
TABS = {"14": "14 дней", "30": "30 дней", "": "60 дней", "90": "90 дней", "ended": "Закончились"}
"""By `days` in the address."""


@dataclass(frozen=True, slots=True)
class EndingLine:
    """One service of the list."""

    of: RequestLine
    last_day: str
    left: str
    price: str
    renewal: str
    """The id of the request that is to prolong it; empty: none."""
    renewal_stage: ShownStage | None
    renew_href: str
    plan: PlannedCommand | None


async def badges_of(rows: Connection, principal: Principal, counts: Mapping[str, int]) -> dict[str, int]:
    """What the partner's menu counts: deliveries to activate, and services that end soon and nothing prolongs yet.
    `counts` by status."""
    expiring = await Endings(rows, principal).count(_period(""))
    return {"/sold": counts.get("shipped", 0), PATH: expiring}


@router.get(PATH)
async def expiring_page(
    request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)], days: str = "", after: str | None = None
) -> Response:
    """The services that end within so many days, or have ended and nothing has prolonged them."""
    return await _show(request, principal, days if days in TABS else "", after)


async def _show(
    request: Request, principal: Principal, chosen: str, after: str | None = None, calendar_href: str = ""
) -> Response:
    period, known = _period(chosen), await reference(request)
    async with web(request).database.rows(principal) as rows:
        endings = Endings(rows, principal)
        found, going = await endings.between(period, after)
        totals = await endings.totals(period, known)
        badges = await badges_of(rows, principal, await endings.counts())
    query = f"?days={chosen}" if chosen else ""
    return await show(
        request,
        principal,
        "expiring.html",
        known=known,
        rows=[_line(each, known) for each in found],
        ended=chosen == "ended",
        summary=f"Не продлены: {plural(totals.count, 'сервис', 'сервиса', 'сервисов')} на {money(totals.amount)}",
        tabs=[Tab(word, PATH + (f"?days={name}" if name else ""), name == chosen) for name, word in TABS.items()],
        badges=badges,
        self_href=PATH + query,
        next_href=f"{PATH}?days={chosen}&after={going}" if going else None,
        first_href=PATH + query if after else None,
        reports=recent_reports() if chosen == "ended" else (),
        first_day=(today() + timedelta(days=1)).isoformat(),
        last_day=(today() + timedelta(days=LONGEST_PLAN_DAYS)).isoformat(),
        calendar_href=calendar_href,
    )


@router.post(f"{PATH}/renew")
async def renew(request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)]) -> Response:
    """Renew one or many as they are, after a question that says how many and how much."""
    form = await request.form()
    back = own_path(str(form.get("back", PATH)))
    wanted = ids_in(form.getlist("request_id")[:MOST])
    known = await reference(request)
    on = _later(str(form.get("on", ""))) if form.get("do") == "plan" else None
    async with web(request).database.rows(principal) as rows:
        services = await Endings(rows, principal).chosen(wanted)
    given = str(form.get(PLAN_ID, ""))  # agreed to twice, it is one plan and no hindrance to itself
    own = [each.plan is not None and str(each.plan.plan_id) == given for each in services]
    services = [replace(each, plan=None) if mine else each for each, mine in zip(services, own, strict=True)]
    able, refused = sort_out(services, known, principal.partner_id or "")
    if not able or (form.get("do") == "plan" and on is None):
        done = "no-such-day" if able else "nothing-to-renew" if refused else "no-service-chosen"
        return back_to(back, done=done)
    fields = renewals_of(able)
    return await ask_first(
        request,
        principal,
        question_of_renewals(able, refused, known, on),
        kind=RENEW.name,
        fields=fields,
        announced=[{**each, "day": on.isoformat()} for each in fields["renewals"]] if on is not None else (),
        subjects=[str(each.request_id) for each in able],
        back=back,
        result_path="/requests",
        not_before=datetime.combine(on, MORNING, MOSCOW) if on is not None else None,
    )


@router.post(f"{PATH}/calendar")
async def make_calendar(request: Request, principal: Annotated[Principal, allowed(Role.PARTNER)]) -> Response:
    """A new address of the calendar, shown once; the one before opens nothing any more."""
    secret = secrets.token_urlsafe(24)
    async with web(request).database.accounts() as rows:
        await rows.execute(QUERIES.calendar_made, (principal.id, digest(secret), principal.partner_id))
    return await _show(request, principal, "", calendar_href=f"{_site(request)}{PATH}.ics?key={secret}")


@router.get(f"{PATH}.ics")
async def calendar_file(request: Request, visitor: Annotated[Principal | None, ANYBODY], key: str = "") -> Response:
    """The calendar for the program that has its address; there is no other way to sign in with."""
    parts = web(request)
    async with parts.database.accounts() as rows:
        found = await (await rows.execute(QUERIES.calendar_of, (digest(key),))).fetchone()
    if found is None:
        raise not_found()
    user_id, name, login, partner_id = found
    owner = Principal(id=user_id, name=name, role=Role.PARTNER, partner_id=partner_id, actor=login)
    await parts.throttle.call(owner.owner)
    period = Period(today(), today() + timedelta(days=CALENDAR_DAYS))
    async with parts.database.rows(owner) as rows:
        services, _ = await Endings(rows, owner).between(period, size=MOST)
    body = calendar(services, _site(request), datetime.now(UTC))
    return Response(body, media_type=MEDIA_TYPE, headers={"Cache-Control": "private, max-age=3600"})


def _site(request: Request) -> str:
    """The beginning of our addresses, as this reader sees them."""
    return (web(request).config.url or str(request.base_url)).rstrip("/")


def _period(days: str) -> Period:
    now = today()
    if days == "ended":
        return ended_lately()
    return Period(now, now + timedelta(days=int(days or SOON_DAYS)))


def _line(each: Ending, known: Snapshot) -> EndingLine:
    row, left = each.row, (each.last_day - today()).days
    return EndingLine(
        of=line(row, known),
        last_day=each.last_day.isoformat(),
        left="сегодня" if left == 0 else f"через {_days(left)}" if left > 0 else f"{_days(-left)} назад",
        price=money(price_of(row, known)),
        renewal=str(each.renewal.request_id) if each.renewal else "",
        renewal_stage=stage_of(each.renewal.status) if each.renewal else None,
        renew_href=f"/requests/new/{row.asked.get('request_type')}?copy={row.request_id}&renew=1",
        plan=each.plan,
    )


def _days(number: int) -> str:
    return plural(number, "день", "дня", "дней")


def _later(text: str) -> date | None:
    """The day for which renewals are planned: to come, and within a year."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 0 < (day - today()).days <= LONGEST_PLAN_DAYS else None
