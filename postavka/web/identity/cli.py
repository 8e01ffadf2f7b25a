"""`postavka user` and `postavka token`: who may sign in to the cabinet, and the tokens of programs."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import psycopg
from cyclopts import App, Parameter

from postavka.domain.reference.known import require_known
from postavka.kernel.console import console, errors, print_json, table
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.id_beginning import bounds, the_one
from postavka.kernel.id_parameter import converter
from postavka.kernel.runtime.connection import connected
from postavka.kernel.settings import database_url
from postavka.kernel.store.migration import require
from postavka.web import identity
from postavka.web.identity import passwords, tokens, users
from postavka.web.identity.principal import SCOPES, Principal, Role, Scope

user = App(name="user", help="Who may sign in to the cabinet, and as what.")
token = App(name="token", help="Tokens of programs for the REST API.")

T = TypeVar("T")


def find_token(typed: str) -> UUID:
    """The one token whose id begins as a person has typed it. Raises `UserError`, `NotFound`."""
    low, high = bounds("token", typed)
    return the_one("token", typed, _run(lambda rows: tokens.beginning(rows, low, high)))


TokenId = Annotated[UUID, Parameter(converter=converter("token", find_token))]
Connection = psycopg.AsyncConnection[Any]


class CannotBe(UserError):
    """What was asked for can't be; the message says why."""


@user.command
def add(
    login: str,
    *,
    role: Role,
    name: str | None = None,
    partner: str | None = None,
    distributor: str | None = None,
    no_password: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Add a user. The password is asked for, or read from standard input.

    Parameters
    ----------
    login
        Small Latin letters, digits and . _ @ + -; with OpenID Connect what the provider calls them.
    role
        partner, distributor, ops or auditor.
    name
        As pages show it.
    partner
        Id of the partner it works for (role partner).
    distributor
        Id of the distributor it works for (role distributor).
    no_password
        It signs in through OpenID Connect only.
    """
    require_known(connected(), partner=partner, distributor=distributor)
    password = None if no_password else _ask_password()
    made = _run(
        lambda rows: users.add(
            rows,
            login=login,
            name=name or login,
            role=role,
            partner_id=partner,
            distributor_id=distributor,
            password=password,
        )
    )
    console.print(f"user [bold]{made.login}[/] added as {made.role}")


@user.command
def disable(login: str, *, keep_tokens: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Close an account: its sessions end, and the tokens it has made are revoked, at once. `postavka user enable` opens
    it again; tokens stay revoked.

    Parameters
    ----------
    login
        Whose account it is.
    keep_tokens
        Leave its tokens good: programs of its organisation use them. `postavka token list` shows who made each.
    """

    async def close(rows: Connection) -> int:
        closed = await users.disable(rows, login)
        return 0 if keep_tokens else await tokens.revoke_made_by(rows, closed)

    revoked = _run(close)
    kept = "its tokens are left as they are" if keep_tokens else f"tokens revoked: {revoked}"
    console.print(f"user [bold]{login}[/] is disabled; its sessions have ended; {kept}")


@user.command
def enable(login: str) -> None:
    """Open an account that was closed."""
    _run(lambda rows: users.disable(rows, login, disabled=False))
    console.print(f"user [bold]{login}[/] may sign in again")


@user.command
def password(login: str) -> None:
    """Set a new password, asked for or read from standard input; all sessions of the user end."""
    chosen = _ask_password()

    async def change(rows: Connection) -> None:
        found = await users.find(rows, login)
        if found is None:
            raise users.NoUser(f"there is no user {login!r}")
        await users.set_password(rows, found, chosen)

    _run(change)
    console.print(f"the password of [bold]{login}[/] is changed; its sessions have ended")


@user.command(name="list")
def list_users(*, json: bool = False) -> None:
    """Everybody who may sign in."""
    found = _run(users.all_users)
    if json:
        print_json(
            [
                {
                    "login": each.login,
                    "name": each.name,
                    "role": each.role,
                    "partner": each.partner_id,
                    "distributor": each.distributor_id,
                    "disabled_at": each.disabled_at,
                    "has_password": each.password_hash is not None,
                }
                for each in found
            ]
        )
        return
    shown = table(None, "login", "name", "role", "works for", "state")
    for each in found:
        works_for = each.partner_id or each.distributor_id or "—"
        shown.add_row(each.login, each.name, each.role, works_for, "disabled" if each.disabled_at else "open")
    console.print(shown)


@token.command
def create(
    name: str,
    *,
    partner: str | None = None,
    distributor: str | None = None,
    scope: list[Scope] | None = None,
    days: int = 180,
    json: bool = False,
) -> None:
    """Make a token. It is shown now and never again.

    Parameters
    ----------
    name
        To tell tokens apart.
    partner
        Whose token it is.
    distributor
        Whose token it is.
    scope
        read, submit, confirm, sign; repeat it for several. All of the role's if left out.
    days
        How long it is good for, at most 366.
    json
        Print the token as JSON.
    """
    principal = _tenant(partner, distributor)
    scopes = scope or list(SCOPES[principal.role])
    try:
        made = _run(lambda rows: _as_tenant(rows, principal, name, scopes, days))
    except tokens.BadToken as wrong:
        raise CannotBe(str(wrong)) from None
    if json:
        print_json({"token_id": made.token.token_id, "token": made.secret, "expires_at": made.token.expires_at})
        return
    errors.print(f"token [bold]{name}[/] until {made.token.expires_at:%Y-%m-%d}; copy it now:")
    print(made.secret)


@token.command(name="list")
def list_tokens(*, partner: str | None = None, distributor: str | None = None, json: bool = False) -> None:
    """The tokens of a partner or distributor."""
    principal = _tenant(partner, distributor)

    async def read(rows: Connection) -> list[tokens.Token]:
        await _confine(rows, principal)
        return await tokens.of_tenant(rows)

    found = _run(read)
    if json:
        print_json([{name: getattr(each, name) for name in tokens.Token.__slots__} for each in found])
        return
    shown = table(None, "id", "name", "ends with", "made by", "scopes", "until", "last used", "state")
    for each in found:
        used = f"{each.last_used_at:%Y-%m-%d %H:%M}" if each.last_used_at else "never"
        state = "revoked" if each.revoked_at else "good"
        until, scopes = f"{each.expires_at:%Y-%m-%d}", " ".join(each.scopes)
        shown.add_row(str(each.token_id), each.name, each.hint, each.created_by, scopes, until, used, state)
    console.print(shown)


@token.command
def revoke(token_id: TokenId) -> None:
    """End a token at once."""
    if not _run(lambda rows: tokens.revoke(rows, token_id)):
        raise NotFound(f"there is no token {token_id}")
    console.print(f"token {token_id} opens nothing any more")


async def _as_tenant(
    rows: Connection, principal: Principal, name: str, scopes: list[Scope], days: int
) -> tokens.NewToken:
    await _confine(rows, principal)
    return await tokens.make(rows, principal, name=name, scopes=scopes, days=days)


async def _confine(rows: Connection, principal: Principal) -> None:
    """Confine a transaction as the web application does: rows of this tenant only."""
    await rows.execute(
        "SELECT set_config('app.scope', 'tenant', true), set_config('app.partner', %s, true), "
        "set_config('app.distributor', %s, true), "
        "set_config('role', coalesce((SELECT rolname FROM pg_roles WHERE rolname = 'postavka_web'), 'none'), true)",
        (principal.partner_id or "", principal.distributor_id or ""),
    )


def _run(act: Callable[[Connection], Awaitable[T]]) -> T:
    url = database_url(connected())
    require(url, "accounts", identity.MIGRATIONS)

    async def run() -> T:
        async with await psycopg.AsyncConnection.connect(url, application_name="postavka-cli") as rows:
            return await act(rows)

    try:
        return asyncio.run(run())
    except passwords.WeakPassword as weak:
        raise CannotBe(str(weak)) from None


def _tenant(partner: str | None, distributor: str | None) -> Principal:
    if (partner is None) == (distributor is None):
        raise CannotBe("say either --partner or --distributor")
    require_known(connected(), partner=partner, distributor=distributor)
    role = Role.PARTNER if partner else Role.DISTRIBUTOR
    return Principal("cli", "command line", role, partner, distributor, frozenset(SCOPES[role]), "cli")


def _ask_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise CannotBe("the two are not the same")
    return first
