"""The form `postavka.document/1`: canonical JSON in UTF-8, keys in order, no spaces.

Invoices have it (the tax service asks for no form of them), and everything that has no tax form (`upd.py` says what).
Never to be changed: signatures lie over such bytes, and they are made again for as long as one may come.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from events.reference import Company
from events.shipping import DocumentKind
from postavka.domain.document_forms.paper import DocumentContent, vat_included
from postavka.domain.wording import DOCUMENTS

FORM = "postavka.document/1"


def content(paper: DocumentContent) -> bytes:
    """The canonical bytes of a document."""
    fields: dict[str, Any] = {
        "form": FORM,
        "kind": paper.kind.value,
        "title": DOCUMENTS[paper.kind],
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
