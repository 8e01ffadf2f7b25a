"""The parts of the application, as routes reach them."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from postavka.domain.tax_register import TaxRegister
from postavka.kernel.blobs import Blobs
from postavka.kernel.settings import Settings
from postavka.web.commands import Commands
from postavka.web.database import Database
from postavka.web.identity.principal import Principal
from postavka.web.identity.standing import still_good
from postavka.web.live import Live
from postavka.web.openid import Provider
from postavka.web.recently import Recently
from postavka.web.rendering import Rendering
from postavka.web.settings import WebSettings
from postavka.web.throttle import Throttle


@dataclass(slots=True)
class Web:
    """The parts of the web application, made by `assemble`; routes get it by `web(request)`."""

    config: WebSettings
    kernel: Settings
    database: Database
    commands: Commands
    live: Live
    throttle: Throttle
    register: TaxRegister
    """Of companies by tax number (L10)."""
    rendering: Rendering
    recently: Recently
    provider: Provider | None
    """Of OpenID Connect, if one is set."""
    blobs: Blobs
    """The bytes of documents (L14-L16)."""
    conninfo: str
    """For `postavka.domain.reference.store`, which keeps connections of its own."""


def web(request: Request) -> Web:
    """The parts of the application."""
    found: Web = request.app.state.web
    return found


async def is_let_in(parts: Web, principal: Principal) -> bool:
    """Whether a stream may go on: signing out, a disabled user or a revoked token end one with the next thing it would
    tell."""
    async with parts.database.accounts() as rows:
        return await still_good(rows, principal, parts.config.lifetimes)
