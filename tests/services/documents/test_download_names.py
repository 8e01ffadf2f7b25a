"""What documents and signatures are called when they are saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from postavka.domain.document_forms import buyer, canonical, upd
from postavka.domain.document_forms.content import sha256
from services.cabinet.api.documents import download
from services.documents import catalogue
from services.documents.catalogue import ListedDocument
from tests.domain.document_forms.test_transfer_documents import ACT, answer

TITLE, ANSWER, PDF, JSON = upd.seller_title(ACT), answer(), b"%PDF-1.7", canonical.to_bytes(ACT)
SIGNATURE = b"\x30\x80"


class Kept:
    """A store of blobs."""

    def __init__(self, *data: bytes) -> None:
        self._data = {sha256(each): each for each in data}

    def get(self, name: str) -> bytes:
        return self._data[name]


BLOBS: Any = Kept(TITLE, ANSWER, PDF, JSON, SIGNATURE, b"<odd/>")
SELLERS = f"{upd.file_id(ACT)}.xml"


async def saved_as(form: str, data: bytes, wanted: Any = "original") -> tuple[str, str]:
    """Both names that an answer gives."""

    class Parts:
        blobs = BLOBS

    class Row:
        documents = {  # noqa: RUF012 - a stand-in
            "d": {"sha256": sha256(data), "rendered_sha256": sha256(PDF), "form": form, "kind": "act", "number": "482"}
        }

    parts: Any = Parts()
    row: Any = Row()
    said = (await download(parts, row, "d", wanted)).headers["content-disposition"]
    plain, _, encoded = said.partition("; filename*=UTF-8''")
    return plain.partition("filename=")[2].strip('"'), unquote(encoded)


async def test_a_title_is_downloaded_under_the_name_it_has_inside():
    assert await saved_as(upd.FORM, TITLE) == (SELLERS, SELLERS)
    assert await saved_as(canonical.FORM, JSON) == ("document.json", "Акт приема-передачи 482.json")
    assert await saved_as(upd.FORM, TITLE, "pdf") == ("document.pdf", "Акт приема-передачи 482.pdf")


DOCUMENT = ListedDocument.of(
    {
        "request_id": uuid4(),
        "document_id": "act-482",
        "kind": "act",
        "number": "482",
        "issued_on": date(2026, 3, 1),
        "recorded_at": datetime(2026, 3, 1, tzinfo=UTC),
        "recipient_id": "dist",
        "delivery": "edo",
        "form": upd.FORM,
        "sha256": sha256(TITLE),
        "rendering_sha256": sha256(PDF),
        "dispatched_at": None,
        "tracking": None,
        "signed_at": datetime(2026, 3, 2, tzinfo=UTC),
        "signed_form": buyer.FORM,
        "signed_sha256": sha256(ANSWER),
        "signature_sha256": sha256(SIGNATURE),
        "certificate_subject": "CN=ООО «Союз»",
    }
)


def name(document: ListedDocument, format: str) -> str:
    file = document.file(format)
    assert file is not None
    return catalogue.name_of(BLOBS, document, file)


def test_a_signature_is_called_as_what_it_covers():
    buyers = upd.file_name(ANSWER)
    assert buyers.startswith("ON_NSCHFDOPPOK_")
    assert (name(DOCUMENT, "issued"), name(DOCUMENT, "signed")) == (SELLERS, buyers)
    assert name(DOCUMENT, "signature") == f"{buyers}.sig"
    alone = replace(DOCUMENT, signed_form=upd.FORM, signed_sha256=sha256(TITLE))
    assert name(alone, "signature") == f"{SELLERS}.sig"
    assert alone.file("signed") is None
    printed = replace(DOCUMENT, signed_form="pdf/1", signed_sha256=sha256(PDF))
    assert name(printed, "signature") == "Акт 482 от 2026-03-01.pdf.sig"
    odd = replace(DOCUMENT, signed_sha256=sha256(b"<odd/>"))
    assert name(odd, "signature") == "act-482.xml.sig"
    unsigned = replace(DOCUMENT, signature_sha256=None, signed_form=None)
    assert unsigned.file("signature") is None
    assert unsigned.file("signed") is None
