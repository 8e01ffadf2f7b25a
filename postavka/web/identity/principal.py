"""The principal, on whose behalf something is done: a signed-in person, or a program with a token."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The role of somebody, which bounds all that it may do. Whose rows it sees comes from `Principal.partner_id` and
    `distributor_id`."""

    PARTNER = "partner"
    """Sends requests and sees its own (L3)."""
    DISTRIBUTOR = "distributor"
    """Confirms the approved requests that name it (L17)."""
    OPS = "ops"
    """Runs the system; sees all."""
    AUDITOR = "auditor"
    """Sees all, changes nothing."""


class Scope(StrEnum):
    """The scope of a token. A signed-in person has all scopes of its role."""

    READ = "read"
    SUBMIT = "submit"
    """Send, withdraw and activate (partner)."""
    CONFIRM = "confirm"
    """Answer requests (distributor)."""
    SIGN = "sign"
    """Return signed documents."""
    WEBHOOKS = "webhooks"
    """Say where events are posted, and read the secrets that sign them (partner, distributor)."""
    OPERATE = "operate"
    """Settle dead letters, remind (operations)."""


SCOPES = {
    Role.PARTNER: (Scope.READ, Scope.SUBMIT, Scope.SIGN, Scope.WEBHOOKS),
    Role.DISTRIBUTOR: (Scope.READ, Scope.CONFIRM, Scope.SIGN, Scope.WEBHOOKS),
    Role.OPS: (Scope.READ, Scope.OPERATE),
    Role.AUDITOR: (Scope.READ,),
}
"""The scopes that make sense for each role."""


PROGRAM = "token:"
"""Begins what a program is called in events; the name after it is its tenant's own."""


def without_name(actor: str | None) -> str | None:
    """An actor as the other party is told: of a program only that it is one."""
    return "token" if actor is not None and actor.startswith(PROGRAM) else actor


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: the name, the role and the tenant that are known of it. `id` is the user's or the token's; `actor` is
    what events record."""

    id: str
    name: str
    role: Role
    partner_id: str | None = None
    distributor_id: str | None = None
    scopes: frozenset[Scope] = frozenset()
    actor: str = ""
    """The login, or `token:‹name›`."""
    session_id: str | None = None
    """Of a signed-in person; None for a token."""

    @property
    def sees_all(self) -> bool:
        """Whether it sees all tenants' rows: operations and auditors."""
        return self.role in (Role.OPS, Role.AUDITOR)

    @property
    def tenant(self) -> str | None:
        """The partner or distributor that it belongs to."""
        return self.partner_id or self.distributor_id

    @property
    def owner(self) -> str:
        """Names the tenant, for what exists once a tenant: `partner:lukomor`; of a role without tenant the user."""
        return f"{self.role}:{self.tenant or self.id}"
