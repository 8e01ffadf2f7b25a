"""One's own account: where one is signed in, the password, and tokens for programs."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from postavka.kernel.process.logs import logger
from postavka.web.authorization import SIGNED_IN, allowed
from postavka.web.frame import show
from postavka.web.identity import passwords, sessions, tokens, users
from postavka.web.identity.principal import SCOPES, Principal, Role, Scope
from postavka.web.problem import not_found
from postavka.web.state import web
from postavka.web.throttle import TooMany
from postavka.web.visitor import visitor_of

log = logger(__name__)
router = APIRouter(include_in_schema=False)
TENANT = allowed(Role.PARTNER, Role.DISTRIBUTOR)
DEFAULT_DAYS = 180

SCOPE_TITLES = {
    Scope.READ: "Читать заявки, поставки, документы и справочники",
    Scope.SUBMIT: "Отправлять и отзывать заявки, активировать",
    Scope.CONFIRM: "Отвечать на заявки партнёров",
    Scope.SIGN: "Возвращать подписанные документы",
    Scope.WEBHOOKS: "Настраивать вебхуки",
    Scope.OPERATE: "Улаживать непринятое и напоминать",
}


@router.get("/account")
async def account(request: Request, principal: Annotated[Principal, SIGNED_IN]) -> Response:
    """The page with sessions, password and tokens."""
    return await _show(request, principal)


@router.post("/account/sessions/{session_id}/end")
async def end_session(request: Request, session_id: UUID, principal: Annotated[Principal, SIGNED_IN]) -> Response:
    """End one of one's own sessions."""
    async with web(request).database.accounts() as rows:
        if not await sessions.revoke(rows, principal.id, str(session_id)):
            raise not_found()
    log.info("session ended", login=principal.actor)
    return RedirectResponse("/account?done=session-ended", 303)


@router.post("/account/sessions/end-others")
async def end_other_sessions(request: Request, principal: Annotated[Principal, SIGNED_IN]) -> Response:
    """End all of one's sessions but this one."""
    async with web(request).database.accounts() as rows:
        await sessions.revoke_others(rows, principal.id, principal.session_id or "")
    log.info("other sessions ended", login=principal.actor)
    return RedirectResponse("/account?done=session-ended", 303)


@router.post("/account/password")
async def change_password(request: Request, principal: Annotated[Principal, SIGNED_IN]) -> Response:
    """A new password, for who knows the present one; all other sessions end."""
    form = await request.form()
    present, wanted, again = (str(form.get(name, "")) for name in ("password", "new-password", "new-password-again"))
    parts, visitor = web(request), visitor_of(request)
    try:
        # Guessing at the present password from a stolen session is counted like guessing at sign-in.
        async with parts.throttle.sign_in(principal.actor, visitor.address, principal.session_id) as attempt:
            async with parts.database.accounts() as rows:
                user = await users.find(rows, principal.actor)
            if user is None:
                raise not_found()
            attempt.fits, _ = await passwords.verify(present, user.password_hash)
    except TooMany as wait:
        return await _show(request, principal, 429, trouble=f"Слишком много попыток. Повторите через {wait.seconds} с.")
    if not attempt.fits:
        return await _show(request, principal, 422, trouble="Нынешний пароль неверен.")
    if wanted != again:
        return await _show(request, principal, 422, trouble="Новый пароль и его повтор не совпадают.")
    try:
        async with parts.database.accounts() as rows:
            await users.set_password(rows, user, wanted, keep_session=principal.session_id)
    except passwords.WeakPassword as weak:
        return await _show(request, principal, 422, trouble=str(weak))
    log.info("password changed", login=principal.actor)
    return RedirectResponse("/account?done=password", 303)


@router.post("/account/tokens")
async def make_token(request: Request, principal: Annotated[Principal, TENANT]) -> Response:
    """A new token of one's tenant: this answer is the only place where it is shown."""
    form = await request.form()
    asked = [str(each) for each in form.getlist("scope")]
    scopes = [each for each in SCOPES[principal.role] if each.value in asked]
    days = str(form.get("days") or DEFAULT_DAYS)
    try:
        async with web(request).database.rows(principal) as rows:
            made = await tokens.make(
                rows,
                principal,
                name=str(form.get("name", "")),
                scopes=scopes,
                days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0,
            )
    except tokens.BadToken as wrong:
        return await _show(request, principal, 422, trouble=str(wrong))
    log.info("token made", login=principal.actor, name=made.token.name, scopes=made.token.scopes)
    return await _show(request, principal, secret=made.secret)


@router.post("/account/tokens/{token_id}/revoke")
async def revoke_token(request: Request, token_id: UUID, principal: Annotated[Principal, TENANT]) -> Response:
    """It opens nothing any more, at once."""
    async with web(request).database.rows(principal) as rows:
        if not await tokens.revoke(rows, token_id):
            raise not_found()
    log.info("token revoked", login=principal.actor)
    return RedirectResponse("/account?done=token-revoked", 303)


async def _show(
    request: Request,
    principal: Principal,
    status: int = 200,
    *,
    trouble: str | None = None,
    secret: str | None = None,
) -> Response:
    parts = web(request)
    async with parts.database.accounts() as rows:
        here = await sessions.of_user(rows, principal.id, parts.config.lifetimes)
        user = await users.find(rows, principal.actor)
    return await show(
        request,
        principal,
        "account.html",
        status,
        trouble=trouble,
        secret=secret,
        sessions=[_session(each, principal) for each in here],
        tokens=await _tokens(request, principal),
        scopes=[(scope.value, SCOPE_TITLES[scope]) for scope in SCOPES[principal.role]],
        default_days=DEFAULT_DAYS,
        has_password=user is not None and user.password_hash is not None,
        shortest=passwords.SHORTEST,
    )


def _session(listed: sessions.ListedSession, principal: Principal) -> dict[str, Any]:
    return {
        "id": listed.session_id,
        "agent": browser(listed.agent),
        "address": listed.address or "—",
        "seen_at": listed.seen_at,
        "created_at": listed.created_at,
        "here": str(listed.session_id) == principal.session_id,
    }


async def _tokens(request: Request, principal: Principal) -> list[dict[str, Any]] | None:
    """The tokens as the page shows them; None where a role has none."""
    if principal.role not in (Role.PARTNER, Role.DISTRIBUTOR):
        return None
    async with web(request).database.rows(principal) as rows:
        found = await tokens.of_tenant(rows)
    return [
        {
            "id": each.token_id,
            "name": each.name,
            "hint": each.hint,
            "scopes": [SCOPE_TITLES[Scope(scope)] for scope in each.scopes],
            "created_by": each.created_by,
            "created_at": each.created_at,
            "expires_at": each.expires_at,
            "last_used_at": each.last_used_at,
        }
        for each in found
        if each.revoked_at is None
    ]


BROWSERS = (("Edg/", "Edge"), ("YaBrowser/", "Яндекс Браузер"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"))
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def browser(agent: str | None) -> str:
    """«Firefox, Linux» for what a browser says of itself."""
    text = agent or ""
    name = next((title for sign, title in BROWSERS if sign in text), "Safari" if "Safari/" in text else "Программа")
    system = next((title for sign, title in SYSTEMS if sign in text), None)
    return f"{name}, {system}" if system else name
