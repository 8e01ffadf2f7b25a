"""Reading the cabinet for one tenant: the only place with queries on requests.

Every query names the tenant, and PostgreSQL's row-level security holds it to that once more. What a row tells depends
on who reads: the code of a kit is the partner's alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composable, Composed

from events.envelope import rfc3339
from postavka.domain.calendar import MOSCOW
from postavka.domain.vendor import vendor
from postavka.kernel.store.queries import load_queries
from postavka.web import cursor
from postavka.web.database import Connection
from postavka.web.formats import NO_BREAK_SPACE
from postavka.web.identity.principal import Principal, Role, without_name
from postavka.web.personal import reveal
from postavka.web.search import Search
from services.cabinet import words as said
from services.cabinet.fold import STAGES
from services.cabinet.list_order import SORTINGS, ListOrder, sum_of
from services.cabinet.timeline import Group, Moment, timeline

QUERIES = load_queries("services.cabinet")

SOLD = tuple(sorted(said.SOLD))
PAGE = 50
LARGEST_PAGE = 200

Status = Literal[
    "submitted",
    "rejected",
    "awaiting-confirmation",
    "awaiting-payment",
    "declined",
    "withdrawn",
    "manufacturing",
    "shipped",
    "activated",
]


DIRECT = "-"
"""In the place of a distributor: a direct sale (L6)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of a list. Days are Moscow's, sums roubles; of both the first and the last are included."""

    search: str = ""
    statuses: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    order: ListOrder = ListOrder.NEWEST
    partner: str | None = None
    distributor: str | None = None
    """`DIRECT`: none."""
    contact: str | None = None
    """The contact person of the partner (L5)."""
    least: Decimal | None = None
    most: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ListTotals:
    """What a filter leaves: how many requests, and the sum of their prices in roubles."""

    count: int
    amount: Decimal


ENDED = frozenset(("rejected", "declined", "withdrawn"))
SIGNED = ("act", "shipping")
"""Kinds of documents that the counterparty signs and returns (L16); an invoice is paid."""


@dataclass(frozen=True, slots=True)
class Row:
    """A request as the reader may see it. `groups` are the cabinet's, one a stage."""

    request_id: UUID
    status: str
    submitted_at: datetime | None
    partner_id: str | None
    distributor_id: str | None
    groups: Mapping[str, Group]

    @property
    def status_title(self) -> str:
        """The status in Russian."""
        return said.stage_of(self.status).word

    @property
    def number(self) -> str | None:
        """The number by which people call it: `2026-000255`; None until what the stage `request` says of it is here."""
        return self.asked.get("number")

    @property
    def name(self) -> str:
        """What people call it: `№ 2026-000255`; its id where the number is not here yet."""
        return f"№{NO_BREAK_SPACE}{self.number}" if self.number else str(self.request_id)

    @property
    def has_ended(self) -> bool:
        """It was rejected, declined or withdrawn: nothing of it waits for anybody any more."""
        return self.status in ENDED

    @property
    def permission_number(self) -> str | None:
        """The permission number under which it may be delivered (L14); that of a request which has ended is good for
        nothing."""
        return None if self.has_ended else self.shipping.get("permission_number")

    @property
    def asked(self) -> Group:
        """The fields of the request as they were typed."""
        return self.groups.get("request") or {}

    @property
    def approval(self) -> Group:
        """What approval has recorded, with the facts of that moment."""
        return self.groups.get("approval") or {}

    @property
    def billing(self) -> Group:
        """Confirmation or invoice and payments."""
        return self.groups.get("billing") or {}

    @property
    def shipping(self) -> Group:
        """What shipping has recorded: permission, documents, kit."""
        return self.groups.get("shipping") or {}

    @property
    def activation(self) -> Group:
        """Contract and period, or refusals."""
        return self.groups.get("activation") or {}

    @property
    def term(self) -> Group:
        """How long the service runs with all its renewals; empty before it starts, and of a renewal."""
        renewal = self.groups.get("renewal") or {}
        return renewal if "service_until" in renewal else {}

    @property
    def buyer(self) -> str | None:
        """The buyer (L10); None also where only blanks were typed."""
        return ((self.approval.get("client") or {}).get("name") or self.asked.get("buyer") or "").strip() or None

    @property
    def inn(self) -> str | None:
        """The INN of the buyer."""
        return (self.approval.get("client") or {}).get("inn") or self.asked.get("inn")

    @property
    def product(self) -> str | None:
        """Name, or the id where nothing is approved."""
        return (self.approval.get("product") or {}).get("name") or self.asked.get("product_id")

    @property
    def distributor(self) -> str | None:
        """Name, or the id where nothing is approved; None in a direct sale."""
        return (self.approval.get("distributor") or {}).get("name") or self.asked.get("distributor_id")

    @property
    def partner(self) -> str | None:
        """Name, or the id where nothing is approved."""
        return (self.approval.get("partner") or {}).get("name") or self.partner_id

    @property
    def amount(self) -> str | None:
        """Roubles, as in events; None until it is approved."""
        return (self.approval.get("product") or {}).get("price")

    @property
    def documents(self) -> Mapping[str, Group]:
        """The documents by id."""
        return self.shipping.get("documents") or {}

    def is_to_sign(self, document: Group, tenant: str | None) -> bool:
        """Whether this document of the request waits for the signature of this partner or distributor (L16)."""
        asked = document.get("recipient_id") == tenant and document.get("kind") in SIGNED
        return asked and "signed_at" not in document and not self.has_ended

    @property
    def can_withdraw(self) -> bool:
        """Whether it can be withdrawn, as far as is known here; shipping has the last word."""
        return self.status in said.WITHDRAWABLE

    @property
    def version(self) -> str:
        """Changes whenever the row does; grows in each of its five parts."""
        return "-".join(str((self.groups.get(stage) or {}).get("position", 0)) for stage in STAGES)

    def moments(self, reader: str | None = None) -> list[Moment]:
        """The timeline, the earliest first, as `reader` sees it, a partner or distributor; None: the office. The names
        of the partner's programs are not for the distributor."""
        moments = timeline(self.groups, vendor().name)
        if reader in (None, self.partner_id):
            return moments
        return [replace(each, who=without_name(each.who)) for each in moments]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list; `next` goes on after it, None at the end."""

    rows: Sequence[Row]
    next: str | None


class Requests:
    """The requests of one tenant, in the transaction of `Database.rows`."""

    def __init__(self, connection: Connection, principal: Principal) -> None:
        self._connection = connection
        self._principal = principal

    async def page(self, wanted: Filter = Filter(), after: str | None = None, size: int = PAGE) -> Page:
        """One page of requests. Raises `cursor.BadCursor`."""
        return await self._page(wanted.order, *await self._conditions(wanted), after, size)

    async def page_and_totals(self, wanted: Filter, after: str | None = None) -> tuple[Page, ListTotals]:
        """One page of requests, and what the filter leaves in all: its search is asked once for both. Raises
        `cursor.BadCursor`."""
        conditions, values = await self._conditions(wanted)
        page = await self._page(wanted.order, conditions, values, after, PAGE)
        found = await self._connection.execute(QUERIES.totals.format(SQL(" AND ").join(conditions)), values)
        return page, ListTotals(*(await found.fetchone() or (0, Decimal(0))))

    async def _page(
        self,
        sorting: ListOrder,
        conditions: Sequence[Composable],
        values: Mapping[str, Any],
        after: str | None,
        size: int,
    ) -> Page:
        size = max(1, min(size, LARGEST_PAGE))
        conditions = [*conditions, SQL("submitted_at IS NOT NULL")]
        order, behind = SORTINGS[sorting]
        if after is not None:
            at, request_id = cursor.decode(after)
            conditions.append(behind)
            values = {**values, "at": sum_of(at) if sorting.by_sum else at, "id": request_id}
        query = QUERIES.page.format(SQL(" AND ").join(conditions), self._own("r."), order=order)
        rows = await self._rows(query, {**values, "size": size + 1})
        more = len(rows) > size
        rows = rows[:size]
        last = rows[-1] if rows else None
        following = None
        if more and last is not None and last.submitted_at is not None:
            at = last.amount or "0" if sorting.by_sum else rfc3339(last.submitted_at)
            following = cursor.encode(at, last.request_id)
        return Page(rows, following)

    async def partners(self) -> list[str]:
        """The partners whose requests there are, by id."""
        found = await self._connection.execute(QUERIES.partners.format(self._own()), self._tenant())
        return [each for (each,) in await found.fetchall() if each is not None]

    async def one(self, request_id: UUID) -> Row | None:
        """The row of a request; None where there is none, and where it is another tenant's: nobody can tell the two
        apart."""
        rows = await self.several([request_id])
        return rows[0] if rows else None

    async def several(self, request_ids: Sequence[UUID]) -> list[Row]:
        """Those of these that there are for this reader, in the order of `request_ids`."""
        query = QUERIES.several.format(self._own())
        found = {
            each.request_id: each for each in await self._rows(query, {**self._tenant(), "ids": list(request_ids)})
        }
        return [found[each] for each in request_ids if each in found]

    async def running_under(self, registrations: Sequence[str], statuses: Sequence[str], most: int) -> list[Row]:
        """Those in these statuses with one of these registration numbers."""
        values = {"registrations": list(registrations), "statuses": list(statuses), "size": most}
        return await self._rows(QUERIES.running_under.format(self._own(), self._own()), {**self._tenant(), **values})

    async def to_sign(self, tenant: str, most: int) -> list[Row]:
        """Those that have not ended and have a document that this tenant is to sign (L16), the oldest first."""
        values = {"tenant": tenant, "ended": list(ENDED), "kinds": list(SIGNED), "size": most}
        return await self._rows(QUERIES.to_sign.format(self._own(), self._own()), {**self._tenant(), **values})

    async def waiting(self, after: str | None = None, size: int = PAGE) -> Page:
        """What waits for this distributor's word (L17)."""
        return await self.page(Filter(statuses=("awaiting-confirmation",)), after, size)

    async def counts(self) -> dict[str, int]:
        """How many requests stand where; a status without any is left out."""
        query = QUERIES.counts.format(self._own())
        found = await self._connection.execute(query, self._tenant())
        return dict(await found.fetchall())

    def _own(self, prefix: str = "") -> Composable:
        """The tenant's own rows: the one condition of all queries."""
        match self._principal.role:
            case Role.PARTNER:
                return SQL(prefix + "partner_id = %(partner)s")
            case Role.DISTRIBUTOR:
                return SQL(prefix + "distributor_id = %(distributor)s AND " + prefix + "approved")
            case Role.OPS | Role.AUDITOR:
                return SQL("true")

    def _tenant(self) -> dict[str, Any]:
        return {"partner": self._principal.partner_id, "distributor": self._principal.distributor_id}

    async def _conditions(self, wanted: Filter) -> tuple[list[Composable], dict[str, Any]]:
        conditions, values = [self._own()], self._tenant()
        if wanted.statuses:
            conditions.append(SQL("status = ANY(%(statuses)s)"))
            values["statuses"] = list(wanted.statuses)
        if wanted.since is not None:
            conditions.append(SQL("submitted_at >= %(since)s"))
            values["since"] = _midnight(wanted.since)
        if wanted.until is not None:
            conditions.append(SQL("submitted_at < %(until)s"))
            values["until"] = _midnight(min(wanted.until, date.max - timedelta(days=2)) + timedelta(days=1))
        if wanted.partner is not None:
            conditions.append(SQL("partner_id = %(of_partner)s"))
            values["of_partner"] = wanted.partner
        if wanted.distributor == DIRECT:
            conditions.append(SQL("distributor_id IS NULL"))
        elif wanted.distributor is not None:
            conditions.append(SQL("distributor_id = %(of_distributor)s"))
            values["of_distributor"] = wanted.distributor
        if wanted.contact is not None:
            conditions.append(SQL("request ->> 'contact_id' = %(contact)s"))
            values["contact"] = wanted.contact
        if wanted.least is not None:
            conditions.append(SQL("amount >= %(least)s"))
            values["least"] = wanted.least
        if wanted.most is not None:
            conditions.append(SQL("amount <= %(most)s"))
            values["most"] = wanted.most
        search = Search.of(wanted.search)
        texts, given = search.conditions()
        if (found := await self._found(search)) is not None:
            texts.append(SQL("request_id = ANY(%(found)s)"))
            given["found"] = found
        return conditions + texts, values | given

    async def _found(self, search: Search) -> list[UUID] | None:
        """The ids of what its words find; None where they are too many, or too short to ask an index for."""
        if not search.query:
            return None
        row = await (await self._connection.execute(QUERIES.found, search.parameters)).fetchone()
        return row[0] if row else None

    async def _rows(self, query: SQL | Composed, values: Mapping[str, Any]) -> list[Row]:
        async with self._connection.cursor(row_factory=tuple_row) as reading:
            await reading.execute(query, values)
            rows = await reading.fetchall()
        return [self._row(*each) for each in await asyncio.to_thread(reveal, rows)]

    def _row(
        self,
        request_id: UUID,
        status: str,
        submitted_at: str | None,
        partner_id: str | None,
        distributor_id: str | None,
        *groups: dict[str, Any] | None,
    ) -> Row:
        found = {stage: group for stage, group in zip(STAGES, groups, strict=True) if group is not None}
        kit = found.get("shipping", {}).get("kit")
        if kit is not None and self._principal.role is not Role.PARTNER:
            kit.pop("code", None)
        at = datetime.fromisoformat(submitted_at) if submitted_at else None
        return Row(request_id, status, at, partner_id, distributor_id, found)


def _midnight(day: date) -> str:
    """The beginning of a Moscow day, as events write times."""
    return rfc3339(datetime.combine(max(day, date(1970, 1, 2)), time(), MOSCOW))
