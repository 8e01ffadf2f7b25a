"""Sums, days and names as Russian papers write them."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_decimal
from num2words import num2words

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_SHORT = re.compile(r"\b(г|ул|д|стр|корп|кв|наб|пр-т|пр-д|ш|пер|оф)\. ")


def roubles(amount: Decimal) -> str:
    """A sum as Russian documents write it, `20 160,00`: groups of three, kopecks after a comma."""
    return format_decimal(amount, "#,##0.00", locale="ru").replace("\u202f", NO_BREAK_SPACE)


def sum_in_words(amount: Decimal) -> str:
    """`Двадцать тысяч сто шестьдесят рублей 00 копеек`. Raises `ValueError` below zero, or for parts of a kopeck."""
    if amount < 0 or amount != amount.quantize(Decimal("0.01")):
        raise ValueError(f"not a sum of money: {amount}")
    text = num2words(f"{amount:.2f}", lang="ru", to="currency", currency="RUB", separator=" ", cents=False)
    words = " ".join(text.split())
    return words[:1].upper() + words[1:]


def day_in_words(day: date) -> str:
    """`1 марта 2026 г.`"""
    return format_date(day, "d MMMM y 'г'.", locale="ru")


def unbroken(address: str) -> str:
    """An address without a line's end between «г.» and the town."""
    return _SHORT.sub(rf"\1.{NO_BREAK_SPACE}", address)


def initials(family: str, given: str, patronymic: str | None) -> str:
    """`Сидоров С. С.`"""
    return " ".join([family, *(f"{name[0]}." for name in (given, patronymic) if name)])
