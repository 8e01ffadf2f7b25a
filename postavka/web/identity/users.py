"""Users: who may sign in, and as what."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed

from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.store.queries import load_queries
from postavka.web.identity import passwords
from postavka.web.identity.principal import SCOPES, Principal, Role

QUERIES = load_queries("postavka.web.identity")

Connection = psycopg.AsyncConnection[Any]
LOGIN = re.compile(r"[a-z0-9._@+-]{1,100}")
COLUMNS = SQL("user_id, login, name, role, partner_id, distributor_id, password_hash, disabled_at, created_at")


class NoUser(NotFound):
    """No user has this login."""


class BadUser(UserError):
    """A user can't be like this; the message says why."""


@dataclass(frozen=True, slots=True)
class User:
    """A row of `accounts.users`."""

    user_id: UUID
    login: str
    name: str
    role: str
    partner_id: str | None
    distributor_id: str | None
    password_hash: str | None
    disabled_at: datetime | None
    created_at: datetime

    def principal(self, session_id: str | None = None) -> Principal:
        """Acts with all scopes of the role."""
        role = Role(self.role)
        return Principal(
            str(self.user_id),
            self.name,
            role,
            self.partner_id,
            self.distributor_id,
            frozenset(SCOPES[role]),
            self.login,
            session_id,
        )


def login_of(typed: str) -> str:
    """The login as it is stored: small letters without blanks around."""
    return unicodedata.normalize("NFKC", typed).strip().lower()


async def find(connection: Connection, typed: str) -> User | None:
    """The user with this login, disabled or not."""
    login = login_of(typed)
    if not LOGIN.fullmatch(login):
        return None
    return await _one(connection, QUERIES.find_user.format(COLUMNS), (login,))


async def find_by_claim(connection: Connection, issuer: str, subject: str) -> User | None:
    """The user that an OpenID provider knows as `subject`."""
    return await _one(
        connection,
        QUERIES.find_user_by_claim.format(COLUMNS),
        (issuer, subject),
    )


async def link(connection: Connection, user: User, issuer: str, subject: str) -> bool:
    """Remember who the user is at a provider, once; False when it is somebody else there already."""
    done = await connection.execute(QUERIES.link_user, (issuer, subject, user.user_id))
    return done.rowcount == 1


async def add(
    connection: Connection,
    *,
    login: str,
    name: str,
    role: Role,
    partner_id: str | None = None,
    distributor_id: str | None = None,
    password: str | None = None,
    checked: bool = True,
) -> User:
    """Add a user. Without a password it can sign in through OpenID Connect only. Raises `BadUser`."""
    login = login_of(login)
    if not LOGIN.fullmatch(login):
        raise BadUser("a login is 1 to 100 small Latin letters, digits and . _ @ + -")
    if (role is Role.PARTNER) != (partner_id is not None):
        raise BadUser("a partner's user needs --partner, others must not have it")
    if (role is Role.DISTRIBUTOR) != (distributor_id is not None):
        raise BadUser("a distributor's user needs --distributor, others must not have it")
    if password is not None and checked:
        passwords.check(password, login, name)
    hashed = None if password is None else await passwords.make_hash(password)
    try:
        row = await _one(
            connection,
            QUERIES.add_user.format(COLUMNS),
            (login, name, role.value, partner_id, distributor_id, hashed),
        )
    except psycopg.errors.UniqueViolation:
        raise BadUser(f"the login {login!r} is taken") from None
    assert row is not None  # noqa: S101
    return row


async def set_password(connection: Connection, user: User, password: str, *, keep_session: str | None = None) -> None:
    """Set a new password; all sessions end but the one that asked. Raises `passwords.WeakPassword`."""
    passwords.check(password, user.login, user.name)
    hashed = await passwords.make_hash(password)
    await connection.execute(QUERIES.set_password, (hashed, user.user_id))
    await connection.execute(QUERIES.end_sessions_but, (user.user_id, keep_session))
    await connection.execute(QUERIES.forget_devices, (user.user_id,))


async def store_hash(connection: Connection, user: User, hashed: str) -> None:
    """The same password with today's parameters."""
    await connection.execute(QUERIES.store_hash, (hashed, user.user_id, user.password_hash))


async def disable(connection: Connection, login: str, *, disabled: bool = True) -> User:
    """Close or reopen an account; closing ends its sessions at once. Raises `NoUser`."""
    row = await _one(
        connection,
        QUERIES.disable_user.format(COLUMNS),
        (disabled, login_of(login)),
    )
    if row is None:
        raise NoUser(f"there is no user {login!r}")
    if disabled:
        await connection.execute(QUERIES.end_sessions, (row.user_id,))
        await connection.execute(QUERIES.forget_devices, (row.user_id,))
    return row


async def all_users(connection: Connection) -> list[User]:
    """All users, by login."""
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(QUERIES.all_users.format(COLUMNS))
        return await cursor.fetchall()


async def _one(connection: Connection, query: Composed, values: tuple[Any, ...]) -> User | None:
    async with connection.cursor(row_factory=class_row(User)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchone()
