"""Documents: the same facts give the same bytes, and every fact is in them (L14, L15)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.model import Channel
from events.reference import BaseDelivery, Client, Distributor, Partner, Product, Service
from events.shipping import DocumentKind, Vendor
from postavka.domain.document_forms.canonical import to_bytes
from postavka.domain.document_forms.content import DocumentContent, sha256, vat_included

PARTNER = Partner(id="p-1", name='ООО "Партнёр"', inn="7707083893", kpp="773601001", address="Москва, ул. Вавилова, 19")
DISTRIBUTOR = Distributor(id="d-1", name="ООО «Союз»", inn="7736050003", kpp="773601001", address="Москва")
ACT = DocumentContent(
    kind=DocumentKind.ACT,
    number="482-019-337-561-908-274-651",
    issued_on=date(2026, 3, 1),
    procedure="its-electronic-2020",
    channel=Channel.DISTRIBUTOR,
    permission_number="482-019-337-561-908-274-651",
    vendor=Vendor(id="v", name="ООО «Софтехно»", inn="7707083893", account="407", bank="Банк", bik="044525225"),
    recipient=DISTRIBUTOR,
    partner=PARTNER,
    client=Client(inn="500100732259", kpp=None, name="ИП Иванов"),
    base_delivery=BaseDelivery(id="upp-13", name="1С:УПП"),
    registration_number="12345678",
    product=Product(
        id="its-12",
        service=Service.ITS_INDUSTRY,
        name="1С:ИТС Отраслевой на 12 месяцев",
        months=12,
        price=Decimal("1000.00"),
        vat_rate=Decimal("20.00"),
    ),
    amount=Decimal("1000.00"),
    vat_rate=Decimal("20.00"),
)
INVOICE = replace(ACT, kind=DocumentKind.INVOICE, channel=Channel.DIRECT, recipient=PARTNER, number="2026-1")

ACT_BYTES = (
    '{"base_delivery":{"id":"upp-13","name":"1С:УПП"},"channel":"distributor",'
    '"client":{"inn":"500100732259","kpp":null,"name":"ИП Иванов"},"currency":"RUB","form":"postavka.document/1",'
    '"issued_on":"2026-03-01","kind":"act","lines":[{"amount":"1000.00","months":12,'
    '"name":"1С:ИТС Отраслевой на 12 месяцев","product_id":"its-12","quantity":1,"vat":"166.67","vat_rate":"20.00"}],'
    '"number":"482-019-337-561-908-274-651","partner":{"address":"Москва, ул. Вавилова, 19","id":"p-1",'
    '"inn":"7707083893","kpp":"773601001","name":"ООО \\"Партнёр\\""},'
    '"permission_number":"482-019-337-561-908-274-651","procedure":"its-electronic-2020",'
    '"recipient":{"address":"Москва","id":"d-1","inn":"7736050003","kpp":"773601001","name":"ООО «Союз»"},'
    '"registration_number":"12345678","title":"Акт приема-передачи","total":"1000.00","total_vat":"166.67",'
    '"vendor":{"address":null,"id":"v","inn":"7707083893","kpp":null,"name":"ООО «Софтехно»"}}'
)
"""Never to be changed: signatures lie over bytes like these. A new form of a document is added beside it."""


def test_the_bytes_of_a_document_are_for_ever():
    assert to_bytes(ACT).decode() == ACT_BYTES


def test_a_sum_has_one_spelling():
    assert to_bytes(replace(ACT, amount=Decimal("1E+3"), vat_rate=Decimal(20))) == to_bytes(ACT)


@pytest.mark.parametrize("kind", DocumentKind)
def test_each_kind_has_its_title_and_only_an_invoice_says_where_to_pay(kind: DocumentKind):
    fields = json.loads(to_bytes(replace(INVOICE, kind=kind)))
    assert fields["kind"] == kind
    assert (
        fields["title"]
        == {"act": "Акт приема-передачи", "invoice": "Счет на оплату", "shipping": "Документы на отгрузку"}[kind]
    )
    assert ("pay_to" in fields) == (kind is DocumentKind.INVOICE)


def test_an_invoice_says_where_to_pay():
    assert json.loads(to_bytes(INVOICE))["pay_to"] == {
        "account": "407",
        "bank": "Банк",
        "bik": "044525225",
        "correspondent_account": None,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": DocumentKind.SHIPPING},
        {"number": "2"},
        {"issued_on": date(2026, 3, 2)},
        {"procedure": "other"},
        {"channel": Channel.DIRECT},
        {"permission_number": "1"},
        {"vendor": ACT.vendor.model_copy(update={"kpp": "1"})},
        {"recipient": DISTRIBUTOR.model_copy(update={"inn": "1"})},
        {"partner": PARTNER.model_copy(update={"address": None})},
        {"client": ACT.client.model_copy(update={"kpp": "773601001"})},
        {"base_delivery": BaseDelivery(id="other", name="1С:УПП")},
        {"registration_number": "87654321"},
        {"product": ACT.product.model_copy(update={"months": 6})},
        {"amount": Decimal("1000.01")},
        {"vat_rate": Decimal("22.00")},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_fact_is_in_the_bytes(changed: dict[str, object]):
    assert to_bytes(replace(ACT, **changed)) != to_bytes(ACT)


def test_the_hash_is_the_one_everybody_computes():
    assert sha256(to_bytes(ACT)) == hashlib.sha256(ACT_BYTES.encode()).hexdigest()


@pytest.mark.parametrize(
    ("amount", "rate", "vat"),
    [
        ("1000.00", "20", "166.67"),
        ("120", "20", "20.00"),
        ("0.03", "20", "0.01"),
        ("1000", "0", "0.00"),
        ("0", "20", "0.00"),
    ],
)
def test_vat_is_inside_the_amount(amount: str, rate: str, vat: str):
    assert str(vat_included(Decimal(amount), Decimal(rate))) == vat


@given(st.decimals(0, 10**12, places=2), st.sampled_from([Decimal(0), Decimal(10), Decimal(20), Decimal(22)]))
def test_vat_is_exact_to_the_kopeck(amount: Decimal, rate: Decimal):
    vat = vat_included(amount, rate)
    assert abs(vat * (100 + rate) - amount * rate) <= Decimal("0.005") * (100 + rate)
