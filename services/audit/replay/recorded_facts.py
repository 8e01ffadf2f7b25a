"""The facts that a decider had looked up, taken from the record of what it decided: a replay asks nothing and nobody.

Events carry the facts they were decided on (`Approved` the version of the reference data, `PermissionIssued` its
number, `Activated` the contract …). Where nothing was decided, the facts don't matter to a decider that decides as it
did; one that would decide otherwise gets those of the day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar, cast
from uuid import UUID

from events.activation import Activated, ActivationRefused
from events.approval import Approved, Rejected
from events.billing import InvoiceIssued
from events.commands import MatchReturn, SignDocument
from events.model import Event, Reason
from events.reference import Contact
from events.renewal import ReminderDue, ServiceLapsed
from events.request import RequestSubmitted
from events.shipping import (
    DocumentIssued,
    DocumentSigned,
    PermissionIssued,
    ShipmentIssued,
    ShippingOpened,
    SignatureRefused,
)
from postavka.domain.calendar import MOSCOW
from postavka.domain.reference.request_facts import facts_from
from postavka.domain.reference.store import Snapshot, UnknownVersion, snapshot
from postavka.domain.request_rules import Asked
from postavka.domain.vendor import vendor
from postavka.kernel.stage.definition import Stage
from postavka.kernel.store.recorder import EventRecorder
from services.activation import decider as activation
from services.activation.stage import STAGE as ACTIVATION
from services.approval.stage import STAGE as APPROVAL
from services.audit.integrity.store_before import StoreBefore
from services.billing import state as billing
from services.billing.parked import ParkedMoney, payment_named
from services.billing.stage import STAGE as BILLING
from services.billing.stage import OfMoney, own_place, target_of
from services.billing.stage import claims as billing_claims
from services.renewal import decider as renewal
from services.renewal.stage import STAGE as RENEWAL
from services.request.stage import STAGE as REQUEST
from services.shipping import state as shipping
from services.shipping.stage import STAGE as SHIPPING
from services.shipping.verification import Claimed, NotVerified, Unverifiable, Verified

E = TypeVar("E", bound=Event)

NOT_ISSUED = "—"
"""A number that was never given: stands in what a replay decides and the record does not have."""
# `SignatureRefused` tells the other signer's INN in its sentence alone: in stores of release 6c4deb1 and today.
_OTHER_SIGNER = re.compile(r"Документ подписан ИНН (?P<inn>\S+), а должен")


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """One decision as it is on record."""

    subject: UUID
    message: Any
    """The input, read as the newest version."""
    events: Sequence[Event]
    """What was decided; none: nothing."""
    at: datetime
    """When."""
    refused: tuple[str, str] | None
    """Code and reason of the dead letter that the input became."""
    position: int | None
    """Of the first event."""

    @property
    def day(self) -> date:
        """The day of the decision in Moscow."""
        return self.at.astimezone(MOSCOW).date()

    def first(self, kind: type[E]) -> E | None:
        """The first event of this kind."""
        return next((event for event in self.events if isinstance(event, kind)), None)


STAGES: tuple[Stage, ...] = (REQUEST, APPROVAL, BILLING, SHIPPING, ACTIVATION, RENEWAL)
"""Whose decisions are made again; `RecordedFacts` has the facts of each."""

Oracle = Callable[[RecordedDecision, Any], Any]
"""From a recorded decision and the decider's state before it to the decider's facts."""


class RecordedFacts:
    """The facts of all stages. `conninfo` is where versions of the reference data are kept."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._snapshot = lru_cache(maxsize=64)(lambda version: _snapshot(conninfo, version))
        self.of: Mapping[str, Oracle] = {
            REQUEST.name: lambda recorded, state: None,
            APPROVAL.name: self._approval,
            BILLING.name: self._billing,
            SHIPPING.name: self._shipping,
            ACTIVATION.name: self._activation,
            RENEWAL.name: self._renewal,
        }

    def _approval(self, recorded: RecordedDecision, state: Any) -> Any:
        assert isinstance(recorded.message, RequestSubmitted)  # noqa: S101  (the one type this stage takes)
        approved, rejected = recorded.first(Approved), recorded.first(Rejected)
        version = approved.reference_version if approved else rejected.reference_version if rejected else None
        asked = Asked.of(dict(recorded.message))
        facts = facts_from(self._snapshot(version), recorded.message.partner_id, asked, recorded.day)
        return replace(facts, contacts={each: _person(each, approved) for each in facts.contacts})

    def _billing(self, recorded: RecordedDecision, state: Any) -> Any:
        message, invoice = recorded.message, recorded.first(InvoiceIssued)
        today = invoice.issued_on if invoice else recorded.day
        if not isinstance(message, OfMoney):
            return billing.Facts(today, invoice.number if invoice else NOT_ISSUED)
        named = payment_named(message)
        store = self._store_before(recorded)
        register = ParkedMoney([message], store)
        return billing.Facts(
            today,
            invoice_found=recorded.subject != own_place(message),
            payment=register.payment(named),
            sent_back=register.sent_back(message.return_id) if isinstance(message, MatchReturn) else None,
            target=target_of(message, store),
        )

    def _store_before(self, recorded: RecordedDecision) -> EventRecorder:
        return cast(EventRecorder, StoreBefore(self._conninfo, "billing", recorded.position, billing_claims))

    def _shipping(self, recorded: RecordedDecision, state: Any) -> Any:
        document, shipment = recorded.first(DocumentIssued), recorded.first(ShipmentIssued)
        permission, opened = recorded.first(PermissionIssued), recorded.first(ShippingOpened)
        refused, signed = recorded.first(SignatureRefused), recorded.first(DocumentSigned)
        today = document.issued_on if document else shipment.shipped_on if shipment else recorded.day
        return shipping.Facts(
            today=today,
            permission_number=permission.number if permission else NOT_ISSUED,
            vendor=opened.vendor if opened else vendor(),
            now=document.issued_at if document and document.issued_at else recorded.at,
            verification=_verdict(recorded) if isinstance(recorded.message, SignDocument) else None,
            power_of_attorney=signed.power_of_attorney if signed else None,
            signature_taken=refused is not None and refused.reason.code == "reused",
        )

    def _activation(self, recorded: RecordedDecision, state: Any) -> Any:
        today, known, contract = recorded.day, True, None
        for event in recorded.events:
            match event:
                case Activated():
                    return activation.Facts(event.service_from, True, event.contract)
                case ActivationRefused():
                    known = event.reason.code != "unknown-registration"
                    today, contract = event.looked_up_on or today, event.contract
        return activation.Facts(today, known, contract)

    def _renewal(self, recorded: RecordedDecision, state: Any) -> Any:
        due = recorded.first(ReminderDue) or recorded.first(ServiceLapsed)
        contract = due.contract if isinstance(due, ReminderDue) else None
        if due is not None:
            return renewal.Facts(due.reckoning.moment, due.reckoning.moment.astimezone(MOSCOW).date(), contract)
        if recorded.refused is not None and recorded.refused[0] == "day-ahead":
            return renewal.Facts(recorded.at, recorded.message.day - timedelta(days=1))
        return renewal.Facts(recorded.at, recorded.day)


def _person(contact_id: str, approved: Approved | None) -> Contact:
    """A contact person as recorded: encrypted, and perhaps forgotten since. Nobody on record: nobody here."""
    if approved is not None and approved.contact.id == contact_id:
        return approved.contact
    return Contact(id=contact_id, name=NOT_ISSUED)


def _verdict(recorded: RecordedDecision) -> Claimed | NotVerified | Unverifiable:
    """What was found out about a signature."""
    signed, refused = recorded.first(DocumentSigned), recorded.first(SignatureRefused)
    if signed is not None:
        verified = Verified(
            signed.signer_inn,
            signed.certificate_serial,
            signed.certificate_subject,
            signed.signed_at,
            signed.time_stamped_by,
        )
        return Claimed(verified, signed.form, signed.covers_sha256 or "")
    if refused is not None:
        other = _OTHER_SIGNER.match(refused.reason.message)
        if refused.reason.code == "other-signer" and other is not None:
            return Claimed(Verified(other["inn"], "", "", recorded.at), "", "")
        return NotVerified(refused.reason)
    if recorded.refused is not None and recorded.refused[0] == "not-verified":
        return Unverifiable(recorded.refused[1])
    return NotVerified(Reason(code="told-before", message=""))


def _snapshot(conninfo: str, version: int | None) -> Snapshot:
    """Raises `UnknownVersion` where the reference data of that time is gone."""
    return snapshot(conninfo, version)


__all__ = ["Oracle", "RecordedDecision", "RecordedFacts", "UnknownVersion"]
