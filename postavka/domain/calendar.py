"""The day in Moscow: documents, invoices and contracts go by it; events go by UTC."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

MOSCOW = ZoneInfo("Europe/Moscow")


def today() -> date:
    """Today's date in Moscow."""
    return datetime.now(MOSCOW).date()
