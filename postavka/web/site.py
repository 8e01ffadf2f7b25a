"""The interface by which the pages and calls of a service plug into the web application: each service says it in its
`site.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter
from starlette.types import ASGIApp

from postavka.web.database import Connection
from postavka.web.navigation import Entry
from postavka.web.planned.kinds import CommandKind


@dataclass(frozen=True, slots=True)
class Site:
    """The part that one service adds to the web application."""

    package: str
    """Where its folders `templates` and `static` lie, if it has them."""
    routers: tuple[APIRouter, ...] = ()
    """Every route says who may use it (`postavka.web.authorization`)."""
    navigation: tuple[Entry, ...] = ()
    larger_bodies: Mapping[str, int] = field(default_factory=dict)
    """Paths that take more bytes than others, and how many."""
    middleware: tuple[Callable[..., ASGIApp], ...] = ()
    """Called with the application, `database` and `conninfo`; within who the visitor is, outside of routes."""
    prepare: Callable[[str], object] | None = None
    """Sees that the schema is up to date that its routes read, before the application starts; takes a `conninfo`."""
    ready: str = ""
    """SQL that fails while its tables can't be read."""
    commands: tuple[CommandKind, ...] = ()
    """Kinds of commands that its pages and calls let be sent later."""
    sweep: Callable[[Connection], Awaitable[None]] | None = None
    """Removes what has been kept for long enough; called once an hour (`postavka.web.housekeeping`)."""
    changes_channel: str = ""
    """PostgreSQL's channel of notifications of changed requests: their ids with blanks between them."""
