"""The rendering `pdf/1`: a document as people read, print and file it.

PDF/A-2a with tags, made from the facts alone: the same document gives the same bytes wherever this release runs. A
release that renders differently changes nothing that was rendered before: the first rendering is on record.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import segno

from events.reference import Company
from events.shipping import DocumentKind, Signatory, Vendor
from postavka.domain.document_forms.content import DocumentContent
from postavka.domain.document_forms.forms import PDF
from postavka.domain.typesetting import day_in_words, initials, roubles, sum_in_words, typeset, unbroken
from postavka.domain.typesetting.russian import NO_BREAK_SPACE
from postavka.domain.wording import RENDERING_HEADINGS

FORM = PDF
TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE_OF = {DocumentKind.ACT: "act.typ", DocumentKind.INVOICE: "invoice.typ", DocumentKind.SHIPPING: "transfer.typ"}
DASH = "—"


def render(content: DocumentContent) -> bytes:
    """The PDF of a document. Raises `Untypeset`."""
    return typeset(TEMPLATES / TEMPLATE_OF[content.kind], data_of(content), content.issued_on)


def data_of(content: DocumentContent) -> dict[str, Any]:
    """What the templates show, every text ready."""
    amount, vat, product = roubles(content.amount), roubles(content.vat), content.product
    net, tax = roubles(content.amount - content.vat), vat if content.vat_rate else "без НДС"
    title = f"{RENDERING_HEADINGS[content.kind]} № {content.number} от {day_in_words(content.issued_on)}"
    return {
        "title": title.replace("№ ", f"№{NO_BREAK_SPACE}"),
        "footer": f"{RENDERING_HEADINGS[content.kind]} № {content.number}. Порядок {content.procedure}.",
        "day": day_in_words(content.issued_on),
        "vendor": _company(content.vendor) | _signers(content.vendor),
        "recipient": _company(content.recipient),
        "partner": _line(content.partner),
        "client": f"{content.client.name}, ИНН {content.client.inn}"
        + (f", КПП {content.client.kpp}" if content.client.kpp else ""),
        "basis": f"Заявка на электронную поставку, номер разрешения {content.permission_number}",
        "permission_number": content.permission_number,
        "base_delivery": content.base_delivery.name,
        "registration_number": content.registration_number,
        "lines": [["1", product.name, "1", "шт", amount, amount]],
        "transfer_lines": [
            [product.id, "1", product.name, "796", "шт", "1", net, net, _rate(content.vat_rate), tax, amount]
        ],
        "net": net,
        "vat": tax,
        "amount": amount,
        "totals": [
            {"name": "Итого", "value": amount, "strong": False},
            {"name": f"В том числе НДС {_rate(content.vat_rate)}", "value": vat, "strong": False}
            if content.vat_rate
            else {"name": "Без налога (НДС)", "value": DASH, "strong": False},
            {"name": "Всего к оплате", "value": amount, "strong": True},
        ],
        "count_line": f"Всего наименований 1, на сумму {amount} руб.",
        "in_words": sum_in_words(content.amount),
        "purpose": purpose(content),
        "pay_to": {
            "bank": content.vendor.bank or DASH,
            "bik": content.vendor.bik or DASH,
            "account": content.vendor.account or DASH,
            "correspondent_account": content.vendor.correspondent_account or DASH,
        },
        "qr": payment_code(content) if content.kind is DocumentKind.INVOICE else None,
    }


def purpose(content: DocumentContent) -> str:
    """What the payer writes, so that the payment finds its invoice."""
    tax = f"В т. ч. НДС {_rate(content.vat_rate)} {content.vat:.2f} руб." if content.vat_rate else "НДС не облагается."
    return f"Оплата по счету № {content.number} от {content.issued_on:%d.%m.%Y}. {tax}"


def payment_string(content: DocumentContent) -> str | None:
    """The contents of the payment code, GOST R 56042-2014 (`ST0001`, `2`: UTF-8); None without an account to pay to."""
    vendor = content.vendor
    if not (vendor.account and vendor.bank and vendor.bik):
        return None
    fields = {
        "Name": vendor.name,
        "PersonalAcc": vendor.account,
        "BankName": vendor.bank,
        "BIC": vendor.bik,
        "CorrespAcc": vendor.correspondent_account or "0",
        "Sum": str(int(content.amount * 100)),
        "Purpose": purpose(content),
        "PayeeINN": vendor.inn,
        "KPP": vendor.kpp,
    }
    limits = {"Name": 160, "BankName": 45, "Purpose": 210}
    parts = {
        name: " ".join(value.replace("|", "/").split())[: limits.get(name, 100)]
        for name, value in fields.items()
        if value
    }
    return "|".join(["ST00012", *(f"{name}={value}" for name, value in parts.items())])


def payment_code(content: DocumentContent) -> str | None:
    """The payment code as SVG; error correction M, as the standard recommends."""
    contents = payment_string(content)
    if contents is None:
        return None
    code = segno.make_qr(contents, error="m", encoding="utf-8", boost_error=False)
    return code.svg_inline(scale=4, border=4)


def _company(company: Company) -> dict[str, str]:
    return {
        "name": company.name,
        "line": _line(company),
        "inn": company.inn,
        "kpp": company.kpp or DASH,
        "ids": "/".join(filter(None, (company.inn, company.kpp))),
        "address": unbroken(company.address or "") or DASH,
        "subject": f"{company.name}, "
        + (f"ИНН/КПП {company.inn}/{company.kpp}" if company.kpp else f"ИНН {company.inn}"),
    }


def _line(company: Company) -> str:
    ids = f"ИНН{NO_BREAK_SPACE}{company.inn}" + (f", КПП{NO_BREAK_SPACE}{company.kpp}" if company.kpp else "")
    return ", ".join(part for part in (company.name, ids, unbroken(company.address or "")) if part)


def _signers(vendor: Vendor) -> dict[str, str]:
    signatory = vendor.signatory
    return {
        "director": _initials(signatory) if signatory else "",
        "post": signatory.post if signatory else "Руководитель",
        "accountant": vendor.accountant or "",
        "line": _line(vendor) + (f", тел. {vendor.phone}" if vendor.phone else ""),
    }


def _initials(signatory: Signatory) -> str:
    return initials(signatory.family_name, signatory.given_name, signatory.patronymic)


def _rate(rate: Decimal) -> str:
    if not rate:
        return "без НДС"
    return re.sub(r"\.?0+$", "", f"{rate:.2f}") + "%"
