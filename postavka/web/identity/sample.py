"""Users to try the demo with: one for each partner and distributor of the reference data, operations, an auditor.

Their password is known to everybody, so they are made on sample data only (`POSTAVKA_WEB_SAMPLE_ACCOUNTS`).
"""

from __future__ import annotations

import psycopg

from postavka.domain.reference.store import snapshot
from postavka.web.identity import users
from postavka.web.identity.principal import Role

PASSWORD = "postavka-demo"  # noqa: S105  (of the sample users, printed by the demo)


async def make_sample_users(conninfo: str) -> list[str]:
    """Make those that are missing; returns the logins made."""
    known = snapshot(conninfo)
    wanted: list[tuple[str, str, Role, str | None, str | None]] = [
        (each, next(iter(entry.contacts.values())).name, Role.PARTNER, each, None)
        for each, entry in known.partners.items()
    ]
    wanted += [(each, entry.name, Role.DISTRIBUTOR, None, each) for each, entry in known.distributors.items()]
    wanted += [
        ("ops", "Дежурный оператор", Role.OPS, None, None),
        ("auditor", "Аудитор", Role.AUDITOR, None, None),
    ]
    made = []
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('sample users'))")
        for login, name, role, partner_id, distributor_id in wanted:
            if await users.find(connection, login) is None:
                await users.add(
                    connection,
                    login=login,
                    name=name,
                    role=role,
                    partner_id=partner_id,
                    distributor_id=distributor_id,
                    password=PASSWORD,
                )
                made.append(login)
    return made
