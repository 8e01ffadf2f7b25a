"""The roles and scopes that open a route: each route says it with `allowed(…)` or `everybody`, and nothing else decides
it.

Not signed in: the sign-in page, or 401 for a program. Signed in with another role, or with a token that lacks the
scope: 404, the same as where there is nothing. A changing request of a person must carry the CSRF token.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from postavka.kernel.process.logs import logger
from postavka.web.identity.principal import Principal, Role, Scope
from postavka.web.problem import not_found, problem
from postavka.web.visitor import Visitor, visitor_of

log = logger(__name__)
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
FORMS = frozenset(("application/x-www-form-urlencoded", "multipart/form-data"))
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"


class NotSignedIn(Exception):
    """Nobody is signed in, or the session is over."""


class Gate:
    """The dependency behind `allowed` and `everybody`."""

    def __init__(self, roles: frozenset[Role], scope: Scope | None, *, anybody: bool, link: bool = False) -> None:
        self.roles, self.scope, self.anybody, self.link = roles, scope, anybody, link

    async def __call__(self, request: Request) -> Principal | None:
        visitor = visitor_of(request)
        if visitor.bad_token:
            raise NotSignedIn
        principal = visitor.principal
        if principal is not None and visitor.by_token:
            await request.app.state.web.throttle.call(principal.owner)
        if principal is None and not self.anybody:
            raise NotSignedIn
        if principal is not None and not self.anybody:
            self._check_role(request, principal)  # before anything of the body is read
        if request.method not in SAFE:
            await _check_texts(request)
            if not visitor.by_token and not self.link:
                await check_csrf(request, visitor)
        return principal

    def _check_role(self, request: Request, principal: Principal) -> None:
        if principal.role not in self.roles or (self.scope is not None and self.scope not in principal.scopes):
            log.warning(
                "not allowed",
                actor=principal.actor,
                role=principal.role.value,
                path=request.url.path,
                scope=self.scope.value if self.scope else None,
            )
            raise not_found()


def allowed(*roles: Role, scope: Scope | None = None) -> Any:
    """`principal: Annotated[Principal, allowed(Role.PARTNER)]`. `scope`: what a token must be good for."""
    return Depends(Gate(frozenset(roles), scope, anybody=False))


ANYBODY: Any = Depends(Gate(frozenset(), None, anybody=True))
"""`visitor: Annotated[Principal | None, ANYBODY]`: public pages."""

LINK: Any = Depends(Gate(frozenset(), None, anybody=True, link=True))
"""`visitor: Annotated[Principal | None, LINK]`: a link that proves itself by a signature in it. What it does is done on
nobody's behalf, so that nothing can be forged; mail programs post to it without a cookie (RFC 8058)."""

SIGNED_IN: Any = allowed(*Role)
"""`principal: Annotated[Principal, SIGNED_IN]`: all roles."""


async def _check_texts(request: Request) -> None:
    """Raises `Problem` for NUL in a form's text: PostgreSQL keeps one in no text. Of JSON the models say it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() in FORMS:
        for _, value in (await request.form()).multi_items():
            if isinstance(value, str) and "\x00" in value:
                raise problem(400, "bad-request", "В тексте есть знак с кодом 0.")


async def check_csrf(request: Request, visitor: Visitor) -> None:
    """Raises `Problem` when a form or script isn't ours. A token comes in the header, or in the form's field."""
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        field: Any = (await request.form()).get(CSRF_FIELD)
        given = field if isinstance(field, str) else ""
    if not hmac.compare_digest(given.encode(), visitor.csrf_token().encode()):
        raise problem(403, "forged", "Откройте страницу заново и повторите: её защитный знак устарел.")


def same_origin(method: str, headers: Any, host: str) -> bool:
    """Does the browser say that a changing request comes from our own page? Old browsers say nothing."""
    if method in SAFE:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or (origin != "null" and urlsplit(origin).netloc == host)


def gate_of(route: RouteContext) -> Gate | None:
    """Who may use this route; None when it doesn't say."""
    if not isinstance(route.original_route, APIRoute):
        return None
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        if isinstance(dependant.call, Gate):
            return dependant.call
        waiting.extend(dependant.dependencies)
    return None


def check_routes(app: FastAPI, without: frozenset[str]) -> None:
    """Every route says who may use it. Raises `AssertionError` naming those that don't; but for `without`."""
    silent = sorted(
        f"{route.path}"
        for route in iter_route_contexts(app.routes)
        if route.path not in without and gate_of(route) is None
    )
    if silent:
        raise AssertionError(f"routes that don't say who may use them: {', '.join(silent)}")
