"""The visitor, who is at the other end: found out once a request, before any route is looked for.

A person is known by the cookie of its session, a program by its token. Without either it is an anonymous visitor with a
random cookie, which its forms' CSRF tokens are made from.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from uuid import UUID

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postavka.web.database import Database
from postavka.web.identity import sessions, tokens
from postavka.web.identity.principal import Principal
from postavka.web.settings import WebSettings

WITHOUT_VISITOR = ("/static/", "/healthz", "/livez", "/readyz", "/metrics")


@dataclass(slots=True)
class Visitor:
    """Set on every request as `request.state.visitor`."""

    address: str
    principal: Principal | None = None
    by_token: bool = False
    bad_token: bool = False
    """A token was given that opens nothing: never fall back on a cookie."""
    expired: bool = False
    """There was a session; it is over."""
    csrf_key: bytes = b""
    session_secret: str | None = None
    device: str | None = None
    cookies: list[str] = field(default_factory=list)
    """`Set-Cookie` values to go out with the answer."""
    shown: set[UUID] = field(default_factory=set)
    """Requests that this answer shows beside the one that its address names: the auditor sees who looked at them. A
    stream adds to it before it sends more."""
    planned: Sequence[Any] = ()
    """Commands that this person has under way (`postavka.web.planned`), for the bar of its pages."""
    badges: Mapping[str, int] = field(default_factory=dict)
    """How much waits for this person in each section, by the section's path: what the menu shows."""
    badges_path: str = ""
    """Where a page that stays open asks for the same again; empty where nobody counts it."""

    def csrf_token(self) -> str:
        """The token for the forms of this answer."""
        return sessions.csrf_token(self.csrf_key)


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names and attributes of our cookies. `__Host-` where https makes it possible: no sister domain can set those."""

    secure: bool

    def name(self, plain: str) -> str:
        """The name of a cookie, as browsers see it."""
        return f"__Host-{plain}" if self.secure else f"postavka-{plain}"

    @property
    def session(self) -> str:
        """The name of the cookie of a signed-in person."""
        return self.name("session")

    @property
    def visitor(self) -> str:
        """The name of the cookie of a visitor who isn't signed in."""
        return self.name("visitor")

    @property
    def device(self) -> str:
        """The name of the cookie of a browser in which somebody has signed in."""
        return self.name("device")

    def make(self, name: str, value: str, *, seconds: int | None = None, same_site: str = "Lax") -> str:
        """The header `Set-Cookie` for a value; without `seconds` it ends with the browser."""
        parts = [f"{name}={value}", "Path=/", "HttpOnly", f"SameSite={same_site}"]
        if seconds is not None:
            parts.append(f"Max-Age={seconds}")
        if self.secure:
            parts.append("Secure")
        return "; ".join(parts)

    def remove(self, name: str) -> str:
        """A `Set-Cookie` value that takes it away."""
        return self.make(name, "", seconds=0)


class Visitors:
    """The ASGI layer that finds out and sends the cookies."""

    def __init__(self, app: ASGIApp, database: Database, config: WebSettings) -> None:
        self._app, self._database, self._config = app, database, config
        self._cookies = Cookies(config.secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(WITHOUT_VISITOR):
            await self._app(scope, receive, send)
            return
        visitor = await self._visitor(HTTPConnection(scope))
        scope.setdefault("state", {})["visitor"] = visitor

        async def with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start" and visitor.cookies:
                headers = MutableHeaders(scope=message)
                for cookie in visitor.cookies:
                    headers.append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, with_cookies)

    async def _visitor(self, connection: HTTPConnection) -> Visitor:
        visitor = Visitor(connection.client.host if connection.client else "unknown")
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme:
            visitor.by_token = True
            if scheme.lower() == "bearer" and connection.url.path.startswith("/api/"):  # pages are for people
                async with self._database.accounts() as rows:
                    visitor.principal = await tokens.principal_of(rows, token.strip())
            visitor.bad_token = visitor.principal is None
            return visitor
        jar = _cookies(connection.headers)
        visitor.device = jar.get(self._cookies.device)
        secret = jar.get(self._cookies.session)
        if secret:
            async with self._database.accounts() as rows:
                session = await sessions.resume(rows, secret, self._config.lifetimes)
            if session is not None:
                visitor.principal = session.user.principal(session.session_id)
                visitor.csrf_key = session.csrf_key
                visitor.session_secret = session.fresh_secret or secret
                if session.fresh_secret is not None:
                    visitor.cookies.append(self._cookies.make(self._cookies.session, session.fresh_secret))
                return visitor
            visitor.expired = True
            visitor.cookies.append(self._cookies.remove(self._cookies.session))
        known = jar.get(self._cookies.visitor, "")
        if not 20 <= len(known) <= 100:
            known = secrets.token_urlsafe(24)
            visitor.cookies.append(self._cookies.make(self._cookies.visitor, known))
        visitor.csrf_key = known.encode()
        return visitor


def _cookies(headers: Headers) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def visitor_of(connection: HTTPConnection) -> Visitor:
    """The visitor of this request."""
    found: Any = connection.state.visitor
    assert isinstance(found, Visitor)  # noqa: S101
    return found
