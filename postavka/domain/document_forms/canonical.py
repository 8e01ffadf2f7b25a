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
from postavka.domain.document_forms.content import DocumentContent, vat_included
from postavka.domain.wording import DOCUMENTS

FORM = "postavka.document/1"


def to_bytes(content: DocumentContent) -> bytes:
    """The canonical bytes of a document."""
    fields: dict[str, Any] = {
        "form": FORM,
        "kind": content.kind.value,
        "title": DOCUMENTS[content.kind],
        "number": content.number,
        "issued_on": content.issued_on.isoformat(),
        "currency": "RUB",
        "procedure": content.procedure,
        "channel": content.channel.value,
        "permission_number": content.permission_number,
        "vendor": _company(content.vendor),
        "recipient": _company(content.recipient),
        "partner": _company(content.partner),
        "client": {"inn": content.client.inn, "kpp": content.client.kpp, "name": content.client.name},
        "base_delivery": {"id": content.base_delivery.id, "name": content.base_delivery.name},
        "registration_number": content.registration_number,
        "lines": [
            {
                "product_id": content.product.id,
                "name": content.product.name,
                "months": content.product.months,
                "quantity": 1,
                "amount": _money(content.amount),
                "vat_rate": _rate(content.vat_rate),
                "vat": _money(vat_included(content.amount, content.vat_rate)),
            }
        ],
        "total": _money(content.amount),
        "total_vat": _money(vat_included(content.amount, content.vat_rate)),
    }
    if content.kind is DocumentKind.INVOICE:
        fields["pay_to"] = {
            "account": content.vendor.account,
            "bank": content.vendor.bank,
            "bik": content.vendor.bik,
            "correspondent_account": content.vendor.correspondent_account,
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
