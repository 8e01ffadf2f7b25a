"""Categories of news, as people choose among them, and who they are for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Audience(StrEnum):
    """Whom news are for."""

    PARTNER = "partner"
    DISTRIBUTOR = "distributor"


class Category(StrEnum):
    """The category of an e-mail."""

    PERMISSION = "permission"
    REJECTED = "rejected"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    REFUSED = "refused"
    PAYMENT = "payment"
    DEBT = "debt"
    REFUND = "refund"
    DISPATCHED = "dispatched"
    SIGNATURE_REFUSED = "signature-refused"
    CLOSED = "closed"
    WITHDRAWAL_REFUSED = "withdrawal-refused"
    SHIPPED = "shipped"
    ACTIVATED = "activated"
    ACTIVATION_REFUSED = "activation-refused"
    RENEWAL = "renewal"
    REMINDER = "reminder"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class About:
    """`title` as the page of settings has it. A mandatory kind can't be switched off: whoever doesn't get it misses
    something that only this person can do, or that the letter promises (L14, L15)."""

    title: str
    mandatory: bool
    parties: frozenset[Audience]


PARTNER, DISTRIBUTOR = frozenset((Audience.PARTNER,)), frozenset((Audience.DISTRIBUTOR,))
CATEGORIES = {
    Category.PERMISSION: About("Согласование, номер разрешения, счёт", True, PARTNER | DISTRIBUTOR),
    Category.REJECTED: About("Заявка не согласована", True, PARTNER),
    Category.CONFIRMED: About("Дистрибьютор готов оплатить", False, PARTNER),
    Category.DECLINED: About("Отказ дистрибьютора", True, PARTNER),
    Category.REFUSED: About("Ответ на заявку не принят", False, DISTRIBUTOR),
    Category.PAYMENT: About("Поступление оплаты", False, PARTNER),
    Category.DEBT: About("Долг по счёту", True, PARTNER),
    Category.REFUND: About("Возврат денег", False, PARTNER),
    Category.DISPATCHED: About("Документы отправлены почтой", False, PARTNER),
    Category.SIGNATURE_REFUSED: About("Подпись не принята", True, PARTNER | DISTRIBUTOR),
    Category.CLOSED: About("Заявка отозвана партнёром", False, DISTRIBUTOR),
    Category.WITHDRAWAL_REFUSED: About("Отзыв заявки невозможен", True, PARTNER),
    Category.SHIPPED: About("Электронная поставка отгружена", False, PARTNER),
    Category.ACTIVATED: About("Сервис активирован", False, PARTNER),
    Category.ACTIVATION_REFUSED: About("Активация не удалась", False, PARTNER),
    Category.RENEWAL: About("Срок сервиса заканчивается", False, PARTNER),
    Category.REMINDER: About("Напоминания", False, PARTNER | DISTRIBUTOR),
    Category.WEBHOOK: About("Вебхук отключён", True, PARTNER | DISTRIBUTOR),
}
