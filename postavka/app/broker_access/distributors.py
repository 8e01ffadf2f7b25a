"""Distributors as clients of the broker (L17): each has users of its own, writes its answers to one topic, reads its
notices from another, and may do nothing else. The broker itself refuses what is not allowed.

A user is called `dist-north.1`. A distributor may have several at a time (`dist-north.2` …), so that credentials can be
changed without a standstill: the new one works beside the old until that is revoked.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from events.topics import confirmations_of, notices_of
from postavka.domain.reference.store import snapshot
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.log.broker_access import Access, Permission, Quota
from postavka.kernel.log.connection import jaas
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.settings import Settings, database_url

USER = re.compile(r"(?P<distributor>[a-z0-9-]{1,50})\.(?P<number>[1-9][0-9]{0,5})")
"""Ids of distributors have no dots, so that a user belongs to exactly one."""
QUOTA = Quota(written_bytes=100_000, read_bytes=5_000_000, request_percent=50)
"""Some two hundred answers a second; a distributor that floods its topic is slowed down for itself."""
MECHANISM = "SCRAM-SHA-512"
PASSWORD_BYTES = 24
SHORTEST_PASSWORD = 16


class NoSuchDistributor(NotFound):
    """The reference data knows no distributor of that id, or it has no such user."""


class ShortPassword(UserError):
    """A password that was brought along is too short."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user and password of a distributor's client. The password is known only now: the broker keeps no copy of
    it."""

    distributor_id: str
    user: str
    password: str
    bootstrap: str
    security_protocol: str

    def __repr__(self) -> str:
        return f"Credentials({self.user})"

    def properties(self) -> str:
        """`client.properties`, as Java's clients and kcat (`-F`) read it."""
        lines = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": MECHANISM,
            "sasl.jaas.config": jaas(MECHANISM, self.user, self.password),
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def kcat(self) -> str:
        """The file `kcat.conf`: the same for librdkafka (kcat, Python, Go, .NET)."""
        lines = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanisms": MECHANISM,
            "sasl.username": self.user,
            "sasl.password": self.password,
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())


@dataclass(frozen=True, slots=True)
class DistributorUsers:
    """A distributor of the reference data and its users; `missing`: permissions that a user ought to have."""

    distributor_id: str
    name: str
    users: tuple[str, ...]
    missing: tuple[str, ...] = ()


def permissions(distributor_id: str) -> list[Permission]:
    """All that a distributor's user may do."""
    return [
        Permission("topic", confirmations_of(distributor_id), "write"),
        Permission("topic", confirmations_of(distributor_id), "describe"),
        Permission("topic", notices_of(distributor_id), "read"),
        Permission("topic", notices_of(distributor_id), "describe"),
        Permission("group", group_prefix(distributor_id), "read", prefix=True),
    ]


def group_prefix(distributor_id: str) -> str:
    """The prefix of all names of its consumer groups. The dot at the end keeps `dist` out of the groups of
    `dist-north`."""
    return f"distributors.{distributor_id}."


class Distributors:
    """What the commands `postavka distributor …` do. A context manager."""

    def __init__(self, settings: Settings, outside_bootstrap: str, outside_protocol: str) -> None:
        """`outside_…`: where and how clients outside reach the broker."""
        self._settings = settings
        self._outside = (outside_bootstrap, outside_protocol)
        self._access = Access(settings)

    def __enter__(self) -> Distributors:
        return self

    def __exit__(self, *exc: object) -> None:
        self._access.__exit__(*exc)

    def add(self, distributor_id: str, password: str | None = None) -> Credentials:
        """Topics, the first user and its permissions. One that has a user gets a new password for the newest of them.

        Raises `NoSuchDistributor` for one that the reference data does not know, `ShortPassword`.
        """
        self._known(distributor_id)
        ensure_topics(self._settings, [confirmations_of(distributor_id), notices_of(distributor_id)])
        users = self.users(distributor_id)
        return self._grant(distributor_id, users[-1] if users else f"{distributor_id}.1", password)

    def rotate(self, distributor_id: str, password: str | None = None) -> Credentials:
        """A further user beside those there are: revoke the old one when the distributor has gone over."""
        self._known(distributor_id)
        users = self.users(distributor_id)
        if not users:
            raise NoSuchDistributor(f"{distributor_id} has no user yet: postavka distributor add {distributor_id}")
        number = int(users[-1].rpartition(".")[2]) + 1
        return self._grant(distributor_id, f"{distributor_id}.{number}", password)

    def revoke(self, distributor_id: str, user: str | None = None) -> list[str]:
        """Remove one user, or all of a distributor's; returns who went. Topics and what lies on them stay. Works for a
        distributor that has left the reference data as well."""
        users = self.users(distributor_id)
        gone = users if user is None else [each for each in users if each == user]
        if not gone:
            raise NoSuchDistributor(f"{distributor_id} has no user" + (f" {user}" if user else ""))
        for each in gone:
            self._access.remove_user(each)
        return gone

    def users(self, distributor_id: str) -> list[str]:
        """The names of its users on the broker, the newest last."""
        return _users_of(distributor_id, self._access.users())

    def standings(self) -> list[DistributorUsers]:
        """All distributors of the reference data, and those without it that still have users."""
        known = {each.id: each.name for each in snapshot(database_url(self._settings)).distributors.values()}
        users = self._access.users()
        found = {match["distributor"] for user in users if (match := USER.fullmatch(user))}
        return [self._standing(each, known.get(each, ""), users) for each in sorted(known.keys() | found)]

    def with_other_limits(self) -> list[str]:
        """Users of distributors whose limits are not those of this release, sorted."""
        limits = self._access.quotas()
        return [user for user in self._access.users() if USER.fullmatch(user) and limits.get(user) != QUOTA]

    def limit(self) -> list[str]:
        """Give these users the limits of this release; returns who had others. They hold from the next second on."""
        changed = self.with_other_limits()
        for each in changed:
            self._access.set_quota(each, QUOTA)
        return changed

    def _standing(self, distributor_id: str, name: str, all_users: Sequence[str]) -> DistributorUsers:
        users = _users_of(distributor_id, all_users)
        wanted = set(permissions(distributor_id))
        missing = [each for each in users if wanted - set(self._access.permissions(each))]
        return DistributorUsers(distributor_id, name, tuple(users), tuple(missing))

    def _grant(self, distributor_id: str, user: str, password: str | None) -> Credentials:
        chosen = password or secrets.token_urlsafe(PASSWORD_BYTES)
        if len(chosen) < SHORTEST_PASSWORD or not re.fullmatch(r"[\x21-\x7e]+", chosen) or set(chosen) & set('"\\'):
            raise ShortPassword(
                f"a password has {SHORTEST_PASSWORD} characters or more: latin letters, digits and signs, "
                "without spaces, quotes and backslashes"
            )
        # Limits and permissions first: a user that can sign in is never without them.
        self._access.set_quota(user, QUOTA)
        self._access.allow(user, permissions(distributor_id))
        self._access.set_password(user, chosen)
        return Credentials(distributor_id, user, chosen, *self._outside)

    def _known(self, distributor_id: str) -> None:
        if distributor_id not in snapshot(database_url(self._settings)).distributors:
            raise NoSuchDistributor(
                f"the reference data has no distributor {distributor_id!r}: "
                "add it to the file and `postavka reference load` it first"
            )


def _users_of(distributor_id: str, users: Sequence[str]) -> list[str]:
    mine = [match for user in users if (match := USER.fullmatch(user)) and match["distributor"] == distributor_id]
    return [match.group() for match in sorted(mine, key=lambda match: int(match["number"]))]
