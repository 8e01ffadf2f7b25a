"""The webhooks of a tenant and their log, for pages and API. All is asked for as the tenant: PostgreSQL shows it its
own rows only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from psycopg.rows import class_row

from postavka.kernel.privacy.master import master_key
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.migration import MigrationSet, require
from postavka.kernel.store.queries import load_queries
from postavka.web import identity
from postavka.web.database import Connection
from postavka.web.identity.principal import Principal
from services.feed.reading import END, number_of, read_behind, read_page
from services.feed.views import VIEWS
from services.webhooks.addresses import target_of
from services.webhooks.settings import WebhookSettings
from services.webhooks.signing import SecretBox, new_secret

QUERIES = load_queries("services.webhooks")

SCHEMA = "webhooks"
MIGRATIONS = MigrationSet("services.webhooks", "services.webhooks")
MOST = 10
"""Webhooks of one tenant."""
TYPES = tuple(sorted(each.partition(".")[0] for each in VIEWS))
"""Names of events, without their version."""


NAMESPACE = UUID("0f6d2c3e-6f0b-5d43-9a64-6c0c8d3a7b52")


def message_id(event: Mapping[str, Any]) -> str:
    """The id of an event for its receivers, `webhook-id`: the same however often it is sent."""
    return str(uuid5(NAMESPACE, f"{event['source']}#{event['id']}"))


class TooManyWebhooks(Exception):
    """A tenant has as many as it may have."""


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date, and that of the accounts: row-level security is defined there. Raises
    `NotMigrated`."""
    require(conninfo, "accounts", identity.MIGRATIONS)
    require(conninfo, SCHEMA, MIGRATIONS)


_boxes: dict[tuple[str, Path], SecretBox] = {}


def secret_box(config: Settings) -> SecretBox:
    """What seals the secrets of this installation, made once a process. Raises `NoKey`, `WrongKey`. Blocks."""
    place = (database_url(config), config.home)
    if place not in _boxes:
        _boxes[place] = SecretBox(master_key(config))
    return _boxes[place]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as its tenant sees it."""

    webhook_id: UUID
    url: str
    types: list[str]
    number: int
    is_on: bool
    off_reason: str | None
    failing_since: datetime | None
    former_until: datetime | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """An event on its way to a webhook, or what became of it."""

    number: int
    request_id: UUID
    type: str
    status: str
    tries: int
    next_at: datetime
    made_at: datetime
    tried_at: datetime | None
    took_ms: int | None
    answered: int | None
    said: str | None


class Webhooks:
    """The webhooks of one tenant, in one transaction."""

    def __init__(self, rows: Connection, principal: Principal, config: Settings, own: WebhookSettings) -> None:
        self._rows, self._principal, self._config, self._own = rows, principal, config, own

    async def all(self) -> list[Webhook]:
        """All of the tenant's, the oldest first."""
        cursor = self._rows.cursor(row_factory=class_row(Webhook))
        return await (await cursor.execute(QUERIES.all)).fetchall()

    async def one(self, webhook_id: UUID) -> Webhook | None:
        """One of the tenant's."""
        cursor = self._rows.cursor(row_factory=class_row(Webhook))
        return await (await cursor.execute(QUERIES.one, (webhook_id,))).fetchone()

    async def add(self, webhook_id: UUID, url: str, types: Sequence[str]) -> None:
        """Add a webhook that is told of what comes from now on; added twice, it is there once. Raises
        `AddressRefused`, `TooManyWebhooks`."""
        target_of(url, self._own.networks)
        there = await self.all()
        if len(there) >= MOST and all(each.webhook_id != webhook_id for each in there):
            raise TooManyWebhooks
        end = await read_page(self._rows, self._principal, END, 1)
        sealed = secret_box(self._config).seal(webhook_id, new_secret())
        whose = self._principal.partner_id, self._principal.distributor_id
        row = (webhook_id, *whose, url, sorted(set(types)), sealed, number_of(end.next), self._principal.actor)
        await self._rows.execute(QUERIES.add, row)

    async def secret(self, webhook_id: UUID) -> str | None:
        """The secret that signs."""
        found = await (await self._rows.execute(QUERIES.secret, (webhook_id,))).fetchone()
        return None if found is None else secret_box(self._config).open(webhook_id, found[0])

    async def change_secret(self, webhook_id: UUID) -> None:
        """Another secret, beside which those before sign for a while."""
        sealed = secret_box(self._config).seal(webhook_id, new_secret())
        overlap = timedelta(seconds=self._own.overlap_seconds)
        await self._rows.execute(QUERIES.change_secret, {"id": webhook_id, "secret": sealed, "overlap": overlap})

    async def remove(self, webhook_id: UUID) -> bool:
        """Remove it with its log; False where it is not there."""
        return (await self._rows.execute(QUERIES.remove, (webhook_id,))).rowcount > 0

    async def switch(self, webhook_id: UUID, on: bool) -> None:
        """Switch it on or off."""
        await self._rows.execute(QUERIES.switch, {"id": webhook_id, "on": on})
        if on:
            await self._rows.execute(QUERIES.try_now, (webhook_id,))

    async def log(self, webhook_id: UUID, before: int | None, most: int) -> list[LoggedDelivery]:
        """The deliveries of events before this number, the newest event first."""
        cursor = self._rows.cursor(row_factory=class_row(LoggedDelivery))
        values = {"id": webhook_id, "before": before or 2**62, "most": most}
        return await (await cursor.execute(QUERIES.log, values)).fetchall()

    async def payload(self, number: int) -> dict[str, Any] | None:
        """The event of this number, as it is sent."""
        return await event_at(self._rows, self._principal, number)

    async def again(self, webhook_id: UUID, number: int) -> bool:
        """Send an event again; False where the log has none of this number."""
        return (await self._rows.execute(QUERIES.again, (webhook_id, number))).rowcount > 0

    async def replay(self, webhook_id: UUID, number: int) -> None:
        """Send everything behind this event of the feed again, in order."""
        await self._rows.execute(QUERIES.go_back, (number, webhook_id))


async def event_at(rows: Connection, principal: Principal, number: int) -> dict[str, Any] | None:
    """The event of this number in a tenant's feed."""
    found = await read_behind(rows, principal, number - 1, 1)
    return found[0].event if found and found[0].number == number else None
