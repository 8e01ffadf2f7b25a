"""The form `fns.upd-dop.seller/5.03`: the seller's title of a universal transfer document (УПД), function ДОП.

Format: order of the Federal Tax Service of 19.12.2023 No. ЕД-7-26/970@, version 5.03 (file `ON_NSCHFDOPPR`), XML in
windows-1251. Function ДОП is a primary document alone, no VAT invoice: the act of L14 and the shipping documents of L15
are both that, and tell their own name in `НаимДокОпр`.

The bytes follow from the facts alone, the file's GUID included. Never to be changed: a correction is a new form beside
this one, with a name of its own.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid5

from lxml import etree

from events.reference import Company
from events.shipping import DocumentKind
from services.documents.paper import Paper

FORM = "fns.upd-dop.seller/5.03"
VERSION = "5.03"
PROGRAM = "Postavka 1"
MOSCOW = timezone(timedelta(hours=3), "MSK")
"""Moscow has no summer time since 2014; a fixed offset needs no table that could change."""
FILES = UUID("6ad0f2a2-6a0b-5d55-9f0a-3c0f6d3d5a11")
"""Namespace of the GUIDs in files' names."""

NAMES = {
    DocumentKind.ACT: "Акт приема-передачи",
    DocumentKind.SHIPPING: "Универсальный передаточный документ",
}
FACT = "Документ об отгрузке товаров (выполнении работ), передаче имущественных прав (документ об оказании услуг)"
RATES = {
    Decimal(0): "без НДС",
    Decimal(5): "5%",
    Decimal(7): "7%",
    Decimal(10): "10%",
    Decimal(18): "18%",
    Decimal(20): "20%",
    Decimal(22): "22%",
}
"""A rate of 0 is an exempt sale here: 0 % belongs to exports, and a buyer is in Russia (L3)."""
SOLE_TRADER = re.compile(r"^(ИП|Индивидуальный предприниматель)\s+", re.IGNORECASE)
UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def has_form(paper: Paper) -> bool:
    """Can this document be a transfer document? An invoice is none; the vendor must have named who signs; a rate of
    VAT that the format doesn't know, and a counterparty abroad, have no place in it."""
    return (
        paper.kind in NAMES
        and paper.vendor.signatory is not None
        and paper.issued_at is not None
        and paper.vat_rate in RATES
        and getattr(paper.recipient, "country", "RU") == "RU"
    )


def file_id(paper: Paper) -> str:
    """`ИдФайл`, the file's name without `.xml`: what the buyer's title answers to."""
    guid = uuid5(FILES, f"{paper.permission_number}/{paper.document_id}")
    day = _moscow(paper).strftime("%Y%m%d")
    return (f"ON_NSCHFDOPPR_{participant(paper.recipient)}_{participant(paper.vendor)}_{day}_{guid}_0_0_0_0_0_00")[:255]


def seller_title(paper: Paper) -> bytes:
    """The bytes of the seller's title. Raises `ValueError` for a paper without this form (`has_form`)."""
    signatory = paper.vendor.signatory
    if not has_form(paper) or signatory is None:
        raise ValueError(f"{paper.document_id} has no form {FORM}")
    at = _moscow(paper)
    day = _date(paper.issued_on)
    root = etree.Element("Файл", {"ИдФайл": file_id(paper), "ВерсФорм": VERSION, "ВерсПрог": PROGRAM})
    document = _add(
        root,
        "Документ",
        {
            "КНД": "1115131",
            "Функция": "ДОП",
            "ПоФактХЖ": FACT,
            "НаимДокОпр": NAMES[paper.kind],
            "ДатаИнфПр": at.strftime("%d.%m.%Y"),
            "ВремИнфПр": at.strftime("%H.%M.%S"),
            "НаимЭконСубСост": text(f"{paper.vendor.name}, ИНН/КПП {paper.vendor.inn}/{paper.vendor.kpp or '-'}", 1000),
        },
    )
    _parties(document, paper, day)
    _lines(document, paper)
    transfer = _add(
        _add(document, "СвПродПер"),
        "СвПер",
        {"СодОпер": "Электронная поставка сервиса сопровождения передана", "ДатаПер": day},
    )
    basis = {"РеквНаимДок": "Разрешение", "РеквНомерДок": text(paper.permission_number, 255), "РеквДатаДок": day}
    _add(transfer, "ОснПер", basis)
    signer = _add(document, "Подписант", {"Должн": text(signatory.post, 255), "СпосПодтПолном": "1"})
    _person(signer, signatory.family_name, signatory.given_name, signatory.patronymic)
    return serialise(root)


def _parties(document: etree._Element, paper: Paper, day: str) -> None:
    invoice = _add(document, "СвСчФакт", {"НомерДок": text(paper.number, 1000), "ДатаДок": day})
    seller = _party(invoice, "СвПрод", paper.vendor)
    if paper.vendor.account:
        account = _add(seller, "БанкРекв", {"НомерСчета": text(paper.vendor.account, 34)})
        bank = {
            "НаимБанк": paper.vendor.bank and text(paper.vendor.bank, 1000),
            "БИК": paper.vendor.bik if paper.vendor.bik and re.fullmatch(r"[0-9]{9}", paper.vendor.bik) else None,
            "КорСчет": paper.vendor.correspondent_account and text(paper.vendor.correspondent_account, 34),
        }
        _add(account, "СвБанк", {name: value for name, value in bank.items() if value})
    _party(invoice, "СвПокуп", paper.recipient)
    _add(invoice, "ДенИзм", {"КодОКВ": "643", "НаимОКВ": "Российский рубль"})
    notes = _add(invoice, "ИнфПолФХЖ1")
    client = f"{paper.client.name}, ИНН {paper.client.inn}" + (f", КПП {paper.client.kpp}" if paper.client.kpp else "")
    for name, value in (
        ("НомерРазрешения", paper.permission_number),
        ("Партнер", f"{paper.partner.name}, ИНН {paper.partner.inn}"),
        ("Пользователь", client),
        ("ОсновнаяПоставка", paper.base_delivery.name),
        ("РегНомерПоставки", paper.registration_number),
        ("Порядок", paper.procedure),
    ):
        _add(notes, "ТекстИнф", {"Идентиф": name, "Значен": text(value, 2000)})


def _lines(document: etree._Element, paper: Paper) -> None:
    amount, vat = f"{paper.amount:.2f}", f"{paper.vat:.2f}"
    net = f"{paper.amount - paper.vat:.2f}"
    table = _add(document, "ТаблСчФакт")
    line = _add(
        table,
        "СведТов",
        {
            "НомСтр": "1",
            "НаимТов": text(paper.product.name, 2000),
            "ОКЕИ_Тов": "796",
            "НаимЕдИзм": "шт",
            "КолТов": "1",
            "ЦенаТов": net,
            "СтТовБезНДС": net,
            "НалСт": RATES[paper.vat_rate],
            "СтТовУчНал": amount,
        },
    )
    _add(line, "ДопСведТов", {"ПрТовРаб": "3", "КодТов": text(paper.product.id, 100)})
    _vat(line, "СумНал", paper, vat)
    total = _add(table, "ВсегоОпл", {"СтТовБезНДСВсего": net, "СтТовУчНалВсего": amount})
    _vat(total, "СумНалВсего", paper, vat)


def _vat(parent: etree._Element, name: str, paper: Paper, vat: str) -> None:
    tax = _add(parent, name)
    if paper.vat_rate:
        _add(tax, "СумНал").text = vat
    else:
        _add(tax, "БезНДС").text = "без НДС"


def _party(parent: etree._Element, name: str, company: Company) -> etree._Element:
    party = _add(parent, name)
    identity = _add(party, "ИдСв")
    if len(company.inn) == 12:
        _person(_add(identity, "СвИП", {"ИННФЛ": company.inn}), *names_of(company.name))
    else:
        ids = {"НаимОрг": text(company.name, 1000), "ИННЮЛ": company.inn}
        _add(identity, "СвЮЛУч", ids | ({"КПП": company.kpp} if company.kpp else {}))
    if company.address:
        address = {"КодСтр": "643", "НаимСтран": "Россия", "АдрТекст": text(company.address, 1000)}
        _add(_add(party, "Адрес"), "АдрИнф", address)
    return party


def _person(parent: etree._Element, family: str, given: str, patronymic: str | None) -> None:
    name = {"Фамилия": text(family, 60), "Имя": text(given, 60)}
    _add(parent, "ФИО", name | ({"Отчество": text(patronymic, 60)} if patronymic else {}))


def names_of(sole_trader: str) -> tuple[str, str, str | None]:
    """Family name, given name, patronymic from «ИП Березин Тимофей Ильич». What is missing is a dash."""
    parts = SOLE_TRADER.sub("", sole_trader.strip()).split()
    return parts[0] if parts else "-", parts[1] if len(parts) > 1 else "-", " ".join(parts[2:]) or None


def participant(company: Company) -> str:
    """Its id as the exchange operator gave it; without one, INN and KPP, by which operators find a participant."""
    return text(company.edo_id or "-".join(filter(None, (company.inn, company.kpp))), 46).replace("_", "-")


def text(value: str, limit: int) -> str:
    """In one line, without what XML can't hold, at most `limit` characters, a dash instead of nothing."""
    return " ".join(UNPRINTABLE.sub(" ", value).split())[:limit].rstrip() or "-"


def serialise(root: etree._Element) -> bytes:
    """In windows-1251 as the format demands; other characters as references. An empty element ends in ` />`, as in the
    first release: nothing else can, a `>` in a text is written `&gt;`."""
    body: str = etree.tostring(root, encoding="unicode").replace("/>", " />")
    return b'<?xml version="1.0" encoding="windows-1251"?>\n' + body.encode("windows-1251", "xmlcharrefreplace")


def _moscow(paper: Paper) -> datetime:
    if paper.issued_at is None:
        raise ValueError(f"{paper.document_id}: when it was drawn up is not known")
    return paper.issued_at.astimezone(MOSCOW)


def _date(day: object) -> str:
    return f"{day:%d.%m.%Y}"


def _add(parent: etree._Element, name: str, attributes: dict[str, str] | None = None) -> etree._Element:
    return etree.SubElement(parent, name, attributes or {})
