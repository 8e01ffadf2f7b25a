"""Approval: is the request complete, and does everything fit? If so it's approved at once (L13).

Checked is exactly what the letter makes obligatory (`postavka.domain.request_rules`), and every shortcoming is named,
field by field, in Russian. The registration number's existence and the 1C:ITS contract are NOT looked at here: that is
activation's (L2).
"""

from __future__ import annotations

from dataclasses import dataclass

from events.approval import Approved, Rejected
from events.model import Channel, Decision, Event
from events.reference import Client
from events.request import RequestSubmitted
from postavka.domain.request_rules import Asked, RequestFacts, shortcomings

Facts = RequestFacts


@dataclass(frozen=True, slots=True)
class Open:
    """The request is open: nothing is decided yet."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Approved or rejected, for good."""

    approved: bool


State = Open | Decided

INITIAL: State = Open()


def decide(state: State, message: RequestSubmitted, facts: Facts) -> Decision:
    """Approve, or reject with every reason. Told twice, decided once."""
    match state:
        case Decided():
            return ()
        case Open():
            return (_verdict(message, Asked.of(dict(message)), facts),)


def evolve(state: State, event: Event) -> State:
    """The state after one of this stage's own events."""
    return Decided(approved=isinstance(event, Approved))


def _verdict(submitted: RequestSubmitted, asked: Asked, facts: Facts) -> Approved | Rejected:
    reasons = tuple(shortcomings(asked, facts, quoting=True))
    partner, base, product = facts.partner, facts.base_delivery, facts.product
    contact = facts.contacts.get(asked.contact_id or "")
    if reasons or partner is None or contact is None or base is None or product is None:
        return Rejected(partner_id=submitted.partner_id, reasons=reasons, reference_version=facts.version)
    judged = {
        "request_type": asked.request_type,
        "channel": Channel.DISTRIBUTOR if facts.distributor else Channel.DIRECT,
        "partner": partner,
        "contact": contact,
        "distributor": facts.distributor,
        "base_delivery": base,
        "registration_number": asked.registration_number,
        "product": product,
        "client": Client(inn=asked.inn or "", kpp=asked.kpp, name=asked.buyer or ""),
        "reference_version": facts.version,
    }
    return Approved(**submitted.carried_into(Approved) | judged)
