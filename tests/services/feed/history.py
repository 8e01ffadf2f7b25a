"""Records of the stages' topics about requests, as relays write them: each with what it was decided from."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from events.activation import Activated, Activator, DeliveryRegistered
from events.approval import Rejected
from events.billing import BillingOpened, DistributorConfirmed
from events.envelope import Envelope
from events.model import Channel, Event, Reason
from events.reference import Contract, Distributor, Partner
from events.registry import encode
from events.request import PROCEDURE, REQUEST_TYPE, RequestSubmitted, RequestWithdrawn
from events.shipping import Basis, Kit, ManufacturingOrdered, PermissionIssued, ShipmentIssued
from postavka.kernel.log.record import Record
from services.feed.projection import TOPICS
from tests.services.histories import CLIENT, DISTRIBUTOR, PARTNER, PERMISSION, PRICE, PRODUCT, approved

NOON = datetime(2026, 3, 16, 12, 0, tzinfo=UTC)
CODE = "KX7Q-22"
COMMAND = "commands.requests/0/7"


class History:
    """Topics of one partition each."""

    def __init__(self, distributor: Distributor = DISTRIBUTOR) -> None:
        """`distributor`: through which all is sold."""
        self.distributor = distributor
        self.topics: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
        self._clock = 0
        self._versions: dict[tuple[UUID, str], int] = defaultdict(int)

    def happens(self, request_id: UUID, event: Event, cause: Record | str = COMMAND) -> Record:
        """An event, decided while this record was handled."""
        stage = next(topic for topic in TOPICS if type(event).__module__ == f"events.{topic.partition('.')[0]}")
        records = self.topics[stage]
        self._clock += 1
        self._versions[request_id, stage] += 1
        given = cause if isinstance(cause, str) else cause.coordinates
        envelope = Envelope(
            id=f"{request_id}/{self._versions[request_id, stage]}",
            source=f"/postavka/{stage.partition('.')[0]}",
            type=event.TYPE,
            subject=str(request_id),
            time=NOON + timedelta(seconds=self._clock),
            clock=self._clock,
            causation=f"kafka:{given}",
            position=len(records) + 1,
            input=given,
        )
        key, headers = str(request_id).encode(), tuple(envelope.headers())
        record = Record(stage, 0, len(records), 0, key, encode(event), headers)
        records.append(record)
        return record

    def submitted(self, partner: Partner = PARTNER) -> tuple[UUID, Record]:
        """A request is sent."""
        request_id = uuid4()
        event = RequestSubmitted(
            procedure=PROCEDURE, partner_id=partner.id, submitted_by="anna", request_type=REQUEST_TYPE,
            contact_id="c-1", distributor_id=self.distributor.id, base_delivery_id="upp-13",
            registration_number="12345678", product_id=PRODUCT.id, inn=CLIENT.inn, buyer=CLIENT.name, kpp=None,
        )  # fmt: skip
        return request_id, self.happens(request_id, event)

    def approved(self, request_id: UUID, cause: Record, partner: Partner = PARTNER) -> Record:
        """It is approved, and its permission issued."""
        approval = self.happens(request_id, approved(self.distributor, partner), cause)
        self.happens(
            request_id,
            BillingOpened(
                channel=Channel.DISTRIBUTOR, partner_id=partner.id, distributor_id=self.distributor.id,
                payer_id=self.distributor.id, payer_inn=self.distributor.inn, product_id=PRODUCT.id, amount=PRICE,
                vat_rate=PRODUCT.vat_rate,
            ),
            approval,
        )  # fmt: skip
        permission = PermissionIssued(number=PERMISSION, partner_id=partner.id, distributor_id=self.distributor.id)
        self.happens(request_id, permission, approval)
        return approval

    def rejected(self, request_id: UUID, cause: Record) -> Record:
        """It is rejected."""
        reasons = (Reason(code="inn", message="ИНН неверен.", field="inn"),)
        return self.happens(request_id, Rejected(partner_id=PARTNER.id, reasons=reasons, reference_version=1), cause)

    def withdrawn(self, request_id: UUID) -> Record:
        """Its partner takes it back."""
        return self.happens(request_id, RequestWithdrawn(withdrawn_by="anna"))

    def sold(self, partner: Partner = PARTNER) -> UUID:
        """A request that goes all the way."""
        request_id, sent = self.submitted(partner)
        self.approved(request_id, sent, partner)
        confirmed = self.happens(
            request_id,
            DistributorConfirmed(distributor_id=self.distributor.id, confirmation_id="c-1"),
            f"distributors.{self.distributor.id}.confirmations/0/3",
        )
        self.happens(
            request_id,
            ManufacturingOrdered(
                basis=Basis.CONFIRMATION, basis_id="c-1", permission_number=PERMISSION, product=PRODUCT,
                client=CLIENT, registration_number="12345678",
            ),
            confirmed,
        )  # fmt: skip
        shipped = self.happens(
            request_id,
            ShipmentIssued(
                channel=Channel.DISTRIBUTOR, partner_id=partner.id, distributor_id=self.distributor.id,
                kit=Kit(number="157964077793", code=CODE, name="Комплект"), product=PRODUCT, client=CLIENT,
                registration_number="12345678", shipped_on=date(2026, 3, 16),
            ),
            "manufacturing.kits/0/5",
        )  # fmt: skip
        self.happens(
            request_id,
            DeliveryRegistered(
                partner_id=partner.id, registration_number="12345678", kit_number="157964077793", code=CODE,
                product_id=PRODUCT.id, months=12,
            ),
            shipped,
        )  # fmt: skip
        days = date(2026, 3, 16), date(2027, 3, 15)
        self.happens(
            request_id,
            Activated(
                activation_id="a-1", activated_by=Activator.PARTNER, actor="anna", registration_number="12345678",
                contract=Contract(number="ITS-1", valid_from=days[0], valid_until=days[1]), service_from=days[0],
                service_until=days[1],
            ),
            "commands.activations/0/9",
        )  # fmt: skip
        return request_id


SOLD = [
    RequestSubmitted.TYPE, "Approved.v3", "PermissionIssued.v1", "DistributorConfirmed.v1", "ManufacturingOrdered.v1",
    "ShipmentIssued.v1", "Activated.v1",
]  # fmt: skip
"""What both are told of a sale of `History.sold`."""
