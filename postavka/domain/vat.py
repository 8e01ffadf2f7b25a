"""The standard rate of VAT by day: article 164, paragraph 3 of the Tax Code of the RF, and the laws that changed it.

A product that is sold at it has `vat_rate = "standard"` in the reference file. A rate in per cent stands as it is on
every day: 0 for an exempt sale, or a reduced rate.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

VatRate = Literal["standard"] | Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
"""As the reference file has it."""
STANDARD_RATES = (
    (date(2004, 1, 1), Decimal(18)),  # Federal Law 117-FZ of 07.07.2003
    (date(2019, 1, 1), Decimal(20)),  # Federal Law 303-FZ of 03.08.2018
    (date(2026, 1, 1), Decimal(22)),  # Federal Law 425-FZ of 28.11.2025
)
"""First days (Moscow), and per cent from then on."""


def standard_rate(day: date) -> Decimal:
    """Per cent on this day (Moscow). Raises `ValueError` for a day before 2004."""
    rate = next((rate for first, rate in reversed(STANDARD_RATES) if first <= day), None)
    if rate is None:
        raise ValueError(f"no standard rate of VAT is known for {day}")
    return rate


def rate_on(rate: VatRate, day: date) -> Decimal:
    """What is recorded for a sale of this day (Moscow), per cent."""
    return standard_rate(day) if rate == "standard" else rate
