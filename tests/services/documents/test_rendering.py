"""Renderings: what an accountant reads, the payment code that a phone reads, the same bytes again."""

from __future__ import annotations

import io
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from uuid import uuid4

import numpy
import pypdf
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from events.shipping import DocumentKind
from postavka.domain.document_forms.content import DocumentContent
from postavka.domain.typesetting import Untypeset, day_in_words, initials, roubles, sum_in_words, typeset
from postavka.kernel.blobs.folder import FolderBlobs
from services.documents import post
from services.documents.rendering import data_of, payment_string, render
from services.payments.exports import Ours, pdf
from services.payments.reconcile import (
    Account,
    Movement,
    OpenItem,
    OpenKind,
    PartyKind,
    ReconciledParty,
    Reconciliation,
)
from tests.domain.document_forms.test_forms import PARTNER
from tests.domain.document_forms.test_transfer_documents import ACT, UPD, VENDOR

NOW = date(2026, 3, 1)
INVOICE = replace(
    ACT,
    kind=DocumentKind.INVOICE,
    number="2026-0000001",
    recipient=PARTNER,
    amount=Decimal("20160.00"),
    vendor=VENDOR.model_copy(update={"accountant": "Примерова А. С."}),
)


def text_of(pdf: bytes) -> str:
    """Everything that can be read, in one line, with plain spaces."""
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)


@pytest.mark.parametrize("paper", [ACT, INVOICE, UPD], ids=["act", "invoice", "transfer"])
def test_the_same_document_gives_the_same_bytes(paper: DocumentContent):
    assert render(paper) == render(paper)


def test_documents_made_side_by_side_have_the_bytes_that_each_has_alone():
    papers = [replace(paper, number=f"{number}") for number in range(4) for paper in (ACT, INVOICE, UPD)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(render, papers))
    assert together == [render(paper) for paper in papers]


@pytest.mark.parametrize("paper", [ACT, INVOICE, UPD], ids=["act", "invoice", "transfer"])
def test_one_page_in_our_own_type_for_archives_and_screen_readers(paper: DocumentContent):
    reader = pypdf.PdfReader(io.BytesIO(render(paper)))
    assert len(reader.pages) == 1
    fonts = {str(font.get_object()["/BaseFont"]) for font in reader.pages[0]["/Resources"]["/Font"].values()}
    assert all("LiberationSans" in font for font in fonts), fonts
    metadata = reader.trailer["/Root"]["/Metadata"].get_object().get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in metadata.replace("\n", "")
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata.replace("\n", "")
    assert reader.trailer["/Root"]["/Lang"] == "ru"


def test_an_act_says_what_was_handed_over():
    text = text_of(render(ACT))
    for said in (
        "Акт приема-передачи № 482-019-337-561-908-274-651 от 1 марта 2026 г.",
        "ООО «Софтехно», ИНН 7707083893, КПП 773601001, 127434, г. Москва",
        "ООО «Союз», ИНН 7736050003",
        "1С:ИТС Отраслевой на 12 месяцев",
        "В том числе НДС 20%: 166,67",
        "Одна тысяча рублей 00 копеек",
        "ИП Иванов, ИНН 500100732259",
        "12345678",
        "Сидоров С. С.",
    ):
        assert said in text, text


def test_an_invoice_says_where_and_what_to_pay():
    text = text_of(render(INVOICE))
    for said in (
        "Счет на оплату № 2026-0000001 от 1 марта 2026 г.",
        "БИК 044525225",
        "40702810000000000001",
        "30101810400000000225",
        "Всего к оплате: 20 160,00",
        "Двадцать тысяч сто шестьдесят рублей 00 копеек",
        "Оплата по счету № 2026-0000001 от 01.03.2026. В т. ч. НДС 20% 3360.00 руб.",
        "Примерова А. С.",
    ):
        assert said in text, text


def test_a_transfer_document_has_the_numbered_lines_of_the_form():
    text = text_of(render(UPD))
    for said in ("Статус: 2", "(2б)", "(6б)", "[10]", "[14]", "[19]", "без НДС", "500100732259", "482-019-337-561-908"):
        assert said in text, text


def scanned(pdf: bytes) -> list[str]:
    """What a phone finds on the first page, printed at 150 dpi."""
    tool = shutil.which("pdftoppm")
    if tool is None:
        pytest.skip("pdftoppm is missing (Debian: poppler-utils)")
    page = subprocess.run([tool, "-r", "150", "-gray", "-"], input=pdf, capture_output=True, check=True).stdout
    _, size, _, pixels = page.split(b"\n", 3)
    width, height = map(int, size.split())
    image = numpy.frombuffer(pixels, numpy.uint8, width * height).reshape(height, width)
    return [found.text for found in zxingcpp.read_barcodes(image)]


def test_the_payment_code_is_read_back_from_the_printed_page():
    (said,) = scanned(render(INVOICE))
    head, *fields = said.split("|")
    assert head == "ST00012"
    assert [field.partition("=")[0] for field in fields[:5]] == ["Name", "PersonalAcc", "BankName", "BIC", "CorrespAcc"]
    assert dict(field.split("=", 1) for field in fields) == {
        "Name": "ООО «Софтехно»",
        "PersonalAcc": "40702810000000000001",
        "BankName": "АО «Пример-Банк»",
        "BIC": "044525225",
        "CorrespAcc": "30101810400000000225",
        "Sum": "2016000",
        "Purpose": "Оплата по счету № 2026-0000001 от 01.03.2026. В т. ч. НДС 20% 3360.00 руб.",
        "PayeeINN": "7707083893",
        "KPP": "773601001",
    }


def test_without_an_account_there_is_no_code_to_scan():
    paper = replace(INVOICE, vendor=VENDOR.model_copy(update={"account": None}))
    assert payment_string(paper) is None
    assert scanned(render(paper)) == []


def test_a_separator_in_a_name_does_not_break_the_code():
    paper = replace(INVOICE, vendor=VENDOR.model_copy(update={"name": "ООО «А|Б»\nВ"}))
    said = payment_string(paper)
    assert said is not None
    assert said.startswith("ST00012|Name=ООО «А/Б» В|PersonalAcc=")


def test_texts_are_shown_and_never_read_as_markup():
    evil = "#sys.exit() *жирно* $x$ `код` \\ <b> «ёлки» // /* @метка"
    text = text_of(render(replace(ACT, product=ACT.product.model_copy(update={"name": evil}))))
    assert "#sys.exit() *жирно* $x$ `код` \\ <b> «ёлки» // /* @метка" in text


LONG_NAME = (
    "Общество с ограниченной ответственностью «Научно-производственное объединение „Уральский Каменный Цветок "
    "Дистрибуция и Внедрение“»"
)
LONG_ADDRESS = (
    "620000, Свердловская область, г. Екатеринбург, Октябрьский внутригородской район, ул. Малахитовая, д. 44, "
    "корп. 2, литера А, помещение 17-Н, офис 305"
)


def with_long_names(paper: DocumentContent) -> DocumentContent:
    there = {"name": LONG_NAME, "address": LONG_ADDRESS}
    return replace(
        paper,
        vendor=paper.vendor.model_copy(update=there | {"accountant": "Константинопольская-Задунайская А. С."}),
        recipient=paper.recipient.model_copy(update=there),
        partner=paper.partner.model_copy(update=there),
        client=paper.client.model_copy(update={"name": LONG_NAME}),
        product=paper.product.model_copy(update={"name": "Продление поддержки " + LONG_NAME}),
        amount=Decimal("999999999.99"),
    )


def words_of(pdf: bytes) -> list[tuple[int, tuple[float, float, float, float], str]]:
    """Every word with its page and its box (left, top, right, bottom) in points."""
    tool = shutil.which("pdftotext")
    if tool is None:
        pytest.skip("pdftotext is missing (Debian: poppler-utils)")
    said = subprocess.run([tool, "-bbox", "-", "-"], input=pdf, capture_output=True, check=True).stdout
    found = []
    for number, page in enumerate(etree.HTML(said.decode()).iter("page")):
        for word in page.iter("word"):
            left, top, right, bottom = (float(word.get(side, "0")) for side in ("xmin", "ymin", "xmax", "ymax"))
            found.append((number, (left, top, right, bottom), word.text or ""))
    return found


def overlapping(pdf: bytes) -> list[tuple[str, str]]:
    """Words that are printed over one another by more than a hair."""
    words = words_of(pdf)
    assert words
    return [
        (one, other)
        for (page, a, one), (its_page, b, other) in combinations(words, 2)
        if page == its_page and min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 3
    ]


@pytest.mark.parametrize("paper", [ACT, INVOICE, UPD], ids=["act", "invoice", "transfer"])
def test_long_names_are_printed_over_nothing(paper: DocumentContent):
    long = with_long_names(paper)
    assert len(pypdf.PdfReader(io.BytesIO(render(long))).pages) == 1
    assert overlapping(render(long)) == []


def test_nor_on_what_goes_with_the_post():
    long = with_long_names(ACT)
    title = "Передаточный документ №\u00a0482-019-337-561-908-274-651 от 01.03.2026"
    enclosures = (post.Enclosure("a", title, ""), post.Enclosure("b", title, ""))
    envelope = post.PostalEnvelope(uuid4(), long.recipient, long.vendor, datetime(2026, 3, 1, tzinfo=UTC), enclosures)
    assert overlapping(post.print_ready([replace(envelope, enclosures=())], FolderBlobs("/nowhere"), NOW)) == []
    listed = post.register([envelope] * 12, NOW)
    assert overlapping(listed) == []
    numbers = [box[2] for _, box, word in words_of(listed) if word.startswith("482-")]
    (tracking, *_) = [box[0] for _, box, word in words_of(listed) if word.startswith("Трек")]
    assert len(numbers) == 24
    assert max(numbers) < tracking, "what is enclosed stays in its column"


def test_nor_in_a_reconciliation():
    movements = [
        Movement(NOW, f"Оплата по счету № 2026-{number:07d}", Decimal(0), Decimal("999999999.99"), str(uuid4()))
        for number in range(40)
    ]
    party = ReconciledParty(PartyKind.PARTNER, "p", LONG_NAME, "7736050003", "773601001")
    unpaid = [OpenItem(OpenKind.UNPAID, NOW, "Счёт № 2026-0000001", Decimal("20160.00"))] * 40
    account = Account(party, Decimal("-100.00"), movements, unpaid)
    printed = pdf(Reconciliation(NOW, NOW, (account,), ()), Ours(LONG_NAME, "7707083893", "773601001"))
    assert overlapping(printed) == []


LONG = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=400)


@settings(max_examples=12, deadline=None)
@given(LONG, LONG, st.decimals(0, 10**12, places=2), st.sampled_from(list(DocumentKind)))
def test_any_names_and_sums_are_typeset(name, product, amount, kind):
    paper = replace(
        ACT,
        kind=kind,
        vendor=VENDOR.model_copy(update={"name": name, "bank": name}),
        recipient=PARTNER.model_copy(update={"name": product, "address": name}),
        product=ACT.product.model_copy(update={"name": product}),
        amount=amount,
    )
    assert render(paper).startswith(b"%PDF-")


def test_a_character_that_no_font_has_keeps_nothing_from_being_printed():
    text = text_of(render(replace(ACT, product=ACT.product.model_copy(update={"name": "Поставка 😀 中"}))))
    assert "Поставка" in text


def test_a_template_that_is_wrong_is_told(tmp_path: Path):
    (tmp_path / "wrong.typ").write_text("#nothing")
    with pytest.raises(Untypeset, match=r"wrong\.typ: unknown variable: nothing"):
        typeset(tmp_path / "wrong.typ", {}, date(2026, 3, 1))


# Sums, days and names


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0.00", "Ноль рублей 00 копеек"),
        ("1.00", "Один рубль 00 копеек"),
        ("2.01", "Два рубля 01 копейка"),
        ("21.02", "Двадцать один рубль 02 копейки"),
        ("1000.00", "Одна тысяча рублей 00 копеек"),
        ("20160.00", "Двадцать тысяч сто шестьдесят рублей 00 копеек"),
        ("2002011.11", "Два миллиона две тысячи одиннадцать рублей 11 копеек"),
        (
            "999999999.99",
            "Девятьсот девяносто девять миллионов девятьсот девяносто девять тысяч девятьсот девяносто девять рублей "
            "99 копеек",
        ),
    ],
)
def test_a_sum_in_words(amount: str, words: str):
    assert sum_in_words(Decimal(amount)) == words


@given(st.decimals(0, 10**13 - 1, places=2))
def test_any_sum_has_words_with_its_kopecks(amount: Decimal):
    assert f" {amount:.2f}"[-2:] == sum_in_words(amount).split()[-2]


@pytest.mark.parametrize("amount", ["-1", "0.001"])
def test_what_is_no_sum_has_no_words(amount: str):
    with pytest.raises(ValueError, match="not a sum"):
        sum_in_words(Decimal(amount))


def test_days_names_and_figures_are_written_as_papers_write_them():
    assert day_in_words(date(2026, 5, 9)) == "9 мая 2026 г."
    assert roubles(Decimal("1234567.8")) == "1\u00a0234\u00a0567,80"
    assert initials("Сидоров", "Сидор", None) == "Сидоров С."
    assert data_of(replace(ACT, vat_rate=Decimal("20.00")))["transfer_lines"][0][8] == "20%"
