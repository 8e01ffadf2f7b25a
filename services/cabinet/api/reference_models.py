"""The reference data and companies as the REST API answers them: what a request may name (L5-L10)."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from services.cabinet.api.bodies import DecimalText


class Contact(BaseModel):
    """A contact person of yours (L5)."""

    id: str = Field(description="For `contact_id`")
    name: str = Field(description="Of the person")
    email: str | None = Field(description="To write to")
    phone: str | None = Field(description="To call")


class Distributor(BaseModel):
    """A distributor (L6)."""

    id: str = Field(description="For `distributor_id`")
    name: str = Field(description="Of the firm")


class BaseDelivery(BaseModel):
    """A main delivery of users (L7)."""

    id: str = Field(description="For `base_delivery_id`")
    name: str = Field(description="Of the main delivery")


class Product(BaseModel):
    """A service with one of its periods (L9); `fits` are ids of base deliveries."""

    id: str = Field(description="For `product_id`")
    name: str = Field(description="With its period")
    service: str = Field(description="Stable, for programs")
    months: int = Field(description="Length of the period")
    price: DecimalText = Field(description="Roubles, VAT included")
    vat_rate: DecimalText = Field(description="Per cent, for a request that is approved today")
    fits: list[str] = Field(description="Ids of base deliveries")


class Contacts(BaseModel):
    """Yours."""

    items: list[Contact] = Field(description="All of yours")


class Distributors(BaseModel):
    """All."""

    items: list[Distributor] = Field(description="By name")


class BaseDeliveries(BaseModel):
    """All, or those that a product fits."""

    items: list[BaseDelivery] = Field(description="By name")


class Products(BaseModel):
    """All, or those that fit a base delivery."""

    items: list[Product] = Field(description="By service and period")


class BranchOut(BaseModel):
    """The head office or a branch with its own KPP."""

    kpp: str = Field(description="КПП of the branch")
    name: str = Field(description="As the register has it")
    address: str | None = Field(description="As the register has it")
    is_head: bool = Field(description="The head office")


class CompanyOut(BaseModel):
    """What the tax service's register says (L10). `standing` warns of a company being wound up."""

    inn: str = Field(description="Of the question")
    kind: str = Field(description="Organisation or sole trader")
    name: str = Field(description="As the register has it")
    standing: str = Field(description="`active`, or what warns: `liquidating`, `bankrupt` …")
    branches: list[BranchOut] = Field(description="The head office and branches with their КПП")
    source: str = Field(description="Which register answered")
    as_of: date = Field(description="Day of its data")
