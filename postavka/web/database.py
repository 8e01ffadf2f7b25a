"""The one way to PostgreSQL: a pool, and transactions that say for whom they read.

In `Database.rows(principal)` the connection acts as the role `postavka_web` (where it exists) with the tenant set, and
row-level security shows it that tenant's rows only. `Database.accounts()` is for signing in alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import set_parameters_of
from postavka.web.identity.principal import Principal

QUERIES = load_queries("postavka.web")

ANSWER_SECONDS = 3.0
"""A connection that does not say a word for so long is given up."""
WEB_ROLE = "postavka_web"
Connection = psycopg.AsyncConnection[Any]


async def answers(connection: Connection) -> None:
    """Raises when it is closed, or says nothing. (A pool that waited for one that was lost would run dry.)"""
    async with asyncio.timeout(ANSWER_SECONDS):
        await AsyncConnectionPool.check_connection(connection)


async def configure(connection: Connection) -> None:
    """A new connection of the pool."""
    await connection.set_autocommit(True)
    await set_parameters_of(connection, {"jit": "off", "statement_timeout": "15000"})
    await connection.set_autocommit(False)


class Database:
    """The web application's pool of connections to PostgreSQL. `open` before use, `close` at the end."""

    def __init__(self, conninfo: str, connections: int) -> None:
        self.pool = AsyncConnectionPool(
            conninfo,
            min_size=min(2, connections),
            max_size=connections,
            open=False,
            timeout=10,
            max_idle=300,
            check=answers,  # after PostgreSQL was away: a new one, not a page that fails
            configure=configure,
            kwargs={"application_name": "postavka-web"},
        )
        self._role: str | None = None

    async def open(self) -> None:
        """Connect, and see whether the role for reading exists."""
        await self.pool.open()
        async with self.pool.connection() as connection:
            found = await connection.execute(QUERIES.role_for_reading, (WEB_ROLE,))
            role, above_policies = await found.fetchone() or (None, True)
        if role is None and above_policies:
            raise RuntimeError(
                f"the database's login is above row-level security and there is no role {WEB_ROLE} to act as: "
                f"CREATE ROLE {WEB_ROLE} NOLOGIN, and GRANT it to the login"
            )
        self._role = role

    async def close(self) -> None:
        """Give up the connections."""
        await self.pool.close()

    @asynccontextmanager
    async def rows(self, principal: Principal) -> AsyncIterator[Connection]:
        """A transaction that sees what this principal may see."""
        scope = "all" if principal.sees_all else "tenant"
        async with self._as(scope, principal.partner_id or "", principal.distributor_id or "") as connection:
            yield connection

    @asynccontextmanager
    async def nobody(self) -> AsyncIterator[Connection]:
        """A transaction that sees no row of any tenant: for visitors who are not signed in."""
        async with self._as("nobody", "", "") as connection:
            yield connection

    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[Connection]:
        """A transaction of the tables' owner: for signing in, sessions and tokens, before it is known who asks."""
        async with self.pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def _as(self, scope: str, partner: str, distributor: str) -> AsyncIterator[Connection]:
        async with self.pool.connection() as connection:
            await connection.execute(QUERIES.become_tenant, (scope, partner, distributor, self._role or "none"))
            yield connection
