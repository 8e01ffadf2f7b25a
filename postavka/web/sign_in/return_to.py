"""Signing in on the way to somewhere: back to the page that was asked for, with what was typed.

A form that is sent after its session has ended is not lost: the sign-in page carries its fields along as hidden ones,
and the page after signing in sends them on. It works without JavaScript. Files can't be carried.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from postavka.web.authorization import CSRF_FIELD, SAFE
from postavka.web.rendering import page

CARRIED = "carried."
"""Prefix of the fields that are carried along."""
CARRIED_TO = "carried-to"
MOST_FIELDS = 60
MOST_CHARACTERS = 60_000

Fields = list[tuple[str, str]]


def own_path(path: str | None) -> str:
    """Only paths of our own are returned to: another site's address becomes the start page."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    return path if len(path) <= 1_000 and not path.startswith(("/sign-in", "/sign-out", "/api/")) else "/"


def back_to(path: str, **said: str) -> RedirectResponse:
    """Back to a page of our own, which says what has come of it: by words in its address."""
    return RedirectResponse(f"{path}{'&' if '?' in path else '?'}{urlencode(said)}", 303)


async def sign_in_again(request: Request) -> Response:
    """Nobody is signed in: to the sign-in page, with everything that was typed."""
    if request.method in SAFE:
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        target = own_path(asked)
        return RedirectResponse("/sign-in" + (f"?next={quote(target, safe='/')}" if target != "/" else ""), 303)
    fields = await typed(request)
    # 401 rather than a redirect: the fields can't be in an address. htmx shows it by the header.
    headers = {"HX-Retarget": "body", "HX-Reswap": "innerHTML", "WWW-Authenticate": "Cookie"}
    return page(
        request,
        "sign_in.html",
        401,
        headers,
        login="",
        trouble="Время входа истекло. Войдите снова: введённое сохранено.",
        next="/",
        carried_to=own_path(request.url.path),
        carried=fields,
        oidc=oidc_name(request),
    )


async def typed(request: Request) -> Fields:
    """The text fields of the form that was sent."""
    form = await request.form()
    return bounded((name, value) for name, value in form.multi_items() if isinstance(value, str))


def bounded(pairs: Iterable[tuple[str, str]]) -> Fields:
    """What is worth carrying: no passwords, not our own fields, not a novel."""
    kept = [
        (name, value)
        for name, value in pairs
        if name != CSRF_FIELD and "password" not in name and not name.startswith(CARRIED) and name != CARRIED_TO
    ][:MOST_FIELDS]
    return kept if sum(len(name) + len(value) for name, value in kept) <= MOST_CHARACTERS else []


def carried_in(pairs: Iterable[tuple[str, str]]) -> Fields:
    """The fields that a sign-in form has carried."""
    return bounded((name.removeprefix(CARRIED), value) for name, value in pairs if name.startswith(CARRIED))


def oidc_name(request: Request) -> str | None:
    """The text of the button for OpenID Connect; None when it is off."""
    config = request.app.state.web.config
    return config.oidc_name if config.oidc_issuer else None
