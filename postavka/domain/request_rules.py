"""The rules for a purchase request (L3-L10, L12): each rule with its field, its code, its test and its sentence.

Approval decides by these rules, the form and the API say their sentences before anything is sent, and the page hands
its script the numbers of an INN. A sentence goes into `Rejected` as it is, and the auditor decides again and compares:
a new wording would make yesterday's refusals look like forgeries. Pure: only the contract and the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Self

from events.checks import ORGANISATION_INN, PERSON_INN, is_inn, is_kpp, is_registration_number
from events.model import Reason
from events.reference import BaseDelivery, Contact, Distributor, Partner, Product
from events.request import REQUEST_TYPE
from postavka.domain.wording import REQUEST_TYPES

LONGEST_QUOTE = 100
"""Characters of a field that a sentence repeats."""
LONGEST: Mapping[str, int] = {"buyer": 500, "comment": 2_000, "client_email": 500, "client_phone": 500}
"""Characters that free text may have, by field. Personal data grows when it is encrypted, and has to fit its field
then."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of a request that rules look at, without blanks around them; an empty one is None."""

    request_type: str | None = None
    contact_id: str | None = None
    distributor_id: str | None = None
    base_delivery_id: str | None = None
    registration_number: str | None = None
    product_id: str | None = None
    inn: str | None = None
    kpp: str | None = None
    buyer: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Self:
        """The fields as typed; what is no text counts as not given."""
        return cls(*(_trimmed(given.get(name)) for name in _NAMES))


_NAMES = tuple(each.name for each in fields(Asked))


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The entries that one version of the reference data has under the ids that a request names. None: there is no such
    thing."""

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
class Rule:
    """One thing that may be wrong with a field. Exactly one of `alone` and `against` decides whether it is."""

    field: str
    code: str
    sentence: str
    """In Russian. «{value}» stands for what was typed, `{product}` and `{base_delivery}` for the names of these. The
    sentence reads well without the quotation too."""
    alone: Callable[[Asked], bool] | None = None
    """Broken, as the request itself shows."""
    against: Callable[[Asked, RequestFacts], bool] | None = None
    """Broken, as the reference data shows."""

    def is_broken(self, asked: Asked, facts: RequestFacts | None) -> bool:
        """Whether the request breaks this rule; without facts a rule that needs them holds."""
        if self.against is not None:
            return facts is not None and self.against(asked, facts)
        return self.alone is not None and self.alone(asked)

    def reason(self, asked: Asked, facts: RequestFacts | None, quoting: bool) -> Reason:
        """The rule's sentence about this request."""
        product, base = (facts.product, facts.base_delivery) if facts else (None, None)
        message = (self.sentence if quoting else self.sentence.replace(" «{value}»", "")).format(
            value=_quoted(getattr(asked, self.field, None) or ""),
            product=product.name if product else "",
            base_delivery=base.name if base else "",
        )
        return Reason(field=self.field, code=self.code, message=message)


def _inn_length(asked: Asked) -> int:
    return len(asked.inn or "")


RULES = (
    Rule(
        "partner_id", "unknown", "Партнёр не найден. Обратитесь к вендору.",
        against=lambda asked, facts: facts.partner is None,
    ),
    Rule(
        "partner_id", "not-russian", "Порядок действует только для партнёров из Российской Федерации.",
        against=lambda asked, facts: facts.partner is not None and facts.partner.country != "RU",
    ),
    Rule(
        "partner_id", "not-authorised", "У партнёра нет авторизации на сайте вендора.",
        against=lambda asked, facts: facts.partner is not None and not facts.partner.authorised,
    ),
    Rule("request_type", "missing", "Выберите тип заявки.", lambda asked: asked.request_type is None),
    Rule(
        "request_type", "unknown",
        f"Тип заявки «{{value}}» не подходит: нужен «{REQUEST_TYPES[REQUEST_TYPE]}».",
        lambda asked: asked.request_type != REQUEST_TYPE,
    ),
    Rule("contact_id", "missing", "Выберите контактное лицо.", lambda asked: asked.contact_id is None),
    Rule(
        "contact_id", "unknown", "Контактного лица «{value}» нет в вашем списке.",
        against=lambda asked, facts: asked.contact_id not in facts.contacts,
    ),
    Rule(
        "distributor_id", "unknown",
        "Дистрибьютора «{value}» нет в списке. Для прямой покупки оставьте поле пустым.",
        against=lambda asked, facts: asked.distributor_id is not None and facts.distributor is None,
    ),
    Rule(
        "base_delivery_id", "missing", "Выберите основную поставку пользователя.",
        lambda asked: asked.base_delivery_id is None,
    ),
    Rule(
        "base_delivery_id", "unknown", "Основной поставки «{value}» нет в списке.",
        against=lambda asked, facts: facts.base_delivery is None,
    ),
    Rule(
        "product_id", "missing", "Выберите товар: сервис и его период.", lambda asked: asked.product_id is None
    ),
    Rule(
        "product_id", "unknown",
        "Товара «{value}» нет в списке. Сервисы продаются только электронными поставками.",
        against=lambda asked, facts: facts.product is None,
    ),
    Rule(
        "product_id", "does-not-fit", "Товар «{product}» не подходит к поставке «{base_delivery}».",
        against=lambda asked, facts: facts.base_delivery is not None and facts.base_delivery.id not in facts.fits,
    ),
    Rule(
        "registration_number", "missing", "Укажите регистрационный номер основной поставки.",
        lambda asked: asked.registration_number is None,
    ),
    Rule(
        "registration_number", "malformed", "Регистрационный номер «{value}» должен состоять из 7–10 цифр.",
        lambda asked: not is_registration_number(asked.registration_number or ""),
    ),
    Rule("inn", "missing", "Укажите ИНН клиента.", lambda asked: asked.inn is None),
    Rule(
        "inn", "malformed",
        "ИНН «{value}» неверен: нужно 10 или 12 цифр с правильными контрольными. Проверьте, нет ли опечатки.",
        lambda asked: not is_inn(asked.inn or ""),
    ),
    Rule(
        "kpp", "not-allowed", "У индивидуального предпринимателя нет КПП: оставьте поле пустым.",
        lambda asked: asked.kpp is not None and _inn_length(asked) == PERSON_INN,
    ),
    Rule(
        "kpp", "malformed", "КПП «{value}» неверен: это 9 знаков, например 773601001.",
        lambda asked: asked.kpp is not None and not is_kpp(asked.kpp),
    ),
    Rule(
        "kpp", "missing", "Укажите КПП организации.",
        lambda asked: asked.kpp is None and _inn_length(asked) == ORGANISATION_INN,
    ),
    Rule("buyer", "missing", "Укажите покупателя или заполните его по ИНН.", lambda asked: asked.buyer is None),
)  # fmt: skip
"""In the order in which a refusal names them. Of the rules of one field the first that is broken speaks."""

REQUIRED = frozenset(rule.field for rule in RULES if rule.alone is not None and rule.alone(Asked()))
"""Fields that no request can do without."""


def shortcomings(asked: Asked, facts: RequestFacts | None, *, quoting: bool) -> Iterator[Reason]:
    """Everything that is missing or wrong, one reason a field; without facts, as far as the request itself shows.

    `quoting`: sentences repeat what was typed, as a refusal does that is read days later. Where the field stands beside
    the sentence, or the answer may end up in somebody's log, they don't.
    """
    broken: set[str] = set()
    for rule in RULES:
        if rule.field not in broken and rule.is_broken(asked, facts):
            broken.add(rule.field)
            yield rule.reason(asked, facts, quoting)


def shortcoming(field: str, value: str) -> str:
    """What is wrong with one field alone, as a sentence; empty when nothing is."""
    found = shortcomings(Asked.of({field: value}), None, quoting=False)
    return next((each.message for each in found if each.field == field), "")


def _quoted(typed: str) -> str:
    """What was typed, no longer than a reader needs and an event can hold."""
    return typed if len(typed) <= LONGEST_QUOTE else typed[:LONGEST_QUOTE] + "…"


def _trimmed(text: object) -> str | None:
    return (text.strip() or None) if isinstance(text, str) else None
