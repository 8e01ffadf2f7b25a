"""Is somebody who was let in some time ago still let in? For what lasts longer than a request."""

from __future__ import annotations

from typing import Any

import psycopg

from postavka.web.identity.principal import Principal
from postavka.web.identity.sessions import Lifetimes


async def still_good(connection: psycopg.AsyncConnection[Any], principal: Principal, lifetimes: Lifetimes) -> bool:
    """Its session has not ended and its user is not disabled, or its token is neither revoked nor expired."""
    if principal.session_id is None:
        found = await connection.execute(
            "SELECT 1 FROM accounts.tokens WHERE token_id::text = %s AND revoked_at IS NULL AND expires_at > now()",
            (principal.id,),
        )
    else:
        found = await connection.execute(
            "SELECT 1 FROM accounts.sessions s JOIN accounts.users u USING (user_id) "
            "WHERE s.session_id = %s::uuid AND u.disabled_at IS NULL AND now() - s.created_at < %s",
            (principal.session_id, lifetimes.absolute),
        )
    return await found.fetchone() is not None
