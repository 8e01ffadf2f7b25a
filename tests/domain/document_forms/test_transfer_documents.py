"""Transfer documents (УПД, function ДОП, version 5.03): both titles, byte for byte and as the tax service demands.

The schemas of the tax service are not part of this project. They are taken from the folder that `POSTAVKA_FNS_SCHEMAS`
names, else from `../shared/schemas` beside the repository, and every title made here is validated against
`ON_NSCHFDOPPR_1_997_01_05_03_*.xsd` and `ON_NSCHFDOPPOK_1_997_02_05_03_*.xsd` found there. Without them the recorded
titles, which are valid, and the rules below stand in for them, and one test says so by skipping.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from events.shipping import DocumentKind, Signatory
from postavka.domain.document_forms import buyer, canonical, upd
from postavka.domain.document_forms.content import DocumentContent
from postavka.domain.document_forms.forms import form_of, make
from postavka.domain.document_forms.xml_writer import document, element
from services.shipping.titles import read_buyer_title
from tests.domain.document_forms.test_forms import ACT as FIRST_ACT
from tests.domain.document_forms.test_forms import DISTRIBUTOR, INVOICE, PARTNER
from tests.paths import PROJECT

RECORDED = Path(__file__).parent / "titles"
BESIDE = PROJECT / ".." / "shared" / "schemas"
SCHEMAS = Path(os.environ.get("POSTAVKA_FNS_SCHEMAS") or BESIDE)
SELLER, BUYER = "ON_NSCHFDOPPR", "ON_NSCHFDOPPOK"
AT = datetime(2026, 3, 1, 21, 30, 7, tzinfo=UTC)
VENDOR = FIRST_ACT.vendor.model_copy(
    update={
        "kpp": "773601001",
        "address": "127434, г. Москва, Дмитровское ш., д. 9",
        "account": "40702810000000000001",
        "bank": "АО «Пример-Банк»",
        "bik": "044525225",
        "correspondent_account": "30101810400000000225",
        "edo_id": "2BM-7707083893-773601001-201412260000000000001",
        "signatory": Signatory(family_name="Сидоров", given_name="Сидор", patronymic="Сидорович"),
    }
)
ACT = replace(FIRST_ACT, vendor=VENDOR, issued_at=AT)
SOLE_TRADER = PARTNER.model_copy(
    update={"name": "ИП Березин Тимофей Ильич", "inn": "500100732259", "kpp": None, "address": None}
)
UPD = replace(ACT, kind=DocumentKind.SHIPPING, recipient=SOLE_TRADER, vat_rate=Decimal(0))
BARE = replace(
    ACT,
    vendor=VENDOR.model_copy(update=dict.fromkeys(("kpp", "address", "account", "edo_id"))),
    recipient=DISTRIBUTOR.model_copy(update=dict.fromkeys(("kpp", "address", "edo_id"))),
)
NO_BANK = replace(ACT, vendor=VENDOR.model_copy(update=dict.fromkeys(("bank", "bik", "correspondent_account"))))
GUID = UUID("0190f3a0-0000-7000-8000-000000000001")


def answer(paper: DocumentContent = ACT, outcome: str = buyer.ACCEPTED) -> bytes:
    return buyer.buyer_title(buyer.SellerTitle.of(paper), "MIIB", datetime(2026, 3, 2, 8, 0, tzinfo=UTC), GUID, outcome)


@cache
def schema(name: str) -> etree.XMLSchema | None:
    """The tax service's schema, if there is one here."""
    found = sorted(SCHEMAS.glob(f"{name}_*.xsd"))
    return etree.XMLSchema(file=str(found[-1])) if found else None


def parsed(title: bytes) -> etree._Element:
    """The title as XML, after all that can be said of it without knowing its facts."""
    assert title.startswith(b'<?xml version="1.0" encoding="windows-1251"?>\n')
    title.decode("windows-1251")
    root = etree.fromstring(title)
    official = schema(re.match(r"ON_[A-Z]+", root.get("ИдФайл")).group())
    if official is not None:
        official.assertValid(root)
    for each in root.iter():
        for name, value in each.attrib.items():
            assert value.strip() == value != "", name
            if name.startswith("Дата"):
                assert re.fullmatch(r"\d\d\.\d\d\.\d{4}", value), name
    return root


def test_titles_are_valid_where_the_schemas_are_there():
    lacking = [name for name in (SELLER, BUYER) if schema(name) is None]
    if lacking:
        pytest.skip(f"no schema of {' and '.join(lacking)} in {SCHEMAS}: set POSTAVKA_FNS_SCHEMAS")
    for seller in (ACT, UPD, BARE, NO_BANK):
        assert schema(SELLER).validate(etree.fromstring(upd.seller_title(seller)))
        assert schema(BUYER).validate(etree.fromstring(answer(seller)))
    broken = upd.seller_title(ACT).replace('ВерсФорм="5.03"'.encode("cp1251"), b"")
    assert not schema(SELLER).validate(etree.fromstring(broken)), "the schema is one"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("act", upd.seller_title(ACT)),
        ("act-bare", upd.seller_title(BARE)),
        ("act-no-bank", upd.seller_title(NO_BANK)),
        ("act-buyer", answer()),
        ("transfer-sole-trader", upd.seller_title(UPD)),
        ("transfer-sole-trader-buyer", answer(UPD)),
    ],
)
def test_the_bytes_of_a_title_are_for_ever(name: str, title: bytes):
    """Recorded titles are never changed: signatures lie over bytes like these."""
    parsed(title)
    assert title == (RECORDED / f"{name}.xml").read_bytes()


def test_the_act_says_what_an_accountant_looks_for():
    root = parsed(upd.seller_title(ACT))
    document = root[0]
    assert document.get("Функция") == "ДОП"
    assert document.get("НаимДокОпр") == "Акт приема-передачи"
    assert (document.get("ДатаИнфПр"), document.get("ВремИнфПр")) == ("02.03.2026", "00.30.07")  # Moscow
    assert root.xpath("string(//СвСчФакт/@НомерДок)") == ACT.number
    assert root.xpath("string(//СвСчФакт/@ДатаДок)") == "01.03.2026"
    assert root.xpath("string(//СвПрод//@ИННЮЛ)") == VENDOR.inn
    assert root.xpath("string(//СвПокуп//@ИННЮЛ)") == DISTRIBUTOR.inn
    line, total = root.find(".//СведТов"), root.find(".//ВсегоОпл")
    assert (line.get("СтТовБезНДС"), line.findtext("СумНал/СумНал"), line.get("СтТовУчНал")) == (
        "833.33",
        "166.67",
        "1000.00",
    )
    assert line.get("НалСт") == "20%"
    assert total.get("СтТовУчНалВсего") == "1000.00"
    assert root.xpath("string(//ТекстИнф[@Идентиф='НомерРазрешения']/@Значен)") == ACT.permission_number


def test_a_sole_trader_is_a_person_and_an_exempt_sale_has_no_vat():
    root = parsed(upd.seller_title(UPD))
    assert dict(root.find(".//СвПокуп//ФИО").attrib) == {
        "Фамилия": "Березин",
        "Имя": "Тимофей",
        "Отчество": "Ильич",
    }
    assert root.find(".//СведТов").get("НалСт") == "без НДС"
    assert root.findtext(".//СведТов/СумНал/БезНДС") == "без НДС"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ИП Березин Тимофей Ильич", ("Березин", "Тимофей", "Ильич")),
        ("Индивидуальный предприниматель Ким Анна", ("Ким", "Анна", None)),
        ("ип Мамедов Али Гасан оглы", ("Мамедов", "Али", "Гасан оглы")),
        ("Березин", ("Березин", "-", None)),
        ("", ("-", "-", None)),
    ],
)
def test_the_name_of_a_sole_trader_is_taken_apart(name: str, found: tuple[str, str, str | None]):
    assert upd.names_of(name) == found


def test_a_file_has_a_name_of_its_own_and_always_the_same():
    name = upd.file_id(ACT)
    assert name == upd.file_id(replace(ACT))
    assert re.fullmatch(
        r"ON_NSCHFDOPPR_7736050003-773601001_2BM-7707083893-773601001-201412260000000000001_20260302_"
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_0_0_0_0_0_00",
        name,
    )
    assert len({name, upd.file_id(UPD), upd.file_id(replace(ACT, permission_number="1"))}) == 3


@pytest.mark.parametrize("title", [upd.seller_title(ACT), upd.seller_title(UPD), answer()])
def test_a_file_is_called_as_it_says_itself(title: bytes):
    assert upd.file_name(title) == f"{etree.fromstring(title).get('ИдФайл')}.xml"


def test_a_name_from_outside_is_a_name_of_a_file():
    odd = upd.seller_title(ACT).replace(b"ON_NSCHFDOPPR_", b"../&quot;&amp;&lt;x")
    assert upd.file_name(odd).startswith("..--&-x7736050003")
    for nothing in (b"", b"{}", canonical.to_bytes(ACT), "<Файл/>".encode("cp1251")):
        with pytest.raises(ValueError, match="ИдФайл"):
            upd.file_name(nothing)


@pytest.mark.parametrize(
    "paper",
    [
        replace(INVOICE, vendor=VENDOR, issued_at=AT),
        replace(ACT, issued_at=None),
        replace(ACT, vendor=FIRST_ACT.vendor),
        replace(ACT, vat_rate=Decimal(13)),
        replace(UPD, recipient=SOLE_TRADER.model_copy(update={"country": "KZ"})),
    ],
    ids=["invoice", "no time", "no signatory", "unknown rate", "abroad"],
)
def test_what_has_no_tax_form_is_issued_in_the_first_form(paper: DocumentContent):
    assert form_of(paper) == canonical.FORM
    with pytest.raises(ValueError, match="has no form"):
        upd.seller_title(paper)


def test_a_form_nobody_knows_is_not_made():
    with pytest.raises(ValueError, match="fax/1"):
        make("fax/1", ACT)


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=2_000)


@given(TEXT, TEXT, TEXT, TEXT, st.decimals(0, 10**12, places=2), st.sampled_from(sorted(upd.RATES)))
def test_whatever_names_say_the_title_is_well_formed(name, family, number, product, amount, rate):
    vendor = VENDOR.model_copy(
        update={"name": name, "signatory": Signatory(family_name=family, given_name=name, post=number or "-")}
    )
    paper = replace(
        ACT,
        vendor=vendor,
        number=number or "1",
        product=ACT.product.model_copy(update={"name": product}),
        amount=amount,
        vat_rate=rate,
    )
    root = parsed(upd.seller_title(paper))
    shape = [each.tag for each in root.iter()]
    reference = [each.tag for each in parsed(upd.seller_title(replace(ACT, vat_rate=rate))).iter()]
    assert shape == reference
    line = root.find(".//СведТов")
    vat = Decimal(line.findtext("СумНал/СумНал") or "0")
    assert Decimal(line.get("СтТовБезНДС")) + vat == Decimal(line.get("СтТовУчНал")) == amount


@given(st.dates(date(2020, 1, 1), date(2099, 1, 1)), st.integers(1_577_836_800, 4_070_908_800))
def test_any_day_and_second(day: date, second: int):
    parsed(upd.seller_title(replace(ACT, issued_on=day, issued_at=datetime.fromtimestamp(second, UTC))))


# The buyer's title, read back


def test_an_answer_names_what_it_answers():
    title = read_buyer_title(answer())
    assert title.answers == upd.file_id(ACT)
    assert (title.number, title.outcome, title.seller_signature) == (ACT.number, "1", "MIIB")


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not XML"),
        (b"\xff\xfe\x00", "not XML"),
        ("<Файл/>".encode(), "not a buyer's title"),
        (upd.seller_title(ACT), "not a buyer's title"),
        (answer().replace(b'"5.03"', b'"5.01"'), "version 5.03"),
        (BOMB + answer().partition(b"\n")[2].decode("cp1251").encode(), "document type"),
        (b" " * 1_000_001, "over 1000000 bytes"),
    ],
    ids=["nothing", "noise", "empty", "seller's", "old version", "entities", "long"],
)
def test_what_is_no_buyers_title_is_told(data: bytes, why: str):
    with pytest.raises(ValueError, match=why):
        read_buyer_title(data)


def test_entities_in_another_encoding_are_refused_as_well():
    body = BOMB.decode().replace('version="1.0"', 'version="1.0" encoding="UTF-16"')
    data = (body + answer().partition(b"\n")[2].decode("cp1251")).encode("utf-16")
    with pytest.raises(ValueError, match="document type"):
        read_buyer_title(data)


ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@given(ANY_TEXT, ANY_TEXT, st.sampled_from(["", "Я", "<&>", "\u2014", '"/>']))
def test_titles_have_the_bytes_that_the_standard_library_gives_them(attribute: str, within: str, other: str):
    """Titles of the first release were written by it, and a signature may come for one of them years later."""
    within = upd.line(within, 60) + other
    ours = element(
        "Файл",
        {"Имя": upd.line(attribute, 60), "Нет": None},
        element("Пусто", {"Б": other}),
        element("В", {}, element("Г", {}, within)),
    )
    theirs = ElementTree.Element("Файл", {"Имя": upd.line(attribute, 60)})
    ElementTree.SubElement(theirs, "Пусто", {"Б": other})
    ElementTree.SubElement(ElementTree.SubElement(theirs, "В"), "Г").text = within
    body = ElementTree.tostring(theirs, encoding="unicode").encode("windows-1251", "xmlcharrefreplace")
    assert document(ours) == b'<?xml version="1.0" encoding="windows-1251"?>\n' + body


@pytest.mark.parametrize("character", ["\ufffe", "\x00", "\x0b", "\x1f"])
def test_what_xml_can_not_hold_is_no_title(character: str):
    with pytest.raises(ValueError, match="XML"):
        document(element("Файл", {}, character))


def test_a_signature_may_come_in_lines():
    title = buyer.buyer_title(buyer.SellerTitle.of(ACT), "MIIB\r\nMIIB\n", AT, GUID)
    assert etree.fromstring(title).findtext(".//ЭП") == "MIIB\r\nMIIB\n"


@given(st.lists(ANY_TEXT, min_size=9, max_size=9))
def test_a_title_is_xml_whatever_its_facts_say(texts: list[str]):
    names = iter(texts)
    vendor = VENDOR.model_copy(update={name: next(names) for name in ("name", "bank", "address")})
    buyer_ = DISTRIBUTOR.model_copy(update={name: next(names) for name in ("name", "address", "edo_id")})
    paper = replace(ACT, vendor=vendor, recipient=buyer_, number=next(names), procedure=next(names))
    root = parsed(upd.seller_title(replace(paper, permission_number=(permission := next(names)))))
    assert root.xpath("string(//СвПрод//@НаимОрг)") == upd.line(vendor.name, 1000)
    assert root.xpath("string(//СвСчФакт/@НомерДок)") == upd.line(paper.number, 1000)
    assert root.xpath("string(//ОснПер/@РеквНомерДок)") == upd.line(permission, 255)
