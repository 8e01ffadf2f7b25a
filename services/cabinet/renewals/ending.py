"""Services that end between two days, for one tenant: which, how many, what renewing them costs, and which are being
renewed already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from psycopg.sql import SQL

from postavka.domain.calendar import today
from postavka.domain.reference.store import Snapshot
from postavka.kernel.store.queries import load_queries
from postavka.web.planned.store import PlannedCommand, about
from services.cabinet.requests import ENDED, Requests, Row

QUERIES = load_queries("services.cabinet")

MOST = 200
"""Services on one page, and renewals that are sent at once."""
OVER = (*ENDED, "activated")
"""Where a renewal stands that is no longer on its way: what is activated has moved the end, or counts for nothing."""
ENDED_DAYS = 90
"""So long the lists show what has ended."""
FIRST = UUID(int=0)
OPEN = SQL(
    "NOT EXISTS (SELECT FROM cabinet.requests n WHERE n.request ->> 'renews' = r.request_id::text"
    " AND n.status <> ALL(%(over)s))"
)
"""Nothing is to prolong the service of the row `r`."""


@dataclass(frozen=True, slots=True)
class Period:
    """Last days of service, both included."""

    since: date
    until: date

    def parameters(self) -> dict[str, object]:
        """The parameters of a query with `OPEN`."""
        return {"since": self.since.isoformat(), "until": self.until.isoformat(), "over": list(OVER)}


def ended_lately() -> Period:
    """The last days of the services that have ended within 90 days."""
    return Period(today() - timedelta(days=ENDED_DAYS), today() - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Ending:
    """A service that ends. `renewal`: the request that is to prolong it and has not come to its end; `plan`: the
    command that will send one on a day to come."""

    row: Row
    renewal: Row | None = None
    plan: PlannedCommand | None = None

    @property
    def last_day(self) -> date:
        """The last day of service."""
        return date.fromisoformat(self.row.term["service_until"])


@dataclass(frozen=True, slots=True)
class Totals:
    """How many services end that nothing is to prolong yet, and the roubles for which they would be renewed."""

    count: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class MonthOfEnds:
    """The services of one partner that end in a month, `2026-11`; `open`: those of them that nothing is to prolong, and
    the roubles for which these were sold."""

    month: str
    partner_id: str
    ends: int
    open: int
    amount: Decimal


class Endings(Requests):
    """The services of one tenant by their end, in the transaction of `Database.rows`."""

    async def between(
        self, period: Period, after: str | None = None, size: int = MOST, *, is_open: bool = False
    ) -> tuple[list[Ending], str]:
        """Those that end then, the nearest end first; and where the list goes on, empty at its end. `is_open`: only
        what nothing is to prolong."""
        values = {**self._of(period), "size": size + 1} | _place(after)
        query = QUERIES.ending.format(self._own("r."), OPEN if is_open else SQL("true"))
        rows = await self._rows(query, values)
        going = f"{rows[size - 1].term['service_until']}.{rows[size - 1].request_id}" if len(rows) > size else ""
        rows = rows[:size]
        return await self._with_renewals(rows), going

    async def chosen(self, request_ids: Sequence[UUID]) -> list[Ending]:
        """Those of these that have a term, in the order of `request_ids`."""
        return await self._with_renewals([each for each in await self.several(request_ids) if each.term])

    async def _with_renewals(self, rows: Sequence[Row]) -> list[Ending]:
        renewals = await self.renewals_of([each.request_id for each in rows])
        planned = await about(self._connection, self._principal, [str(each.request_id) for each in rows])
        plans = {subject: each for each in planned for subject in each.subjects}
        return [Ending(each, renewals.get(each.request_id), plans.get(str(each.request_id))) for each in rows]

    async def renewals_of(self, request_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """The renewals on their way of these services, by the request that they name."""
        values = {**self._tenant(), "named": [str(each) for each in request_ids], "over": list(OVER)}
        found = await self._rows(QUERIES.renewals_under_way.format(self._own()), values)
        return {UUID(each.asked["renews"]): each for each in found}

    async def count(self, period: Period) -> int:
        """How many nothing is to prolong yet."""
        return sum(number for _, number, _ in await self._by_product(period))

    async def totals(self, period: Period, known: Snapshot) -> Totals:
        """What nothing is to prolong yet, at today's prices; what is sold no more at the price of its sale."""
        count, amount = 0, Decimal(0)
        for product_id, number, sold_for in await self._by_product(period):
            entry = known.products.get(product_id or "")
            count += number
            amount += entry.product.price * number if entry else sold_for or 0
        return Totals(count, amount)

    async def _by_product(self, period: Period) -> list[tuple[str | None, int, Decimal | None]]:
        query = QUERIES.ending_totals.format(self._own("r."), OPEN)
        return await (await self._connection.execute(query, self._of(period))).fetchall()

    async def by_month(self, period: Period) -> list[MonthOfEnds]:
        """How many end in each month, by partner; the earliest month first."""
        query = QUERIES.ends_by_month.format(OPEN, self._own("r."))
        found = await self._connection.execute(query, self._of(period))
        return [MonthOfEnds(*each) for each in await found.fetchall()]

    def _of(self, period: Period) -> dict[str, object]:
        return {**self._tenant(), **period.parameters()}


def _place(after: str | None) -> dict[str, object]:
    """Where a page begins; a place that makes no sense is the beginning."""
    day, _, request_id = (after or "").partition(".")
    try:
        return {"after_day": date.fromisoformat(day).isoformat(), "after_id": UUID(request_id)}
    except ValueError:
        return {"after_day": "", "after_id": FIRST}
