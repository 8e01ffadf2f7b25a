"""The form of a request (L5-L12): its fields, what can be chosen, and what is wrong with it, all at once.

The rules are approval's (`postavka.domain.request_rules`), asked before sending, so that a partner sees the answers
beside the fields in the words of a refusal. Approval decides for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Self
from uuid import UUID

from events.request import REQUEST_TYPE
from postavka.domain.calendar import today
from postavka.domain.email_address import BadAddress, read_address
from postavka.domain.reference.request_facts import facts_from
from postavka.domain.reference.store import Snapshot
from postavka.domain.request_rules import LONGEST, Asked, shortcoming, shortcomings
from postavka.kernel.ids import new_id
from postavka.web.identity.principal import Principal
from services.cabinet.words import product_name

LABELS = {
    "contact_id": "Контакт. лицо",
    "distributor_id": "Дистрибьютор",
    "base_delivery_id": "Баз. поставка",
    "registration_number": "Рег. номер поставки",
    "product_id": "Товар",
    "inn": "ИНН",
    "buyer": "Покупатель",
    "kpp": "КПП",
    "comment": "Комментарий",
    "client_email": "Почта пользователя",
    "client_phone": "Телефон пользователя",
}
"""As the letter names them, in the order of the form."""

REGISTRATION_WRONG = shortcoming("registration_number", "0")
INN_WRONG = shortcoming("inn", "0")
"""What the form's script says of a number that can't be one, in the words of the rule."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The form as it was typed; an empty field is an empty text."""

    request_id: str = ""
    request_type: str = REQUEST_TYPE
    contact_id: str = ""
    distributor_id: str = ""
    base_delivery_id: str = ""
    registration_number: str = ""
    product_id: str = ""
    inn: str = ""
    buyer: str = ""
    kpp: str = ""
    comment: str = ""
    client_email: str = ""
    client_phone: str = ""
    renews: str = ""
    """The request whose service this one prolongs, if it does."""
    filled: str = ""
    """The INN that buyer and KPP were filled in for by the register, or copied with; empty once somebody has typed
    them. They are no other number's."""

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Self:
        """The fields of a form that was sent; others are left aside."""
        return cls(**{each.name: str(given[each.name]).strip() for each in fields(cls) if given.get(each.name)})

    def renewed(self) -> Self:
        """The same content as another request."""
        return replace(self, request_id=str(new_id()))

    def command(self) -> dict[str, str | None]:
        """The fields of `SubmitRequest`; empty ones are None."""
        return {name: value or None for name, value in asdict(self).items() if name not in ("request_id", "filled")}

    def of_its_inn(self) -> Self:
        """What was typed, without buyer and KPP where they are another number's."""
        return self if self.filled in ("", self.inn) else replace(self, buyer="", kpp="", filled="")

    def as_asked(self) -> str:
        """Names the client that a question was about, so that an answer is to this question."""
        return "|".join((self.inn, self.buyer, self.kpp))


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of a list to choose from."""

    value: str
    text: str
    fits: frozenset[str] = frozenset()
    """Of a base delivery: the products that can be bought for it; of a product: the base deliveries it is for."""
    price: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """The lists of a partner's form."""

    contacts: Sequence[Option]
    distributors: Sequence[Option]
    base_deliveries: Sequence[Option]
    products: Sequence[Option]

    def bases_for(self, product_id: str) -> list[Option]:
        """Base deliveries that a product can be bought for; all when none of the list is chosen."""
        chosen = product_id in {each.value for each in self.products}
        return [each for each in self.base_deliveries if not chosen or product_id in each.fits]

    def products_for(self, base_id: str) -> list[Option]:
        """Products that can be bought for a base delivery; all when none of the list is chosen."""
        chosen = base_id in {each.value for each in self.base_deliveries}
        return [each for each in self.products if not chosen or base_id in each.fits]


def choices(reference: Snapshot, partner_id: str) -> Choices:
    """The partner's own contact persons, and what can be bought. A delivery for which there is nothing is left out."""
    entry = reference.partners.get(partner_id)
    bought: dict[str, set[str]] = {}
    for product_id, product in reference.products.items():
        for base in product.fits:
            bought.setdefault(base, set()).add(product_id)
    ordered = sorted(reference.products.values(), key=lambda each: (each.product.service, each.product.months))
    return Choices(
        contacts=[Option(each.id, each.name) for each in (entry.contacts.values() if entry else ())],
        distributors=_by_name(Option(each.id, each.name) for each in reference.distributors.values()),
        base_deliveries=_by_name(
            Option(each.id, each.name, frozenset(bought[each.id]))
            for each in reference.base_deliveries.values()
            if each.id in bought
        ),
        products=[
            Option(
                each.product.id,
                product_name(each.product.service, each.product.months, each.product.name),
                each.fits,
                str(each.product.price),
            )
            for each in ordered
        ],
    )


def _by_name(options: object) -> list[Option]:
    return sorted(options, key=lambda each: each.text.casefold().replace("ё", "е"))  # type: ignore[call-overload,no-any-return]


def own_contact(lists: Choices, principal: Principal) -> str:
    """The contact person that the reader is, or the only one."""
    if len(lists.contacts) == 1:
        return lists.contacts[0].value
    return next((each.value for each in lists.contacts if each.text == principal.name), "")


def mistakes(typed: Typed, known: Snapshot, partner_id: str) -> dict[str, str]:
    """What is wrong, by field in the order of the form; empty when it can be sent. Whether the partner may buy at all
    is approval's to say: no field of the form is wrong then."""
    asked = Asked.of(asdict(typed))
    problems = {
        each.field: each.message
        for each in shortcomings(asked, facts_from(known, partner_id, asked, today()), quoting=False)
    }
    for name, limit in LONGEST.items():
        if len(getattr(typed, name)) > limit:
            problems[name] = f"Слишком длинно: не больше {limit} знаков."
    if typed.client_email and "client_email" not in problems:
        try:
            read_address(typed.client_email)
        except BadAddress as wrong:
            problems["client_email"] = f"{wrong.russian} Исправьте адрес или оставьте поле пустым."
    return {name: problems[name] for name in LABELS if name in problems}


def is_request_id(text: str) -> bool:
    """An id as the form makes it."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
