"""The form `fns.upd-dop.buyer/5.03`: the buyer's title, by which a counterparty accepts a transfer document (L16).

Same order and version as the seller's (file `ON_NSCHFDOPPOK`). It is the counterparty that writes and signs one; here
it is written for whoever plays one (`services.shipping.titles` reads them).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from postavka.domain.document_forms.content import DocumentContent
from postavka.domain.document_forms.upd import FORM as SELLER_FORM
from postavka.domain.document_forms.upd import MOSCOW, file, file_id, line, names_of, person
from postavka.domain.document_forms.xml_writer import document, element
from postavka.domain.wording import TRANSFER_DOCUMENTS

FORM = "fns.upd-dop.buyer/5.03"
ACCEPTED = "1"
"""`КодИтога`: taken without any reservation. 2: with differences; 3: not taken."""


@dataclass(frozen=True, slots=True)
class SellerTitle:
    """What a buyer's title repeats of the seller's. Days and times as the file writes them."""

    file_id: str
    day: str
    time: str
    name: str
    """`НаимДокОпр`"""
    number: str
    issued_on: str
    buyer_name: str
    buyer_inn: str

    @classmethod
    def of(cls, content: DocumentContent) -> Self:
        """Raises `ValueError` for a paper without the seller's form."""
        if content.issued_at is None:
            raise ValueError(f"{content.document_id} has no form {SELLER_FORM}")
        at = content.issued_at.astimezone(MOSCOW)
        return cls(
            file_id=file_id(content),
            day=f"{at:%d.%m.%Y}",
            time=f"{at:%H.%M.%S}",
            name=TRANSFER_DOCUMENTS[content.kind],
            number=line(content.number, 1000),
            issued_on=f"{content.issued_on:%d.%m.%Y}",
            buyer_name=content.recipient.name,
            buyer_inn=content.recipient.inn,
        )


def buyer_title(seller: SellerTitle, seller_signature: str, at: datetime, guid: UUID, outcome: str = ACCEPTED) -> bytes:
    """The title with which the counterparty answers, drawn up at `at`; `seller_signature` in base64."""
    here = at.astimezone(MOSCOW)
    buyer, vendor = seller.file_id.removeprefix("ON_NSCHFDOPPR_").split("_")[:2]
    name = f"ON_NSCHFDOPPOK_{vendor}_{buyer}_{here:%Y%m%d}_{guid}_0_0_0_0_0_00"
    answered = element(
        "ИдИнфПрод",
        {"ИдФайлИнфПр": seller.file_id, "ДатаФайлИнфПр": seller.day, "ВремФайлИнфПр": seller.time},
        element("ЭП", {}, seller_signature or "-"),
    )
    taken = element(
        "СодФХЖ4",
        {
            "НаимДокОпрПр": seller.name,
            "Функция": "ДОП",
            "ПорНомДокИнфПр": seller.number,
            "ДатаДокИнфПр": seller.issued_on,
        },
        element("СвПрин", {"ДатаПрин": f"{here:%d.%m.%Y}"}, element("КодСодОпер", {"КодИтога": outcome})),
    )
    made = element(
        "Документ",
        {
            "КНД": "1115132",
            "ДатаИнфПок": f"{here:%d.%m.%Y}",
            "ВремИнфПок": f"{here:%H.%M.%S}",
            "НаимЭконСубСост": line(f"{seller.buyer_name}, ИНН {seller.buyer_inn}", 1000),
        },
        answered,
        taken,
        element("Подписант", {"СпосПодтПолном": "1"}, person(*names_of(seller.buyer_name))),
    )
    return document(file(name, made))
