"""Stage `request`: what partners ask for. Topic `request.events`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from events.model import Event, Id, Text
from events.personal import OF_CLIENT

PROCEDURE = "its-electronic-2020"
"""The order this system runs by: electronic deliveries only, after letter 27411 of 13.07.2020; it replaces the order
of letter 23750 of 16.11.2017 (L20). Written into every request."""

REQUEST_TYPE = "1c8-updates-and-addons"
"""«1С:Предприятие 8. Обновления и дополнения», the one request type of the letter (L4)."""


class RequestSubmitted(Event):
    """A partner has sent a request (L11). Fields are as typed: approval says what is wrong with them (L13)."""

    TYPE: ClassVar[str] = "RequestSubmitted.v2"

    procedure: Id
    partner_id: Id
    submitted_by: Id
    request_type: Text | None
    contact_id: Text | None
    distributor_id: Text | None
    base_delivery_id: Text | None
    registration_number: Text | None
    product_id: Text | None
    inn: Text | None
    buyer: Text | None
    kpp: Text | None
    comment: Text | None = None
    client_email: Annotated[Text | None, OF_CLIENT] = None
    client_phone: Annotated[Text | None, OF_CLIENT] = None
    renews: Text | None = None
    """The id of the request whose service this one prolongs; since version 2. Stage renewal says what comes of it."""


class RequestWithdrawn(Event):
    """The partner takes its request back. Shipping has the last word: once manufacturing is ordered it answers
    `WithdrawalRefused`."""

    TYPE: ClassVar[str] = "RequestWithdrawn.v1"

    withdrawn_by: Id
    reason: Text | None = None
