"""Users, permissions and quotas of the broker: SCRAM credentials, ACLs, limits. The broker keeps them, we keep none.

Everything can be said again: a user that exists gets the password anew, a permission that exists stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka import KafkaAdminClient
from kafka.protocol.admin import AlterClientQuotasRequest

from postavka.log.connection import bootstrap, for_librdkafka, ssl_context
from postavka.settings import Settings
from postavka.trouble import Trouble

SECONDS = 30
ITERATIONS = 8_192
"""Of SCRAM-SHA-512: what a password that was guessed costs the guesser, and every sign-in costs the client."""

Resource = Literal["topic", "group", "cluster"]
Operation = Literal["read", "write", "describe", "describe-configs", "idempotent-write"]

_RESOURCES: Mapping[Resource, ResourceType] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "cluster": ResourceType.BROKER,
}
_OPERATIONS: Mapping[Operation, AclOperation] = {
    "read": AclOperation.READ,
    "write": AclOperation.WRITE,
    "describe": AclOperation.DESCRIBE,
    "describe-configs": AclOperation.DESCRIBE_CONFIGS,
    "idempotent-write": AclOperation.IDEMPOTENT_WRITE,
}


class NoAccess(Trouble):
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


class Access:
    """An administrator's view of the broker. Needs a user that may alter the cluster."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin = AdminClient(for_librdkafka(settings))

    # Users

    def users(self) -> list[str]:
        """All that have a SCRAM-SHA-512 password, sorted."""
        described = _result(self._admin.describe_user_scram_credentials(request_timeout=SECONDS))
        return sorted(
            user
            for user, found in described.items()
            if any(each.mechanism == ScramMechanism.SCRAM_SHA_512 for each in found.scram_credential_infos)
        )

    def set_password(self, user: str, password: str) -> None:
        """Make the user, or give it a new password; the old one opens no new connection then."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        upsertion = UserScramCredentialUpsertion(user, info, password.encode())
        _all(self._admin.alter_user_scram_credentials([upsertion], request_timeout=SECONDS))

    def remove_user(self, user: str) -> None:
        """Its password, its permissions and its limits go. A connection that is open stays, and may do nothing."""
        self.forbid(user, self.permissions(user))
        self.set_quota(user, None)
        if user in self.users():
            deletion = UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512)
            _all(self._admin.alter_user_scram_credentials([deletion], request_timeout=SECONDS))

    # Permissions

    def permissions(self, user: str) -> list[Permission]:
        """What the user may do, as far as it can be said in `Permission`; sorted."""
        found = _result(self._admin.describe_acls(_filter(user), request_timeout=SECONDS))
        return sorted(_permissions(found))

    def allow(self, user: str, permissions: Iterable[Permission]) -> None:
        """Add what is missing."""
        bindings = [_binding(user, permission) for permission in permissions]
        if bindings:
            _all(self._admin.create_acls(bindings, request_timeout=SECONDS))

    def forbid(self, user: str, permissions: Iterable[Permission]) -> None:
        """Take these away."""
        filters = [_filter(user, permission) for permission in permissions]
        if filters:
            _all(self._admin.delete_acls(filters, request_timeout=SECONDS))

    # Quotas

    def set_quota(self, user: str, quota: Quota | None) -> None:
        """Limit a user; None: no limits of its own any more."""
        limits = {
            "producer_byte_rate": quota and quota.written_bytes,
            "consumer_byte_rate": quota and quota.read_bytes,
            "request_percentage": quota and quota.request_percent,
        }
        entry = AlterClientQuotasRequest.EntryData(
            entity=[AlterClientQuotasRequest.EntryData.EntityData(entity_type="user", entity_name=user)],
            ops=[
                AlterClientQuotasRequest.EntryData.OpData(key=key, value=float(limit or 0), remove=limit is None)
                for key, limit in limits.items()
            ],
        )
        # librdkafka knows no such request; kafka-python knows its form and has no method for it.
        client = KafkaAdminClient(**_for_kafka_python(self._settings))
        try:
            request = AlterClientQuotasRequest(entries=[entry], validate_only=False)
            answer = client._manager.run(client._manager.send, request)
        finally:
            client.close()
        for each in answer.entries:
            if each.error_code:
                raise NoAccess(f"limits of {user}: {each.error_message or each.error_code}")


def _for_kafka_python(settings: Settings) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "bootstrap_servers": bootstrap(settings).split(","),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        secret = settings.kafka_sasl_password
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": secret.get_secret_value() if secret else None,
        }
    return arguments


def _principal(user: str) -> str:
    return f"User:{user}"


def _binding(user: str, permission: Permission) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if permission.prefix else ResourcePatternType.LITERAL
    return AclBinding(
        _RESOURCES[permission.resource],
        permission.name,
        pattern,
        _principal(user),
        "*",
        _OPERATIONS[permission.operation],
        AclPermissionType.ALLOW,
    )


def _filter(user: str, permission: Permission | None = None) -> AclBindingFilter:
    if permission is None:
        return AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            _principal(user),
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
    exact = _binding(user, permission)
    return AclBindingFilter(
        exact.restype,
        exact.name,
        exact.resource_pattern_type,
        exact.principal,
        None,
        exact.operation,
        AclPermissionType.ANY,
    )


def _permissions(bindings: Iterable[AclBinding]) -> Iterator[Permission]:
    resources = {value: name for name, value in _RESOURCES.items()}
    operations = {value: name for name, value in _OPERATIONS.items()}
    for binding in bindings:
        if binding.restype in resources and binding.operation in operations:
            prefix = binding.resource_pattern_type == ResourcePatternType.PREFIXED
            yield Permission(resources[binding.restype], binding.name, operations[binding.operation], prefix)


def _all(futures: Mapping[Any, Future[Any]]) -> None:
    for future in futures.values():
        _result(future)


def _result(future: Future[Any]) -> Any:
    try:
        return future.result(SECONDS)
    except KafkaException as refused:
        raise NoAccess(f"the broker refused: {refused.args[0].str()}") from refused
