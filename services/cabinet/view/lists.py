"""Lists of requests: what is filtered by, kept in the address, and what a line says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Self
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from postavka.web.formats import money, plural
from services.cabinet.list_order import ListOrder
from services.cabinet.requests import Filter, ListTotals
from services.cabinet.view.columns import OF_REQUESTS, ListColumns
from services.cabinet.words import SOLD, STAGES, ShownStage

LONGEST_SEARCH = 200
LONGEST_PARTY = 100
ORDERS: Mapping[str, str] = {
    ListOrder.NEWEST: "Сначала новые",
    ListOrder.OLDEST: "Сначала давние",
    ListOrder.DEAREST: "Сначала дорогие",
    ListOrder.CHEAPEST: "Сначала недорогие",
}
"""The orders of a list, in words."""
REQUESTS = ("заявка", "заявки", "заявок")
DELIVERIES = ("поставка", "поставки", "поставок")
COMMA = str.maketrans(",", ".")
_SUM = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")
GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "": ("Все", ()),
    "turn": ("Ждут вас", ("awaiting-payment", "shipped")),
    "open": ("В работе", tuple(each.status for each in STAGES.values() if each.is_open)),
    "closed": ("Завершённые", tuple(each.status for each in STAGES.values() if not each.is_open)),
}
"""Tabs over the partner's list: a word and the statuses that belong to it."""
SOLD_GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "": ("Все", tuple(sorted(SOLD))),
    "shipped": ("Ждут активации", ("shipped",)),
    "activated": ("Активированные", ("activated",)),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a list, as the address says; what makes no sense there counts as nothing."""

    q: str = ""
    group: str = ""
    stage: str = ""
    since: str = ""
    until: str = ""
    party: str = ""
    """The counterparty: the distributor (`DIRECT`: none) of a partner's list, the partner of a distributor's."""
    contact: str = ""
    """The partner's contact person (L5) that the request names."""
    least: str = ""
    most: str = ""
    order: str = ""
    columns: tuple[str, ...] = ()
    """The columns to show, where they are others than the list's own."""

    @classmethod
    def of(cls, query: QueryParams, groups: Mapping[str, object] = GROUPS, columns: ListColumns = OF_REQUESTS) -> Self:
        """The filters and columns that an address names."""
        group, stage, order = (query.get(name, "") for name in ("group", "stage", "order"))
        return cls(
            q=query.get("q", "").strip()[:LONGEST_SEARCH],
            group=group if group in groups else "",
            stage=stage if stage in STAGES else "",
            since=_day(query.get("since", "")),
            until=_day(query.get("until", "")),
            party=query.get("party", "").strip()[:LONGEST_PARTY],
            contact=query.get("contact", "").strip()[:LONGEST_PARTY],
            least=_roubles(query.get("least", "")),
            most=_roubles(query.get("most", "")),
            order=order if order in ORDERS else "",
            columns=columns.chosen(query.getlist("columns")),
        )

    @property
    def any(self) -> bool:
        """Is anything filtered beside the tab?"""
        return bool(self.q or self.stage or self.since or self.until or self.more)

    @property
    def more(self) -> bool:
        """Is anything chosen that a list shows when it is asked to?"""
        return bool(self.party or self.contact or self.least or self.most or self.order)

    @property
    def sums(self) -> tuple[Decimal | None, Decimal | None]:
        """The least and the greatest sum of the filter in roubles, both included."""
        return Decimal(self.least) if self.least else None, Decimal(self.most) if self.most else None

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day of the filter, both included."""
        return (
            date.fromisoformat(self.since) if self.since else None,
            date.fromisoformat(self.until) if self.until else None,
        )

    def statuses(self, groups: Mapping[str, tuple[str, tuple[str, ...]]] = GROUPS) -> tuple[str, ...]:
        """What the tab and the chosen stage leave; empty is all."""
        return (self.stage,) if self.stage else groups[self.group][1]

    def wanted(self, statuses: tuple[str, ...], first: ListOrder = ListOrder.NEWEST) -> Filter:
        """The filter of the query for these statuses, but for the counterparty: which one that is, its list knows.
        `first`: the order where none is chosen."""
        (since, until), (least, most) = self.days, self.sums
        order = ListOrder(self.order or first)
        contact = self.contact or None
        return Filter(self.q, statuses, since, until, order, least=least, most=most, contact=contact)

    def query(self, **others: str | None) -> str:
        """The filters as a query of an address: `?q=…&stage=…`, with other parameters; empty ones are left out."""
        kept = {name: value for name, value in (asdict(self) | others).items() if value}
        return f"?{urlencode(kept, doseq=True)}" if kept else ""


def found_in_words(totals: ListTotals, word: tuple[str, str, str]) -> str:
    """How many were found, and their sum: `322 заявки на 6 491 520,00 ₽`."""
    return plural(totals.count, *word) + (f" на {money(totals.amount)}" if totals.amount else "")


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab above a list; `count` is None where it isn't counted."""

    word: str
    href: str
    here: bool
    count: str | None = None


def tabs(
    path: str, filters: Filters, groups: Mapping[str, tuple[str, tuple[str, ...]]], counts: Mapping[str, int]
) -> list[Tab]:
    """The tabs of a list; a tab keeps the search and the period."""
    return [
        Tab(
            word,
            path + replace(filters, group=name, stage="").query(),
            filters.group == name and not filters.stage,
            _brief(sum(counts.get(status, 0) for status in statuses or STAGES)),
        )
        for name, (word, statuses) in groups.items()
    ]


def stages_of(statuses: Iterable[str] | None = None) -> list[ShownStage]:
    """The statuses to filter by."""
    return [each for each in STAGES.values() if statuses is None or each.status in statuses]


def _brief(count: int) -> str:
    return str(count) if count < 10_000 else f"{count // 1_000}\u00a0тыс."


def _roubles(text: str) -> str:
    """A sum as people type it, `20 160,50`, with a point and without blanks; empty if it is none."""
    plain = "".join(text.split()).translate(COMMA)
    return plain if _SUM.fullmatch(plain) else ""


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        return ""
