"""The look of a request's status on a page, and short names of products. Names are in `postavka.domain.wording`."""

from __future__ import annotations

from dataclasses import dataclass

from postavka.domain.wording import SERVICES, STATUSES
from postavka.web.formats import plural


@dataclass(frozen=True, slots=True)
class ShownStage:
    """The stage at which a request stands, for a reader. `icon` is a shape of `icons.svg`, `tone` a colour of
    `parts.css`."""

    status: str
    icon: str
    tone: str
    is_open: bool
    """Something still happens, or is awaited."""

    @property
    def word(self) -> str:
        """The status in Russian."""
        return STATUSES.get(self.status, "Неизвестно")


STAGES = {
    stage.status: stage
    for stage in (
        ShownStage("submitted", "circle-dashed", "info", True),
        ShownStage("awaiting-confirmation", "hourglass", "wait", True),
        ShownStage("awaiting-payment", "russian-ruble", "wait", True),
        ShownStage("manufacturing", "factory", "busy", True),
        ShownStage("shipped", "package", "info", True),
        ShownStage("activated", "circle-check", "good", False),
        ShownStage("rejected", "triangle-alert", "bad", False),
        ShownStage("declined", "ban", "bad", False),
        ShownStage("withdrawn", "undo-2", "idle", False),
    )
}
UNKNOWN = ShownStage("", "circle-help", "idle", False)

WITHDRAWABLE = frozenset({"submitted", "awaiting-confirmation", "awaiting-payment"})
"""Afterwards manufacturing is ordered, and shipping refuses a withdrawal."""

SOLD = frozenset({"shipped", "activated"})

STANDINGS = {
    "active": "действует",
    "liquidating": "в процессе ликвидации",
    "liquidated": "ликвидирована",
    "bankrupt": "банкрот",
    "reorganizing": "реорганизуется",
    "unknown": "состояние неизвестно",
}


def stage_of(status: str | None) -> ShownStage:
    """The stage of a status of the cabinet."""
    return STAGES.get(status or "", UNKNOWN)


def period(months: int) -> str:
    """`1 месяц`, `3 месяца`, `12 месяцев`."""
    return plural(months, "месяц", "месяца", "месяцев")


def product_name(service: str | None, months: int | None, name: str) -> str:
    """`1С:ИТС Отраслевой, 12 месяцев`; the full name where the service isn't known here."""
    known = SERVICES.get(service or "")
    return f"{known}, {period(months)}" if known and months else name
