"""Documents to sign, many at once: one archive to take, one of signatures to bring, a verdict on each (L16)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from postavka.kernel.blobs import BlobsAway
from postavka.web.attachment import attachment
from postavka.web.authorization import allowed
from postavka.web.frame import show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.problem import not_found, problem
from postavka.web.state import web
from postavka.web.upload import uploaded
from postavka.web.visitor import visitor_of
from services.cabinet.signing.archive import LARGEST_ARCHIVE, BadArchive, read_signatures
from services.cabinet.signing.waiting import MOST_AT_ONCE, SignatureVerdict, archive_of, shown_names, sign_many, to_sign

router = APIRouter(include_in_schema=False)
SIGNER = allowed(Role.PARTNER, Role.DISTRIBUTOR)
NAVIGATION = (Entry("На подпись", "/signing", frozenset((Role.PARTNER, Role.DISTRIBUTOR)), 25),)
BODY_BYTES = {"/signing": LARGEST_ARCHIVE + 64 * 1024}
"""Paths that take larger bodies than others: the archive, and the form around it."""


@router.get("/signing")
async def signing_page(request: Request, principal: Annotated[Principal, SIGNER]) -> Response:
    """What waits for the reader's signature."""
    return await _page(request, principal)


@router.get("/signing/documents.zip")
async def documents(request: Request, principal: Annotated[Principal, SIGNER]) -> Response:
    """All of it as one archive."""
    waiting = await to_sign(web(request), principal)
    if not waiting:
        raise not_found()
    visitor_of(request).shown.update(each.row.request_id for each in waiting)
    with _storage_asked():
        body = await archive_of(web(request), waiting)
    return attachment(body, "application/zip", "documents-to-sign.zip")


@router.post("/signing")
async def signatures(request: Request, principal: Annotated[Principal, SIGNER]) -> Response:
    """An archive of signatures: each is sent to be verified, or listed with the reason why not."""
    given = await uploaded(request, "archive", LARGEST_ARCHIVE)
    if given is None:
        return await _page(request, principal, wrong="Выберите архив.")
    try:
        files = await asyncio.to_thread(read_signatures, given.data)
    except BadArchive as bad:
        return await _page(request, principal, wrong=str(bad))
    parts = web(request)
    waiting = await to_sign(parts, principal)
    with _storage_asked():
        verdicts = await sign_many(parts, principal, files, waiting)
    return await _page(request, principal, verdicts=verdicts)


async def _page(
    request: Request, principal: Principal, *, wrong: str = "", verdicts: Sequence[SignatureVerdict] = ()
) -> Response:
    waiting = await to_sign(web(request), principal)
    sent = {each.waiting.place for each in verdicts if each.waiting and not each.wrong}
    left = [each for each in waiting if each.place not in sent]
    with _storage_asked():
        names = await shown_names(web(request), left)
    return await show(
        request, principal, "signing.html", 422 if wrong else 200,
        wrong=wrong, verdicts=verdicts, sent=len(sent), waiting=left, names=names, most_at_once=MOST_AT_ONCE,
        most_bytes=LARGEST_ARCHIVE // 1_000_000,
    )  # fmt: skip


@contextmanager
def _storage_asked() -> Iterator[None]:
    """Says that the storage of documents is away, where it is needed."""
    try:
        yield
    except BlobsAway:
        raise problem(503, "unavailable", "Хранилище документов не отвечает. Повторите через минуту.") from None
