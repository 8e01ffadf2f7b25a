"""Signing in through an OpenID Connect provider, where one is set."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from postavka.kernel.process.logs import logger
from postavka.web.authorization import ANYBODY
from postavka.web.identity import users
from postavka.web.identity.principal import Principal
from postavka.web.openid import NotVouched, Started
from postavka.web.problem import not_found
from postavka.web.sign_in.page import begin, sign_in_form
from postavka.web.sign_in.return_to import own_path
from postavka.web.state import web
from postavka.web.visitor import Cookies, visitor_of

log = logger(__name__)
router = APIRouter(include_in_schema=False)
UNKNOWN = "Для вас нет учётной записи. Попросите администратора завести её."
FAILED = "Войти не удалось. Попробуйте ещё раз или войдите с паролем."
MINUTES = 10


@router.get("/sign-in/oidc")
async def start(request: Request, _: Annotated[Principal | None, ANYBODY], next: str = "/") -> Response:
    """Send the browser to the provider."""
    parts = web(request)
    if parts.provider is None:
        raise not_found()
    started = parts.provider.start(own_path(next))
    try:
        address = await parts.provider.address(started)
    except NotVouched as away:
        log.warning("the OpenID provider can't be asked", error=str(away))
        return sign_in_form(request, 503, trouble=FAILED)
    cookies = Cookies(parts.config.secure)
    # Lax: the browser comes back from another site.
    sealed = started.pack(parts.provider.key)
    visitor_of(request).cookies.append(cookies.make(cookies.name("oidc"), sealed, seconds=MINUTES * 60))
    return RedirectResponse(address, 303)


@router.get("/sign-in/oidc/back")
async def back(
    request: Request,
    _: Annotated[Principal | None, ANYBODY],
    state: str = "",
    code: str = "",
    error: str = "",
    iss: str | None = None,
) -> Response:
    """The browser comes back with a code: who is it, and has it an account here?"""
    parts, visitor = web(request), visitor_of(request)
    if parts.provider is None:
        raise not_found()
    cookies = Cookies(parts.config.secure)
    name = cookies.name("oidc")
    started = Started.unpack(request.cookies.get(name, ""), parts.provider.key)
    visitor.cookies.append(cookies.remove(name))  # good for one try
    if started is None or error or not code:
        log.warning("no sign-in through OpenID Connect", error=error[:100], known=started is not None)
        return sign_in_form(request, 401, trouble=FAILED)
    try:
        who = await parts.provider.identity(started, state, code, iss)
    except NotVouched as wrong:
        log.warning("no sign-in through OpenID Connect", error=str(wrong), address=visitor.address)
        return sign_in_form(request, 401, trouble=FAILED)
    async with parts.database.accounts() as rows:
        user = await users.find_by_claim(rows, who.issuer, who.subject)
        if user is None:
            user = await users.find(rows, who.login)
            if user is not None and not await users.link(rows, user, who.issuer, who.subject):
                user = None  # the login belongs to another person there by now
    if user is None or user.disabled_at is not None:
        log.warning("OpenID Connect: no account", address=visitor.address)
        return sign_in_form(request, 401, trouble=UNKNOWN)
    await begin(parts, visitor, request, user, "openid", known_browser=True)
    visitor.cookies.append(cookies.remove(name))
    return RedirectResponse(own_path(started.next), 303)
