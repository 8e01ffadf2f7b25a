"""`postavka documents`: what was issued, and its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg
from cyclopts import App
from rich.markup import escape
from rich.table import Table

from postavka.domain.request_ids.parameter import RequestId
from postavka.kernel.blobs import open_blobs
from postavka.kernel.cli_options import Json, JsonArray
from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import ANSWER_IS_NO, NotFound
from postavka.kernel.id_beginning import one_of
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings, database_url
from postavka.web.formats import at
from services.documents import catalogue
from services.documents.catalogue import DocumentState, ListedDocument
from services.documents.projection import connect, prepare

documents = App(name="documents", help="Documents that were issued: acts, invoices, shipping documents (L14-L16).")


Format = Literal["pdf", "issued", "signature", "signed"]
MISSING = {
    "pdf": "{} is not rendered yet: is the service papers running? `postavka doctor` looks",
    "signature": "{} is not signed by the counterparty",
    "signed": "{} is not signed by a title of the counterparty's own",
}


class NoSuchDocument(NotFound):
    """The log knows no such document."""


@documents.command(name="list")
def list_(
    *, request: RequestId | None = None, state: DocumentState | None = None, limit: int = 50, json: JsonArray = False
) -> None:
    """List documents, newest first.

    Parameters
    ----------
    request
        Only those of this request.
    state
        issued: not dispatched yet; dispatched: not signed yet; signed.
    limit
        At most so many.
    """
    with opened(connected()) as connection:
        if request is not None:
            found = [each for each in catalogue.documents_of(connection, request) if state in (None, each.state)]
        else:
            found = catalogue.newest(connection, limit, state)
    if json:
        print_json([_told(each) for each in found])
        return
    if not found:
        console.print("no documents")
        return
    console.print(
        documents_table(
            (
                str(each.request_id),
                each.document_id,
                f"{each.delivery} to {each.recipient_id}: {each.state.value}, {at(each.recorded_at)}",
            )
            for each in found
        )
    )


def documents_table(rows: Iterable[tuple[str, str, str]]) -> Table:
    """Request, document, and how it does on a line of its own: so both ids stay whole in 80 columns."""
    shown = table(None, "request", "document")
    for request, document, how in rows:
        shown.add_row(request, document)
        shown.add_row("", f"[dim]{escape(how)}[/]")
    return shown


@documents.command
def show(request: RequestId, document: str, *, json: Json = False) -> None:
    """All that is known of a document: hashes, dispatch, signature.

    Parameters
    ----------
    request
        Its request.
    document
        Its id, as `documents list` shows it.
    """
    with opened(connected()) as connection:
        fields = _told(_find(connection, request, document))
    if json:
        print_json(fields)
        return
    shown = table(None, "", "")
    for name, value in fields.items():
        for line in value if isinstance(value, list) else [value]:
            text = ", ".join(f"{key} {each}" for key, each in line.items()) if isinstance(line, dict) else line
            shown.add_row(name, "" if text is None else str(text))
    console.print(shown)


@documents.command
def get(request: RequestId, document: str, *, format: Format = "pdf", out: Path | None = None) -> None:
    """Write a document's bytes to a file.

    Parameters
    ----------
    request
        Its request.
    document
        Its id, as `documents list` shows it.
    format
        pdf: for people; issued: the exact bytes that a signature covers (XML or JSON); signature: the counterparty's,
        detached; signed: what it covers, if that is a title of its own.
    out
        The file, or the folder to put it into; the working folder if left out.
    """
    config = connected()
    with opened(config) as connection:
        listed = _find(connection, request, document)
    file = listed.file(format)
    if file is None:
        raise NoSuchDocument(MISSING[format].format(document))
    blobs = open_blobs(config)
    data = catalogue.bytes_of(blobs, file)
    place = out if out is not None and not out.is_dir() else (out or Path()) / catalogue.name_of(blobs, listed, file)
    place.write_bytes(data)
    console.print(str(place), highlight=False, soft_wrap=True)


@documents.command
def verify(file: Path, *, json: JsonArray = False) -> None:
    """Is this file, byte for byte, a document that was issued, its rendering, or a signature that was taken?

    Exits with 1 if it is none.

    Parameters
    ----------
    file
        Any file.
    """
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with opened(connected()) as connection:
        found = catalogue.identify(connection, sha256)
    if json:
        print_json([{"sha256": sha256, **_match(each)} for each in found])
    else:
        console.print(f"SHA-256 {sha256}", highlight=False)
        for each in found:
            says = {"issued": "is", "pdf": "is the rendering of", "signed": "is what was signed of"}
            relation = says.get(each.what, "is the signature under")
            console.print(f"{relation} {each.document_id} of request {each.request_id}, {each.state.value}")
    if not found:
        if not json:
            console.print("[red]it is none of ours: no document was issued with these bytes[/]")
        raise SystemExit(ANSWER_IS_NO)


def opened(config: Settings, *, write: bool = False) -> psycopg.Connection[Any]:
    """A connection to the schema, brought up to date; it only reads unless `write` says otherwise."""
    url = database_url(config)
    prepare(url)
    return connect(url, readonly=not write)


def _find(connection: psycopg.Connection[Any], request: UUID, document: str) -> ListedDocument:
    known = {each.document_id: each for each in catalogue.documents_of(connection, request)}
    if not any(each.startswith(document) for each in known):
        raise NoSuchDocument(
            f"request {request} has no document {document!r}; see `postavka documents list --request {request}`"
        )
    return known[one_of("document", document, known)]


def _told(document: ListedDocument) -> dict[str, Any]:
    return {
        "request_id": document.request_id,
        "document_id": document.document_id,
        "kind": document.kind,
        "number": document.number,
        "issued_on": document.issued_on,
        "recipient": document.recipient_id,
        "delivery": document.delivery,
        "state": document.state.value,
        "dispatched_at": document.dispatched_at,
        "tracking": document.tracking,
        "signed_at": document.signed_at,
        "signed": document.signed_form,
        "signature_sha256": document.signature_sha256,
        "certificate": document.certificate_subject,
        "files": [{"format": each.format, "form": each.form, "sha256": each.sha256} for each in document.files],
    }


def _match(match: catalogue.Match) -> dict[str, Any]:
    return {
        "request_id": match.request_id,
        "document_id": match.document_id,
        "what": match.what,
        "state": match.state.value,
    }
