"""Users, permissions and quotas of the broker: SCRAM credentials, ACLs, limits. The broker keeps them, we keep none.

Everything can be said again: a user that exists gets the password anew, a permission that exists stays as it is.

Through kafka-python: confluent_kafka 2.16 ends the whole process (`munmap_chunk(): invalid pointer`) when the broker
refuses to describe users, and it knows no quotas.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Any, Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import AclOperation, AdminClient
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError
from kafka.protocol.admin import AlterClientQuotasRequest, DescribeClientQuotasRequest

from postavka.kernel.errors import ServerAway
from postavka.kernel.log.connection import for_kafka_python, for_librdkafka
from postavka.kernel.settings import Settings

SECONDS = 30
ITERATIONS = 8_192
"""Of SCRAM-SHA-512: what a password that was guessed costs the guesser, and every sign-in costs the client."""

Resource = Literal["topic", "group", "cluster"]
Operation = Literal["read", "write", "describe", "describe-configs", "idempotent-write"]

_RESOURCES: Mapping[Resource, ResourceType] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "cluster": ResourceType.CLUSTER,
}
_OPERATIONS: Mapping[Operation, ACLOperation] = {
    "read": ACLOperation.READ,
    "write": ACLOperation.WRITE,
    "describe": ACLOperation.DESCRIBE,
    "describe-configs": ACLOperation.DESCRIBE_CONFIGS,
    "idempotent-write": ACLOperation.IDEMPOTENT_WRITE,
}


class NoAccess(ServerAway):
    """The broker did not do what was asked of its users and permissions; says why."""


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One operation on one resource; `prefix`: on all whose names begin so. Whatever is not allowed is refused."""

    resource: Resource
    name: str
    operation: Operation
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits of one user over all its clients. A client beyond them is slowed down by the broker, not refused."""

    written_bytes: int
    """A second."""
    read_bytes: int
    """A second."""
    request_percent: int
    """Of the time of one of the broker's threads."""


QUOTA_KEYS = ("producer_byte_rate", "consumer_byte_rate", "request_percentage")
"""Kafka's words for the fields of `Quota`, in their order."""
ANY_NAME = 2
"""Kafka's word for "users that have limits of their own"."""


class Access:
    """An administrator's view of the broker. Needs a user that may alter the cluster. A context manager."""

    def __init__(self, settings: Settings) -> None:
        """Raises `NoAccess` when the broker can't be reached, or its user may not alter the cluster: asked first, since
        a request to describe users that is refused is never answered."""
        self._settings = settings
        self._check_rights()
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it warns of every sign-in without TLS
        self._admin = _asked(lambda: KafkaAdminClient(**for_kafka_python(settings)))

    def __enter__(self) -> Access:
        return self

    def __exit__(self, *exc: object) -> None:
        self._admin.close()

    def _check_rights(self) -> None:
        admin = AdminClient(for_librdkafka(self._settings))
        try:
            future = admin.describe_cluster(include_authorized_operations=True, request_timeout=SECONDS)
            operations = future.result(SECONDS).authorized_operations or ()
        except KafkaException as away:
            raise NoAccess(f"Kafka: {away.args[0].str()}") from away
        if AclOperation.ALTER not in operations:
            raise NoAccess(f"the user {self._settings.kafka_sasl_username} may not alter the cluster")

    # Users

    def users(self) -> list[str]:
        """All that have a SCRAM-SHA-512 password, sorted."""
        described = _asked(self._admin.describe_user_scram_credentials)
        return sorted(
            user
            for user, found in described.items()
            if any(each["mechanism"] == ScramMechanism.SCRAM_SHA_512 for each in found["credential_infos"])
        )

    def set_password(self, user: str, password: str) -> None:
        """Make the user, or give it a new password; the old one opens no new connection then. Returns when it works."""
        self._alter(UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password, ITERATIONS))
        if self._settings.kafka_security_protocol.startswith("SASL"):
            _until(lambda: self._opens(user, password), f"the new password of {user} does not open the door")

    def remove_user(self, user: str) -> None:
        """Remove a user with its permissions, its limits and its password. A connection that is open stays, and may do
        nothing."""
        self.forbid(user, self.permissions(user))
        self.set_quota(user, None)
        if user in self.users():
            self._alter(UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))
            _until(lambda: user not in self.users(), f"{user} is still there")

    def _alter(self, alteration: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
        refusals = _asked(lambda: self._admin.alter_user_scram_credentials([alteration]))
        if refusal := refusals.get(alteration.user):
            raise NoAccess(f"user {alteration.user}: {refusal}")

    def _opens(self, user: str, password: str) -> bool:
        """A broker takes a password a moment after the controller has."""
        signed_in = for_librdkafka(self._settings) | {
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "log_level": 0,
        }
        try:
            AdminClient(signed_in).list_topics(timeout=1)
        except KafkaException:
            return False
        return True

    # Permissions

    def permissions(self, user: str) -> list[Permission]:
        """What the user may do, as far as it can be said in `Permission`; sorted."""
        found, _ = _asked(lambda: self._admin.describe_acls(_filter(user)))
        return sorted(_permissions(found))

    def allow(self, user: str, permissions: Iterable[Permission]) -> None:
        """Add what is missing. Returns when the broker has it."""
        wanted = set(permissions)
        if wanted:
            done = _asked(lambda: self._admin.create_acls([_acl(user, each) for each in sorted(wanted)]))
            if done["failed"]:
                raise NoAccess(f"permissions of {user}: {done['failed'][0].__name__}")
            _until(lambda: wanted <= set(self.permissions(user)), f"permissions of {user} are not there")

    def forbid(self, user: str, permissions: Iterable[Permission]) -> None:
        """Take these away. Returns when the broker has done it."""
        unwanted = set(permissions)
        if unwanted:
            done = _asked(lambda: self._admin.delete_acls([_filter(user, each) for each in sorted(unwanted)]))
            if failed := [error for _, _, error in done if error.errno]:
                raise NoAccess(f"permissions of {user}: {failed[0].__name__}")
            _until(lambda: not unwanted & set(self.permissions(user)), f"permissions of {user} are still there")

    # Quotas

    def set_quota(self, user: str, quota: Quota | None) -> None:
        """Limit a user; None: no limits of its own any more."""
        limits = dict(zip(QUOTA_KEYS, astuple(quota) if quota else (None, None, None), strict=True))
        data = AlterClientQuotasRequest.EntryData
        entry = data(
            entity=[data.EntityData(entity_type="user", entity_name=user)],
            ops=[data.OpData(key=key, value=float(limit or 0), remove=limit is None) for key, limit in limits.items()],
        )
        request = AlterClientQuotasRequest(entries=[entry], validate_only=False)
        # kafka-python knows the form of this request and has no method for it.
        answer = _asked(lambda: self._admin._manager.run(self._admin._manager.send, request))
        for each in answer.entries:
            if each.error_code:
                raise NoAccess(f"limits of {user}: {each.error_message or each.error_code}")

    def quotas(self) -> dict[str, Quota]:
        """User → its limits, of all users that have each of the three."""
        anybody = DescribeClientQuotasRequest.ComponentData(entity_type="user", match_type=ANY_NAME, match=None)
        request = DescribeClientQuotasRequest(components=[anybody], strict=True)
        answer = _asked(lambda: self._admin._manager.run(self._admin._manager.send, request))
        if answer.error_code:
            raise NoAccess(f"limits: {answer.error_message or answer.error_code}")
        found: dict[str, Quota] = {}
        for entry in answer.entries or ():
            limits = {value.key: int(value.value) for value in entry.values}
            with suppress(KeyError):
                found[entry.entity[0].entity_name] = Quota(*(limits[key] for key in QUOTA_KEYS))
        return found


def _principal(user: str) -> str:
    return f"User:{user}"


def _pattern(permission: Permission) -> ResourcePattern:
    kind = ACLResourcePatternType.PREFIXED if permission.prefix else ACLResourcePatternType.LITERAL
    return ResourcePattern(_RESOURCES[permission.resource], permission.name, kind)


def _acl(user: str, permission: Permission) -> ACL:
    operation = _OPERATIONS[permission.operation]
    return ACL(_principal(user), "*", operation, ACLPermissionType.ALLOW, _pattern(permission))


def _filter(user: str, permission: Permission | None = None) -> ACLFilter:
    """The filter that finds one permission, whatever the host; None: of everything about the user."""
    if permission is None:
        pattern = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
        return ACLFilter(_principal(user), None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)
    operation = _OPERATIONS[permission.operation]
    return ACLFilter(_principal(user), None, operation, ACLPermissionType.ANY, _pattern(permission))


def _permissions(found: Iterable[ACL]) -> Iterator[Permission]:
    resources = {value: name for name, value in _RESOURCES.items()}
    operations = {value: name for name, value in _OPERATIONS.items()}
    for acl in found:
        pattern = acl.resource_pattern
        if pattern.resource_type in resources and acl.operation in operations:
            prefix = pattern.pattern_type == ACLResourcePatternType.PREFIXED
            yield Permission(resources[pattern.resource_type], pattern.resource_name, operations[acl.operation], prefix)


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise NoAccess(otherwise)
        time.sleep(0.05)


def _asked(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except KafkaError as refused:
        raise NoAccess(f"Kafka: {type(refused).__name__}: {refused}") from refused
