"""Signing in with login and password, and out again (L3)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from postavka.kernel.process.logs import logger
from postavka.web.authorization import ANYBODY
from postavka.web.formats import plural
from postavka.web.identity import passwords, sessions, users
from postavka.web.identity.principal import Principal, Role
from postavka.web.rendering import page
from postavka.web.sign_in.return_to import CARRIED_TO, Fields, carried_in, oidc_name, own_path
from postavka.web.state import Web, web
from postavka.web.throttle import TooMany
from postavka.web.visitor import Cookies, Visitor, visitor_of

log = logger(__name__)
router = APIRouter(include_in_schema=False)

WRONG = "Неверный логин или пароль."
"""Also where there is no such user, or it is disabled."""
HOMES = {Role.PARTNER: "/requests", Role.DISTRIBUTOR: "/waiting", Role.OPS: "/ops", Role.AUDITOR: "/audit"}
"""Where each role begins."""


@router.get("/")
async def home(request: Request, principal: Annotated[Principal | None, ANYBODY]) -> Response:
    """Where this role begins; strangers sign in first."""
    if principal is None:
        return RedirectResponse("/sign-in", 303)
    return RedirectResponse(HOMES[principal.role], 303)


@router.get("/sign-in")
async def sign_in_page(request: Request, principal: Annotated[Principal | None, ANYBODY], next: str = "/") -> Response:
    """The page with the form for signing in. Who is signed in already goes on."""
    if principal is not None:
        return RedirectResponse(own_path(next), 303)
    return sign_in_form(request, next=own_path(next))


@router.post("/sign-in")
async def sign_in(request: Request, _: Annotated[Principal | None, ANYBODY]) -> Response:
    """Look at login and password. The same words and the same work whether the user exists or not."""
    form = await request.form()
    login, password = users.login_of(_text(form, "login"))[:200], _text(form, "password")
    target, carried_to = own_path(_text(form, "next")), _text(form, CARRIED_TO)
    carried = carried_in((name, value) for name, value in form.multi_items() if isinstance(value, str))
    parts, visitor = web(request), visitor_of(request)

    def again(trouble: str, status: int, seconds: int | None = None) -> Response:
        headers = {"Retry-After": str(seconds)} if seconds else None
        return sign_in_form(
            request, status, headers, login=login, trouble=trouble, next=target, carried_to=carried_to, carried=carried
        )

    async with parts.database.accounts() as rows:
        known = await sessions.knows_device(rows, login, visitor.device)
    device = visitor.device if known else None
    try:
        async with parts.throttle.sign_in(login, visitor.address, device) as attempt:
            async with parts.database.accounts() as rows:
                user = await users.find(rows, login)
            open_user = user if user is not None and user.disabled_at is None else None
            fits, fresh_hash = await passwords.verify(password, open_user.password_hash if open_user else None)
            attempt.fits = fits and open_user is not None
    except TooMany as wait:
        log.warning("too many failed sign-ins", address=visitor.address, known_browser=known)
        minutes = plural(-(-wait.seconds // 60), "минуту", "минуты", "минут")
        return again(f"Слишком много неудачных попыток. Повторите через {minutes}.", 429, wait.seconds)
    if not fits or open_user is None:
        # A login that nobody has may be a password, typed into the wrong field.
        log.warning("sign-in failed", login=user.login if user else None, address=visitor.address)
        return again(WRONG, 401)
    if fresh_hash is not None:
        async with parts.database.accounts() as rows:
            await users.store_hash(rows, open_user, fresh_hash)
    await begin(parts, visitor, request, open_user, "password", known)
    if carried:
        return page(request, "signed_in_again.html", target=own_path(carried_to), carried=carried)
    return RedirectResponse(target, 303)


@router.post("/sign-out")
async def sign_out(request: Request, _: Annotated[Principal | None, ANYBODY]) -> Response:
    """End the session, here and in the database."""
    parts, visitor = web(request), visitor_of(request)
    if visitor.session_secret is not None:
        async with parts.database.accounts() as rows:
            await sessions.end(rows, visitor.session_secret)
        if visitor.principal is not None:
            log.info("signed out", login=visitor.principal.actor)
    cookies = Cookies(parts.config.secure)
    visitor.cookies = [cookies.remove(cookies.session)]
    return RedirectResponse("/sign-in", 303, headers={"Clear-Site-Data": '"cache"'})


async def begin(
    parts: Web, visitor: Visitor, request: Request, user: users.User, method: str, known_browser: bool
) -> None:
    """A new session with a new id, whatever cookie there was before; its cookie goes out with the answer."""
    cookies = Cookies(parts.config.secure)
    async with parts.database.accounts() as rows:
        if visitor.session_secret is not None:
            await sessions.end(rows, visitor.session_secret)
        secret = await sessions.start(
            rows, user, method=method, address=visitor.address, agent=request.headers.get("user-agent")
        )
        session = await sessions.resume(rows, secret, parts.config.lifetimes)
        device = None if known_browser else await sessions.remember_device(rows, user)
    assert session is not None  # noqa: S101
    visitor.principal, visitor.csrf_key, visitor.session_secret = (
        user.principal(session.session_id),
        session.csrf_key,
        secret,
    )
    visitor.cookies = [cookies.make(cookies.session, secret), cookies.remove(cookies.visitor)]
    if device is not None:
        days = sessions.DEVICE_DAYS
        visitor.cookies.append(cookies.make(cookies.device, device, seconds=days * 86_400, same_site="Strict"))
    log.info("signed in", login=user.login, role=user.role, method=method, address=visitor.address)


def sign_in_form(
    request: Request,
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    login: str = "",
    trouble: str | None = None,
    next: str = "/",
    carried_to: str = "",
    carried: Fields | None = None,
) -> Response:
    """The sign-in page, with what was typed and what was wrong."""
    return page(
        request,
        "sign_in.html",
        status,
        headers,
        login=login,
        trouble=trouble,
        next=next,
        carried_to=carried_to,
        carried=carried or [],
        oidc=oidc_name(request),
    )


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
