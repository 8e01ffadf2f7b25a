"""Clients that the tax register did not agree to when their requests were sent: kept until somebody has checked
them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from postavka.kernel.store.queries import load_queries
from postavka.web.state import Web
from services.cabinet.client_check import Agreement, CheckedClient

QUERIES = load_queries("services.cabinet")

MOST = 100
"""Entries of the list."""


@dataclass(frozen=True, slots=True)
class UncheckedClient:
    """A client that somebody has to look at, with what the request says of it."""

    request_id: UUID
    why: Agreement
    noted_at: datetime
    buyer: str | None
    inn: str | None
    kpp: str | None
    partner_id: str | None
    number: str | None


async def keep_unchecked(parts: Web, request_id: UUID, checked: CheckedClient) -> None:
    """Note that the register did not agree to the client of a request that is being sent. Of one that is not sent
    after all nothing is listed."""
    async with parts.database.accounts() as rows:
        await rows.execute(QUERIES.keep_unchecked, (request_id, checked.agreement.value))


async def set_checked(parts: Web, request_id: UUID, by: str) -> bool:
    """Somebody has checked it; False when there is nothing to check."""
    async with parts.database.accounts() as rows:
        return (await rows.execute(QUERIES.set_checked, (by, request_id))).rowcount == 1


async def unchecked_clients(parts: Web, only: UUID | None = None) -> list[UncheckedClient]:
    """Those that nobody has checked, the oldest first; perhaps of one request alone."""
    async with parts.database.accounts() as rows:
        await rows.execute(QUERIES.see_all)
        found = await rows.execute(QUERIES.unchecked_clients, (only, only, MOST))
        return [UncheckedClient(row[0], Agreement(row[1]), *row[2:]) for row in await found.fetchall()]
