"""The form `fns.upd-dop.buyer/5.03`: the buyer's title, by which a counterparty accepts a transfer document (L16).

Same order and version as the seller's (file `ON_NSCHFDOPPOK`). It is the counterparty that writes and signs one; here
it is written for whoever plays one (`services.shipping.titles` reads them).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from postavka.domain.document_forms.paper import Paper
from postavka.domain.document_forms.upd import FORM as SELLER_FORM
from postavka.domain.document_forms.upd import (
    MOSCOW,
    NAMES,
    PROGRAM,
    VERSION,
    document,
    file_id,
    inside,
    names_of,
    one_line,
    person,
    quoted,
    text,
)

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
            number=one_line(paper.number, 1000),
            issued_on=f"{paper.issued_on:%d.%m.%Y}",
            buyer_name=paper.recipient.name,
            buyer_inn=paper.recipient.inn,
        )


def buyer_title(seller: SellerTitle, seller_signature: str, at: datetime, guid: UUID, outcome: str = ACCEPTED) -> bytes:
    """The title with which the counterparty answers, drawn up at `at`; `seller_signature` in base64."""
    here = at.astimezone(MOSCOW)
    buyer, vendor = seller.file_id.removeprefix("ON_NSCHFDOPPR_").split("_")[:2]
    name = f"ON_NSCHFDOPPOK_{vendor}_{buyer}_{here:%Y%m%d}_{guid}_0_0_0_0_0_00"
    author = text(f"{seller.buyer_name}, ИНН {seller.buyer_inn}", 1000)
    return document(
        f'<Файл ИдФайл="{quoted(name)}" ВерсФорм="{VERSION}" ВерсПрог="{PROGRAM}">'
        f'<Документ КНД="1115132" ДатаИнфПок="{here:%d.%m.%Y}" ВремИнфПок="{here:%H.%M.%S}"'
        f' НаимЭконСубСост="{author}">'
        f'<ИдИнфПрод ИдФайлИнфПр="{quoted(seller.file_id)}" ДатаФайлИнфПр="{quoted(seller.day)}"'
        f' ВремФайлИнфПр="{quoted(seller.time)}"><ЭП>{inside(seller_signature or "-")}</ЭП></ИдИнфПрод>'
        f'<СодФХЖ4 НаимДокОпрПр="{quoted(seller.name)}" Функция="ДОП" ПорНомДокИнфПр="{quoted(seller.number)}"'
        f' ДатаДокИнфПр="{quoted(seller.issued_on)}">'
        f'<СвПрин ДатаПрин="{here:%d.%m.%Y}"><КодСодОпер КодИтога="{quoted(outcome)}" /></СвПрин></СодФХЖ4>'
        f'<Подписант СпосПодтПолном="1">{person(*names_of(seller.buyer_name))}</Подписант></Документ></Файл>'
    )
