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
from postavka.web.identity.principal import Principal
from postavka.web.problem import Problem
from postavka.web.state import Web
from postavka.web.throttle import TooMany
from services.cabinet import acts
from services.cabinet.requests import Requests, Row
from services.cabinet.signing.archive import SignatureFile, pack, stem_of
from services.cabinet.signing.signature_file import read_signature
from services.cabinet.timeline import Group
from services.cabinet.view.documents import ShownDocument, shown_documents
from services.cabinet.view.now import Viewer

MOST_AT_ONCE = 200
_NOT_PLAIN = re.compile(r"[^a-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class DocumentToSign:
    """A document that waits, and how its files are called in the archive: by names that every program and file system
    takes."""

    row: Row
    document: ShownDocument

    @property
    def place(self) -> tuple[UUID, str]:
        """What tells it from all others: the request and the document's id."""
        return self.row.request_id, self.document.id

    @property
    def stored(self) -> Group:
        """The document as the cabinet has it."""
        return self.row.documents[self.document.id]

    @property
    def pdf_name(self) -> str:
        """The name of the PDF; empty while there is none."""
        return f"{self._plain}.pdf" if self.stored.get("rendered_sha256") else ""

    @property
    def is_title(self) -> bool:
        """Is it in the tax service's form?"""
        return str(self.stored.get("form", "")).startswith("fns.")

    def original_name(self, original: bytes) -> str:
        """The name of the exact bytes: a title of the tax service's form bears the name that it gives itself."""
        if not self.is_title:
            return f"{self._plain}.json"
        with suppress(ValueError):
            return file_name(original)
        return f"{self._plain}.xml"

    @property
    def _plain(self) -> str:
        return _NOT_PLAIN.sub(
            "-", f"{self.document.kind}-{self.document.number}-{self.row.number or self.row.request_id}".lower()
        )


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """One file of the archive. `wrong`: why it was not taken; empty: it is on its way to be verified."""

    name: str
    waiting: DocumentToSign | None
    wrong: str = ""


async def to_sign(parts: Web, principal: Principal) -> list[DocumentToSign]:
    """Documents that wait for this tenant's signature, the oldest first, with the bytes of none."""
    tenant = principal.tenant or ""
    async with parts.database.rows(principal) as rows:
        found = await Requests(rows, principal).to_sign(tenant, MOST_AT_ONCE)
    return [
        DocumentToSign(row, each)
        for row in found
        for each in shown_documents(row, tenant, Viewer.of(principal.role))
        if each.signable
    ][:MOST_AT_ONCE]


async def shown_names(parts: Web, waiting: Sequence[DocumentToSign]) -> list[str]:
    """The file of each by which people find it in the archive: the PDF, or the original while there is none. Raises
    `BlobsAway`."""
    return await asyncio.to_thread(lambda: [each.pdf_name or _original_name(parts, each) for each in waiting])


async def archive_of(parts: Web, waiting: Sequence[DocumentToSign]) -> bytes:
    """Their files as one archive; what is still being made is left for the next. Raises `BlobsAway`."""

    def made() -> bytes:
        files: list[tuple[str, bytes]] = []
        for each in waiting:
            with suppress(BlobMissing):
                original = parts.blobs.get(each.stored["sha256"])
                own = [(each.original_name(original), original)]
                if each.pdf_name:
                    own.append((each.pdf_name, parts.blobs.get(each.stored["rendered_sha256"])))
                files += own
        return pack(files)

    return await asyncio.to_thread(made)


async def sign_many(
    parts: Web, principal: Principal, files: Sequence[SignatureFile], waiting: Sequence[DocumentToSign]
) -> list[SignatureVerdict]:
    """Each signature goes to its document, and shipping verifies it; one that is wrong doesn't stop the others. Raises
    `BlobsAway`."""
    originals = await asyncio.to_thread(lambda: [_original_name(parts, each) for each in waiting])
    by_stem = {
        stem_of(name): each
        for original, each in zip(originals, waiting, strict=True)
        for name in filter(None, (original, each.pdf_name))
    }
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


def _original_name(parts: Web, waiting: DocumentToSign) -> str:
    """Read from the bytes where they name themselves. Blocks."""
    if waiting.is_title:
        with suppress(BlobMissing):
            return waiting.original_name(parts.blobs.get(waiting.stored["sha256"]))
    return waiting.original_name(b"")
