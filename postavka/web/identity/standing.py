"""Is somebody who was let in some time ago still let in? For what lasts longer than a request."""

from __future__ import annotations

from typing import Any

import psycopg

from postavka.kernel.store.queries import load_queries
from postavka.web.identity.principal import Principal
from postavka.web.identity.sessions import Lifetimes

QUERIES = load_queries("postavka.web.identity")


async def still_good(connection: psycopg.AsyncConnection[Any], principal: Principal, lifetimes: Lifetimes) -> bool:
    """Its session has not ended and its user is not disabled, or its token is neither revoked nor expired."""
    if principal.session_id is None:
        found = await connection.execute(QUERIES.token_is_good, (principal.id,))
    else:
        found = await connection.execute(QUERIES.session_is_good, (principal.session_id, lifetimes.absolute))
    return await found.fetchone() is not None
