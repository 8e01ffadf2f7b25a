"""Sessions of signed-in people, and the browsers they are known in.

A cookie holds 256 random bits; the database their SHA-256. The id changes at sign-in and every `rotate` after that;
the former one stays good for some seconds, so that requests under way are not thrown out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from postavka.kernel.store.queries import load_queries
from postavka.web.identity.users import User

QUERIES = load_queries("postavka.web.identity")

Connection = psycopg.AsyncConnection[Any]
FORMER_SECONDS = 60
"""How long the id before the last rotation is still taken."""
DEVICE_DAYS = 180


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The lifetimes of a session."""

    idle: timedelta
    """Without a request."""
    absolute: timedelta
    """From the sign-in."""
    rotate: timedelta
    """Between changes of the id."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is good now."""

    user: User
    session_id: str
    csrf_key: bytes
    fresh_secret: str | None
    """The id has just been changed: set this in the cookie."""

    def csrf_token(self) -> str:
        """What forms of this session carry."""
        return csrf_token(self.csrf_key)


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as its user sees it."""

    session_id: UUID
    method: str
    address: str | None
    agent: str | None
    created_at: datetime
    seen_at: datetime


def csrf_token(key: bytes) -> str:
    """The token against forged forms, from a session's key or from an anonymous visitor's cookie."""
    return hmac.new(key, b"csrf", hashlib.sha256).hexdigest()


def digest(secret: str) -> bytes:
    """How ids of cookies and tokens are stored: they are random, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


async def start(connection: Connection, user: User, *, method: str, address: str | None, agent: str | None) -> str:
    """Start a session; returns the secret for the cookie."""
    secret = secrets.token_urlsafe(32)
    await connection.execute(
        QUERIES.start_session,
        (digest(secret), user.user_id, secrets.token_bytes(32), method, address, (agent or "")[:300] or None),
    )
    return secret


async def resume(connection: Connection, secret: str, lifetimes: Lifetimes) -> Session | None:
    """The session of a cookie; None when there is none, it has expired, or its user is disabled."""
    hashed = digest(secret)
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            QUERIES.session,
            {
                "id": hashed,
                "idle": lifetimes.idle,
                "absolute": lifetimes.absolute,
                "rotate": lifetimes.rotate,
                "former": timedelta(seconds=FORMER_SECONDS),
            },
        )
        row = await cursor.fetchone()
    if row is None:
        return None
    session_id, csrf_key = row.pop("session_id"), row.pop("csrf_key")
    current, due, seen_long_ago = row.pop("current"), row.pop("due"), row.pop("seen_long_ago")
    fresh: str | None = None
    if current and due:
        fresh = await _rotate(connection, hashed)
    elif seen_long_ago:
        await connection.execute(QUERIES.session_seen, (session_id,))
    return Session(User(**row), str(session_id), csrf_key, fresh)


async def end(connection: Connection, secret: str) -> None:
    """Sign out."""
    hashed = digest(secret)
    await connection.execute(QUERIES.end_session, (hashed, hashed))


async def of_user(connection: Connection, user_id: str, lifetimes: Lifetimes) -> list[ListedSession]:
    """Where the user is signed in, the last seen first."""
    async with connection.cursor(row_factory=class_row(ListedSession)) as cursor:
        await cursor.execute(QUERIES.sessions_of, (user_id, lifetimes.idle, lifetimes.absolute))
        return await cursor.fetchall()


async def revoke(connection: Connection, user_id: str, session_id: str) -> bool:
    """End one session of this user; False when it has no such session."""
    done = await connection.execute(QUERIES.revoke_session, (user_id, session_id))
    return done.rowcount > 0


async def revoke_others(connection: Connection, user_id: str, session_id: str) -> int:
    """End all sessions of this user but one; returns how many ended."""
    done = await connection.execute(QUERIES.revoke_other_sessions, (user_id, session_id))
    return done.rowcount


async def remember_device(connection: Connection, user: User) -> str:
    """This browser has signed in as this user: returns the secret for its cookie."""
    secret = secrets.token_urlsafe(32)
    await connection.execute(QUERIES.remember_device, (digest(secret), user.user_id))
    return secret


async def knows_device(connection: Connection, login: str, secret: str | None) -> bool:
    """Has this browser signed in with this login before?"""
    if not secret:
        return False
    found = await connection.execute(QUERIES.knows_device, (digest(secret), login, timedelta(days=DEVICE_DAYS)))
    return await found.fetchone() is not None


async def sweep(connection: Connection, lifetimes: Lifetimes) -> int:
    """Remove what has expired; returns how many sessions went."""
    await connection.execute(QUERIES.expire_devices, (timedelta(days=DEVICE_DAYS),))
    done = await connection.execute(QUERIES.expire_sessions, (lifetimes.idle, lifetimes.absolute))
    return done.rowcount


async def _rotate(connection: Connection, hashed: bytes) -> str | None:
    """Give a session a new id; two requests at once rotate once: the slower one finds the id changed and goes on with
    the former."""
    secret = secrets.token_urlsafe(32)
    done = await connection.execute(QUERIES.rotate_session, (digest(secret), hashed))
    return secret if done.rowcount else None
