"""The columns that lists of requests can have beside their first: which there are, and which an address chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COLUMNS: Mapping[str, str] = {
    "partner": "Партнёр",
    "client": "Клиент",
    "product": "Товар",
    "distributor": "Дистрибьютор",
    "contact": "Контактное лицо",
    "amount": "Сумма",
    "invoice": "Счёт",
    "permission": "Номер разрешения",
    "kit": "Комплект",
    "sold": "Продана",
    "until": "Сервис до",
    "waits": "Ждёт",
    "stage": "Стадия",
    "act": "Акт",
}
"""All of them, in the order in which they stand, as they are called."""


@dataclass(frozen=True, slots=True)
class ListColumns:
    """The columns of one list: those that it has until others are chosen, and those that can be added to them."""

    usual: tuple[str, ...]
    more: tuple[str, ...] = ()

    @property
    def offered(self) -> tuple[str, ...]:
        """All that can be chosen, in their order."""
        return tuple(each for each in COLUMNS if each in self.usual or each in self.more)

    def chosen(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of these names that there are; empty where they come to what the list has anyway."""
        found = tuple(each for each in self.offered if each in names)
        return () if set(found) == set(self.usual) else found

    def shown(self, chosen: Sequence[str]) -> tuple[str, ...]:
        """The columns to show."""
        return tuple(each for each in self.offered if each in (chosen or self.usual))


OF_REQUESTS = ListColumns(
    ("client", "product", "distributor", "amount", "stage"),
    ("contact", "invoice", "permission", "kit", "sold", "until"),
)
OF_SOLD = ListColumns(
    ("client", "product", "sold", "stage"), ("distributor", "contact", "amount", "permission", "until")
)
OF_WAITING = ListColumns(("partner", "client", "product", "amount", "waits"))
OF_ANSWERED = ListColumns(
    ("partner", "client", "product", "amount", "stage", "act"), ("permission", "kit", "sold", "until")
)
