"""Which documents wait for a tenant's signature, and what becomes of the signatures that it sends (L16)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from postavka.domain.document_forms.upd import file_name
from postavka.kernel.blobs import BlobMissing
from postavka.web.commands import NotSentYet
from postavka.web.formats import short
from postavka.web.identity.principal import Principal, Role
from postavka.web.problem import Problem
from postavka.web.state import Web
from postavka.web.throttle import TooMany
from services.cabinet import acts
from services.cabinet.requests import Requests, Row
from services.cabinet.signing.archive import SignatureFile, pack, stem_of
from services.cabinet.signing.signature_file import read_signature
from services.cabinet.view.documents import ShownDocument, shown_documents
from services.cabinet.view.now import Viewer

MOST_AT_ONCE = 200
VIEWERS = {Role.PARTNER: Viewer.PARTNER, Role.DISTRIBUTOR: Viewer.DISTRIBUTOR}
_NOT_PLAIN = re.compile(r"[^a-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class DocumentToSign:
    """A document that waits, and the names that its files have in the archive."""

    row: Row
    document: ShownDocument
    names: tuple[str, ...]

    @property
    def place(self) -> tuple[UUID, str]:
        """What tells it from all others: the request and the document's id."""
        return self.row.request_id, self.document.id


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """One file of the archive. `wrong`: why it was not taken; empty: it is on its way to be verified."""

    name: str
    waiting: DocumentToSign | None
    wrong: str = ""


async def to_sign(parts: Web, principal: Principal) -> list[DocumentToSign]:
    """Documents that wait for this tenant's signature, the oldest first, with the bytes of none."""
    tenant = principal.partner_id or principal.distributor_id or ""
    async with parts.database.rows(principal) as rows:
        found = await Requests(rows, principal).to_sign(tenant, MOST_AT_ONCE)
    return [
        DocumentToSign(row, each, await asyncio.to_thread(_names, parts, row, each))
        for row in found
        for each in shown_documents(row, tenant, VIEWERS[principal.role])
        if each.signable
    ][:MOST_AT_ONCE]


async def archive_of(parts: Web, waiting: Sequence[DocumentToSign]) -> bytes:
    """Their files as one archive; what is still being made is left for the next. Raises `BlobsAway`."""

    def made() -> bytes:
        files: list[tuple[str, bytes]] = []
        for each in waiting:
            with suppress(BlobMissing):
                files += zip(each.names, [parts.blobs.get(sha256) for sha256 in _bytes_of(each)], strict=True)
        return pack(files)

    return await asyncio.to_thread(made)


async def sign_many(
    parts: Web, principal: Principal, files: Sequence[SignatureFile], waiting: Sequence[DocumentToSign]
) -> list[SignatureVerdict]:
    """Each signature goes to its document, and shipping verifies it; one that is wrong doesn't stop the others."""
    by_stem = {stem_of(name): each for each in waiting for name in each.names}
    done: dict[tuple[UUID, str], str] = {}
    verdicts = []
    for file in files:
        found = by_stem.get(file.stem)
        wrong = "Документа с таким именем среди ждущих вашей подписи нет."
        if found is not None:
            wrong = f"Этот документ уже подписывает «{done[found.place]}»." if found.place in done else ""
            wrong = wrong or await _sign(parts, principal, file, found)
            if not wrong:
                done[found.place] = file.name
        verdicts.append(SignatureVerdict(file.name, found, wrong))
    return verdicts


async def _sign(parts: Web, principal: Principal, file: SignatureFile, waiting: DocumentToSign) -> str:
    signature = read_signature(file.content)
    if signature is None:
        return "Это не файл подписи. Нужна отсоединённая подпись CMS, до 150 КБ."
    try:
        await acts.sign(parts, principal, waiting.row.request_id, waiting.document.id, signature, None)
    except Problem as refused:
        return refused.detail or refused.title
    except TooMany:
        return "Предел на сегодня исчерпан: пришлите эту подпись завтра."
    except NotSentYet:
        return "Не отправлена: система не отвечает. Пришлите её ещё раз."
    return ""


def _bytes_of(waiting: DocumentToSign) -> list[str]:
    stored = waiting.row.documents[waiting.document.id]
    return [stored[name] for name in ("sha256", "rendered_sha256") if stored.get(name)]


def _names(parts: Web, row: Row, document: ShownDocument) -> tuple[str, ...]:
    """Names that every program and file system takes. A title of the tax service's form bears the name that it gives
    itself."""
    stored = row.documents[document.id]
    is_title = str(stored.get("form", "")).startswith("fns.")
    plain = _NOT_PLAIN.sub("-", f"{document.kind}-{document.number}-{short(row.request_id)}".lower())
    original = f"{plain}.{'xml' if is_title else 'json'}"
    if is_title:
        with suppress(ValueError, BlobMissing):
            original = file_name(parts.blobs.get(stored["sha256"]))
    return (original, f"{plain}.pdf") if stored.get("rendered_sha256") else (original,)
