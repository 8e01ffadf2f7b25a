"""The timeline of a request, in order, in words: from a row of the cabinet. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from events.commands import is_credited
from events.request import REQUEST_TYPE
from postavka.domain.wording import document_name
from postavka.web.formats import day, money
from services.cabinet.fold import request_type

Group = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline, whether it has come or is awaited. `kind` is stable, for programs and styles; words are
    for people."""

    at: datetime
    kind: str
    title: str
    who: str | None = None
    detail: str | None = None
    reasons: tuple[str, ...] = ()
    document_id: str | None = None
    clause: str | None = field(default=None)
    """Of the letter."""


def _of_request(group: Group, _: str) -> Iterator[Moment]:
    if "submitted_at" in group:
        yield Moment(
            _at(group["submitted_at"]), "submitted", "Заявка отправлена", group.get("submitted_by"), clause="L11"
        )
    if "withdrawn_at" in group:
        yield Moment(
            _at(group["withdrawn_at"]),
            "withdrawn",
            "Партнёр отозвал заявку",
            group.get("withdrawn_by"),
            group.get("withdrawal_reason"),
        )


def _of_approval(group: Group, vendor: str) -> Iterator[Moment]:
    if "approved_at" in group:
        distributor = (group.get("distributor") or {}).get("name")
        detail = f"Покупка через дистрибьютора: {distributor}" if distributor else f"Прямая покупка: {vendor}"
        yield Moment(_at(group["approved_at"]), "approved", "Заявка согласована", "автоматически", detail, clause="L13")
    if "rejected_at" in group:
        reasons = tuple(each["message"] for each in group.get("reasons", ()))
        yield Moment(
            _at(group["rejected_at"]),
            "rejected",
            "Заявка не согласована",
            "автоматически",
            reasons=reasons,
            clause="L13",
        )


def _of_billing(group: Group, vendor: str) -> Iterator[Moment]:
    if "invoice" in group:
        invoice = group["invoice"]
        yield Moment(
            _at(invoice["issued_at"]), "invoiced", f"Выставлен счет № {invoice['number']}", vendor, clause="L15"
        )
    for payment in group.get("payments", ()):
        due, is_credit = payment.get("due", "0.00"), is_credited(payment.get("payment_id", ""))
        yield Moment(
            _at(payment["at"]),
            "paid",
            f"{'Зачтена переплата' if is_credit else 'Поступила оплата'} {money(payment['amount'])}",
            vendor if is_credit else "банк",
            "Оплачено полностью" if due == "0.00" else f"Осталось {money(due)}",
            clause="L17",
        )
    for refund in group.get("refunds", ()):
        why = "Заявка отозвана" if refund.get("cause") == "withdrawn" else "Переплата"
        yield Moment(_at(refund["at"]), "refund-owed", f"К возврату {money(refund['amount'])}", vendor, why)
    for credit in group.get("credits", ()):
        title = f"Переплата {money(credit['amount'])} снята для счёта № {credit['to_invoice']}"
        yield Moment(_at(credit["at"]), "credited", title, vendor)
    for gone in group.get("returns", ()):
        is_refund = "paid_on" in gone
        title = "Возвращена оплата" if is_refund else "Оплата отозвана банком"
        left = None if is_refund else f"К оплате {money(gone.get('due', '0.00'))}"
        yield Moment(_at(gone["at"]), "returned", f"{title} {money(gone['amount'])}", "банк", left)
    answer = group.get("confirmation") or {}
    if "confirmed_at" in group:
        yield Moment(
            _at(group["confirmed_at"]),
            "confirmed",
            "Дистрибьютор подтвердил готовность оплатить",
            answer.get("distributor_id"),
            answer.get("note"),
            clause="L17",
        )
    if "declined_at" in group:
        yield Moment(
            _at(group["declined_at"]),
            "declined",
            "Дистрибьютор отказался",
            answer.get("distributor_id"),
            answer.get("note"),
            clause="L17",
        )
    for refusal in group.get("refusals", ()):
        yield Moment(
            _at(refusal["at"]),
            "confirmation-refused",
            "Ответ дистрибьютора не принят",
            refusal.get("distributor_id"),
            refusal["reason"]["message"],
        )


def _of_shipping(group: Group, _: str) -> Iterator[Moment]:
    if "permission_at" in group:
        yield Moment(
            _at(group["permission_at"]), "permitted", f"Номер разрешения {group['permission_number']}", clause="L14"
        )
    for document_id, document in (group.get("documents") or {}).items():
        yield from _of_document(document_id, document)
    if "ordered_at" in group:
        why = "после подтверждения дистрибьютора" if group.get("basis") == "confirmation" else "после оплаты"
        yield Moment(_at(group["ordered_at"]), "ordered", "Передана в изготовление", detail=why, clause="L17")
    if "withdrawal_refused_at" in group:
        yield Moment(
            _at(group["withdrawal_refused_at"]),
            "withdrawal-refused",
            "Отозвать уже нельзя",
            detail=(group.get("withdrawal_refusal") or {}).get("message"),
        )
    if "shipped_at" in group:
        number = (group.get("kit") or {}).get("number")
        yield Moment(
            _at(group["shipped_at"]),
            "shipped",
            "Электронная поставка продана",
            detail=f"Комплект {number}",
            clause="L18",
        )


def _of_document(document_id: str, document: Group) -> Iterator[Moment]:
    name = f"{document_name(document.get('kind', ''))} № {document.get('number', '')}".removesuffix(" № ")
    if "issued_at" in document:
        yield Moment(_at(document["issued_at"]), "document-issued", f"{name}: составлен", document_id=document_id)
    if "dispatched_at" in document:
        tracking = document.get("tracking")
        yield Moment(
            _at(document["dispatched_at"]),
            "document-dispatched",
            f"{name}: отправлен",
            detail=f"Отслеживание: {tracking}" if tracking else None,
            document_id=document_id,
            clause="L15",
        )
    if "signed_at" in document:
        under = document.get("signed_under")
        yield Moment(
            _at(document["signed_at"]),
            "document-signed",
            f"{name}: подписан",
            f"ИНН {document.get('signed_by')}" + (f", по доверенности {under}" if under else ""),
            document_id=document_id,
            clause="L16",
        )
    for refusal in document.get("refusals", ()):
        yield Moment(
            _at(refusal["at"]),
            "signature-refused",
            f"{name}: подпись не принята",
            detail=refusal["reason"]["message"],
            document_id=document_id,
            clause="L16",
        )


def _of_activation(group: Group, _: str) -> Iterator[Moment]:
    for refusal in group.get("refusals", ()):
        yield Moment(
            _at(refusal["at"]),
            "activation-refused",
            "Активация не удалась",
            refusal.get("actor"),
            refusal["reason"]["message"],
            clause="L19",
        )
    if "activated_at" in group:
        yield Moment(
            _at(group["activated_at"]),
            "activated",
            "Сервис активирован",
            group.get("actor"),
            f"Работает с {day(group['service_from'])} по {day(group['service_until'])}",
            clause="L19",
        )


PARTS: Mapping[str, Mapping[str, Callable[[Group, str], Iterator[Moment]]]] = {
    REQUEST_TYPE: {
        "request": _of_request,
        "approval": _of_approval,
        "shipping": _of_shipping,
        "billing": _of_billing,
        "activation": _of_activation,
    },
}
"""Type of a request → its stages in order → the moments of each. A type that isn't known is shown as the letter's."""


def timeline(groups: Mapping[str, Group], vendor: str) -> list[Moment]:
    """All moments of a request that is sold by `vendor`, the earliest first. Those of one instant keep the order of the
    procedure."""
    parts = PARTS.get(request_type(groups), PARTS[REQUEST_TYPE])
    moments = (moment for stage, moments_of in parts.items() for moment in moments_of(groups.get(stage) or {}, vendor))
    return sorted(moments, key=lambda moment: moment.at)


def _at(time: str) -> datetime:
    return datetime.fromisoformat(time)
