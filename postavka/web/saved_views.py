"""Views of lists under a name: what an address filters by, its order and its columns. Each user has its own; they are
kept on the server, so that every browser of the user has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from postavka.kernel.store.queries import load_queries
from postavka.web.authorization import SIGNED_IN
from postavka.web.identity.principal import Principal
from postavka.web.problem import not_found
from postavka.web.sign_in.return_to import back_to, own_path
from postavka.web.state import web

QUERIES = load_queries("postavka.web")

router = APIRouter(prefix="/views", include_in_schema=False)
MOST = 20
"""So many views of one list a user has."""
LONGEST_NAME = 60
_LIST = re.compile(r"/[a-z]+(?:/[a-z]+)*")
Address = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class SavedView:
    """One view: its name, its address, and whether that is the one that is looked at."""

    name: str
    address: str
    here: bool


@dataclass(frozen=True, slots=True)
class SavedViews:
    """The views of a list. `address`: what could be saved now; empty where nothing is chosen."""

    address: str
    views: list[SavedView]


async def saved_views(request: Request, principal: Principal, address: str) -> SavedViews:
    """The user's views of the list with this address."""
    path, _, query = address.partition("?")
    async with web(request).database.accounts() as rows:
        found = await (await rows.execute(QUERIES.saved_views, (principal.id, path))).fetchall()
    views = [SavedView(name, f"{path}?{saved}", saved == query) for name, saved in found]
    return SavedViews(address if query else "", views)


@router.post("")
async def save(
    request: Request,
    principal: Annotated[Principal, SIGNED_IN],
    address: Address = "",
    name: Annotated[str, Form()] = "",
) -> Response:
    """Save a view; one of the same name is replaced."""
    path, query = _list_of(address)
    called = " ".join(name.split())[:LONGEST_NAME]
    if not called or not query:
        return back_to(own_path(address), done="view-unnamed")
    values = {"user": principal.id, "path": path, "name": called, "query": query, "most": MOST}
    async with web(request).database.accounts() as rows:
        saved = (await rows.execute(QUERIES.save_view, values)).rowcount
    return back_to(f"{path}?{query}", done="view-saved" if saved else "too-many-views")


@router.post("/remove")
async def remove(
    request: Request,
    principal: Annotated[Principal, SIGNED_IN],
    address: Address = "",
    name: Annotated[str, Form()] = "",
) -> Response:
    """Remove a view; the list stays as it is looked at."""
    path, _ = _list_of(address)
    async with web(request).database.accounts() as rows:
        await rows.execute(QUERIES.remove_view, (principal.id, path, name))
    return back_to(own_path(address), done="view-removed")


def _list_of(address: str) -> tuple[str, str]:
    """Path and query of a list of ours. Raises `Problem`."""
    path, _, query = own_path(address).partition("?")
    if not _LIST.fullmatch(path):
        raise not_found()
    return path, query
