"""What documents there are, in which state, and their bytes: for pages, the command line and auditors.

Web pages read `papers.documents` through their own connection, where row-level security shows a tenant only what was
issued to it; `listed`, `found` and `bytes_of` are for rows read anyhow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from postavka.domain.document_forms import buyer, canonical, upd
from postavka.domain.wording import document_file
from postavka.kernel.blobs import Blobs
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("services.documents")

PDF, ISSUED = "pdf", "issued"
"""The two formats of a document: the rendering, and the exact bytes issued."""
SIGNATURE, SIGNED = "signature", "signed"
"""The counterparty's signature, and the title of its own that it covers."""

COLUMNS = (
    "request_id, document_id, kind, number, issued_on, recorded_at, recipient_id, delivery, form, sha256, "
    "rendering_sha256, dispatched_at, dispatch_id, tracking, signed_at, signed_form, signed_sha256, "
    "signature_sha256, certificate_subject"
)
MEDIA = {canonical.FORM: ("application/json", "json"), upd.FORM: ("application/xml; charset=windows-1251", "xml")}


class DocumentState(StrEnum):
    """The state of a document on its way."""

    ISSUED = "issued"
    """On its way out: to the operator, or to the postal queue."""
    DISPATCHED = "dispatched"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class File:
    """One format in which a document can be had."""

    format: str
    """`pdf` or `issued`"""
    form: str
    media_type: str
    name: str
    """What a person saves it as."""
    sha256: str


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A document as pages show it."""

    request_id: UUID
    document_id: str
    kind: str
    number: str
    issued_on: date
    recorded_at: datetime
    recipient_id: str
    delivery: str
    state: DocumentState
    dispatched_at: datetime | None
    tracking: str | None
    signed_at: datetime | None
    signed_form: str | None
    signature_sha256: str | None
    certificate_subject: str | None
    signed_sha256: str | None
    files: tuple[File, ...]
    """`issued` always; `pdf` once it is rendered, which takes a second."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The document in a row of `papers.documents` with `COLUMNS`."""
        stem = f"{document_file(row['kind'])} {row['number']} от {row['issued_on'].isoformat()}"
        media_type, suffix = MEDIA.get(row["form"], ("application/octet-stream", "bin"))
        files = [File(ISSUED, row["form"], media_type, f"{stem}.{suffix}", row["sha256"])]
        if row["rendering_sha256"] is not None:
            files.insert(0, File(PDF, "pdf/1", "application/pdf", f"{stem}.pdf", row["rendering_sha256"]))
        state = DocumentState.DISPATCHED if row["dispatched_at"] else DocumentState.ISSUED
        names = (
            *("request_id", "document_id", "kind", "number", "issued_on", "recorded_at", "recipient_id", "delivery"),
            *("dispatched_at", "tracking", "signed_at", "signed_form", "signature_sha256", "certificate_subject"),
            "signed_sha256",
        )
        return cls(
            **{name: row[name] for name in names},
            state=DocumentState.SIGNED if row["signed_at"] else state,
            files=tuple(files),
        )

    def file(self, format: str) -> File | None:
        """The file of this format, if there is one; beside `files` the counterparty's `signature`, and the title of its
        own that it covers (`signed`)."""
        if format == SIGNATURE and self.signature_sha256 is not None:
            covered = self.covered()
            name = f"{covered.name if covered is not None else self.document_id}.sig"
            return File(SIGNATURE, "cms", "application/pkcs7-signature", name, self.signature_sha256)
        if format == SIGNED and self.signed_form == buyer.FORM and self.signed_sha256 is not None:
            media_type, suffix = MEDIA[upd.FORM]
            return File(SIGNED, buyer.FORM, media_type, f"{self.document_id}.{suffix}", self.signed_sha256)
        return next((each for each in self.files if each.format == format), None)

    def covered(self) -> File | None:
        """What the counterparty's signature is over."""
        formats = {buyer.FORM: SIGNED, "pdf/1": PDF}
        return self.file(formats.get(self.signed_form or "", ISSUED))


def documents_of(connection: psycopg.Connection[Any], request_id: UUID) -> list[ListedDocument]:
    """The documents of a request, in the order in which they were issued."""
    query = f"SELECT {COLUMNS} FROM papers.documents WHERE request_id = %s ORDER BY recorded_at, document_id"  # noqa: S608
    return _listed(connection, query, (request_id,))


def newest(connection: psycopg.Connection[Any], most: int, state: DocumentState | None = None) -> list[ListedDocument]:
    """The newest documents of the list; only those in `state`, if one is given."""
    conditions = {
        None: "true",
        DocumentState.ISSUED: "dispatched_at IS NULL AND signed_at IS NULL",
        DocumentState.DISPATCHED: "dispatched_at IS NOT NULL AND signed_at IS NULL",
        DocumentState.SIGNED: "signed_at IS NOT NULL",
    }
    query = (
        f"SELECT {COLUMNS} FROM papers.documents WHERE {conditions[state]} "  # noqa: S608
        "ORDER BY recorded_at DESC, document_id LIMIT %s"
    )
    return _listed(connection, query, (most,))


@dataclass(frozen=True, slots=True)
class PutOff:
    """A document that can't leave before somebody has mended something."""

    request_id: UUID
    document_id: str
    kind: str
    number: str
    recipient_id: str
    why: str
    tries: int

    @property
    def name(self) -> str:
        """The name of the document in Russian."""
        return f"{document_file(self.kind)} № {self.number}"


def put_off(connection: psycopg.Connection[Any], most: int = 100) -> list[PutOff]:
    """Documents that were put off, the oldest first: no mailbox or several, a seal that doesn't sign, lost bytes."""
    rows = connection.cursor(row_factory=dict_row).execute(QUERIES.put_off, (most,)).fetchall()
    return [PutOff(**row) for row in rows]


def name_of(blobs: Blobs, document: ListedDocument, file: File) -> str:
    """What it is saved as: a title by the name it has inside (`upd.file_name`), a signature by that of what it covers
    with `.sig`. Raises like `Blobs.get`."""
    if file.format == SIGNATURE:
        covered = document.covered()
        return f"{name_of(blobs, document, covered)}.sig" if covered is not None else file.name
    if file.form not in (upd.FORM, buyer.FORM):
        return file.name
    try:
        return upd.file_name(blobs.get(file.sha256))
    except ValueError:  # a counterparty's title, written otherwise
        return file.name


def bytes_of(blobs: Blobs, file: File) -> bytes:
    """The bytes, checked against the SHA-256 on record. Raises like `Blobs.get`: `BlobMissing` while the document is
    being rendered."""
    return blobs.get(file.sha256)


@dataclass(frozen=True, slots=True)
class Match:
    """The identity of a file, by its bytes alone."""

    request_id: UUID
    document_id: str
    what: str
    """`issued`, `pdf`, `signed` (the bytes that a signature covers, as a buyer's title) or `signature`"""
    state: DocumentState


def identify(connection: psycopg.Connection[Any], sha256: str) -> list[Match]:
    """What was issued, rendered, signed or taken as a signature with exactly these bytes; []: nothing."""
    rows = connection.cursor(row_factory=dict_row).execute(QUERIES.identify, {"sha256": sha256}).fetchall()
    return [Match(row["request_id"], row["document_id"], row["what"], DocumentState(row["state"])) for row in rows]


def _listed(connection: psycopg.Connection[Any], query: str, given: tuple[object, ...]) -> list[ListedDocument]:
    rows = connection.cursor(row_factory=dict_row).execute(query.encode(), given).fetchall()
    return [ListedDocument.of(row) for row in rows]
