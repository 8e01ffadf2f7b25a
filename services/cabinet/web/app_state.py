"""The parts of the application, as routes reach them."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from postavka.blobs import Blobs
from postavka.settings import Settings
from services.accounts.principal import Principal
from services.accounts.standing import still_good
from services.cabinet.tax import Register
from services.cabinet.web.commands import Commands
from services.cabinet.web.database import Database
from services.cabinet.web.live import Live
from services.cabinet.web.openid import Provider
from services.cabinet.web.recently import Recently
from services.cabinet.web.rendering import Rendering
from services.cabinet.web.settings import WebSettings
from services.cabinet.web.throttle import Throttle


@dataclass(slots=True)
class Web:
    """Made by `create_app`; routes get it by `web(request)`."""

    config: WebSettings
    kernel: Settings
    database: Database
    commands: Commands
    live: Live
    throttle: Throttle
    register: Register
    """Of companies by tax number (L10)."""
    rendering: Rendering
    recently: Recently
    provider: Provider | None
    """Of OpenID Connect, if one is set."""
    blobs: Blobs
    """The bytes of documents (L14-L16)."""
    conninfo: str
    """For `services.reference.store`, which keeps connections of its own."""


def web(request: Request) -> Web:
    """The parts of the application."""
    found: Web = request.app.state.web
    return found


async def is_let_in(parts: Web, principal: Principal) -> bool:
    """For streams: signing out, a disabled user or a revoked token end one with the next thing it would tell."""
    async with parts.database.accounts() as rows:
        return await still_good(rows, principal, parts.config.lifetimes)
