"""`postavka documents` and `postavka post`: what was issued, its bytes, and the postal clerk's desk."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg
from cyclopts import App
from rich.markup import escape
from rich.table import Table

from postavka.domain.calendar import today
from postavka.kernel.blobs import open_blobs
from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import UserError
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import Settings, database_url
from postavka.web.formats import at
from services.documents import catalogue, post
from services.documents import counterparty as play
from services.documents.catalogue import DocumentState, ListedDocument
from services.documents.operator.local import LocalOperator
from services.documents.projection import connect, prepare
from services.documents.settings import documents_settings, open_operator

documents = App(name="documents", help="Documents that were issued: acts, invoices, shipping documents (L14-L16).")
postal = App(name="post", help="The postal queue: what to print and post, and the tracking numbers (L15).")

counterparty = App(
    name="counterparty",
    help="Play a counterparty on the local exchange operator: what it has received, sign it, refuse it. For trying.",
)

Format = Literal["pdf", "issued", "signature", "signed"]
MISSING = {
    "pdf": "{} is not rendered yet: is the service papers running? `postavka doctor` looks",
    "signature": "{} is not signed by the counterparty",
    "signed": "{} is not signed by a title of the counterparty's own",
}


class NoSuchDocument(UserError):
    """The log knows no such document."""


@documents.command(name="list")
def list_(
    *, request: UUID | None = None, state: DocumentState | None = None, limit: int = 50, json: bool = False
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
    json
        As one JSON array.
    """
    with _connection(connected()) as connection:
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
def show(request: UUID, document: str, *, json: bool = False) -> None:
    """All that is known of a document: hashes, dispatch, signature.

    Parameters
    ----------
    request
        Its request.
    document
        Its id, as `documents list` shows it.
    json
        As one JSON object.
    """
    with _connection(connected()) as connection:
        told = _told(_find(connection, request, document))
    if json:
        print_json(told)
        return
    shown = table(None, "", "")
    for name, value in told.items():
        for line in value if isinstance(value, list) else [value]:
            said = ", ".join(f"{key} {each}" for key, each in line.items()) if isinstance(line, dict) else line
            shown.add_row(name, "" if said is None else str(said))
    console.print(shown)


@documents.command
def get(request: UUID, document: str, *, format: Format = "pdf", out: Path | None = None) -> None:
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
    with _connection(config) as connection:
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
def verify(file: Path, *, json: bool = False) -> None:
    """Is this file, byte for byte, a document that was issued, its rendering, or a signature that was taken?

    Exits with 1 if it is none.

    Parameters
    ----------
    file
        Any file.
    json
        As one JSON array.
    """
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with _connection(connected()) as connection:
        found = catalogue.identify(connection, sha256)
    if json:
        print_json([{"sha256": sha256, **_match(each)} for each in found])
    else:
        console.print(f"SHA-256 {sha256}", highlight=False)
        for each in found:
            says = {"issued": "is", "pdf": "is the rendering of", "signed": "is what was signed of"}
            told = says.get(each.what, "is the signature under")
            console.print(f"{told} {each.document_id} of request {each.request_id}, {each.state.value}")
    if not found:
        if not json:
            console.print("[red]it is none of ours: no document was issued with these bytes[/]")
        raise SystemExit(1)


@postal.command(name="list")
def queue(*, json: bool = False) -> None:
    """What waits for the post, one envelope a request, those that have waited longest first.

    Parameters
    ----------
    json
        As one JSON array.
    """
    with _connection(connected()) as connection:
        waiting = post.waiting(connection)
    if json:
        print_json(
            [
                {
                    "request_id": each.request_id,
                    "recipient": each.recipient.name,
                    "address": each.address,
                    "since": each.since,
                    "documents": [enclosure.document_id for enclosure in each.enclosures],
                }
                for each in waiting
            ]
        )
        return
    if not waiting:
        console.print("nothing waits for the post")
        return
    shown = table(None, "request", "recipient", "address", "documents", "since")
    for each in waiting:
        titles = "; ".join(enclosure.title for enclosure in each.enclosures)
        since = at(each.since)
        shown.add_row(str(each.request_id), each.recipient.name, each.address, titles, since)
    console.print(shown)


@postal.command(name="print")
def print_(out: Path, *, request: UUID | None = None) -> None:
    """Write what waits as one PDF to print: for each envelope the address sheet, then its documents.

    Parameters
    ----------
    out
        The PDF to write.
    request
        Only the envelope of this request.
    """
    config = connected()
    with _connection(config) as connection:
        waiting = _waiting(connection, request)
    out.write_bytes(post.print_ready(waiting, open_blobs(config), today()))
    console.print(f"{out}: {len(waiting)} envelopes", highlight=False, soft_wrap=True)


@postal.command
def register(out: Path) -> None:
    """Write the list of dispatches for the post office (реестр) as a PDF.

    Parameters
    ----------
    out
        The PDF to write.
    """
    with _connection(connected()) as connection:
        waiting = _waiting(connection, None)
    out.write_bytes(post.register(waiting, today()))
    console.print(f"{out}: {len(waiting)} envelopes", highlight=False, soft_wrap=True)


@postal.command
def sent(request: UUID, tracking: str, *, document: list[str] | None = None, by: str | None = None) -> None:
    """Say that an envelope was posted, with its tracking number.

    Parameters
    ----------
    request
        Whose envelope it is.
    tracking
        14 digits, or 13 characters for abroad.
    document
        Only this document of the request, if they did not go together; may be repeated.
    by
        The clerk; your login if left out.
    """
    config = connected()
    with _connection(config, write=True) as connection:
        gone = post.sent(connection, request, tracking, by or getpass.getuser(), document or ())
    console.print(f"posted: {', '.join(gone)}", highlight=False)


@counterparty.command(name="list")
def received(*, inn: str | None = None, json: bool = False) -> None:
    """What lies in the mailboxes.

    Parameters
    ----------
    inn
        Only in the one of this INN.
    json
        As one JSON array.
    """
    found = sorted(_local().mailbox(inn), key=lambda each: each.number)
    if json:
        print_json([{"message": each.message_id, "inn": each.to_inn, "file": each.file_name} for each in found])
        return
    shown = table(None, "message", "INN", "file", "our signature")
    for each in found:
        shown.add_row(each.message_id, each.to_inn, each.file_name, "yes" if each.signature else "no")
    console.print(shown if found else "nothing was sent yet")


@counterparty.command(name="sign")
def sign_received(message: str) -> None:
    """Sign a message as its recipient, with a certificate of the trial authority.

    Parameters
    ----------
    message
        As `counterparty list` shows it.
    """
    operator = _local()
    try:
        play.sign_received(operator, play.trial_authority(connected().home), message)
    except LookupError as missing:
        raise NoSuchDocument(str(missing)) from None
    console.print("signed; the answer arrives within seconds: `postavka documents list --state signed`")


@counterparty.command
def decline(message: str, reason: str) -> None:
    """Refuse to sign a message as its recipient.

    Parameters
    ----------
    message
        As `counterparty list` shows it.
    reason
        In the counterparty's words.
    """
    try:
        _local().decline(message, reason)
    except LookupError as missing:
        raise NoSuchDocument(str(missing)) from None
    console.print("declined")


@counterparty.command
def signature(file: Path, *, inn: str, out: Path | None = None) -> None:
    """Make a detached signature under any file, by a holder of this INN: to try what the portal and `sign` take.

    Parameters
    ----------
    file
        What to sign: the bytes issued, or the PDF.
    inn
        Whose certificate it is to be.
    out
        The signature's file, DER; FILE.sig if left out.
    """
    place = out or file.with_name(f"{file.name}.sig")
    place.write_bytes(play.trial_authority(connected().home).sign(file.read_bytes(), inn, inn))
    console.print(str(place), highlight=False, soft_wrap=True)


def _local() -> LocalOperator:
    operator = open_operator(connected(), documents_settings())
    if not isinstance(operator, LocalOperator):
        raise NoSuchDocument("the exchange operator is a real one: its counterparties can't be played")
    return operator


def _connection(config: Settings, *, write: bool = False) -> psycopg.Connection[Any]:
    url = database_url(config)
    prepare(url)
    return connect(url, readonly=not write)


def _find(connection: psycopg.Connection[Any], request: UUID, document: str) -> ListedDocument:
    for each in catalogue.documents_of(connection, request):
        if each.document_id == document:
            return each
    raise NoSuchDocument(
        f"request {request} has no document {document!r}; see `postavka documents list --request {request}`"
    )


def _waiting(connection: psycopg.Connection[Any], request: UUID | None) -> list[post.PostalEnvelope]:
    waiting = post.waiting(connection, request)
    if not waiting:
        raise NoSuchDocument("nothing waits for the post")
    return waiting


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
