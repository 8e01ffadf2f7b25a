"""Approval: is the request complete, and does everything fit? If so it's approved at once (L13).

Checked is exactly what the letter makes obligatory (L3-L10), and every shortcoming is named, field by field, in
Russian. The registration number's existence and the 1C:ITS contract are NOT looked at here: that is activation's (L2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from events.approval import Approved, Rejected
from events.checks import ORGANISATION_INN, PERSON_INN, is_inn, is_kpp, is_registration_number
from events.model import Channel, Decision, Event, Reason
from events.reference import BaseDelivery, Client, Contact, Distributor, Partner, Product
from events.request import REQUEST_TYPE, RequestSubmitted

LONGEST_QUOTE = 100
"""Characters of a field that a reason repeats."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the reference data says about the ids that the request names. None: there is no such thing."""

    version: int
    partner: Partner | None
    contacts: Mapping[str, Contact]
    """Of this partner."""
    distributor: Distributor | None
    base_delivery: BaseDelivery | None
    product: Product | None
    fits: frozenset[str]
    """Base deliveries that the product can be bought for."""


@dataclass(frozen=True, slots=True)
class Open:
    """Nothing is decided yet."""


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
            return (_verdict(message, Asked.of(message), facts),)


def evolve(state: State, event: Event) -> State:
    """The state after one of this stage's own events."""
    return Decided(approved=isinstance(event, Approved))


def _verdict(submitted: RequestSubmitted, asked: Asked, facts: Facts) -> Approved | Rejected:
    reasons = tuple(shortcomings(asked, facts))
    partner, base, product = facts.partner, facts.base_delivery, facts.product
    contact = facts.contacts.get(asked.contact or "")
    if reasons or partner is None or contact is None or base is None or product is None:
        return Rejected(partner_id=submitted.partner_id, reasons=reasons, reference_version=facts.version)
    return Approved(
        procedure=submitted.procedure,
        channel=Channel.DISTRIBUTOR if facts.distributor else Channel.DIRECT,
        partner=partner,
        contact=contact,
        distributor=facts.distributor,
        base_delivery=base,
        registration_number=asked.registration or "",
        product=product,
        client=Client(inn=asked.inn or "", kpp=asked.kpp, name=asked.buyer or ""),
        reference_version=facts.version,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of a request without blanks around them; an empty one is None."""

    request_type: str | None
    contact: str | None
    distributor: str | None
    base_delivery: str | None
    registration: str | None
    product: str | None
    inn: str | None
    kpp: str | None
    buyer: str | None

    @classmethod
    def of(cls, submitted: RequestSubmitted) -> Asked:
        """Trim what was typed."""
        return cls(
            _trimmed(submitted.request_type),
            _trimmed(submitted.contact_id),
            _trimmed(submitted.distributor_id),
            _trimmed(submitted.base_delivery_id),
            _trimmed(submitted.registration_number),
            _trimmed(submitted.product_id),
            _trimmed(submitted.inn),
            _trimmed(submitted.kpp),
            _trimmed(submitted.buyer),
        )


def shortcomings(asked: Asked, facts: Facts) -> Iterator[Reason]:
    """Everything that is missing or wrong, in the order of the form."""
    yield from _of_partner(facts)
    if asked.request_type is None:
        yield _reason("request_type", "missing", "Выберите тип заявки.")
    elif asked.request_type != REQUEST_TYPE:
        yield _reason(
            "request_type",
            "unknown",
            f"Тип заявки «{_quoted(asked.request_type)}» не подходит: "
            "нужен «1С:Предприятие 8. Обновления и дополнения».",
        )
    if asked.contact is None:
        yield _reason("contact_id", "missing", "Выберите контактное лицо.")
    elif asked.contact not in facts.contacts:
        yield _reason("contact_id", "unknown", f"Контактного лица «{_quoted(asked.contact)}» нет в вашем списке.")
    if asked.distributor is not None and facts.distributor is None:
        yield _reason(
            "distributor_id",
            "unknown",
            f"Дистрибьютора «{_quoted(asked.distributor)}» нет в списке. Для прямой покупки оставьте поле пустым.",
        )
    yield from _of_product(asked, facts)
    if asked.registration is None:
        yield _reason("registration_number", "missing", "Укажите регистрационный номер основной поставки.")
    elif not is_registration_number(asked.registration):
        yield _reason(
            "registration_number",
            "malformed",
            f"Регистрационный номер «{_quoted(asked.registration)}» должен состоять из 7–10 цифр.",
        )
    yield from _of_client(asked)


def _of_partner(facts: Facts) -> Iterator[Reason]:
    """L3"""
    if facts.partner is None:
        yield _reason("partner_id", "unknown", "Партнёр не найден. Обратитесь к вендору.")
    elif facts.partner.country != "RU":
        yield _reason("partner_id", "not-russian", "Порядок действует только для партнёров из Российской Федерации.")
    elif not facts.partner.authorised:
        yield _reason("partner_id", "not-authorised", "У партнёра нет авторизации на сайте вендора.")


def _of_product(asked: Asked, facts: Facts) -> Iterator[Reason]:
    """L1, L7, L9"""
    if asked.base_delivery is None:
        yield _reason("base_delivery_id", "missing", "Выберите основную поставку пользователя.")
    elif facts.base_delivery is None:
        yield _reason(
            "base_delivery_id", "unknown", f"Основной поставки «{_quoted(asked.base_delivery)}» нет в списке."
        )
    if asked.product is None:
        yield _reason("product_id", "missing", "Выберите товар: сервис и его период.")
    elif facts.product is None:
        yield _reason(
            "product_id",
            "unknown",
            f"Товара «{_quoted(asked.product)}» нет в списке. Сервисы продаются только электронными поставками.",
        )
    elif facts.base_delivery is not None and facts.base_delivery.id not in facts.fits:
        yield _reason(
            "product_id",
            "does-not-fit",
            f"Товар «{facts.product.name}» не подходит к поставке «{facts.base_delivery.name}».",
        )


def _of_client(asked: Asked) -> Iterator[Reason]:
    """L10"""
    if asked.inn is None:
        yield _reason("inn", "missing", "Укажите ИНН клиента.")
    elif not is_inn(asked.inn):
        yield _reason(
            "inn",
            "malformed",
            f"ИНН «{_quoted(asked.inn)}» неверен: нужно 10 или 12 цифр с правильными контрольными. "
            "Проверьте, нет ли опечатки.",
        )
    length = len(asked.inn or "")
    if length == PERSON_INN and asked.kpp is not None:
        yield _reason("kpp", "not-allowed", "У индивидуального предпринимателя нет КПП: оставьте поле пустым.")
    elif length != PERSON_INN and asked.kpp is not None and not is_kpp(asked.kpp):
        yield _reason("kpp", "malformed", f"КПП «{_quoted(asked.kpp)}» неверен: это 9 знаков, например 773601001.")
    elif length == ORGANISATION_INN and asked.kpp is None:
        yield _reason("kpp", "missing", "Укажите КПП организации.")
    if asked.buyer is None:
        yield _reason("buyer", "missing", "Укажите покупателя или заполните его по ИНН.")


def _quoted(typed: str) -> str:
    """What was typed, no longer than a reader needs and an event can hold."""
    return typed if len(typed) <= LONGEST_QUOTE else typed[:LONGEST_QUOTE] + "…"


def _trimmed(text: str | None) -> str | None:
    return (text.strip() or None) if text is not None else None


def _reason(field: str, code: str, message: str) -> Reason:
    return Reason(field=field, code=code, message=message)
