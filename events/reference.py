"""The facts of reference data, as events record them.

A decision is made on the facts of that moment, so the facts travel inside the event: a replay years later decides
on the same ones. `postavka/domain/reference` keeps and versions them; here is only their shape.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from events.model import Delivery, Id, Money, Text, Value
from events.personal import OF_CONTACT


class Service(StrEnum):
    """The two services sold under the letter, only as electronic deliveries (L1)."""

    ITS_INDUSTRY = "its-industry"
    """1С:ИТС Отраслевой"""
    UPP_EXTENSION = "upp-extension"
    """Продление поддержки конфигурации «Управление производственным предприятием»"""


class Contact(Value):
    """A contact person of a partner (L5)."""

    id: Id
    name: Annotated[Text, OF_CONTACT]
    email: Annotated[Text | None, OF_CONTACT] = None
    phone: Annotated[Text | None, OF_CONTACT] = None


class Company(Value):
    """A legal person or sole trader that signs and pays. `kpp` is empty for a sole trader."""

    id: Id
    name: Text
    inn: Id
    kpp: Id | None = None
    address: Text | None = None
    postal_address: Text | None = None
    """Where paper goes, if not to `address`."""
    edo_id: Id | None = None
    """Its participant's id at the exchange operator: `2BM-7707083893-773601001-…`."""


class DeliveryByKind(Value):
    """Where the agreement says something else for one kind of document (L15). None: as `Partner.delivery` says."""

    act: Delivery | None = None
    invoice: Delivery | None = None
    shipping: Delivery | None = None


class Partner(Company):
    """A partner of the vendor (L3). Without authorisation it can't order; `country` is ISO 3166 (RU)."""

    country: Id = "RU"
    authorised: bool = True
    delivery: Delivery = Delivery.POST
    """How its documents travel: EDO only where there's an agreement (L15)."""
    delivery_by_kind: DeliveryByKind = DeliveryByKind()


class Distributor(Company):
    """A distributor in the RF (L6)."""


class BaseDelivery(Value):
    """A main delivery of a user, for which a service is bought (L7)."""

    id: Id
    name: Text


class Product(Value):
    """A service with one of its periods (L9), and what it costs."""

    id: Id
    service: Service
    name: Text
    months: Annotated[int, Field(ge=1, le=120)]
    price: Money
    vat_rate: Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
    """Per cent; included in the price."""


class Client(Value):
    """Whom the service is for (L10), as the request named it."""

    inn: Id
    kpp: Id | None
    name: Text


class PowerOfAttorney(Value):
    """A machine-readable power of attorney (МЧД): `agent_inn` may sign documents for `principal_inn`. Both days belong
    to it."""

    number: Id
    """As the tax service's register has it, a GUID."""
    principal_inn: Id
    """Of the organisation or sole trader for whom is signed."""
    agent_inn: Id
    """Of the person who signs, 12 digits: their certificate has it."""
    valid_from: date
    valid_until: date
    revoked_on: date | None = None
    """From this day on it counts no more."""

    def is_in_force(self, day: date) -> bool:
        """Does it count on this day (Moscow)?"""
        return self.valid_from <= day <= self.valid_until and (self.revoked_on is None or day < self.revoked_on)


class Contract(Value):
    """A 1C:ITS contract of a registration number (L19). Both days belong to it."""

    number: Id
    valid_from: date
    valid_until: date
