"""The answer of a tax register about a company, whichever register it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol


class CompanyKind(StrEnum):
    """Whose tax number it is."""

    ORGANISATION = "organisation"
    """10 digits, with a KPP for itself and one for each branch."""
    SOLE_TRADER = "sole-trader"
    """12 digits, no KPP."""


class CompanyStanding(StrEnum):
    """The state of a company by the register. Nothing of it forbids a request: it's the partner that decides."""

    ACTIVE = "active"
    LIQUIDATING = "liquidating"
    LIQUIDATED = "liquidated"
    BANKRUPT = "bankrupt"
    REORGANIZING = "reorganizing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Branch:
    """The head office or a branch, each with a KPP of its own."""

    kpp: str
    name: str
    address: str | None
    is_head: bool


@dataclass(frozen=True, slots=True)
class RegisteredCompany:
    """An organisation or a sole trader."""

    inn: str
    kind: CompanyKind
    name: str
    """As documents need it: «ООО «Ромашка»», «ИП Иванов Иван Иванович»."""
    standing: CompanyStanding
    branches: tuple[Branch, ...]
    """The head office first; empty for a sole trader."""
    source: str
    """Who says so, in Russian, for the page."""
    as_of: date
    """The day on which that was so, by the source."""


class NotAnswering(Exception):
    """The register can't be asked now; the message says why, in English, for the log. The partner types by hand."""


class TaxRegister(Protocol):
    """A register of companies by tax number."""

    async def find(self, inn: str) -> RegisteredCompany | None:
        """The company with this number; None when the register has none. `inn` has right check digits.

        Raises `NotAnswering`, and never later than the time it was given by its settings.
        """

    async def close(self) -> None:
        """Give up connections."""
