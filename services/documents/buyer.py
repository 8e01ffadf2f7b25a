"""The form `fns.upd-dop.buyer/5.03`: the buyer's title, by which a counterparty accepts a transfer document (L16).

Same order and version as the seller's (file `ON_NSCHFDOPPOK`). It is the counterparty that writes and signs one; here
it is written for whoever plays one (`services.shipping.titles` reads them).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from lxml import etree

from services.documents.paper import Paper
from services.documents.upd import FORM as SELLER_FORM
from services.documents.upd import MOSCOW, NAMES, PROGRAM, VERSION, file_id, names_of, serialise, text

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
    def of(cls, paper: Paper) -> Self:
        """Raises `ValueError` for a paper without the seller's form."""
        if paper.issued_at is None:
            raise ValueError(f"{paper.document_id} has no form {SELLER_FORM}")
        at = paper.issued_at.astimezone(MOSCOW)
        return cls(
            file_id=file_id(paper),
            day=f"{at:%d.%m.%Y}",
            time=f"{at:%H.%M.%S}",
            name=NAMES[paper.kind],
            number=text(paper.number, 1000),
            issued_on=f"{paper.issued_on:%d.%m.%Y}",
            buyer_name=paper.recipient.name,
            buyer_inn=paper.recipient.inn,
        )


def buyer_title(seller: SellerTitle, seller_signature: str, at: datetime, guid: UUID, outcome: str = ACCEPTED) -> bytes:
    """The title with which the counterparty answers, drawn up at `at`; `seller_signature` in base64."""
    here = at.astimezone(MOSCOW)
    buyer, vendor = seller.file_id.removeprefix("ON_NSCHFDOPPR_").split("_")[:2]
    name = f"ON_NSCHFDOPPOK_{vendor}_{buyer}_{here:%Y%m%d}_{guid}_0_0_0_0_0_00"
    root = etree.Element("Файл", {"ИдФайл": name, "ВерсФорм": VERSION, "ВерсПрог": PROGRAM})
    document = etree.SubElement(
        root,
        "Документ",
        {
            "КНД": "1115132",
            "ДатаИнфПок": f"{here:%d.%m.%Y}",
            "ВремИнфПок": f"{here:%H.%M.%S}",
            "НаимЭконСубСост": text(f"{seller.buyer_name}, ИНН {seller.buyer_inn}", 1000),
        },
    )
    answered = etree.SubElement(
        document,
        "ИдИнфПрод",
        {"ИдФайлИнфПр": seller.file_id, "ДатаФайлИнфПр": seller.day, "ВремФайлИнфПр": seller.time},
    )
    etree.SubElement(answered, "ЭП").text = seller_signature or "-"
    content = etree.SubElement(
        document,
        "СодФХЖ4",
        {
            "НаимДокОпрПр": seller.name,
            "Функция": "ДОП",
            "ПорНомДокИнфПр": seller.number,
            "ДатаДокИнфПр": seller.issued_on,
        },
    )
    taken = etree.SubElement(content, "СвПрин", {"ДатаПрин": f"{here:%d.%m.%Y}"})
    etree.SubElement(taken, "КодСодОпер", {"КодИтога": outcome})
    signer = etree.SubElement(document, "Подписант", {"СпосПодтПолном": "1"})
    family, given, patronymic = names_of(seller.buyer_name)
    person = {"Фамилия": text(family, 60), "Имя": text(given, 60)}
    etree.SubElement(signer, "ФИО", person | ({"Отчество": text(patronymic, 60)} if patronymic else {}))
    return serialise(root)
