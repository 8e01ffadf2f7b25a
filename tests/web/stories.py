"""Requests in the cabinet without the stages: events of one request, folded and written as the projection does it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from pypdf import PdfWriter

from events.activation import Activated, ActivationRefused, Activator
from events.approval import Approved, Rejected
from events.billing import DistributorConfirmed
from events.model import Channel, Event, Reason
from events.reference import Client, Contract
from events.registry import encode
from events.renewal import ServiceStarted
from events.request import PROCEDURE, REQUEST_TYPE, RequestSubmitted
from events.shipping import (
    Basis,
    DocumentIssued,
    DocumentKind,
    DocumentRendered,
    Kit,
    ManufacturingOrdered,
    PermissionIssued,
    ShipmentIssued,
)
from postavka.app.one_box.launcher import SAMPLE
from postavka.domain.reference.file import read_file
from services.cabinet.fold import fold
from services.cabinet.table import tell_changed, write_groups

BEGIN = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
STAGE = {"request": "request", "approval": "approval", "billing": "billing", "shipping": "shipping"}
FACTS = read_file(SAMPLE)
PARTNERS = {each.id: each for each in FACTS.partners}
DISTRIBUTORS = {each.id: each.distributor() for each in FACTS.distributors}
PRODUCTS = {each.id: each.product(BEGIN.date()) for each in FACTS.products}
BASES = {each.id: each for each in FACTS.base_deliveries}


@dataclass
class Story:
    """One request, told event by event."""

    partner: str = "lukomor"
    distributor: str | None = "dist-north"
    buyer: str = "АО «Завод точных весов»"
    at: datetime = BEGIN
    request_id: UUID = field(default_factory=uuid4)
    registration: str = "1000001"
    renews: str | None = None
    row: dict[str, Any] = field(default_factory=dict)
    events: int = 0

    def __post_init__(self) -> None:
        self.code = f"{self.request_id.hex[:4]}-{self.request_id.hex[4:8]}".upper()

    @property
    def name(self) -> str:
        """What people call the request, once it is submitted."""
        return f"№\u00a0{self.row['request']['number']}"

    def submitted(self) -> Story:
        contact = PARTNERS[self.partner].contacts[0].id
        return self._take(
            "request",
            RequestSubmitted(
                procedure=PROCEDURE,
                partner_id=self.partner,
                submitted_by=self.partner,
                request_type=REQUEST_TYPE,
                contact_id=contact,
                distributor_id=self.distributor,
                base_delivery_id="upp-13",
                registration_number=self.registration,
                product_id="upp-extension-12",
                inn="7707083893",
                buyer=self.buyer,
                kpp="773601001",
                client_phone="+7 495 000-11-22",
                renews=self.renews,
            ),
        )

    def approved(self) -> Story:
        partner = PARTNERS[self.partner]
        distributor = DISTRIBUTORS[self.distributor] if self.distributor else None
        self._take(
            "approval",
            Approved(
                procedure=PROCEDURE,
                request_type=REQUEST_TYPE,
                channel=Channel.DISTRIBUTOR if distributor else Channel.DIRECT,
                partner=partner.partner(),
                contact=partner.contacts[0],
                distributor=distributor,
                base_delivery=BASES["upp-13"],
                registration_number=self.registration,
                product=PRODUCTS["upp-extension-12"],
                client=self.client,
                reference_version=1,
            ),
        )
        permission = PermissionIssued(
            number="333-277-779-796-390-250-944", partner_id=self.partner, distributor_id=self.distributor
        )
        return self._take("shipping", permission)

    def rejected(self) -> Story:
        reason = Reason(code="unknown", message="Контактного лица нет в вашем списке.", field="contact_id")
        return self._take("approval", Rejected(partner_id=self.partner, reasons=(reason,), reference_version=1))

    def documented(self, document_id: str, sha256: str, pdf: str, form: str = "postavka.document/1") -> Story:
        recipient = self.distributor or self.partner
        self._take(
            "shipping",
            DocumentIssued(
                document_id=document_id,
                kind=DocumentKind.ACT,
                number="2026-0000001",
                issued_on=BEGIN.date(),
                issued_at=None,
                recipient_id=recipient,
                signer_inn="0010550324",
                delivery="edo",
                form=form,
                sha256=sha256,
            ),
        )
        return self._take("shipping", DocumentRendered(document_id=document_id, form="pdf/1", sha256=pdf))

    def shipped(self) -> Story:
        assert self.distributor
        self._take("billing", DistributorConfirmed(distributor_id=self.distributor, confirmation_id="c-1"))
        self._take(
            "shipping",
            ManufacturingOrdered(
                basis=Basis.CONFIRMATION,
                basis_id="c-1",
                permission_number="333-277-779-796-390-250-944",
                product=PRODUCTS["upp-extension-12"],
                client=self.client,
                registration_number=self.registration,
            ),
        )
        return self._take(
            "shipping",
            ShipmentIssued(
                channel=Channel.DISTRIBUTOR,
                partner_id=self.partner,
                distributor_id=self.distributor,
                kit=Kit(number="157964077793", code=self.code, name="Комплект"),
                product=PRODUCTS["upp-extension-12"],
                client=self.client,
                registration_number=self.registration,
                shipped_on=BEGIN.date(),
            ),
        )

    def activation_refused(self, activation_id: str, message: str) -> Story:
        reason = Reason(code="no-contract", message=message)
        return self._take(
            "activation",
            ActivationRefused(activation_id=activation_id, activated_by=Activator.USER, actor="user", reason=reason),
        )

    def activated(self, activation_id: str = "a-1") -> Story:
        return self._take(
            "activation",
            Activated(
                activation_id=activation_id,
                activated_by=Activator.PARTNER,
                actor=self.partner,
                registration_number=self.registration,
                contract=Contract(number="ITS-1", valid_from=BEGIN.date(), valid_until=BEGIN.date()),
                service_from=BEGIN.date(),
                service_until=BEGIN.date(),
            ),
        )

    def serving(self, first: date, last: date) -> Story:
        """The service of the activated delivery runs, or ran, from day to day."""
        started = ServiceStarted(registration_number=self.registration, service_from=first, service_until=last)
        return self._take("renewal", started)

    @property
    def client(self) -> Client:
        return Client(inn="7707083893", kpp="773601001", name=self.buyer)

    def _take(self, stage: str, event: Event) -> Story:
        self.events += 1
        time = (self.at + timedelta(seconds=self.events)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        fold(self.row, stage, event.TYPE, json.loads(encode(event)), time, self.events)
        return self


def blank_pdf(pages: int = 1) -> bytes:
    """A document with nothing on it."""
    target, made = io.BytesIO(), PdfWriter()
    for _ in range(pages):
        made.add_blank_page(595, 842)
    made.write(target)
    return target.getvalue()


def write(database: str, stories: Iterable[Story]) -> None:
    """As the projection: rows and the notification in one transaction."""
    rows = {story.request_id: story.row for story in stories}
    with psycopg.connect(database, options="-c search_path=cabinet,public") as connection:
        write_groups(connection, rows)
        tell_changed(connection, rows)
