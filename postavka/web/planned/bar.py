"""Every page of a person shows what it has under way, with the way to undo it: on whatever device, in whatever tab."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from postavka.web.database import Database
from postavka.web.planned import store
from postavka.web.visitor import Visitor


class PlannedBar:
    """The ASGI layer that looks, for pages of people who are signed in: one look by an index."""

    def __init__(self, app: ASGIApp, database: Database, conninfo: str) -> None:
        self._app, self._database = app, database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor = scope.get("state", {}).get("visitor")
        if isinstance(visitor, Visitor) and visitor.principal is not None and is_page(scope):
            async with self._database.accounts() as rows:
                visitor.planned = await store.of_actor(rows, visitor.principal)
        await self._app(scope, receive, send)


def is_page(scope: Scope) -> bool:
    """Is a page asked for, by a browser?"""
    return scope["type"] == "http" and not scope["path"].startswith("/api/") and _takes_html(scope)


def _takes_html(scope: Scope) -> bool:
    accepted = Headers(scope=scope).get("accept", "")
    return "text/html" in accepted or accepted in ("", "*/*")
