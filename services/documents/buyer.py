"""The form `fns.upd-dop.buyer/5.03`: the buyer's title, by which a counterparty accepts a transfer document (L16).

Same order and version as the seller's (file `ON_NSCHFDOPPOK`). It is the counterparty that writes and signs one; here
it is written for whoever plays one (`services.shipping.titles` reads them).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from xml.etree import ElementTree

from services.documents.paper import Paper
from services.documents.upd import (
    FORM as SELLER_FORM,
)
from services.documents.upd import (
    MOSCOW,
    NAMES,
    PROGRAM,
    VERSION,
    file_id,
    names_of,
    participant,
    serialise,
    text,
)

FORM = "fns.upd-dop.buyer/5.03"
ACCEPTED = "1"
"""`КодИтога`: taken without any reservation. 2: with differences; 3: not taken."""


def buyer_title(paper: Paper, seller_signature: str, at: datetime, guid: UUID, outcome: str = ACCEPTED) -> bytes:
    """The title with which the counterparty answers the document of `paper`, drawn up at `at`."""
    if paper.issued_at is None:
        raise ValueError(f"{paper.document_id} has no form {SELLER_FORM}")
    here, there = at.astimezone(MOSCOW), paper.issued_at.astimezone(MOSCOW)
    names = (participant(paper.vendor), participant(paper.recipient), f"{here:%Y%m%d}", str(guid))
    name = f"ON_NSCHFDOPPOK_{'_'.join(names)}_0_0_0_0_0_00"
    root = ElementTree.Element("Файл", {"ИдФайл": name, "ВерсФорм": VERSION, "ВерсПрог": PROGRAM})
    document = ElementTree.SubElement(
        root,
        "Документ",
        {
            "КНД": "1115132",
            "ДатаИнфПок": f"{here:%d.%m.%Y}",
            "ВремИнфПок": f"{here:%H.%M.%S}",
            "НаимЭконСубСост": text(f"{paper.recipient.name}, ИНН {paper.recipient.inn}", 1000),
        },
    )
    seller = ElementTree.SubElement(
        document,
        "ИдИнфПрод",
        {
            "ИдФайлИнфПр": file_id(paper),
            "ДатаФайлИнфПр": f"{there:%d.%m.%Y}",
            "ВремФайлИнфПр": f"{there:%H.%M.%S}",
        },
    )
    ElementTree.SubElement(seller, "ЭП").text = seller_signature or "-"
    content = ElementTree.SubElement(
        document,
        "СодФХЖ4",
        {
            "НаимДокОпрПр": NAMES[paper.kind],
            "Функция": "ДОП",
            "ПорНомДокИнфПр": text(paper.number, 1000),
            "ДатаДокИнфПр": f"{paper.issued_on:%d.%m.%Y}",
        },
    )
    taken = ElementTree.SubElement(content, "СвПрин", {"ДатаПрин": f"{here:%d.%m.%Y}"})
    ElementTree.SubElement(taken, "КодСодОпер", {"КодИтога": outcome})
    signer = ElementTree.SubElement(document, "Подписант", {"СпосПодтПолном": "1"})
    family, given, patronymic = names_of(paper.recipient.name)
    person = {"Фамилия": text(family, 60), "Имя": text(given, 60)}
    ElementTree.SubElement(signer, "ФИО", person | ({"Отчество": text(patronymic, 60)} if patronymic else {}))
    return serialise(root)
