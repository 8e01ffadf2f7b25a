"""The texts of one request as a line of a list, and as the facts of its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postavka.domain.reference.store import Snapshot
from postavka.domain.wording import REQUEST_TYPES
from postavka.web.formats import day, money
from services.cabinet.requests import Row
from services.cabinet.words import ShownStage, product_name, stage_of


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One request as lists show it; texts are ready for the page."""

    id: str
    name: str
    submitted_at: Any
    stage: ShownStage
    partner: str
    buyer: str
    inn: str
    product: str
    registration: str
    distributor: str
    amount: str
    contact: str = ""
    invoice: str = ""
    permission: str = ""
    kit: str = ""
    shipped_on: str = ""
    service_until: str = ""
    refusal: str = ""


def line(row: Row, known: Snapshot) -> RequestLine:
    """A line of a list. Where nothing is approved yet, names come from today's reference data."""
    product, _ = _product(row, known)
    asked = row.asked
    refusals = row.activation.get("refusals", ())
    return RequestLine(
        id=str(row.request_id),
        name=row.name,
        submitted_at=row.submitted_at,
        stage=stage_of(row.status),
        partner=row.partner or "",
        buyer=row.buyer or "",
        inn=row.inn or "",
        product=product,
        registration=row.approval.get("registration_number") or asked.get("registration_number") or "",
        distributor=_distributor(row, known),
        amount=money(row.amount),
        contact=_contact_of(row, known).get("name") or asked.get("contact_id") or "",
        invoice=(row.billing.get("invoice") or {}).get("number", ""),
        permission=row.permission_number or "",
        kit=(row.shipping.get("kit") or {}).get("number", ""),
        shipped_on=row.shipping.get("shipped_on", ""),
        service_until=row.term.get("service_until") or row.activation.get("service_until", ""),
        refusal=refusals[-1]["reason"]["message"] if refusals and row.status == "shipped" else "",
    )


@dataclass(frozen=True, slots=True)
class PageFacts:
    """The facts of a request's page: terms and values, empty ones left out by the template."""

    buyer: str
    product: str
    request: tuple[tuple[str, str], ...]
    client: tuple[tuple[str, str], ...]


def facts(row: Row, known: Snapshot, *, with_partner: bool, renewed: Row | None = None) -> PageFacts:
    """What was asked for, as of the approval where there is one. `renewed`: the request whose service it prolongs."""
    asked, approved = row.asked, row.approval
    short_name, full_name = _product(row, known)
    partner = approved.get("partner") or {}
    contact = _contact_of(row, known)
    base = approved.get("base_delivery") or {}
    base_id = asked.get("base_delivery_id") or ""
    base_name = base.get("name") or (
        known.base_deliveries[base_id].name if base_id in known.base_deliveries else base_id
    )
    client = approved.get("client") or asked
    price = (approved.get("product") or {}).get("price")
    vat = str((approved.get("product") or {}).get("vat_rate", "")).removesuffix(".00").removesuffix(".0")
    return PageFacts(
        buyer=row.buyer or "",
        product=short_name,
        request=(
            ("Партнёр", partner.get("name") or row.partner_id or "" if with_partner else ""),
            ("Тип заявки", REQUEST_TYPES.get(asked.get("request_type") or "", asked.get("request_type") or "")),
            ("Контакт. лицо", contact.get("name", "") or asked.get("contact_id") or ""),
            ("Дистрибьютор", _distributor(row, known) or "Без дистрибьютора, напрямую"),
            ("Баз. поставка", base_name),
            ("Рег. номер поставки", approved.get("registration_number") or asked.get("registration_number") or ""),
            ("Товар", full_name),
            ("Срок сервиса", _term(row)),
            (
                "Продлевает",
                f"поставку по заявке {renewed.name if renewed else asked['renews']}" if asked.get("renews") else "",
            ),
            ("Сумма", f"{money(price)}, НДС {vat}\u00a0% включён" if price else ""),
            ("Комментарий", asked.get("comment") or ""),
            ("Идентификатор", str(row.request_id)),
        ),
        client=(
            ("Покупатель", row.buyer or ""),
            ("ИНН", client.get("inn") or ""),
            ("КПП", client.get("kpp") or ""),
            ("Почта пользователя", asked.get("client_email") or ""),
            ("Телефон пользователя", asked.get("client_phone") or ""),
        ),
    )


def product_of(row: Row) -> str:
    """Short name of what was approved."""
    product = row.approval.get("product") or {}
    return product_name(product.get("service"), product.get("months"), row.product or "сервис")


def _term(row: Row) -> str:
    """The term with all renewals; a renewal itself has none."""
    return f"с {day(row.term['service_from'])} по {day(row.term['service_until'])}" if row.term else ""


def _product(row: Row, known: Snapshot) -> tuple[str, str]:
    """Short and full name."""
    approved = row.approval.get("product")
    if approved:
        return product_name(approved.get("service"), approved.get("months"), approved["name"]), approved["name"]
    identity = row.asked.get("product_id") or ""
    entry = known.products.get(identity)
    if entry is None:
        return identity, identity
    return product_name(entry.product.service, entry.product.months, entry.product.name), entry.product.name


def _distributor(row: Row, known: Snapshot) -> str:
    named = row.approval.get("distributor")
    if named:
        return str(named["name"])
    identity = row.distributor_id or ""
    return known.distributors[identity].name if identity in known.distributors else identity


def _contact_of(row: Row, known: Snapshot) -> Mapping[str, str]:
    """The contact person (L5) as of the approval, otherwise as of today."""
    if approved := row.approval.get("contact"):
        return dict(approved)
    entry = known.partners.get(row.partner_id or "")
    contact = entry.contacts.get(row.asked.get("contact_id") or "") if entry else None
    return {"name": contact.name} if contact else {}
