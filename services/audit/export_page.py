"""The auditor's page with the export of the log as a file: of a span of time, of one request, or of all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from postavka.domain.calendar import today
from postavka.domain.request_ids.lookup import request_named
from postavka.kernel.errors import UserError
from postavka.kernel.settings import Settings
from postavka.web.attachment import named
from postavka.web.fields import moment_in
from postavka.web.formats import whole
from postavka.web.frame import show
from postavka.web.identity.principal import Principal
from postavka.web.state import web
from postavka.web.visitor import Visitor, visitor_of
from services.audit.consistent_cut import make_cut
from services.audit.history.export import ExportRange, ExportReport, Format
from services.audit.history.export_archive import archived
from services.audit.pages import Auditor

router = APIRouter(prefix="/audit/export", include_in_schema=False)
MOST = 500_000
"""Records of the log that are looked through for a page; of more the command makes the same files."""
ZIP = "application/zip"
_at_work = threading.Lock()
"""One export at a time: each reads the whole log."""


@router.get("")
async def export_page(request: Request, principal: Auditor) -> Response:
    """The form, and what is in the archive."""
    return await _form(request, principal)


@router.get("/file")
async def export_file(
    request: Request,
    principal: Auditor,
    since: str = "",
    until: str = "",
    request_id: str = "",
    form: Literal["jsonl", "parquet"] = "jsonl",
) -> Response:
    """The archive, sent while it is made. Every request in it is noted as seen before it is sent."""
    config, first, last = web(request).kernel, moment_in(since), moment_in(until)
    if (since and first is None) or (until and last is None):
        return await _form(request, principal, "Укажите дату и время, например 31.03.2026 18:00.")
    if form not in _forms():
        return await _form(request, principal, "Для такого вида здесь не хватает библиотеки.")
    if first is not None and last is not None and first > last:
        return await _form(request, principal, "Первый момент должен быть раньше второго.")
    try:
        only = await asyncio.to_thread(request_named, web(request).conninfo, request_id) if request_id.strip() else None
    except UserError:
        return await _form(request, principal, "Такой заявки нет.")
    if (found := await asyncio.to_thread(_records, config)) > MOST:
        return await _form(
            request, principal, f"В журнале {whole(found)} записей, а файлом отдаётся до {whole(MOST)}: нужна команда."
        )
    body = _body(config, visitor_of(request), form, ExportRange(first, last, only))
    first_piece = await asyncio.to_thread(next, body, None)
    if first_piece is None:
        return await _form(request, principal, "Сейчас готовится другая выгрузка. Повторите, когда она закончится.")
    return StreamingResponse(chain([first_piece], body), media_type=ZIP, headers=named(f"log-{today()}.zip"))


def _body(config: Settings, visitor: Visitor, form: Format, wanted: ExportRange) -> Iterator[bytes]:
    """The pieces of the archive; none while another one is made."""
    if not _at_work.acquire(blocking=False):
        return
    try:
        found = ExportReport()
        for piece in archived(config, form, wanted, found):
            visitor.shown.update(found.requests)
            yield piece
    finally:
        _at_work.release()


def _forms() -> list[Format]:
    """The forms that this installation can write: the library of one is an extra."""
    return ["jsonl", "parquet"] if find_spec("pyarrow") else ["jsonl"]


def _records(config: Settings) -> int:
    return sum(make_cut(config).ends.values())


async def _form(request: Request, principal: Principal, wrong: str = "") -> Response:
    asked = {name: request.query_params.get(name, "")[:100] for name in ("since", "until", "request_id")}
    return await show(
        request,
        principal,
        "audit_export.html",
        422 if wrong else 200,
        wrong=wrong,
        asked=asked,
        forms=_forms(),
        most=MOST,
    )
