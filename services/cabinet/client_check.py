"""Is the client of a request who the tax register says it is? INN, name and KPP are one fact (L10): a name beside
another firm's number would go into every document of the sale.

Nothing here forbids a request: a partner is asked, operations are told.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import StrEnum

from events.checks import is_inn
from postavka.domain.tax_register import Company, NotAnswering, Register
from services.cabinet.requests import Row

SECONDS = 3.0
"""How long whoever sends or reads a request waits for the register."""
_FORMS = (
    ("публичное акционерное общество", "пао"),
    ("непубличное акционерное общество", "ао"),
    ("закрытое акционерное общество", "зао"),
    ("открытое акционерное общество", "оао"),
    ("акционерное общество", "ао"),
    ("общество с ограниченной ответственностью", "ооо"),
    ("индивидуальный предприниматель", "ип"),
)
"""Forms of organisations in full and in short; longer ones before those that they contain."""


class Agreement(StrEnum):
    """What the register says of a client."""

    SAME = "same"
    OTHER = "other"
    """Another name, or a KPP that is none of the company's."""
    NOBODY = "nobody"
    """The register has no such number."""
    UNCHECKED = "unchecked"
    """The register does not answer."""


@dataclass(frozen=True, slots=True)
class Checked:
    """`company`: who has this number, by the register."""

    agreement: Agreement
    company: Company | None = None


async def check_client(register: Register, inn: str, name: str, kpp: str | None) -> Checked:
    """Ask the register, for a few seconds at most."""
    if not is_inn(inn):
        return Checked(Agreement.NOBODY)
    try:
        async with asyncio.timeout(SECONDS):
            company = await register.find(inn)
    except (NotAnswering, TimeoutError):
        return Checked(Agreement.UNCHECKED)
    if company is None:
        return Checked(Agreement.NOBODY)
    same = plain_name(company.name) == plain_name(name) and _is_its(company, kpp)
    return Checked(Agreement.SAME if same else Agreement.OTHER, company)


async def check_row(register: Register, row: Row) -> Checked | None:
    """What the register says today of the client of a request; None where no number is named."""
    client = row.approval.get("client") or row.asked
    return await check_client(register, row.inn, row.buyer or "", client.get("kpp")) if row.inn else None


def _is_its(company: Company, kpp: str | None) -> bool:
    known = {each.kpp for each in company.branches}
    return not known or (kpp or "") in known


def plain_name(name: str) -> str:
    """A name without what people write this way and that: case, «ё», quotes, blanks, the form in full."""
    plain = " ".join(re.sub(r"[«»\"'“”„‟`]", " ", name.casefold().replace("ё", "е")).split())
    for full, short in _FORMS:
        plain = plain.replace(full, short)
    return plain
