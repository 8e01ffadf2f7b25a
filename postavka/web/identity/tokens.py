"""Tokens of programs for the REST API: shown once, kept as a hash, with scopes and an end.

Listing, making and revoking goes through row-level security: a tenant sees its own. Looking one up does not, since it
says who asks.
"""

from __future__ import annotations

import hmac
import secrets
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL

from postavka.kernel.store.queries import load_queries
from postavka.web.identity.principal import SCOPES, Principal, Role, Scope
from postavka.web.identity.sessions import digest
from postavka.web.identity.users import User

QUERIES = load_queries("postavka.web.identity")

Connection = psycopg.AsyncConnection[Any]
PREFIX = "pst_"
"""Makes a token that leaked into a repository findable by scanners."""
LONGEST_DAYS = 366
MOST_TOKENS = 50
"""Of one tenant that are good at the same time."""
COLUMNS = SQL("token_id, name, scopes, hint, created_by, created_at, expires_at, revoked_at, last_used_at")


class BadToken(ValueError):
    """A token can't be like this; the message says why, in Russian."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its tenant sees it; never the secret."""

    token_id: UUID
    name: str
    scopes: list[str]
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """The only time that the secret is seen."""

    token: Token
    secret: str


async def make(
    connection: Connection, principal: Principal, *, name: str, scopes: Collection[Scope], days: int
) -> NewToken:
    """A new token of the principal's tenant. Raises `BadToken`."""
    name = name.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise BadToken("Назовите токен: от 1 до 100 знаков.")
    if not 1 <= days <= LONGEST_DAYS:
        raise BadToken(f"Срок токена — от 1 до {LONGEST_DAYS} дней.")
    if principal.role not in (Role.PARTNER, Role.DISTRIBUTOR):
        raise BadToken("Токены бывают только у партнёров и дистрибьюторов.")
    if not scopes or not set(scopes) <= set(SCOPES[principal.role]):
        raise BadToken("Выберите, что токену можно делать.")
    if not set(scopes) <= principal.scopes:
        raise BadToken("Токен не может больше, чем тот, кто его создаёт.")
    now = datetime.now(UTC)
    good = [each for each in await of_tenant(connection) if each.revoked_at is None and each.expires_at > now]
    if len(good) >= MOST_TOKENS:
        raise BadToken(f"Действующих токенов уже {MOST_TOKENS}: отзовите ненужные.")
    body = secrets.token_urlsafe(32)
    secret = f"{PREFIX}{body}{_checksum(body)}"
    async with connection.cursor(row_factory=class_row(Token)) as cursor:
        await cursor.execute(
            QUERIES.add_token.format(COLUMNS),
            (
                digest(secret),
                name,
                principal.role.value,
                principal.partner_id,
                principal.distributor_id,
                sorted(scope.value for scope in scopes),
                secret[-4:],
                principal.actor,
                timedelta(days=days),
            ),
        )
        token = await cursor.fetchone()
    assert token is not None  # noqa: S101
    return NewToken(token, secret)


async def of_tenant(connection: Connection) -> list[Token]:
    """All tokens that the transaction's tenant may see, the newest first."""
    async with connection.cursor(row_factory=class_row(Token)) as cursor:
        await cursor.execute(QUERIES.tokens_of_tenant.format(COLUMNS))
        return await cursor.fetchall()


async def beginning(connection: Connection, low: UUID, high: UUID) -> list[UUID]:
    """The ids within these bounds, nine at most."""
    found = await connection.execute(QUERIES.tokens_beginning, (low, high))
    return [token_id for (token_id,) in await found.fetchall()]


async def revoke(connection: Connection, token_id: UUID) -> bool:
    """Revoke a token, which opens nothing from now on; False when the tenant has no such token."""
    done = await connection.execute(QUERIES.revoke_token, (token_id,))
    return done.rowcount > 0


async def revoke_made_by(connection: Connection, user: User) -> int:
    """Revoke the tokens that a user made for its organisation and that are still good; returns how many."""
    done = await connection.execute(QUERIES.revoke_tokens_made_by, (user.login, user.partner_id, user.distributor_id))
    return done.rowcount


async def principal_of(connection: Connection, secret: str) -> Principal | None:
    """Whom a token stands for; None when it is unknown, expired or revoked."""
    body, checksum = secret.removeprefix(PREFIX)[:-6], secret[-6:]
    if not secret.startswith(PREFIX) or not hmac.compare_digest(_checksum(body).encode(), checksum.encode()):
        return None  # a slip of the pen: not worth a query
    found = await connection.execute(QUERIES.token, (digest(secret),))
    row = await found.fetchone()
    if row is None:
        return None
    token_id, name, role, partner_id, distributor_id, scopes, note = row
    if note:
        await connection.execute(QUERIES.token_used, (token_id,))
    return Principal(
        str(token_id),
        name,
        Role(role),
        partner_id,
        distributor_id,
        frozenset(Scope(each) for each in scopes),
        f"token:{name}"[:100],
    )


def _checksum(body: str) -> str:
    """Six hexadecimal digits that tell a mistyped token from a revoked one."""
    return f"{zlib.crc32(body.encode()) & 0xFFFFFF:06x}"
