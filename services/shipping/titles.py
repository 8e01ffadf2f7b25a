"""Reads buyers' titles (L16): XML from outside, so that nothing in it is fetched, expanded or trusted."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from postavka.domain.document_forms.upd import VERSION

MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class BuyerTitle:
    """The content of a buyer's title, as far as it matters here."""

    answers: str
    """`ИдФайлИнфПр`: the seller's file it answers."""
    seller_signature: str
    """`ЭП`: the signature under the seller's title, base64; or whatever stands for it."""
    number: str | None
    outcome: str
    """`КодИтога`"""


def read_buyer_title(data: bytes) -> BuyerTitle:
    """What a counterparty's title says. Raises `ValueError` for what is no buyer's title of this version."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"over {MAX_BYTES} bytes")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as wrong:
        raise ValueError(f"not XML: {wrong.msg}") from None
    if root.getroottree().docinfo.doctype:
        raise ValueError("a document type declaration is not allowed")
    document = root.find("Документ")
    seller = root.find("Документ/ИдИнфПрод")
    content = root.find("Документ/СодФХЖ4")
    outcome = root.find("Документ/СодФХЖ4/СвПрин/КодСодОпер")
    if root.tag != "Файл" or document is None or seller is None or content is None or outcome is None:
        raise ValueError("not a buyer's title")
    if root.get("ВерсФорм") != VERSION or document.get("КНД") != "1115132" or content.get("Функция") != "ДОП":
        raise ValueError(f"not a buyer's title of version {VERSION}, function ДОП")
    return BuyerTitle(
        answers=seller.get("ИдФайлИнфПр", ""),
        seller_signature="".join((seller.findtext("ЭП") or "").split()),
        number=content.get("ПорНомДокИнфПр"),
        outcome=outcome.get("КодИтога", ""),
    )
