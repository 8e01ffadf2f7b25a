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
from functools import lru_cache
from html import unescape
from uuid import UUID, uuid5

from events.reference import Company
from events.shipping import DocumentKind, Vendor
from postavka.domain.document_forms.paper import Paper

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
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Not even as a reference. A line break in a signature's base64 is none of these."""
FILE_ID = re.compile(r'(<\?xml[^>]*\?>)?\s*<Файл\s[^>]*?ИдФайл="(?P<id>[^"]+)"')
NO_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f]')
"""What a file's name can't hold."""


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


def file_name(title: bytes) -> str:
    """What the file of a title is called: its `ИдФайл` with `.xml`, since programs that load it compare the two (order
    ЕД-7-26/970@). Raises `ValueError` for anything but a title."""
    found = FILE_ID.match(title.decode("windows-1251", "replace"))
    if found is None:
        raise ValueError("no title: it has no ИдФайл")
    return NO_NAME.sub("-", unescape(found["id"])) + ".xml"


def seller_title(paper: Paper) -> bytes:
    """The bytes of the seller's title. Raises `ValueError` for a paper without this form (`has_form`)."""
    signatory = paper.vendor.signatory
    if not has_form(paper) or signatory is None:
        raise ValueError(f"{paper.document_id} has no form {FORM}")
    at = _moscow(paper)
    day = _date(paper.issued_on)
    author = f"{paper.vendor.name}, ИНН/КПП {paper.vendor.inn}/{paper.vendor.kpp or '-'}"
    return document(
        f'<Файл ИдФайл="{quoted(file_id(paper))}" ВерсФорм="{VERSION}" ВерсПрог="{PROGRAM}">'
        f'<Документ КНД="1115131" Функция="ДОП" ПоФактХЖ="{FACT}" НаимДокОпр="{NAMES[paper.kind]}"'
        f' ДатаИнфПр="{at:%d.%m.%Y}" ВремИнфПр="{at:%H.%M.%S}" НаимЭконСубСост="{text(author, 1000)}">'
        f"{_parties(paper, day)}"
        f"{_lines(paper)}"
        f'<СвПродПер><СвПер СодОпер="Электронная поставка сервиса сопровождения передана" ДатаПер="{day}">'
        f'<ОснПер РеквНаимДок="Разрешение" РеквНомерДок="{text(paper.permission_number, 255)}" РеквДатаДок="{day}" />'
        "</СвПер></СвПродПер>"
        f'<Подписант Должн="{text(signatory.post, 255)}" СпосПодтПолном="1">'
        f"{person(signatory.family_name, signatory.given_name, signatory.patronymic)}</Подписант>"
        "</Документ></Файл>"
    )


def _parties(paper: Paper, day: str) -> str:
    vendor, partner, client = paper.vendor, paper.partner, paper.client
    user = f"{client.name}, ИНН {client.inn}" + (f", КПП {client.kpp}" if client.kpp else "")
    return (
        f'<СвСчФакт НомерДок="{text(paper.number, 1000)}" ДатаДок="{day}">'
        f"<СвПрод>{_party(vendor)}{_account(vendor)}</СвПрод>"
        f"<СвПокуп>{_party(paper.recipient)}</СвПокуп>"
        '<ДенИзм КодОКВ="643" НаимОКВ="Российский рубль" />'
        "<ИнфПолФХЖ1>"
        f'<ТекстИнф Идентиф="НомерРазрешения" Значен="{text(paper.permission_number, 2000)}" />'
        f'<ТекстИнф Идентиф="Партнер" Значен="{text(f"{partner.name}, ИНН {partner.inn}", 2000)}" />'
        f'<ТекстИнф Идентиф="Пользователь" Значен="{text(user, 2000)}" />'
        f'<ТекстИнф Идентиф="ОсновнаяПоставка" Значен="{text(paper.base_delivery.name, 2000)}" />'
        f'<ТекстИнф Идентиф="РегНомерПоставки" Значен="{text(paper.registration_number, 2000)}" />'
        f'<ТекстИнф Идентиф="Порядок" Значен="{text(paper.procedure, 2000)}" />'
        "</ИнфПолФХЖ1></СвСчФакт>"
    )


def _account(vendor: Vendor) -> str:
    if not vendor.account:
        return ""
    bank = (
        (f' НаимБанк="{text(vendor.bank, 1000)}"' if vendor.bank else "")
        + (f' БИК="{vendor.bik}"' if vendor.bik and re.fullmatch(r"[0-9]{9}", vendor.bik) else "")
        + (f' КорСчет="{text(vendor.correspondent_account, 34)}"' if vendor.correspondent_account else "")
    )
    return f'<БанкРекв НомерСчета="{text(vendor.account, 34)}"><СвБанк{bank} /></БанкРекв>'


def _lines(paper: Paper) -> str:
    amount, net, product = f"{paper.amount:.2f}", f"{paper.amount - paper.vat:.2f}", paper.product
    tax = f"<СумНал>{paper.vat:.2f}</СумНал>" if paper.vat_rate else "<БезНДС>без НДС</БезНДС>"
    return (
        f'<ТаблСчФакт><СведТов НомСтр="1" НаимТов="{text(product.name, 2000)}" ОКЕИ_Тов="796" НаимЕдИзм="шт" КолТов="1"'
        f' ЦенаТов="{net}" СтТовБезНДС="{net}" НалСт="{RATES[paper.vat_rate]}" СтТовУчНал="{amount}">'
        f'<ДопСведТов ПрТовРаб="3" КодТов="{text(product.id, 100)}" /><СумНал>{tax}</СумНал></СведТов>'
        f'<ВсегоОпл СтТовБезНДСВсего="{net}" СтТовУчНалВсего="{amount}"><СумНалВсего>{tax}</СумНалВсего></ВсегоОпл>'
        "</ТаблСчФакт>"
    )


def _party(company: Company) -> str:
    if len(company.inn) == 12:
        identity = f'<СвИП ИННФЛ="{quoted(company.inn)}">{person(*names_of(company.name))}</СвИП>'
    else:
        kpp = f' КПП="{quoted(company.kpp)}"' if company.kpp else ""
        identity = f'<СвЮЛУч НаимОрг="{text(company.name, 1000)}" ИННЮЛ="{quoted(company.inn)}"{kpp} />'
    address = ""
    if company.address:
        where = text(company.address, 1000)
        address = f'<Адрес><АдрИнф КодСтр="643" НаимСтран="Россия" АдрТекст="{where}" /></Адрес>'
    return f"<ИдСв>{identity}</ИдСв>{address}"


def person(family: str, given: str, patronymic: str | None) -> str:
    """A name, as both titles write it."""
    last = f' Отчество="{text(patronymic, 60)}"' if patronymic else ""
    return f'<ФИО Фамилия="{text(family, 60)}" Имя="{text(given, 60)}"{last} />'


def names_of(sole_trader: str) -> tuple[str, str, str | None]:
    """Family name, given name, patronymic from «ИП Березин Тимофей Ильич». What is missing is a dash."""
    parts = SOLE_TRADER.sub("", sole_trader.strip()).split()
    return parts[0] if parts else "-", parts[1] if len(parts) > 1 else "-", " ".join(parts[2:]) or None


def participant(company: Company) -> str:
    """Its id as the exchange operator gave it; without one, INN and KPP, by which operators find a participant."""
    return one_line(company.edo_id or "-".join(filter(None, (company.inn, company.kpp))), 46).replace("_", "-")


def one_line(value: str, limit: int) -> str:
    """In one line, without what XML can't hold, at most `limit` characters, a dash instead of nothing."""
    plain = value if value.isprintable() else UNPRINTABLE.sub(" ", value)
    return " ".join(plain.split())[:limit].rstrip() or "-"


def inside(value: str) -> str:
    """As it stands inside an element."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def quoted(value: str) -> str:
    """As it stands between the quotes of an attribute."""
    return inside(value).replace('"', "&quot;")


@lru_cache(maxsize=2_000)
def text(value: str, limit: int) -> str:
    """Text from outside, as it stands between the quotes of an attribute (`one_line`). Names and addresses of the same
    companies and products come again and again."""
    return quoted(one_line(value, limit))


def document(body: str) -> bytes:
    """The file: in windows-1251 as the format demands, other characters as references. Raises `ValueError` for what XML
    can't hold."""
    if NOT_XML.search(body):
        raise ValueError("a title with a character that XML can't hold")
    return b'<?xml version="1.0" encoding="windows-1251"?>\n' + body.encode("windows-1251", "xmlcharrefreplace")


def _moscow(paper: Paper) -> datetime:
    if paper.issued_at is None:
        raise ValueError(f"{paper.document_id}: when it was drawn up is not known")
    return paper.issued_at.astimezone(MOSCOW)


def _date(day: object) -> str:
    return f"{day:%d.%m.%Y}"
