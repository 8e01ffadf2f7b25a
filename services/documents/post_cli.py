"""`postavka post`: the postal clerk's desk."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from cyclopts import App

from postavka.domain.calendar import today
from postavka.domain.request_ids.parameter import RequestId
from postavka.kernel.blobs import open_blobs
from postavka.kernel.cli_options import JsonArray
from postavka.kernel.console import console, print_json, table
from postavka.kernel.runtime.connection import connected
from postavka.web.formats import at
from services.documents import post
from services.documents.cli import NoSuchDocument, opened

postal = App(name="post", help="The postal queue: what to print and post, and the tracking numbers (L15).")


@postal.command(name="list")
def queue(*, json: JsonArray = False) -> None:
    """What waits for the post, one envelope a request, those that have waited longest first."""
    with opened(connected()) as connection:
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
def print_(out: Path, *, request: RequestId | None = None) -> None:
    """Write what waits as one PDF to print: for each envelope the address sheet, then its documents.

    Parameters
    ----------
    out
        The PDF to write.
    request
        Only the envelope of this request.
    """
    config = connected()
    with opened(config) as connection:
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
    with opened(connected()) as connection:
        waiting = _waiting(connection, None)
    out.write_bytes(post.register(waiting, today()))
    console.print(f"{out}: {len(waiting)} envelopes", highlight=False, soft_wrap=True)


@postal.command
def sent(request: RequestId, tracking: str, *, document: list[str] | None = None, by: str | None = None) -> None:
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
    with opened(config, write=True) as connection:
        gone = post.sent(connection, request, tracking, by or getpass.getuser(), document or ())
    console.print(f"posted: {', '.join(gone)}", highlight=False)


def _waiting(connection: psycopg.Connection[Any], request: UUID | None) -> list[post.PostalEnvelope]:
    waiting = post.waiting(connection, request)
    if not waiting:
        raise NoSuchDocument("nothing waits for the post")
    return waiting
