"""The exact bytes of every document: act, invoice, shipping documents (L14, L15).

`content` is what is hashed into `DocumentIssued.sha256` and what a signature must cover (L16): canonical JSON in UTF-8
with keys in order and no spaces, the same on every machine and in every release. People read renderings of the same
`Paper` (PDF for the post, XML for the exchange operator); they are made from it beside `content` and are not signed.

A later form of a document is added beside `content/1`, never in its place: bytes that were issued must be made again
for as long as a signature on them may come, and their sha256 tells which form they have.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from events.model import Channel
from events.reference import BaseDelivery, Client, Company, Distributor, Partner, Product
from events.shipping import DocumentKind, Vendor

FORM = "postavka.document/1"
KOPECK = Decimal("0.01")

TITLES = {
    DocumentKind.ACT: "Акт приема-передачи",
    DocumentKind.INVOICE: "Счет на оплату",
    DocumentKind.SHIPPING: "Документы на отгрузку",
}
"""As the letter names them."""


@dataclass(frozen=True, slots=True)
class Paper:
    """Everything a document says. `recipient` is the counterparty that signs: the distributor, or in a direct sale the
    partner (L16). Sums are in roubles, with `vat_rate` per cent of VAT included."""

    kind: DocumentKind
    number: str
    issued_on: date
    procedure: str
    channel: Channel
    permission_number: str
    vendor: Vendor
    recipient: Distributor | Partner
    partner: Partner
    client: Client
    base_delivery: BaseDelivery
    registration_number: str
    product: Product
    amount: Decimal
    vat_rate: Decimal


def content(paper: Paper) -> bytes:
    """The canonical bytes of a document."""
    fields: dict[str, Any] = {
        "form": FORM,
        "kind": paper.kind.value,
        "title": TITLES[paper.kind],
        "number": paper.number,
        "issued_on": paper.issued_on.isoformat(),
        "currency": "RUB",
        "procedure": paper.procedure,
        "channel": paper.channel.value,
        "permission_number": paper.permission_number,
        "vendor": _company(paper.vendor),
        "recipient": _company(paper.recipient),
        "partner": _company(paper.partner),
        "client": {"inn": paper.client.inn, "kpp": paper.client.kpp, "name": paper.client.name},
        "base_delivery": {"id": paper.base_delivery.id, "name": paper.base_delivery.name},
        "registration_number": paper.registration_number,
        "lines": [
            {
                "product_id": paper.product.id,
                "name": paper.product.name,
                "months": paper.product.months,
                "quantity": 1,
                "amount": _money(paper.amount),
                "vat_rate": _rate(paper.vat_rate),
                "vat": _money(vat_included(paper.amount, paper.vat_rate)),
            }
        ],
        "total": _money(paper.amount),
        "total_vat": _money(vat_included(paper.amount, paper.vat_rate)),
    }
    if paper.kind is DocumentKind.INVOICE:
        fields["pay_to"] = {
            "account": paper.vendor.account,
            "bank": paper.vendor.bank,
            "bik": paper.vendor.bik,
            "correspondent_account": paper.vendor.correspondent_account,
        }
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """In lower-case hexadecimal, as events write it."""
    return hashlib.sha256(data).hexdigest()


def vat_included(amount: Decimal, vat_rate: Decimal) -> Decimal:
    """The VAT inside `amount` (roubles) at `vat_rate` per cent, to the kopeck, half a kopeck up."""
    return (amount * vat_rate / (100 + vat_rate)).quantize(KOPECK, ROUND_HALF_UP)


def _company(company: Company) -> dict[str, str | None]:
    return {
        "id": company.id,
        "name": company.name,
        "inn": company.inn,
        "kpp": company.kpp,
        "address": company.address,
    }


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _rate(rate: Decimal) -> str:
    return f"{rate:.2f}"
