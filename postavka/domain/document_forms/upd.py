"""The form `fns.upd-dop.seller/5.03`: the seller's title of a universal transfer document (УПД), function ДОП.

Format: order of the Federal Tax Service of 19.12.2023 No. ЕД-7-26/970@, version 5.03 (file `ON_NSCHFDOPPR`), XML in
windows-1251. Function ДОП is a primary document alone, no VAT invoice: the act of L14 and the shipping documents of L15
are both that, and have their own name in `НаимДокОпр`.

The bytes follow from the facts alone, the file's GUID included. Never to be changed: a correction is a new form beside
this one, with a name of its own.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from html import unescape
from uuid import UUID, uuid5

from events.checks import PERSON_INN
from events.reference import Company
from events.shipping import Vendor
from postavka.domain.document_forms.content import DocumentContent
from postavka.domain.document_forms.xml_writer import Element, document, element
from postavka.domain.wording import TRANSFER_DOCUMENTS

FORM = "fns.upd-dop.seller/5.03"
VERSION = "5.03"
PROGRAM = "Postavka 1"
MOSCOW = timezone(timedelta(hours=3), "MSK")
"""Moscow has no summer time since 2014; a fixed offset needs no table that could change."""
FILES = UUID("6ad0f2a2-6a0b-5d55-9f0a-3c0f6d3d5a11")
"""Namespace of the GUIDs in files' names."""

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
FILE_ID = re.compile(r'(<\?xml[^>]*\?>)?\s*<Файл\s[^>]*?ИдФайл="(?P<id>[^"]+)"')
NO_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f]')
"""What a file's name can't hold."""


def has_form(content: DocumentContent) -> bool:
    """Can this document be a transfer document? An invoice is none; the vendor must have named who signs; a rate of
    VAT that the format doesn't know, and a counterparty abroad, have no place in it."""
    return (
        content.kind in TRANSFER_DOCUMENTS
        and content.vendor.signatory is not None
        and content.issued_at is not None
        and content.vat_rate in RATES
        and getattr(content.recipient, "country", "RU") == "RU"
    )


def file_id(content: DocumentContent) -> str:
    """`ИдФайл`, the file's name without `.xml`: what the buyer's title answers to."""
    guid = uuid5(FILES, f"{content.permission_number}/{content.document_id}")
    day = _moscow(content).strftime("%Y%m%d")
    parties = f"{participant(content.recipient)}_{participant(content.vendor)}"
    return f"ON_NSCHFDOPPR_{parties}_{day}_{guid}_0_0_0_0_0_00"[:255]


def file_name(title: bytes) -> str:
    """What the file of a title is called: its `ИдФайл` with `.xml`, since programs that load it compare the two (order
    ЕД-7-26/970@). Raises `ValueError` for anything but a title."""
    found = FILE_ID.match(title.decode("windows-1251", "replace"))
    if found is None:
        raise ValueError("no title: it has no ИдФайл")
    return NO_NAME.sub("-", unescape(found["id"])) + ".xml"


def seller_title(content: DocumentContent) -> bytes:
    """The bytes of the seller's title. Raises `ValueError` for a paper without this form (`has_form`)."""
    signatory = content.vendor.signatory
    if not has_form(content) or signatory is None:
        raise ValueError(f"{content.document_id} has no form {FORM}")
    at = _moscow(content)
    day = _date(content.issued_on)
    author = f"{content.vendor.name}, ИНН/КПП {content.vendor.inn}/{content.vendor.kpp or '-'}"
    made = element(
        "Документ",
        {
            "КНД": "1115131",
            "Функция": "ДОП",
            "ПоФактХЖ": FACT,
            "НаимДокОпр": TRANSFER_DOCUMENTS[content.kind],
            "ДатаИнфПр": f"{at:%d.%m.%Y}",
            "ВремИнфПр": f"{at:%H.%M.%S}",
            "НаимЭконСубСост": line(author, 1000),
        },
        _parties(content, day),
        _lines(content),
        _handed_over(content, day),
        element(
            "Подписант",
            {"Должн": line(signatory.post, 255), "СпосПодтПолном": "1"},
            person(signatory.family_name, signatory.given_name, signatory.patronymic),
        ),
    )
    return document(file(file_id(content), made))


def file(name: str, content: Element) -> Element:
    """The outermost element, as both titles have it."""
    return element("Файл", {"ИдФайл": name, "ВерсФорм": VERSION, "ВерсПрог": PROGRAM}, content)


def _parties(content: DocumentContent, day: str) -> Element:
    partner, client = content.partner, content.client
    user = f"{client.name}, ИНН {client.inn}" + (f", КПП {client.kpp}" if client.kpp else "")
    informed = {
        "НомерРазрешения": content.permission_number,
        "Партнер": f"{partner.name}, ИНН {partner.inn}",
        "Пользователь": user,
        "ОсновнаяПоставка": content.base_delivery.name,
        "РегНомерПоставки": content.registration_number,
        "Порядок": content.procedure,
    }
    return element(
        "СвСчФакт",
        {"НомерДок": line(content.number, 1000), "ДатаДок": day},
        element("СвПрод", {}, *_party(content.vendor), *_account(content.vendor)),
        element("СвПокуп", {}, *_party(content.recipient)),
        element("ДенИзм", {"КодОКВ": "643", "НаимОКВ": "Российский рубль"}),
        element(
            "ИнфПолФХЖ1",
            {},
            *(element("ТекстИнф", {"Идентиф": name, "Значен": line(value, 2000)}) for name, value in informed.items()),
        ),
    )


def _account(vendor: Vendor) -> list[Element]:
    if not vendor.account:
        return []
    is_bik = vendor.bik and re.fullmatch(r"[0-9]{9}", vendor.bik)
    bank = {
        "НаимБанк": line(vendor.bank, 1000) if vendor.bank else None,
        "БИК": vendor.bik if is_bik else None,
        "КорСчет": line(vendor.correspondent_account, 34) if vendor.correspondent_account else None,
    }
    return [element("БанкРекв", {"НомерСчета": line(vendor.account, 34)}, element("СвБанк", bank))]


def _lines(content: DocumentContent) -> Element:
    amount, net, product = f"{content.amount:.2f}", f"{content.amount - content.vat:.2f}", content.product
    tax = element("СумНал", {}, f"{content.vat:.2f}") if content.vat_rate else element("БезНДС", {}, "без НДС")
    sold = {
        "НомСтр": "1",
        "НаимТов": line(product.name, 2000),
        "ОКЕИ_Тов": "796",
        "НаимЕдИзм": "шт",
        "КолТов": "1",
        "ЦенаТов": net,
        "СтТовБезНДС": net,
        "НалСт": RATES[content.vat_rate],
        "СтТовУчНал": amount,
    }
    code = element("ДопСведТов", {"ПрТовРаб": "3", "КодТов": line(product.id, 100)})
    return element(
        "ТаблСчФакт",
        {},
        element("СведТов", sold, code, element("СумНал", {}, tax)),
        element(
            "ВсегоОпл",
            {"СтТовБезНДСВсего": net, "СтТовУчНалВсего": amount},
            element("СумНалВсего", {}, tax),
        ),
    )


def _handed_over(content: DocumentContent, day: str) -> Element:
    number = line(content.permission_number, 255)
    reason = element("ОснПер", {"РеквНаимДок": "Разрешение", "РеквНомерДок": number, "РеквДатаДок": day})
    attributes = {"СодОпер": "Электронная поставка сервиса сопровождения передана", "ДатаПер": day}
    return element("СвПродПер", {}, element("СвПер", attributes, reason))


def _party(company: Company) -> list[Element]:
    if len(company.inn) == PERSON_INN:
        identity = element("СвИП", {"ИННФЛ": company.inn}, person(*names_of(company.name)))
    else:
        named = {"НаимОрг": line(company.name, 1000), "ИННЮЛ": company.inn, "КПП": company.kpp or None}
        identity = element("СвЮЛУч", named)
    found = [element("ИдСв", {}, identity)]
    if company.address:
        where = {"КодСтр": "643", "НаимСтран": "Россия", "АдрТекст": line(company.address, 1000)}
        found.append(element("Адрес", {}, element("АдрИнф", where)))
    return found


def person(family: str, given: str, patronymic: str | None) -> Element:
    """A name, as both titles write it."""
    last = line(patronymic, 60) if patronymic else None
    return element("ФИО", {"Фамилия": line(family, 60), "Имя": line(given, 60), "Отчество": last})


def names_of(sole_trader: str) -> tuple[str, str, str | None]:
    """Family name, given name, patronymic from «ИП Березин Тимофей Ильич». What is missing is a dash."""
    parts = SOLE_TRADER.sub("", sole_trader.strip()).split()
    return parts[0] if parts else "-", parts[1] if len(parts) > 1 else "-", " ".join(parts[2:]) or None


def participant(company: Company) -> str:
    """The participant's id as the exchange operator gave it; without one, INN and KPP, by which operators find a
    participant."""
    return line(company.edo_id or "-".join(filter(None, (company.inn, company.kpp))), 46).replace("_", "-")


@lru_cache(maxsize=2_000)
def line(value: str, limit: int) -> str:
    """Text from outside in one line, without what XML can't hold, of at most `limit` characters; a dash for nothing.

    Names and addresses of the same companies and products come again and again.
    """
    plain = value if value.isprintable() else UNPRINTABLE.sub(" ", value)
    return " ".join(plain.split())[:limit].rstrip() or "-"


def _moscow(content: DocumentContent) -> datetime:
    if content.issued_at is None:
        raise ValueError(f"{content.document_id}: when it was drawn up is not known")
    return content.issued_at.astimezone(MOSCOW)


def _date(day: object) -> str:
    return f"{day:%d.%m.%Y}"
