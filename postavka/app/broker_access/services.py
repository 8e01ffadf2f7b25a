"""The permissions of each of our services on the broker: read what it reads, write what it writes, and nothing else.

It is worked out from the contract (`events/topics.py`), which says of every topic who writes and who reads it. So a
stage's topic has one writer by force, not by custom.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from events.topics import ALL_TOPICS, DEAD_LETTERS, PER_DISTRIBUTOR, STAGE_TOPICS, Party, Topic
from postavka.kernel.log.broker_access import Access, Permission
from postavka.kernel.settings import Settings
from services.desk.orders import GROUP, NAME

STAGES = tuple(topic.writer for topic in STAGE_TOPICS)

PREFIX = "postavka-"
"""Of the services' users: `postavka-billing`."""

STANDS_FOR: Mapping[str, tuple[Party, ...]] = {
    "web": (Party.PARTNERS, Party.USERS, Party.COUNTERPARTIES, Party.OPERATIONS, Party.DISTRIBUTOR),
    "desk": (Party.MANUFACTURING,),
    "papers": (Party.EXCHANGE_OPERATOR, Party.POSTAL_CLERK),
    "payments": (Party.STATEMENT_READER,),
    "ops": (Party.OPERATORS,),
    "audit": (Party.AUDITORS,),
}
"""Parties of the contract that a service stands for, beside its own name."""

GROUPS: Mapping[str, str] = {NAME: GROUP}
"""Consumer groups that are not called `postavka-<service>`."""

READING_GROUPS = ("postavka-tail", "postavka-follow")
"""Of readers without marks on Kafka, as processes of release 6c4deb1 ask for them: in a rolling upgrade they are still
at work beside ours."""

SEES_ALL = ("ops", "web")
"""Services that show all topics, their ends, their settings and how large they are: the page of streams is the web
application's."""

READS_ALL = ("audit", "web")
"""Services that read what lies on every topic: the auditor's verifies it, and the live stream and the record browser
are the web application's."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A service's user and its permissions, sorted."""

    service: str
    user: str
    permissions: tuple[Permission, ...]


def grants(services: Iterable[str], distributor_ids: Sequence[str], prefix: str = PREFIX) -> list[Grant]:
    """The permissions of each service, with the topics of these distributors."""
    return [Grant(each, prefix + each, tuple(sorted(_permissions(each, distributor_ids)))) for each in services]


def apply(settings: Settings, wanted: Iterable[Grant]) -> dict[str, str]:
    """Make users that are missing and give every one its permissions, no fewer and no more. Returns the passwords of
    users that were made: known only now."""
    made: dict[str, str] = {}
    with Access(settings) as access:
        existing = set(access.users())
        for grant in wanted:
            allowed = set(access.permissions(grant.user))
            access.allow(grant.user, set(grant.permissions) - allowed)
            access.forbid(grant.user, allowed - set(grant.permissions))
            if grant.user not in existing:
                made[grant.user] = secrets.token_urlsafe(24)
                access.set_password(grant.user, made[grant.user])
    return made


def command_lines(wanted: Iterable[Grant], bootstrap: str) -> list[str]:
    """The same for `kafka-acls.sh`, where somebody else looks after the cluster."""
    return [
        f"kafka-acls.sh --bootstrap-server {bootstrap} --add --allow-principal User:{grant.user} "
        f"--operation {_operation(each)} --{each.resource} '{each.name}'"
        + (" --resource-pattern-type prefixed" if each.prefix else "")
        for grant in wanted
        for each in grant.permissions
    ]


def _operation(permission: Permission) -> str:
    return "".join(word.capitalize() for word in permission.operation.split("-"))


def _permissions(service: str, distributor_ids: Sequence[str]) -> set[Permission]:
    parties = {service, *STANDS_FOR.get(service, ())}
    found = {Permission("group", GROUPS.get(service, PREFIX + service), "read")}
    found |= {Permission("group", each, "read") for each in READING_GROUPS}
    for topic in ALL_TOPICS:
        writes, reads = not parties.isdisjoint(topic.writers), not parties.isdisjoint(topic.readers)
        for name in _names(topic, distributor_ids):
            if writes:
                # Who writes looks at the end of what is there first: that is reading.
                found |= {Permission("topic", name, "write"), Permission("topic", name, "read")}
            if reads:
                found.add(Permission("topic", name, "read"))
    if service in STAGES:
        found.add(Permission("topic", DEAD_LETTERS.name, "write"))
    found.add(Permission("topic", DEAD_LETTERS.name, "describe"))
    if service in READS_ALL:
        found.add(Permission("topic", "*", "read"))
    if service in SEES_ALL:
        found |= {Permission("topic", "*", "describe"), Permission("topic", "*", "describe-configs")}
        found |= {Permission("cluster", "kafka-cluster", "describe")}
        found |= {Permission("group", group, "describe") for group in GROUPS.values()}
    return found


def _names(topic: Topic, distributor_ids: Sequence[str]) -> list[str]:
    if topic not in PER_DISTRIBUTOR:
        return [topic.name]
    return [topic.name.replace("{distributor}", each) for each in distributor_ids]
