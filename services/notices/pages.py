"""Pages of e-mails: what was sent, for operations all of it, for a partner or distributor its own; and the link in a
e-mail that switches its kind off."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from psycopg.rows import dict_row
from starlette.responses import RedirectResponse, Response

from postavka.domain.email_address import is_address
from postavka.domain.wording import MAIL_TROUBLES
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import database_url
from postavka.kernel.store.queries import load_queries
from postavka.web.authorization import ANYBODY, LINK, SIGNED_IN, allowed
from postavka.web.formats import plural, whole
from postavka.web.frame import reference, show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.personal import reveal
from postavka.web.problem import not_found
from postavka.web.rendering import page
from postavka.web.saved_views import saved_views
from postavka.web.spreadsheet.files import saved_csv, saved_workbook
from postavka.web.spreadsheet.writing import SheetToWrite
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.notices.categories import CATEGORIES, Category
from services.notices.channels.email.mail_log import COLUMNS, NoSuchEmail, send_again, switch
from services.notices.channels.email.message import email_secret, signature
from services.notices.letters import LetterFilters, kinds, letters, letters_found, narrowing

QUERIES = load_queries("services.notices")

router = APIRouter(include_in_schema=False)
NAVIGATION = (
    Entry("Письма", "/letters", frozenset((Role.PARTNER, Role.DISTRIBUTOR)), 80, "mail"),
    Entry("Письма", "/letters", frozenset((Role.OPS, Role.AUDITOR)), 60, "mail"),
)
IN_A_FILE = 10_000
"""So many e-mails a file has at most: each is decrypted for it."""
HEADINGS = ("Когда (Москва)", "Кому", "Адрес", "Письмо", "О чём", "Заявка", "Состояние")
WIDTHS = (18, 30, 30, 50, 40, 38, 20)
WORDS = {
    "due": "ждёт отправки",
    "sending": "отправляется",
    "sent": "отправлено",
    "failed": "не доставлено",
    "off": "отключено получателем",
    "no-address": "нет адреса",
    "too-old": "устарело",
}


@router.get("/letters")
async def emails_page(
    request: Request, principal: Annotated[Principal, SIGNED_IN], after: str | None = None
) -> Response:
    """The list of e-mails, newest first: one's own, or all; by request, party and kind, to the very first one."""
    filters, known = LetterFilters.of(request.query_params), await reference(request)
    vault = await asyncio.to_thread(open_vault, web(request).kernel)
    async with web(request).database.rows(principal) as rows, rows.cursor(row_factory=dict_row) as cursor:
        narrowed = await narrowing(rows, filters, known, vault)
        found = await letters(rows, narrowed, after)
        await cursor.execute(QUERIES.counts)
        if principal.sees_all:
            visitor_of(request).shown.update(row["request_id"] for row in found.emails if row["request_id"])
        counts = {row["status"]: row["letters"] for row in await cursor.fetchall()}
        of_tab = sum(count for status, count in counts.items() if filters.status in ("", status))
        total = await letters_found(rows, narrowed) if filters.any else of_tab
    return await show(
        request,
        principal,
        "letters.html",
        emails=found.emails,
        counts=counts,
        words=WORDS,
        troubles=MAIL_TROUBLES,
        filters=filters,
        kinds=kinds(),
        sees_all=principal.sees_all,
        views=await saved_views(request, principal, f"/letters{filters.query()}"),
        found=plural(total, "письмо", "письма", "писем"),
        next_href=f"/letters{filters.query(after=found.next)}" if found.next else None,
        export_xlsx=f"/letters/export.xlsx{filters.query()}",
        export_csv=f"/letters/export.csv{filters.query()}",
        first_href=f"/letters{filters.query()}" if after else None,
    )


@router.get("/letters/export.xlsx")
async def emails_xlsx(request: Request, principal: Annotated[Principal, SIGNED_IN]) -> Response:
    """The list as XLSX, as it is filtered."""
    rows = await _rows(request, principal)
    return await saved_workbook("letters.xlsx", SheetToWrite("Письма", HEADINGS, WIDTHS, rows))


@router.get("/letters/export.csv")
async def emails_csv(request: Request, principal: Annotated[Principal, SIGNED_IN]) -> Response:
    """The list as CSV, as it is filtered."""
    return saved_csv("letters.csv", [HEADINGS, *await _rows(request, principal)])


async def _rows(request: Request, principal: Principal) -> list[Sequence[Any]]:
    """The rows of the file, a page in a transaction; one that had to end says so in its last row."""
    filters, known = LetterFilters.of(request.query_params), await reference(request)
    vault = await asyncio.to_thread(open_vault, web(request).kernel)
    titles, lines = dict(kinds()), list[Sequence[Any]]()
    after: str | None = None
    async with web(request).database.rows(principal) as rows:
        narrowed = await narrowing(rows, filters, known, vault)
    while True:
        async with web(request).database.rows(principal) as rows:
            found = await letters(rows, narrowed, after, IN_A_FILE // 10)
        if principal.sees_all:
            visitor_of(request).shown.update(row["request_id"] for row in found.emails if row["request_id"])
        lines += [
            (
                each["made_at"], each["recipient_name"], each["recipient"], each["subject"],
                titles.get(each["kind"], each["kind"]), each["request_id"] and str(each["request_id"]),
                WORDS[each["status"]],
            )
            for each in found.emails
        ]  # fmt: skip
        after = found.next
        if after is None:
            return lines
        if len(lines) >= IN_A_FILE:
            return [*lines, (f"Здесь первые {whole(IN_A_FILE)} писем. Остальные выгружаются по частям: с отбором.",)]


@router.get("/letters/off")
async def off_page(
    request: Request, visitor: Annotated[Principal | None, ANYBODY], to: str = "", kind: str = "", sign: str = ""
) -> Response:
    """What the link in an e-mail opens: asks, since programs open links as well."""
    about = _about(request, to, kind, sign)
    return page(request, "letters_off.html", to=to, kind=kind, sign=sign, about=about, done=False)


@router.post("/letters/off")
async def off(
    request: Request, visitor: Annotated[Principal | None, LINK], to: str = "", kind: str = "", sign: str = ""
) -> Response:
    """Switch a category off: the button of that page, or the mail program's own (RFC 8058)."""
    about = _about(request, to, kind, sign)
    await asyncio.to_thread(switch, web(request).kernel, to, Category(kind), False, "link in a letter")
    return page(request, "letters_off.html", to=to, kind=kind, sign=sign, about=about, done=True)


@router.get("/letters/{id}")
async def email_page(request: Request, principal: Annotated[Principal, SIGNED_IN], id: UUID) -> Response:
    """One e-mail, as it was written."""
    async with web(request).database.rows(principal) as rows, rows.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(f"SELECT {COLUMNS}, text FROM notices.mail WHERE id = %s", (id,))  # noqa: S608
        found: dict[str, Any] | None = await cursor.fetchone()
    if found is None:
        raise not_found()
    found = await asyncio.to_thread(reveal, found)
    if found["request_id"] is not None:
        visitor_of(request).shown.add(found["request_id"])
    return await show(
        request,
        principal,
        "letter.html",
        email=found,
        words=WORDS,
        troubles=MAIL_TROUBLES,
        sees_all=principal.sees_all,
    )


@router.post("/letters/{id}/again")
async def again(
    request: Request, principal: Annotated[Principal, allowed(Role.OPS)], id: UUID, back: Annotated[str, Form()] = ""
) -> Response:
    """Operations have an e-mail that has failed tried again."""
    try:
        await asyncio.to_thread(send_again, database_url(web(request).kernel), id)
    except NoSuchEmail:
        raise not_found() from None
    return RedirectResponse(f"/letters/{id}", 303)


def _about(request: Request, to: str, kind: str, sign: str) -> str:
    """The title of the kind. 404 for a link that was not made here, and for a kind that can't be switched off."""
    secret = email_secret(web(request).kernel)
    ours = hmac.compare_digest(signature(secret, to, kind).encode(), sign.encode())
    if not ours or kind not in CATEGORIES or not is_address(to):
        raise not_found()
    about = CATEGORIES[Category(kind)]
    if about.mandatory:
        raise not_found()
    return about.title
