"""A statement as a bank writes it, about payments that are made up: for the demo, and for trying things out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from postavka.domain.vendor import vendor

OUR_ACCOUNT = "40702810000000000001"
THEIR_ACCOUNT = "40702810500000000017"


@dataclass(frozen=True, slots=True)
class Order:
    """One payment order of a partner's to the vendor."""

    number: str
    amount: Decimal
    payer_name: str
    payer_inn: str
    purpose: str


def sample_statement(day: date, orders: Sequence[Order]) -> str:
    """The text of a statement of one day, version 1.03, lines ending in CR LF. Write it in Windows-1251."""
    shown = f"{day:%d.%m.%Y}"
    total = sum((order.amount for order in orders), Decimal("0.00"))
    lines = [
        "1CClientBankExchange",
        "ВерсияФормата=1.03",
        "Кодировка=Windows",
        "Отправитель=Пример-Банк",
        f"ДатаСоздания={shown}",
        f"ДатаНачала={shown}",
        f"ДатаКонца={shown}",
        f"РасчСчет={OUR_ACCOUNT}",
        "СекцияРасчСчет",
        f"ДатаНачала={shown}",
        f"ДатаКонца={shown}",
        f"РасчСчет={OUR_ACCOUNT}",
        f"ВсегоПоступило={total:.2f}",
        "ВсегоСписано=0.00",
        "КонецРасчСчет",
    ]
    for order in orders:
        lines += [
            "СекцияДокумент=Платежное поручение",
            f"Номер={order.number}",
            f"Дата={shown}",
            f"Сумма={order.amount:.2f}",
            f"ПлательщикСчет={THEIR_ACCOUNT}",
            f"Плательщик={order.payer_name}",
            f"ПлательщикИНН={order.payer_inn}",
            f"ПолучательСчет={OUR_ACCOUNT}",
            f"ДатаПоступило={shown}",
            f"Получатель={vendor().name}",
            f"НазначениеПлатежа={order.purpose}",
            "КонецДокумента",
        ]
    return "\r\n".join([*lines, "КонецФайла", ""])
