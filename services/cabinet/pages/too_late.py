"""A second click, or a page that was open for long: what it asks for has been done, or can't be done any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from postavka.web.problem import Problem


@asynccontextmanager
async def unless_too_late() -> AsyncIterator[None]:
    """Goes on where an act is no longer possible (409): the page that follows shows how things stand, and why."""
    try:
        yield
    except Problem as refused:
        if refused.status != HTTPStatus.CONFLICT:
            raise
