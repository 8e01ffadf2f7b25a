"""Users to try the demo with: one for each partner and distributor of the reference data, operations, an auditor.

Their password is known to everybody, so they are made on sample data only (`POSTAVKA_WEB_SAMPLE_ACCOUNTS`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import psycopg

from postavka.domain.reference.store import snapshot
from postavka.kernel.errors import UserError
from postavka.kernel.store.queries import load_queries
from postavka.web.identity import passwords, users
from postavka.web.identity.principal import Role

QUERIES = load_queries("postavka.web.identity")

PASSWORD = passwords.SAMPLE


class SampleAccountsInPublic(UserError):
    """Accounts with a password that everybody knows, where others than this machine can sign in."""


async def with_known_password(conninfo: str, only: Collection[str] | None = None) -> list[str]:
    """Logins of all open accounts (`only`: of these) whose password is the known one, also of partners that the
    reference data has no longer. Takes some hundredths of a second for each account."""
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        there = await (await connection.execute(QUERIES.users_there)).fetchone()
        if there is None or there[0] is None:
            return []
        rows = await connection.execute(QUERIES.password_hashes)
        found = [row for row in await rows.fetchall() if only is None or row[0] in only]
    fits = await asyncio.gather(*(passwords.verify(PASSWORD, stored) for _, stored in found))
    return [login for (login, _), (right, _) in zip(found, fits, strict=True) if right]


def refuse_in_public(logins: list[str], *, wanted: bool) -> None:
    """Refuse sample accounts where anybody may come; raises `SampleAccountsInPublic`. `wanted`: the settings ask for
    sample accounts. To be called where others than this machine can sign in."""
    if wanted:
        raise SampleAccountsInPublic(
            "POSTAVKA_WEB_SAMPLE_ACCOUNTS makes accounts with a known password: not with an https address, nor with a "
            "host that others reach. Set it to false, or listen on 127.0.0.1"
        )
    if logins:
        raise SampleAccountsInPublic(
            f"the accounts {', '.join(logins)} have the sample password, which everybody knows: close them with "
            "`postavka user disable`, or give them another with `postavka user password`"
        )


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
        await connection.execute(QUERIES.lock_sample_users)
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
                    checked=False,
                )
                made.append(login)
    return made
