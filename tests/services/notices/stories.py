"""Events of a request, for the tests of what is told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from events.approval import Approved, Rejected
from events.billing import DistributorConfirmed
from events.model import Channel, Delivery, Message, Reason
from events.reference import BaseDelivery, Client, Contact, Distributor, Partner, Product, Service
from events.request import PROCEDURE, REQUEST_TYPE, RequestSubmitted
from events.shipping import DocumentIssued, DocumentKind, InvoiceNoted, PermissionIssued
from services.notices.rules import Cause, News, RuleState, apply_rules

VENDOR = "АО «Продавец»"
REQUEST = UUID("7927d160-0000-4000-8000-000000000001")
NOON = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
NUMBER = "482-019-337-561-908-274-651"
PARTNER = Partner(id="lukomor", name="ООО «Лукоморье-Софт»", inn="0012045782", kpp="001201001")
CONTACT = Contact(id="lukomor-1", name="Ветрова Алина Сергеевна", email="vetrova@lukomor.example")
DISTRIBUTOR = Distributor(id="dist-north", name="ООО «Северный Склад Программ»", inn="0010550324", kpp="001001001")
CLIENT = Client(inn="7707083893", kpp="773601001", name="АО «Завод точных весов»")
PRODUCT = Product(
    id="its-industry-12",
    service=Service.ITS_INDUSTRY,
    name="1С:ИТС Отраслевой на 12 месяцев",
    months=12,
    price=Decimal("20160.00"),
    vat_rate=Decimal("20.00"),
)


def submitted(**changes: Any) -> RequestSubmitted:
    fields: dict[str, Any] = dict.fromkeys(RequestSubmitted.model_fields)
    fields |= {"procedure": PROCEDURE, "partner_id": PARTNER.id, "submitted_by": "vetrova", "contact_id": CONTACT.id}
    fields |= {"distributor_id": DISTRIBUTOR.id, "buyer": CLIENT.name, "inn": CLIENT.inn}
    return RequestSubmitted(**fields | changes)


def approved(distributor: Distributor | None = DISTRIBUTOR, **changes: Any) -> Approved:
    fields: dict[str, Any] = {
        "procedure": PROCEDURE,
        "request_type": REQUEST_TYPE,
        "channel": Channel.DISTRIBUTOR if distributor else Channel.DIRECT,
        "partner": PARTNER,
        "contact": CONTACT,
        "distributor": distributor,
        "base_delivery": BaseDelivery(id="upp-13", name="УПП"),
        "registration_number": "1000001",
        "product": PRODUCT,
        "client": CLIENT,
        "reference_version": 1,
    }
    return Approved(**fields | changes)


def rejected() -> Rejected:
    reason = Reason(code="inn.check-digits", message="Контрольная цифра не сходится.", field="inn")
    return Rejected(partner_id=PARTNER.id, reasons=(reason,), reference_version=1)


def permission() -> PermissionIssued:
    return PermissionIssued(number=NUMBER, partner_id=PARTNER.id, distributor_id=DISTRIBUTOR.id)


def issued(kind: DocumentKind) -> DocumentIssued:
    return DocumentIssued(
        document_id=f"{kind}-1",
        kind=kind,
        number="2026-0000001",
        issued_on=date(2026, 3, 16),
        issued_at=NOON,
        recipient_id=DISTRIBUTOR.id,
        signer_inn=DISTRIBUTOR.inn,
        delivery=Delivery.EDO,
        form="postavka.document/1",
        sha256="ab" * 32,
    )


def invoice() -> InvoiceNoted:
    return InvoiceNoted(
        number="2026-0000001", issued_on=date(2026, 3, 16), amount=PRODUCT.price, vat_rate=PRODUCT.vat_rate
    )


def confirmed() -> DistributorConfirmed:
    return DistributorConfirmed(distributor_id=DISTRIBUTOR.id, confirmation_id="c-1", note="счёт оплатим")


THROUGH = (submitted(), approved(), permission(), issued(DocumentKind.ACT))
DIRECT = (
    submitted(distributor_id=None),
    approved(None),
    permission(),
    issued(DocumentKind.SHIPPING),
    invoice(),
    issued(DocumentKind.INVOICE),
)


def told(*events: Message) -> list[News]:
    """What is news when these are read in this order."""
    known, news = RuleState(), []
    for number, event in enumerate(events):
        cause = Cause(
            f"/postavka/x#{number}",
            f"x.events/0/{number}",
            NOON,
            event.TYPE,
            event.model_dump_json().encode(),
            number + 255,
        )
        known, fresh = apply_rules(RuleState.model_validate_json(known.model_dump_json()), REQUEST, event, cause)
        news += fresh
    return news


def summary(news: list[News]) -> list[tuple[str, str | None, str | None]]:
    """Whom, by which letter, by which notice."""
    return [(each.party_id, each.category and each.category.value, each.topic and each.topic.value) for each in news]
