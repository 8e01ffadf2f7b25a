"""The badges of operations' menu, on every page of theirs: whatever service makes the page."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from postavka.web.database import Database
from postavka.web.identity.principal import Role
from postavka.web.planned.bar import is_page
from postavka.web.visitor import Visitor
from services.ops.attention import AttentionCounts
from services.ops.settings import ops_settings

PATH = "/ops/badges"


class Badges:
    """The ASGI layer that puts the last counts on pages of operations. It waits for nothing: counting goes on beside
    it."""

    def __init__(self, app: ASGIApp, database: Database, conninfo: str) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor: Any = scope.get("state", {}).get("visitor")
        if isinstance(visitor, Visitor) and visitor.principal is not None and visitor.principal.role is Role.OPS:
            visitor.badges_path = PATH
            if is_page(scope):
                visitor.badges = attention_of(scope["app"]).badges()
        await self._app(scope, receive, send)


def attention_of(app: FastAPI) -> AttentionCounts:
    """The one set of counts of this process."""
    if not hasattr(app.state, "ops_attention"):
        app.state.ops_attention = AttentionCounts(app.state.web.kernel, ops_settings())
    found: AttentionCounts = app.state.ops_attention
    return found
