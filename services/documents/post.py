"""The postal queue (L15): what waits for the clerk, what is printed, and the tracking number that comes back.

One envelope holds the documents of one request: an address sheet, then each document as it was issued.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pypdf
from psycopg.rows import dict_row

from events.reference import Company
from events.shipping import ShippingOpened
from postavka.domain.typesetting import day_in_words, typeset, unbroken
from postavka.domain.typesetting.russian import NO_BREAK_SPACE
from postavka.domain.wording import document_file
from postavka.kernel.blobs import Blobs
from postavka.kernel.errors import UserError
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("services.documents")

TEMPLATES = Path(__file__).parent / "templates"
INDEX = re.compile(r"\b[0-9]{6}\b")
TRACKING = re.compile(r"[0-9]{14}|[A-Z]{2}[0-9]{9}[A-Z]{2}")
"""Of Russian Post: 14 digits within the country, 13 characters abroad (S10)."""


class NotQueued(UserError):
    """Nothing of this request is in the queue for the post."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """One document in an envelope to be printed."""

    document_id: str
    title: str
    rendering_sha256: str


@dataclass(frozen=True, slots=True)
class PostalEnvelope:
    """The envelope for one recipient of one request."""

    request_id: UUID
    recipient: Company
    sender: Company
    since: datetime
    enclosures: tuple[Enclosure, ...]

    @property
    def address(self) -> str:
        """The postal address of the recipient, else its legal one."""
        return self.recipient.postal_address or self.recipient.address or ""

    @property
    def index(self) -> str:
        """The postal code in the address, if there is one."""
        found = INDEX.search(self.address)
        return found.group() if found else ""


QUEUE = QUERIES.postal_queue


def waiting(connection: psycopg.Connection[Any], request_id: UUID | None = None) -> list[PostalEnvelope]:
    """The envelopes that wait for the clerk, those that have waited longest first; or the one of this request."""
    rows = connection.cursor(row_factory=dict_row).execute(QUEUE, {"request": request_id}).fetchall()
    of_request: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        of_request.setdefault(row["request_id"], []).append(row)
    return [_envelope(each) for each in of_request.values()]


def sent(
    connection: psycopg.Connection[Any], request_id: UUID, tracking: str, by: str, documents: Sequence[str] = ()
) -> list[str]:
    """The clerk has posted the envelope of this request (or only these `documents` of it). Returns their ids; the
    worker reports it to the log.

    Raises `NotQueued` if nothing, or one of `documents` not, is waiting; `UserError` for what is no tracking number.
    """
    number = tracking.strip().replace(" ", "").upper()
    if not TRACKING.fullmatch(number):
        raise UserError(f"{tracking!r} is no tracking number: 14 digits, or 13 characters like RA123456785RU")
    with connection.transaction():
        queued = [each.document_id for envelope in waiting(connection, request_id) for each in envelope.enclosures]
        chosen = list(documents) or queued
        if not queued:
            raise NotQueued(f"nothing of request {request_id} waits for the post; see `postavka post list`")
        if strangers := sorted(set(chosen) - set(queued)):
            raise NotQueued(f"request {request_id}: {', '.join(strangers)} does not wait for the post")
        for document_id in chosen:
            connection.execute(QUERIES.posted, (request_id, document_id, number, by))
    return chosen


def print_ready(envelopes: Iterable[PostalEnvelope], blobs: Blobs, day: date) -> bytes:
    """The PDF to print: for each envelope the address sheet, then its documents, page by page as they were issued.

    Every envelope starts on an odd page, so that two sides can be printed on.
    """
    whole = pypdf.PdfWriter()
    for envelope in envelopes:
        if len(whole.pages) % 2:
            whole.add_blank_page()
        whole.append(io.BytesIO(address_sheet(envelope, day)))
        for enclosure in envelope.enclosures:
            whole.append(io.BytesIO(blobs.get(enclosure.rendering_sha256)))
    out = io.BytesIO()
    whole.write(out)
    return out.getvalue()


def address_sheet(envelope: PostalEnvelope, day: date) -> bytes:
    """The first sheet of an envelope: its addresses show in the window, its list says what is enclosed."""
    return typeset(TEMPLATES / "envelope.typ", _sheet(envelope, day), day)


def register(envelopes: Sequence[PostalEnvelope], day: date) -> bytes:
    """The list of dispatches (реестр) that goes to the post office with the envelopes, to be signed there."""
    first = envelopes[0].sender if envelopes else None
    data = {
        "title": f"Реестр почтовых отправлений от {day_in_words(day)}",
        "footer": f"Реестр почтовых отправлений от {day:%d.%m.%Y}",
        "vendor": {"name": first.name if first else "", "address": (first.address or "") if first else ""},
        "rows": [
            [
                str(number),
                each.recipient.name,
                unbroken(each.address),
                ", ".join(enclosure.title for enclosure in each.enclosures),
                "",
            ]
            for number, each in enumerate(envelopes, 1)
        ],
        "total": f"Всего отправлений: {len(envelopes)}",
    }
    return typeset(TEMPLATES / "register.typ", data, day)


def _envelope(rows: Sequence[dict[str, Any]]) -> PostalEnvelope:
    facts = ShippingOpened.model_validate(rows[0]["facts"])
    enclosures = (
        Enclosure(
            row["document_id"],
            f"{document_file(row['kind'])} №{NO_BREAK_SPACE}{row['number']} от {row['issued_on']:%d.%m.%Y}",
            row["rendering_sha256"],
        )
        for row in rows
    )
    recipient = facts.distributor or facts.partner
    return PostalEnvelope(rows[0]["request_id"], recipient, facts.vendor, rows[0]["recorded_at"], tuple(enclosures))


def _sheet(envelope: PostalEnvelope, day: date) -> dict[str, Any]:
    sender = envelope.sender
    return {
        "title": f"Адресный лист: {envelope.recipient.name}",
        "footer": f"Заявка {envelope.request_id}",
        "vendor": {"name": sender.name, "address": unbroken(sender.postal_address or sender.address or "")},
        "to": {"name": envelope.recipient.name, "address": unbroken(envelope.address), "index": envelope.index},
        "enclosures": [each.title for each in envelope.enclosures],
        "day": day_in_words(day),
        "request": str(envelope.request_id),
    }
