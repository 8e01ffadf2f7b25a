"""Stage `activation`: the only place where registration number and 1C:ITS contract count (L2, L19).
Topic `activation.events`."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import ClassVar

from events.model import Event, Id, Reason
from events.reference import Contract


class Activator(StrEnum):
    """Who activates: the user itself, or the partner for it (L19)."""

    USER = "user"
    PARTNER = "partner"


class DeliveryRegistered(Event):
    """A sold delivery is known here and can be activated: all that activation needs of its `ShipmentIssued`."""

    TYPE: ClassVar[str] = "DeliveryRegistered.v1"

    partner_id: Id
    registration_number: Id
    kit_number: Id
    code: Id
    """What the user activates with."""
    product_id: Id
    months: int


class ActivationHeld(Event):
    """An activation that was asked for before the delivery was known here: kept, and taken up with the delivery."""

    TYPE: ClassVar[str] = "ActivationHeld.v1"

    activation_id: Id
    activated_by: Activator
    actor: Id
    partner_id: Id | None
    code: Id | None


class Activated(Event):
    """The service runs. Both days belong to its period."""

    TYPE: ClassVar[str] = "Activated.v1"

    activation_id: Id
    """The try that succeeded."""
    activated_by: Activator
    actor: Id
    registration_number: Id
    contract: Contract
    service_from: date
    service_until: date


class ActivationRefused(Event):
    """The activation is refused, and why. It can be tried again. Since version 2 it says what was looked up, so that an
    auditor decides it again on the same facts."""

    TYPE: ClassVar[str] = "ActivationRefused.v2"

    activation_id: Id
    activated_by: Activator
    actor: Id
    reason: Reason
    looked_up_on: date | None = None
    """The day in Moscow on which registration number and contract were looked up; None where they were not, or where
    version 1 did not say."""
    contract: Contract | None = None
    """The 1C:ITS contract that was found, valid or not."""
