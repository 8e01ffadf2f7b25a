"""What we wait for, from whom, how long it usually takes, and what the reader can do: one sentence at the top."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from postavka.web.formats import day, money
from postavka.web.identity.principal import Role
from services.cabinet.fold import Row, status
from services.cabinet.words import ShownStage, stage_of


class Viewer(StrEnum):
    """The reader of the page."""

    PARTNER = "partner"
    DISTRIBUTOR = "distributor"
    OFFICE = "office"
    """Operations and auditors: they look on."""

    @classmethod
    def of(cls, role: Role) -> Viewer:
        """The reader of this role."""
        return {Role.PARTNER: cls.PARTNER, Role.DISTRIBUTOR: cls.DISTRIBUTOR}.get(role, cls.OFFICE)


class Act(StrEnum):
    """The act behind the reader's button."""

    COPY = "copy"
    CONFIRM = "confirm"
    ACTIVATE = "activate"
    INVOICE = "invoice"
    """Show the invoice to pay."""


@dataclass(frozen=True, slots=True)
class Now:
    """`act` is None when it isn't the reader's turn."""

    stage: ShownStage
    sentence: str
    usual: str = ""
    act: Act | None = None
    label: str = ""


def now(row: Row, reader: Viewer) -> Now:
    """The sentence for this reader."""
    where = status(row)
    stage = stage_of(where)
    match where:
        case "submitted":
            return Now(stage, "Заявка отправлена, идёт автоматическое согласование.", "Обычно это занимает секунду.")
        case "rejected":
            return _rejected(stage, row, reader)
        case "declined":
            return _declined(stage, row, reader)
        case "withdrawn":
            return _withdrawn(stage, row, reader)
        case "awaiting-confirmation":
            return _awaiting_confirmation(stage, row, reader)
        case "awaiting-payment":
            return _awaiting_payment(stage, row, reader)
        case "manufacturing":
            return Now(
                stage,
                "Электронная поставка изготавливается. От вас ничего не требуется.",
                "Обычно это занимает несколько минут; поставка появится здесь и в разделе «Проданные поставки».",
            )
        case "shipped":
            return _shipped(stage, row, reader)
        case _:
            return _activated(stage, row)


def _rejected(stage: ShownStage, row: Row, reader: Viewer) -> Now:
    number = len(row["approval"].get("reasons", ()))
    what = "замечание" if number == 1 else f"замечания ({number})"
    if reader is Viewer.PARTNER:
        return Now(
            stage,
            f"Заявка не согласована: исправьте {what} и отправьте её заново.",
            "Всё, что вы заполнили, перейдёт в новую заявку.",
            Act.COPY,
            "Исправить и отправить заново",
        )
    return Now(stage, "Заявка не согласована, партнёр может исправить её и отправить заново.")


def _declined(stage: ShownStage, row: Row, reader: Viewer) -> Now:
    note = row["billing"].get("confirmation", {}).get("note")
    said = f" Причина: {_sentence(note)}" if note else ""
    if reader is Viewer.PARTNER:
        return Now(
            stage,
            f"{_distributor(row)} отказывается оплатить счёт по этой заявке.{said}",
            "Можно выбрать другого дистрибьютора или купить напрямую.",
            Act.COPY,
            "Скопировать в новую",
        )
    return Now(stage, f"Вы отказались оплатить счёт.{said}" if reader is Viewer.DISTRIBUTOR else f"Отказ.{said}")


def _withdrawn(stage: ShownStage, row: Row, reader: Viewer) -> Now:
    if reader is Viewer.PARTNER:
        owed = (row.get("billing") or {}).get("refund_owed", "0.00")
        back = "" if owed == "0.00" else f" Вернём вам {money(owed)}."
        said = f"Вы отозвали эту заявку.{back}"
        return Now(stage, said, "Её можно отправить заново.", Act.COPY, "Скопировать в новую")
    return Now(stage, "Партнёр отозвал эту заявку.")


def _awaiting_confirmation(stage: ShownStage, row: Row, reader: Viewer) -> Now:
    if reader is Viewer.DISTRIBUTOR:
        return Now(
            stage,
            "Партнёр ждёт вашего ответа: готовы ли вы оплатить счёт по его заявке?",
            "После подтверждения заказ сразу уходит в изготовление.",
            Act.CONFIRM,
            "Подтвердить",
        )
    return Now(
        stage,
        f"Ждём подтверждения от дистрибьютора: {_distributor(row)}.",
        "Обычно отвечают в течение рабочего дня. Как только подтвердят, заказ уйдёт в изготовление.",
    )


def _awaiting_payment(stage: ShownStage, row: Row, reader: Viewer) -> Now:
    billing = row.get("billing", {})
    invoice = billing.get("invoice")
    if invoice is None:
        return Now(stage, "Выставляем счёт на оплату.", "Обычно это занимает секунду.")
    due = billing.get("due") or invoice["amount"]
    named = f"счёт № {invoice['number']} от {day(invoice['issued_on'])}"
    left = f"Осталось оплатить {money(due)}" if billing.get("paid") else f"Оплатите {money(due)}"
    usual = "Платёж обычно виден на следующий рабочий день; после него заказ уйдёт в изготовление."
    if reader is Viewer.PARTNER:
        return Now(stage, f"{left}: {named}.", usual, Act.INVOICE, "Счёт и реквизиты")
    return Now(stage, f"Ждём оплаты от партнёра: {named}, {money(due)}.", usual)


def _shipped(stage: ShownStage, row: Row, reader: Viewer) -> Now:
    refusals = row.get("activation", {}).get("refusals", ())
    if reader is not Viewer.PARTNER:
        return Now(stage, "Поставка продана. Активировать её может партнёр или сам пользователь.")
    if refusals:
        return Now(
            replace(stage, tone="wait", icon="triangle-alert"),
            f"Активация не прошла. {refusals[-1]['reason']['message']}",
            "Когда причина устранена, повторите.",
            Act.ACTIVATE,
            "Повторить активацию",
        )
    return Now(
        stage,
        "Поставка продана. Осталось активировать сервис.",
        "Это можете сделать вы или сам пользователь — по коду активации.",
        Act.ACTIVATE,
        "Активировать",
    )


def _activated(stage: ShownStage, row: Row) -> Now:
    active = row.get("activation", {})
    since, until = active.get("service_from"), active.get("service_until")
    return Now(stage, f"Сервис активирован и работает с {day(since)} по {day(until)}.")


def _distributor(row: Row) -> str:
    named: dict[str, Any] | None = row.get("approval", {}).get("distributor")
    return str(named["name"]) if named else "дистрибьютор"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
