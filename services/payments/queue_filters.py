"""The filters of the queues of money: words, days and sums, kept in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from psycopg.sql import SQL, Composable

from services.payments.statement.values import amount_of

LONGEST_SEARCH = 200
MOST_WORDS = 6


@dataclass(frozen=True, slots=True)
class QueueColumns:
    """What of a queue's rows is asked, in SQL: a text with everything that a person may look for, the sum, and the day,
    where they have one."""

    text: SQL
    amount: SQL
    day: SQL | None = None


@dataclass(frozen=True, slots=True)
class QueueFilters:
    """The filters, as the address says; what makes no sense there counts as nothing. `least` and `most` are roubles; of
    days and sums both ends are included."""

    q: str = ""
    since: str = ""
    until: str = ""
    least: str = ""
    most: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> QueueFilters:
        """The filters that an address names."""
        return cls(
            query.get("q", "").strip()[:LONGEST_SEARCH],
            *(_day(query.get(name, "")) for name in ("since", "until")),
            *(_sum(query.get(name, "")) for name in ("least", "most")),
        )

    @property
    def any(self) -> bool:
        """Is anything filtered?"""
        return any(asdict(self).values())

    def query(self) -> str:
        """The filters as a query of an address; empty ones are left out."""
        kept = {name: value for name, value in asdict(self).items() if value}
        return f"?{urlencode(kept)}" if kept else ""

    def conditions(self, of: QueueColumns) -> tuple[Composable, dict[str, Any]]:
        """The condition on a row, and its values. Words are found anywhere, «ё» is «е»."""
        held: list[Composable] = [SQL("true")]
        if words := self.q.lower().replace("ё", "е").split()[:MOST_WORDS]:
            text = SQL("replace(lower(({}) COLLATE pg_c_utf8), 'ё', 'е')").format(of.text)
            held.append(
                SQL("NOT EXISTS (SELECT FROM unnest(%(words)s::text[]) w WHERE position(w IN {}) = 0)").format(text)
            )
        for name, column, compared in (
            ("since", of.day, ">="), ("until", of.day, "<="), ("least", of.amount, ">="), ("most", of.amount, "<="),
        ):  # fmt: skip
            if column is not None and getattr(self, name):
                held.append(SQL(f"{{}} {compared} %({name})s").format(column))
        return SQL(" AND ").join(held), {**asdict(self), "words": words}


EVERYTHING = QueueFilters()


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        return ""


def _sum(text: str) -> str:
    amount = amount_of(text) if text.strip() else None
    return "" if amount is None else str(amount)
