"""Stage `approval`: complete or not, decided at once and without a person (L13). Topic `approval.events`."""

from __future__ import annotations

from typing import ClassVar

from events.model import Channel, Event, Id, Reason
from events.reference import BaseDelivery, Client, Contact, Distributor, Partner, Product


class Approved(Event):
    """Everything required is there and fits. Carries all facts that later stages need, as they were at this moment."""

    TYPE: ClassVar[str] = "Approved.v3"

    procedure: Id
    request_type: Id
    """What kind of request this is (L4): which way it goes from here."""
    channel: Channel
    partner: Partner
    contact: Contact
    distributor: Distributor | None
    """None in a direct sale (L6)."""
    base_delivery: BaseDelivery
    registration_number: Id
    product: Product
    client: Client
    reference_version: int
    """The version of the reference data it was decided on."""


class Rejected(Event):
    """Something required is missing or wrong: every reason, field by field, in Russian."""

    TYPE: ClassVar[str] = "Rejected.v1"

    partner_id: Id
    reasons: tuple[Reason, ...]
    reference_version: int
