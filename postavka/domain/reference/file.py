"""A reference file: the whole of the reference data in TOML, checked before any of it is stored.

The file is complete: what is not in it is removed by loading it. Every mistake is reported at once, each with the entry
it is in, the value, and what to do.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator, model_validator

from events.checks import PERSON_INN, is_inn, is_kpp
from events.model import Id, PositiveMoney, Value
from events.reference import (
    BaseDelivery,
    Company,
    Contact,
    Contract,
    Distributor,
    Partner,
    PowerOfAttorney,
    Product,
)
from postavka.domain.email_address import BadAddress, checked_address
from postavka.domain.vat import VatRate, rate_on

INN = re.compile(r"\d{10}|\d{12}", re.ASCII)
DISTRIBUTOR_ID = re.compile(r"[a-z0-9-]{1,50}")
"""The id is a part of the name of the distributor's topic (`distributors.{distributor}.confirmations`)."""

_Row = TypeVar("_Row", bound=Value)


class ReferenceFileError(ValueError):
    """The file can't be loaded; `problems` has one sentence for each mistake."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__("\n".join([f"{path}: nothing was loaded; correct the file:", *problems]))
        self.problems = tuple(problems)


def _mailable(contact: Contact) -> Contact:
    """The contact person, whose address is none or can be mailed."""
    if contact.email is None:
        return contact
    try:
        return contact.model_copy(update={"email": checked_address(contact.email)})
    except BadAddress as wrong:
        raise ValueError(f"email: {contact.email!r} can't be mailed: {wrong}; correct it or take it out") from wrong


MailableContact = Annotated[Contact, AfterValidator(_mailable)]


class PartnerRow(Partner):
    """A partner with its contact persons (L3, L5)."""

    contacts: Annotated[tuple[MailableContact, ...], Field(min_length=1)]

    @field_validator("country")
    @classmethod
    def _country(cls, country: str) -> str:
        if not re.fullmatch(r"[A-Z]{2}", country):
            raise ValueError("a country is two capital letters of ISO 3166, for example RU")
        return country

    @model_validator(mode="after")
    def _checked(self) -> Self:
        # A partner abroad has its own country's tax number, of which nothing is known here.
        problems = tax_number_problems(self) if self.country == "RU" else []
        problems += [
            f"contacts: the id {each!r} is there twice; give each contact of a partner an id of its own"
            for each in _duplicates(contact.id for contact in self.contacts)
        ]
        return _refuse(self, problems)

    def partner(self) -> Partner:
        """The partner as events record it."""
        return Partner.model_validate(self.model_dump(exclude={"contacts"}))


class DistributorRow(Distributor):
    """A distributor in the RF (L6), and whom there to write to: may be nobody."""

    contacts: tuple[MailableContact, ...] = ()

    @model_validator(mode="after")
    def _checked(self) -> Self:
        problems = tax_number_problems(self)
        problems += [
            f"contacts: the id {each!r} is there twice; give each contact of a distributor an id of its own"
            for each in _duplicates(contact.id for contact in self.contacts)
        ]
        if not DISTRIBUTOR_ID.fullmatch(self.id):
            problems.append(
                "id: it is a part of a topic's name; use 1 to 50 small latin letters, digits and hyphens only"
            )
        return _refuse(self, problems)

    def distributor(self) -> Distributor:
        """The distributor as events record it."""
        return Distributor.model_validate(self.model_dump(exclude={"contacts"}))


class ProductRow(Product):
    """A product and the ids of the base deliveries that it can be bought for (L7, L9)."""

    fits: Annotated[frozenset[Id], Field(min_length=1)]
    price: PositiveMoney
    vat_rate: VatRate  # type: ignore[assignment]

    def product(self, day: date) -> Product:
        """The product as events record it that are written on this day (Moscow)."""
        return Product.model_validate(self.model_dump(exclude={"fits"}) | {"vat_rate": rate_on(self.vat_rate, day)})


class RegistrationRow(Value):
    """A registration number of a base delivery with its 1C:ITS contracts; none at all is allowed (L19)."""

    number: Annotated[str, StringConstraints(pattern=r"^[0-9]{7,10}$")]
    contracts: tuple[Contract, ...] = ()

    @model_validator(mode="after")
    def _checked(self) -> Self:
        problems = [
            f"contracts: {each.number!r} ends on {each.valid_until}, before it begins on {each.valid_from}; "
            "put the two dates in order"
            for each in self.contracts
            if each.valid_until < each.valid_from
        ]
        problems += [
            f"contracts: the number {each!r} is there twice; keep one of them"
            for each in _duplicates(contract.number for contract in self.contracts)
        ]
        return _refuse(self, problems)


class PowerOfAttorneyRow(PowerOfAttorney):
    """Somebody has looked it up in the tax service's register: who may sign, and until when (L16)."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        problems = [
            f"{name}: {inn!r} is no INN of {digits} digits; compare it with the power of attorney"
            for name, inn, digits in (
                ("principal_inn", self.principal_inn, "10 or 12"),
                ("agent_inn", self.agent_inn, "12"),
            )
            if not INN.fullmatch(inn) or str(len(inn)) not in digits.split(" or ") or not is_inn(inn)
        ]
        if self.valid_until < self.valid_from:
            problems.append(f"valid_until: {self.valid_until} is before valid_from; put the two dates in order")
        return _refuse(self, problems)


class ReferenceFile(Value):
    """The whole content of one version."""

    partners: tuple[PartnerRow, ...]
    distributors: tuple[DistributorRow, ...]
    base_deliveries: tuple[BaseDelivery, ...]
    products: tuple[ProductRow, ...]
    registrations: tuple[RegistrationRow, ...] = ()
    powers_of_attorney: tuple[PowerOfAttorneyRow, ...] = ()

    @model_validator(mode="after")
    def _checked(self) -> Self:
        problems = [
            f"{name}: the id {each!r} is there twice; give each entry an id of its own"
            for name, rows in (
                ("partners", self.partners),
                ("distributors", self.distributors),
                ("base_deliveries", self.base_deliveries),
                ("products", self.products),
            )
            for each in _duplicates(row.id for row in rows)
        ]
        problems += [
            f"registrations: the number {each!r} is there twice; put all its contracts into one entry"
            for each in _duplicates(row.number for row in self.registrations)
        ]
        problems += [
            f"powers_of_attorney: the number {each!r} is there twice; keep one of them"
            for each in _duplicates(row.number for row in self.powers_of_attorney)
        ]
        known = {row.id for row in self.base_deliveries}
        problems += [
            f'products[{place}] "{row.id}": fits: there is no base delivery {each!r}; '
            "add it to base_deliveries or take it out here"
            for place, row in enumerate(self.products, 1)
            for each in sorted(row.fits - known)
        ]
        return _refuse(self, problems)


def read_file(path: Path) -> ReferenceFile:
    """The checked content of a TOML file.

    Raises `ReferenceFileError` with every mistake: `partners[2] "romashka": inn: …`. Entries are counted from 1. Raises
    `OSError` when the file can't be read.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)  # prices stay exact
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReferenceFileError(path, [f"it is not TOML in UTF-8: {error}"]) from error
    try:
        return ReferenceFile.model_validate(raw)
    except ValidationError as error:
        raise ReferenceFileError(path, list(_sentences(error, raw))) from error


def tax_number_problems(company: Company) -> list[str]:
    """What is wrong with the INN and KPP of a Russian company or sole trader; empty when nothing is."""
    if not INN.fullmatch(company.inn):
        return [f"inn: {company.inn!r} has to be 10 digits (organisation) or 12 (sole trader); correct it"]
    problems = []
    if not is_inn(company.inn):
        problems.append(f"inn: the check digits of {company.inn!r} are wrong; compare it with the company's papers")
    if len(company.inn) == PERSON_INN:
        if company.kpp is not None:
            problems.append(f"kpp: a sole trader (INN of 12 digits) has none; take {company.kpp!r} out")
    elif company.kpp is None:
        problems.append("kpp: an organisation (INN of 10 digits) has one; add it")
    elif not is_kpp(company.kpp):
        problems.append(
            f"kpp: {company.kpp!r} has to be 9 characters: 4 digits, 2 digits or capital letters, 3 digits; correct it"
        )
    return problems


def _refuse(row: _Row, problems: Sequence[str]) -> _Row:
    if problems:
        raise ValueError("\n".join(problems))
    return row


def _duplicates(values: Iterable[str]) -> list[str]:
    return sorted(value for value, times in Counter(values).items() if times > 1)


def _sentences(error: ValidationError, raw: Mapping[str, Any]) -> Iterator[str]:
    """Each mistake as `entry: field: what is wrong; what to do`."""
    for each in error.errors(include_url=False):
        raised = each.get("ctx", {}).get("error")
        prefix = _place(each["loc"], raw)
        if isinstance(raised, ValueError):  # ours: it says what to do already
            for line in str(raised).splitlines():
                yield f"{prefix}: {line}" if prefix else line
        else:
            yield f"{prefix}: {_advice(each['type'], each['msg'], each['input'])}"


def _place(loc: tuple[int | str, ...], raw: Mapping[str, Any]) -> str:
    """The words for a location in the file, like `partners[2] "romashka": contacts[1] "anna": email`."""
    parts: list[str] = []
    node: Any = raw
    for step in loc:
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else None
            name = (node.get("id") or node.get("number")) if isinstance(node, dict) else None
            parts[-1] += f"[{step + 1}]" + (f' "{name}"' if name else "")
        else:
            node = node.get(step) if isinstance(node, dict) else None
            parts.append(step)
    return ": ".join(parts)


def _advice(kind: str, message: str, value: object) -> str:
    shown = repr(value)[:80]
    match kind:
        case "missing":
            return "it is missing; add it"
        case "extra_forbidden":
            return "there is no such field; check its spelling or take it out"
        case "string_type":
            return f"{shown} has to be text; put it in quotes"
        case _:
            return f"{message[:1].lower()}{message[1:]}, it is {shown}; correct it"
