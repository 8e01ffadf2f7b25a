"""Many requests from a file: the form to fill in, the verdict on each row before anything is sent, what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from postavka.kernel.ids import new_id
from postavka.web.authorization import allowed
from postavka.web.formats import money
from postavka.web.frame import reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.planned.ask import ask_first
from postavka.web.problem import not_found
from postavka.web.spreadsheet.files import saved_workbook, sheet_sent
from postavka.web.spreadsheet.reading import LARGEST_FILE, MOST_ROWS, BadSpreadsheet
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.cabinet.bulk import store
from services.cabinet.bulk.columns import COLUMNS, HEADINGS, form_sheets, rows_of
from services.cabinet.bulk.judging import judge, with_ids
from services.cabinet.bulk.rows import BulkRow, RowState, sum_of
from services.cabinet.bulk.sending import SEND, question_of
from services.cabinet.bulk.store import Bulk
from services.cabinet.requests import Requests, Row
from services.cabinet.view.form import LABELS, choices, own_contact
from services.cabinet.words import ShownStage, stage_of

router = APIRouter(include_in_schema=False)
PARTNER = allowed(Role.PARTNER)
FORM = "/requests/file"
LONGEST_NAME = 200
SHEETS: dict[RowState, str] = {
    "wrong": "Исправить",
    "sent": "Отправлены",
    "ready": "Можно отправить",
    "already": "Были отправлены раньше",
}


@dataclass(frozen=True, slots=True)
class RowLine:
    """A row of the file as its page shows it. `stage`: where its request stands, once the cabinet has it."""

    number: int
    buyer: str
    inn: str
    product: str
    amount: str
    errors: tuple[tuple[str, str], ...]
    anyway_helps: bool
    request_id: str
    name: str
    stage: ShownStage | None


@router.get("/requests/file")
async def file_page(request: Request, principal: Annotated[Principal, PARTNER]) -> Response:
    """The way to send many requests: take the form, fill it in, send it here."""
    return await _form(request, principal)


@router.get("/requests/file/form.xlsx")
async def empty_form(request: Request, principal: Annotated[Principal, PARTNER]) -> Response:
    """The workbook to fill in, with lists to choose from."""
    lists = choices(await reference(request), principal.partner_id or "")
    return await saved_workbook("requests-form.xlsx", *form_sheets(lists))


@router.post("/requests/file")
async def file_sent(request: Request, principal: Annotated[Principal, PARTNER]) -> Response:
    """Read and judge a file; nothing is sent yet. A file that can't be read is answered at its field."""
    try:
        name, sheet = await sheet_sent(request, COLUMNS)
    except BadSpreadsheet as bad:
        return await _form(request, principal, str(bad))
    parts = web(request)
    lists = choices(await reference(request), principal.partner_id or "")
    rows = rows_of(sheet, lists, own_contact(lists, principal))
    judged, _ = await judge(parts, principal, await with_ids(parts, principal, rows))
    bulk_id = new_id()
    await store.keep(parts, principal, bulk_id, name[:LONGEST_NAME], judged)
    unknown = "?unknown=1" if sheet.unknown else ""
    return RedirectResponse(f"{FORM}/{bulk_id}{unknown}", 303)


@router.get("/requests/file/{bulk_id}")
async def bulk_page(request: Request, bulk_id: UUID, principal: Annotated[Principal, PARTNER]) -> Response:
    """The verdict on each row; once it is sent, what has become of each."""
    bulk = await _bulk(request, principal, bulk_id)
    gone = [each.request_id for each in bulk.rows if each.sent or each.already]
    async with web(request).database.rows(principal) as rows:
        there = {each.request_id: each for each in await Requests(rows, principal).several(gone)}
    visitor_of(request).shown.update(there)
    known = await reference(request)
    products = {each.value: each.text for each in choices(known, principal.partner_id or "").products}
    ready = [each for each in bulk.rows if each.is_ready]
    return await show(
        request, principal, "bulk.html",
        known=known,
        bulk=bulk,
        sheets=[
            (state, word, [_line(each, products, there) for each in bulk.rows if each.state == state])
            for state, word in SHEETS.items()
        ],
        ready=len(ready),
        total=money(sum_of(ready)),
        has_unknown="unknown" in request.query_params,
        pending=len([each for each in bulk.rows if each.sent and each.request_id not in there]),
        self_href=f"{FORM}/{bulk_id}",
    )  # fmt: skip


@router.get("/requests/file/{bulk_id}/corrections.xlsx")
async def corrections(request: Request, bulk_id: UUID, principal: Annotated[Principal, PARTNER]) -> Response:
    """The rows that were held back, in the same form, with what is wrong at the end of each."""
    bulk = await _bulk(request, principal, bulk_id)
    wrong = [each for each in bulk.rows if each.errors]
    if not wrong:
        raise not_found()
    lists = choices(await reference(request), principal.partner_id or "")
    return await saved_workbook("requests-to-correct.xlsx", *form_sheets(lists, wrong))


@router.post("/requests/file/{bulk_id}/send")
async def send(request: Request, bulk_id: UUID, principal: Annotated[Principal, PARTNER]) -> Response:
    """Send what can be sent, after a question that says how many and how much."""
    bulk = await _bulk(request, principal, bulk_id)
    back = f"{FORM}/{bulk_id}"
    if not any(each.is_ready for each in bulk.rows):
        return RedirectResponse(back, 303)
    return await ask_first(
        request,
        principal,
        question_of(bulk),
        kind=SEND.name,
        fields={"bulk_id": str(bulk_id)},
        subjects=[str(bulk_id)],
        back=back,
    )


async def _bulk(request: Request, principal: Principal, bulk_id: UUID) -> Bulk:
    bulk = await store.find(web(request), principal, bulk_id)
    if bulk is None:
        raise not_found()
    return bulk


async def _form(request: Request, principal: Principal, wrong: str = "") -> Response:
    return await show(
        request, principal, "bulk_form.html", 422 if wrong else 200,
        wrong=wrong, headings=list(HEADINGS.values()), required=[each.heading for each in COLUMNS if each.required],
        most_rows=MOST_ROWS, most_bytes=LARGEST_FILE // 1_000_000,
    )  # fmt: skip


def _line(row: BulkRow, products: dict[str, str], there: dict[UUID, Row]) -> RowLine:
    found = there.get(row.request_id)
    return RowLine(
        number=row.number,
        buyer=row.typed.buyer or "Клиент не указан",
        inn=row.typed.inn,
        product=products.get(row.typed.product_id, row.typed.product_id) or "—",
        amount=money(row.price) if row.price else "",
        errors=tuple((LABELS.get(name, ""), text) for name, text in row.errors.items()),
        anyway_helps=row.anyway_helps,
        request_id=row.typed.request_id,
        name=found.name if found else str(row.request_id),
        stage=stage_of(found.status) if found else None,
    )
