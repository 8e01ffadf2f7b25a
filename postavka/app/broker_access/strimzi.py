"""Users as resources of Strimzi's operator, where that looks after the broker: it alone makes users and permissions
there, from a `KafkaUser` each."""

from __future__ import annotations

from collections.abc import Iterable

from postavka.kernel.errors import UserError
from postavka.kernel.log.broker_access import Permission, Quota
from postavka.kernel.settings import Settings


class ManagedByStrimzi(UserError):
    """The broker's users are its operator's: our own admin client must not touch them."""


def refuse_where_strimzi_manages(settings: Settings) -> None:
    """Raise `ManagedByStrimzi` where another one makes users: two who set the same user undo each other's work."""
    if settings.kafka_strimzi_cluster is not None:
        raise ManagedByStrimzi(
            "POSTAVKA_KAFKA_STRIMZI_CLUSTER is set: users are KafkaUser resources there. Those of our services "
            "come with the chart; `postavka distributor add ID --to FOLDER` writes one; kubectl delete revokes it"
        )


def kafka_user(
    user: str, permissions: Iterable[Permission], cluster: str, quota: Quota | None = None
) -> dict[str, object]:
    """The resource: `kubectl apply -f` takes it as JSON. Strimzi puts the password into a Secret of the user's name."""
    quotas = {
        "producerByteRate": quota.written_bytes,
        "consumerByteRate": quota.read_bytes,
        "requestPercentage": quota.request_percent,
    } if quota else None  # fmt: skip
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": user, "labels": {"strimzi.io/cluster": cluster}},
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": access_rules(permissions)},
            **({"quotas": quotas} if quotas else {}),
        },
    }


def access_rules(permissions: Iterable[Permission]) -> list[dict[str, object]]:
    """Permissions as `spec.authorization.acls` has them: one rule a resource with all its operations."""
    rules: dict[tuple[str, str, bool], list[str]] = {}
    for each in sorted(permissions):
        operation = "".join(word.capitalize() for word in each.operation.split("-"))
        rules.setdefault((each.resource, each.name, each.prefix), []).append(operation)
    return [
        {
            "resource": {"type": resource}
            if resource == "cluster"
            else {"type": resource, "name": name, "patternType": "prefix" if prefix else "literal"},
            "operations": operations,
        }
        for (resource, name, prefix), operations in rules.items()
    ]
