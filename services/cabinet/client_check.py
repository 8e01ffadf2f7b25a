"""Is the client of a request who the tax register says it is? INN, name and KPP are one fact (L10): a name beside
another firm's number would go into every document of the sale.

Nothing here forbids a request: the partner is asked, and operations see such requests in a list.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import StrEnum

from events.checks import is_inn
from postavka.domain.tax_register import NotAnswering, RegisteredCompany, TaxRegister
from services.cabinet.requests import Row

SECONDS = 3.0
"""How long whoever sends or reads a request waits for the register."""
_FORMS = (
    ("непубличное акционерное общество", "ао"),
    ("публичное акционерное общество", "пао"),
    ("закрытое акционерное общество", "зао"),
    ("открытое акционерное общество", "оао"),
    ("акционерное общество", "ао"),
    ("общество с ограниченной ответственностью", "ооо"),
    ("индивидуальный предприниматель", "ип"),
    ("нао", "ао"),
)
"""Forms of organisations in full and in short; longer ones before those that they contain."""


class Agreement(StrEnum):
    """The agreement between a client and the register."""

    SAME = "same"
    OTHER = "other"
    """Another name, or a KPP that is none of the company's."""
    NOBODY = "nobody"
    """The register has no such number."""
    UNCHECKED = "unchecked"
    """The register does not answer."""


@dataclass(frozen=True, slots=True)
class CheckedClient:
    """`company`: who has this number, by the register. `fields`: of the request, those that it does not agree to."""

    agreement: Agreement
    company: RegisteredCompany | None = None
    fields: tuple[str, ...] = ()

    def in_words(self, inn: str) -> str:
        """What the register says, in Russian."""
        if self.company is None:
            return f"В ФНС нет ИНН {inn}."
        kpps = ", ".join(each.kpp for each in self.company.branches)
        return f"По данным ФНС ИНН {inn} — {self.company.name}{f', КПП {kpps}' if kpps else ''}."


class ClientInDoubt(Exception):
    """The register does not agree to the client of a request, and its sender has not said that it shall go out so."""

    def __init__(self, checked: CheckedClient) -> None:
        super().__init__(checked.agreement.value)
        self.checked = checked


async def check_client(register: TaxRegister, inn: str, name: str, kpp: str | None) -> CheckedClient:
    """Ask the register, for a few seconds at most."""
    if not is_inn(inn):
        return CheckedClient(Agreement.NOBODY, fields=("inn",))
    try:
        async with asyncio.timeout(SECONDS):
            company = await register.find(inn)
    except (NotAnswering, TimeoutError):
        return CheckedClient(Agreement.UNCHECKED)
    if company is None:
        return CheckedClient(Agreement.NOBODY, fields=("inn",))
    agrees = {"buyer": plain_name(company.name) == plain_name(name), "kpp": _is_its(company, kpp)}
    wrong = tuple(field for field, same in agrees.items() if not same)
    return CheckedClient(Agreement.OTHER if wrong else Agreement.SAME, company, wrong)


async def check_row(register: TaxRegister, row: Row) -> CheckedClient | None:
    """What the register says today of the client of a request; None where no number is named."""
    client = row.approval.get("client") or row.asked
    return await check_client(register, row.inn, row.buyer or "", client.get("kpp")) if row.inn else None


def _is_its(company: RegisteredCompany, kpp: str | None) -> bool:
    known = {each.kpp for each in company.branches}
    return not known or (kpp or "") in known


def plain_name(name: str) -> str:
    """A name without what people write this way and that: case, «ё», quotes, blanks, the form in full."""
    plain = " ".join(re.sub(r"[«»\"'“”„‟`]", " ", name.casefold().replace("ё", "е")).split())
    for full, short in _FORMS:
        plain = re.sub(rf"\b{full}\b", short, plain)
    return plain
