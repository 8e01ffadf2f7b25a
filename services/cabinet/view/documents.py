"""The documents of a request as its readers see them (L14-L16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postavka.domain.wording import document_name
from postavka.web.formats import moment
from services.cabinet.requests import SIGNED, Row
from services.cabinet.view.now import Viewer


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """One document as the page shows it. `signable`: the reader is who has to sign it, and has not yet."""

    id: str
    kind: str
    name: str
    number: str
    issued_on: str
    state: str
    icon: str
    is_signed: bool
    is_void: bool
    """Its request has ended: the document is good for nothing."""
    has_picture: bool
    original: str
    """What the issued bytes are called on a button: what a signature covers."""
    signable: bool
    refusals: Sequence[Any]
    """Signatures that were not taken."""
    declines: Sequence[Any]
    """What the counterparty has against it."""


def shown_documents(row: Row, own: str | None, reader: Viewer) -> list[ShownDocument]:
    """Those that this reader may see: a distributor those addressed to it."""
    found = []
    for identity, document in row.documents.items():
        to_reader = document.get("recipient_id") == own
        if "issued_at" not in document or (reader is Viewer.DISTRIBUTOR and not to_reader):
            continue
        signed = "signed_at" in document
        found.append(
            ShownDocument(
                id=identity,
                kind=document["kind"],
                name=document_name(document["kind"]),
                number=document["number"],
                issued_on=document["issued_on"],
                state=_state(document, to_reader, row.has_ended),
                icon="file-check" if signed else "file-text",
                is_signed=signed,
                is_void=row.has_ended,
                has_picture="rendered_sha256" in document,
                original="XML" if str(document.get("form", "")).startswith("fns.") else "JSON",
                signable=reader is not Viewer.OFFICE and row.is_to_sign(document, own),
                refusals=() if signed else document.get("refusals", ()),
                declines=() if signed else document.get("declines", ()),
            )
        )
    return found


def _state(document: Mapping[str, Any], to_reader: bool, ended: bool) -> str:
    if at := document.get("signed_at"):
        under = document.get("signed_under")
        by_power = f", по доверенности {under}" if under else ""
        return f"Подписан {moment(at)}, ИНН {document.get('signed_by')}{by_power}"
    waits = "; ждёт вашей подписи" if to_reader else "; ждёт подписи"
    if document["kind"] not in SIGNED:
        waits = ""
    elif ended:
        waits = "; подпись не нужна: заявка закрыта"
    if at := document.get("dispatched_at"):
        how = "почтой" if document.get("delivery") == "post" else "по ЭДО"
        track = f", трек-номер {document['tracking']}" if document.get("tracking") else ""
        return f"Отправлен {how} {moment(at)}{track}{waits}"
    return f"Составлен{waits}"
