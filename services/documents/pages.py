"""The page of the postal clerk, for operations: what to print and post, and the tracking numbers (L15)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import cache
from typing import Annotated, Any, TypeVar
from uuid import UUID

import psycopg
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from postavka.domain.calendar import today
from postavka.kernel.errors import UserError
from postavka.web.authorization import allowed
from postavka.web.frame import show
from postavka.web.identity.principal import Principal, Role
from postavka.web.navigation import Entry
from postavka.web.problem import not_found
from postavka.web.state import web
from postavka.web.visitor import visitor_of
from services.documents import catalogue, post
from services.documents.projection import connect, prepare

router = APIRouter(include_in_schema=False)
NAVIGATION = (Entry("Почта", "/ops/post", frozenset((Role.OPS,)), 37, "stamp"),)
Ops = Annotated[Principal, allowed(Role.OPS)]
T = TypeVar("T")


@router.get("/ops/post")
async def queue(request: Request, principal: Ops, done: str | None = None) -> Response:
    """What waits for the post, longest first, with a form for each tracking number."""
    return await _queue_page(request, principal, posted=done == "posted")


@router.get("/ops/post/print")
async def print_(request: Request, principal: Ops, request_id: UUID | None = None) -> Response:
    """Everything that waits, or one envelope, to print."""
    envelopes = await _asked(request, lambda connection: post.waiting(connection, request_id))
    if not envelopes:
        raise not_found()
    _note_shown(request, envelopes)
    data = await asyncio.to_thread(post.print_ready, envelopes, web(request).blobs, today())
    return _pdf(data, "print.pdf")


@router.get("/ops/post/register")
async def register(request: Request, principal: Ops) -> Response:
    """The list for the post office."""
    envelopes = await _asked(request, post.waiting)
    if not envelopes:
        raise not_found()
    _note_shown(request, envelopes)
    return _pdf(await asyncio.to_thread(post.register, envelopes, today()), "register.pdf")


@router.post("/ops/post/sent")
async def sent(
    request: Request,
    principal: Ops,
    request_id: Annotated[UUID, Form()],
    tracking: Annotated[str, Form(max_length=60)],
) -> Response:
    """The envelope was posted; the worker reports it to the log."""
    try:
        await _asked(
            request, lambda connection: post.sent(connection, request_id, tracking, principal.actor), write=True
        )
    except post.NotQueued:
        raise not_found() from None
    except UserError:
        return await _queue_page(request, principal, wrong=(str(request_id), tracking))
    return RedirectResponse("/ops/post?done=posted", 303)


async def _queue_page(
    request: Request, principal: Principal, *, posted: bool = False, wrong: tuple[str, str] | None = None
) -> Response:
    """`wrong`: the request whose tracking number was refused, and what was typed."""
    envelopes, stuck = await _asked(request, _waiting)
    _note_shown(request, [*envelopes, *stuck])
    values: dict[str, Any] = {"envelopes": envelopes, "stuck": stuck, "posted": posted, "wrong": wrong}
    return await show(request, principal, "post.html", 200 if wrong is None else 422, **values)


def _note_shown(request: Request, found: Iterable[post.PostalEnvelope | catalogue.PutOff]) -> None:
    """Their requests are shown by this answer."""
    visitor_of(request).shown.update(each.request_id for each in found)


def _waiting(connection: psycopg.Connection[Any]) -> tuple[list[post.PostalEnvelope], list[catalogue.PutOff]]:
    """What the clerk has to do: envelopes to post, and documents that can't leave by exchange."""
    return post.waiting(connection), catalogue.put_off(connection)


@cache
def _prepared(conninfo: str) -> str:
    prepare(conninfo)
    return conninfo


async def _asked(request: Request, ask: Callable[[psycopg.Connection[Any]], T], *, write: bool = False) -> T:
    """What the tables of documents say, in a thread."""

    def run() -> T:
        with connect(_prepared(web(request).conninfo), readonly=not write) as connection:
            return ask(connection)

    return await asyncio.to_thread(run)


def _pdf(data: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "no-store"}
    return Response(data, media_type="application/pdf", headers=headers)
