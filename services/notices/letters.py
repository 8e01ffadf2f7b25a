"""The list of e-mails as people read it: by what it is narrowed, and a page of it. To the very first one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed

from postavka.domain.reference.store import Snapshot
from postavka.kernel.privacy.vault import Vault
from postavka.kernel.store.queries import load_queries
from postavka.web import cursor
from postavka.web.database import Connection
from postavka.web.personal import reveal
from postavka.web.search import Search, parties_named
from services.notices.categories import CATEGORIES, Category
from services.notices.channels.email.mail_log import STATUSES, MailFilter

QUERIES = load_queries("services.notices")
PAGE = 50
LONGEST_SEARCH = 200


@dataclass(frozen=True, slots=True)
class LetterFilters:
    """The filters of the list, as the address says; what makes no sense there counts as nothing. `q`: what finds the
    request that an e-mail is about, or the name or code of the party that it was written to; `to`: an address."""

    q: str = ""
    kind: str = ""
    status: str = ""
    to: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> LetterFilters:
        """The filters that an address names."""
        kind, status = query.get("kind", ""), query.get("status", "")
        return cls(
            q=query.get("q", "").strip()[:LONGEST_SEARCH],
            kind=kind if kind in set(Category) else "",
            status=status if status in STATUSES else "",
            to=query.get("to", "").strip()[:LONGEST_SEARCH],
        )

    @property
    def any(self) -> bool:
        """Is anything filtered beside the tab?"""
        return bool(self.q or self.kind or self.to)

    def query(self, **others: str | None) -> str:
        """The filters as a query of an address, with other parameters; empty ones are left out."""
        pairs = {"q": self.q, "kind": self.kind, "status": self.status, "to": self.to, **others}
        kept = {name: value for name, value in pairs.items() if value}
        return f"?{urlencode(kept)}" if kept else ""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The condition on an e-mail that filters come to, with its values."""

    where: Composed
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LetterPage:
    """A page of the list; `next` goes on after it, None at the end."""

    emails: Sequence[Mapping[str, Any]]
    next: str | None


def kinds() -> list[tuple[str, str]]:
    """The kinds to filter by, as value and title."""
    return [(category.value, about.title) for category, about in CATEGORIES.items()]


async def letters(rows: Connection, narrowed: Narrowing, after: str | None = None, size: int = PAGE) -> LetterPage:
    """One page, the newest first, of what the tenant of this transaction may see. Raises `cursor.BadCursor`."""
    at, id = cursor.decode(after) if after is not None else (None, None)
    place = {"after_at": None if at is None else _moment(at), "after_id": id, "size": size + 1}
    async with rows.cursor(row_factory=dict_row) as reading:
        await reading.execute(QUERIES.letters.format(narrowed.where), {**narrowed.values, **place})
        found = await asyncio.to_thread(reveal, await reading.fetchall())
    last = found[size - 1] if len(found) > size else None
    going = None if last is None else cursor.encode(last["made_at"].isoformat(), last["id"])
    return LetterPage(found[:size], going)


async def letters_found(rows: Connection, narrowed: Narrowing) -> int:
    """How many there are on all pages: each is looked at."""
    row = await (await rows.execute(QUERIES.letters_found.format(narrowed.where), narrowed.values)).fetchone()
    return int(row[0]) if row else 0


async def narrowing(rows: Connection, wanted: LetterFilters, known: Snapshot, vault: Vault) -> Narrowing:
    """What the filters ask of an e-mail; requests and addresses are looked up for it."""
    narrowed = MailFilter(wanted.status or None, None, wanted.to or None, wanted.kind or None)
    conditions, values = await asyncio.to_thread(narrowed.conditions, vault)
    if wanted.q:
        conditions.append(SQL("(request_id = ANY(%(requests)s) OR party_id = ANY(%(parties)s))"))
        values |= {"requests": await _requests(rows, wanted.q), "parties": _parties(known, wanted.q)}
    return Narrowing(SQL(" AND ").join(conditions), values)


async def _requests(rows: Connection, typed: str) -> list[UUID]:
    """The requests that are meant; none where they are too many to be."""
    search = Search.of(typed)
    if not search.query:
        return []
    row = await (await rows.execute(QUERIES.requests_found, search.parameters)).fetchone()
    return list(row[0] or ()) if row else []


def _parties(known: Snapshot, typed: str) -> list[str]:
    """The partners and distributors whose code is this, or whose name has all these words."""
    return parties_named(known.partner_names | known.distributor_names, typed)


def _moment(text: str) -> datetime:
    """The moment in a cursor. Raises `cursor.BadCursor`."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise cursor.BadCursor(text[:20]) from None
