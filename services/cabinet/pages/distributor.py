"""The distributor's portal: what waits for its word (L17), its answers, and the acts (L14, L16).

An answer is the very record that the distributor's own Kafka client would write, on the same topic.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.web.authorization import allowed
from postavka.web.fields import ids_in
from postavka.web.formats import lasting
from postavka.web.frame import reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.planned.ask import ask_first
from postavka.web.saved_views import saved_views
from postavka.web.sign_in.return_to import back_to, own_path
from postavka.web.state import web
from services.cabinet import acts
from services.cabinet.later import ANSWER, LONGEST_NOTE, answers_of, question_of_answer
from services.cabinet.list_order import ListOrder
from services.cabinet.pages.partner import places
from services.cabinet.requests import Filter, Requests, Row
from services.cabinet.view.columns import OF_ANSWERED, OF_WAITING, ListColumns
from services.cabinet.view.documents import ShownDocument, shown_documents
from services.cabinet.view.lines import line
from services.cabinet.view.lists import ORDERS, REQUESTS, Filters, Tab, found_in_words, stages_of
from services.cabinet.view.now import Viewer

router = APIRouter(include_in_schema=False)
NAVIGATION = (
    Entry("Ждут ответа", "/waiting", frozenset((Role.DISTRIBUTOR,)), 10),
    Entry("Отвеченные", "/answered", frozenset((Role.DISTRIBUTOR,)), 20),
)
WAITING = ("awaiting-confirmation",)
ANSWERED = ("manufacturing", "shipped", "activated", "declined", "withdrawn")
MOST_AT_ONCE = 200


@router.get("/waiting")
async def waiting_page(
    request: Request, principal: Annotated[Principal, allowed(Role.DISTRIBUTOR)], after: str | None = None
) -> Response:
    """What waits for this distributor's word (L17)."""
    return await _list(request, principal, "/waiting", WAITING, OF_WAITING, after)


@router.get("/answered")
async def answered_page(
    request: Request, principal: Annotated[Principal, allowed(Role.DISTRIBUTOR)], after: str | None = None
) -> Response:
    """What it has answered, with the acts."""
    return await _list(request, principal, "/answered", ANSWERED, OF_ANSWERED, after)


@router.post("/waiting/answer")
async def answer(request: Request, principal: Annotated[Principal, allowed(Role.DISTRIBUTOR)]) -> Response:
    """Confirm or decline one or many, after a question that says how many and how much."""
    form = await request.form()
    back = own_path(str(form.get("back", "/waiting")))
    accepted = form.get("answer") == "confirm"
    note = str(form.get("note", "")).strip()[:LONGEST_NOTE] or None
    wanted = ids_in(form.getlist("request_id")[:MOST_AT_ONCE])
    async with web(request).database.rows(principal) as rows:
        found = await Requests(rows, principal).several(wanted)
    waiting = [each for each in found if acts.awaits_answer(each)]
    if not waiting:
        done = "nothing-chosen" if not wanted else "not-waiting"
        return back_to(back, done=done)
    ids = [each.request_id for each in waiting]
    return await ask_first(
        request,
        principal,
        question_of_answer(waiting, accepted, len(wanted) - len(waiting)),
        kind=ANSWER.name,
        fields=answers_of(ids, accepted, note),
        subjects=[str(each) for each in ids],
        back=back,
        result_path=f"/requests/{ids[0]}" if len(ids) == 1 else "/answered",
    )


async def _list(
    request: Request,
    principal: Principal,
    path: str,
    statuses: tuple[str, ...],
    columns: ListColumns,
    after: str | None,
) -> Response:
    filters = Filters.of(request.query_params, columns=columns)
    filter_ = wanted_of(filters, statuses)
    async with web(request).database.rows(principal) as rows:
        requests = Requests(rows, principal)
        found, totals = await requests.page_and_totals(filter_, after)
        counts = await requests.counts()
        partners = await requests.partners()
    known = await reference(request)
    waiting = counts.get("awaiting-confirmation", 0)
    return await show(
        request,
        principal,
        "distributor.html",
        known=known,
        rows=[line(each, known) for each in found.rows],
        more={str(each.request_id): _more(each, principal) for each in found.rows},
        waiting=path == "/waiting",
        filters=filters,
        tabs=[
            Tab("Ждут ответа", "/waiting", path == "/waiting", str(waiting)),
            Tab("Отвеченные", "/answered", path == "/answered", str(sum(counts.get(each, 0) for each in ANSWERED))),
        ],
        badges={"/waiting": waiting},
        list_path=path,
        parties=[(each, known.partners[each].partner.name if each in known.partners else each) for each in partners],
        orders=ORDERS,
        stages=stages_of(statuses),
        export_xlsx=f"{path}/export.xlsx{filters.query()}",
        export_csv=f"{path}/export.csv{filters.query()}",
        self_href=path + filters.query(),
        views=await saved_views(request, principal, path + filters.query()),
        **places(path, filters, found, after, found_in_words(totals, REQUESTS), columns),
    )


def wanted_of(filters: Filters, statuses: tuple[str, ...]) -> Filter:
    """The filter of the query. What waits for an answer stands with the longest wait first."""
    chosen = (filters.stage,) if filters.stage in statuses else statuses
    first = ListOrder.OLDEST if statuses == WAITING else ListOrder.NEWEST
    return replace(filters.wanted(chosen, first), partner=filters.party or None)


def _more(row: Row, principal: Principal) -> dict[str, str]:
    since = row.approval.get("approved_at")
    answered_at = row.billing.get("confirmed_at") or row.billing.get("declined_at") or ""
    waits = datetime.now(UTC) - datetime.fromisoformat(since) if since else None
    act = next(
        (each for each in shown_documents(row, principal.distributor_id, Viewer.DISTRIBUTOR) if each.kind == "act"),
        None,
    )
    return {
        "waits": "" if waits is None else lasting(waits),
        "answered_at": answered_at,
        "act": "" if act is None else _state_of(act),
        "unanswered": "" if answered_at or row.status != "withdrawn" else "отозвана до вашего ответа",
    }


def _state_of(act: ShownDocument) -> str:
    return "подписан" if act.is_signed else "ждёт вашей подписи" if act.signable else "не нужен"
