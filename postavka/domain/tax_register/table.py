"""The register that ships with the project: the invented companies of demo, documentation and tests."""

from __future__ import annotations

import tomllib
from datetime import date
from importlib import resources
from typing import Any

from postavka.domain.tax_register.company import Branch, CompanyKind, CompanyStanding, RegisteredCompany

SOURCE = "встроенный справочник"


class TableRegister:
    """A file, read once. See `TaxRegister`."""

    def __init__(self) -> None:
        text = resources.files(__package__).joinpath("companies.toml").read_text("utf-8")
        raw = tomllib.loads(text)
        self._companies = {each["inn"]: _company(each, raw["as_of"]) for each in raw["companies"]}

    async def find(self, inn: str) -> RegisteredCompany | None:
        """Answers as `TaxRegister.find` says. Always answers."""
        return self._companies.get(inn)

    async def close(self) -> None:
        """Does nothing: there is no connection to give up."""


def _company(row: dict[str, Any], as_of: date) -> RegisteredCompany:
    branches = tuple(
        Branch(each["kpp"], each.get("name", row["name"]), each.get("address"), number == 0)
        for number, each in enumerate(row.get("branches", ()))
    )
    return RegisteredCompany(
        inn=row["inn"],
        kind=CompanyKind.ORGANISATION if branches else CompanyKind.SOLE_TRADER,
        name=row["name"],
        standing=CompanyStanding(row.get("standing", "active")),
        branches=branches,
        source=SOURCE,
        as_of=as_of,
    )
