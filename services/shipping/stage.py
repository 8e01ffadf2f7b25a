"""Shipping on the log: approvals, billing's word, withdrawals, kits and signed documents come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from events.approval import Approved
from events.billing import DistributorConfirmed, DistributorDeclined, InvoiceIssued, PaymentReceived
from events.commands import DeclineDocument, KitManufactured, ReportDispatch, ReportRendering, SignDocument
from events.model import Event
from events.request import RequestWithdrawn
from events.shipping import DocumentSigned, ManufacturingOrdered, PermissionIssued
from events.topics import (
    APPROVAL_EVENTS,
    BILLING_EVENTS,
    DOCUMENT_COMMANDS,
    MANUFACTURING_KITS,
    MANUFACTURING_ORDERS,
    REQUEST_EVENTS,
)
from postavka.domain.calendar import today
from postavka.domain.reference.store import current
from postavka.domain.vendor import vendor
from postavka.kernel.blobs import Blobs, open_blobs
from postavka.kernel.settings import database_url, settings
from postavka.kernel.stage.definition import BatchFacts, Incoming, Input, Stage
from postavka.kernel.store.recorder import EventRecorder
from services.shipping import decider, documents
from services.shipping.checking import check
from services.shipping.list_survey import survey
from services.shipping.permission import new_permission_number
from services.shipping.powers import power_of_attorney
from services.shipping.revocation import RevocationLists
from services.shipping.settings import shipping_settings
from services.shipping.signatures import make_verifier
from services.shipping.state import Facts, State
from services.shipping.verification import Claimed, NotVerified, Unverifiable, Verifier

PERMISSION = "permission"
SIGNATURE = "signature"


def inputs() -> list[Input]:
    """The same for every installation."""
    return [
        Input(APPROVAL_EVENTS.name, (Approved,), from_stage=True),
        Input(
            BILLING_EVENTS.name,
            (InvoiceIssued, DistributorConfirmed, DistributorDeclined, PaymentReceived),
            from_stage=True,
        ),
        Input(REQUEST_EVENTS.name, (RequestWithdrawn,), from_stage=True),
        Input(MANUFACTURING_KITS.name, (KitManufactured,), MANUFACTURING_KITS.default_type),
        Input(DOCUMENT_COMMANDS.name, (SignDocument, DeclineDocument, ReportRendering, ReportDispatch)),
    ]


@cache
def verifier() -> Verifier:
    """Who checks signatures in this process."""
    return make_verifier(shipping_settings(), revocation_lists())


@cache
def revocation_lists() -> RevocationLists | None:
    """The lists that `verifier` looks at; None: it looks at none."""
    place = shipping_settings().signature_revocation_lists
    return RevocationLists(place) if place is not None else None


@cache
def blobs() -> Blobs:
    """Where the renderings are that a signature may cover."""
    return open_blobs(settings())


class ShippingFacts(BatchFacts):
    """Facts for one batch. A fresh permission number is drawn only for an approval."""

    def __init__(self, batch: Sequence[Incoming], recorder: EventRecorder, before: Mapping[UUID, Any]) -> None:
        self._today = today()
        self._now = datetime.now(UTC)
        self._vendor = vendor()
        signatures = {digest for each in batch if (digest := _digest(each.message)) is not None}
        self._taken = recorder.find_claims(SIGNATURE, signatures) if signatures else {}

    def of(self, incoming: Incoming, state: State) -> Facts:
        """The moment, the permission's number for an approval, and the check of a signature that came."""
        message = incoming.message
        number = new_permission_number() if isinstance(message, Approved) else ""
        checked, power = self._verify(state, message) if isinstance(message, SignDocument) else (None, None)
        taken = self._taken.get(_digest(message) or "", incoming.subject) != incoming.subject
        return Facts(self._today, number, self._vendor, self._now, checked, power, taken)

    @staticmethod
    def _verify(state: State, message: SignDocument) -> tuple[Claimed | NotVerified | Unverifiable | None, str | None]:
        """What a signature's check says, and the power of attorney it needs to be the counterparty's."""
        question = documents.to_verify(state, message)
        if question is None:
            return None, None
        at = datetime.now(UTC)
        checked = check(question, verifier(), blobs(), at)
        if not isinstance(checked, Claimed) or checked.verified.signer_inn == question.signer_inn:
            return checked, None
        return checked, power_of_attorney(checked, question, at, current(database_url(settings())))


def _digest(message: object) -> str | None:
    return documents.signature_digest(message) if isinstance(message, SignDocument) else None


def claims(subject: UUID, event: Event) -> Iterable[tuple[str, str]]:
    """A permission number exists once, and a signature counts once."""
    match event:
        case PermissionIssued():
            yield PERMISSION, event.number
        case DocumentSigned():
            yield SIGNATURE, event.signature_sha256


def details() -> dict[str, Any]:
    """What is wrong with the revocation lists that this process checks signatures by."""
    lists = revocation_lists()
    return survey(lists, datetime.now(UTC)).details() if lists is not None else {}


STAGE = Stage(
    "shipping",
    inputs,
    decider.INITIAL,
    decider.decide,
    decider.evolve,
    gather=ShippingFacts,
    claims=claims,
    copies={ManufacturingOrdered.TYPE: MANUFACTURING_ORDERS.name},
    details=details,
)
