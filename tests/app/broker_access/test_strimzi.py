"""Where Strimzi's operator makes users, we write its resources and touch no user ourselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from postavka.app.broker_access.strimzi import ManagedByStrimzi, access_rules
from postavka.app.cli.app import add_commands
from postavka.kernel.log.broker_access import Permission
from postavka.kernel.settings import settings


@pytest.fixture
def managed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The installation's broker is looked after by Strimzi, as the cluster `kafka`."""
    monkeypatch.setenv("POSTAVKA_KAFKA_STRIMZI_CLUSTER", "kafka")
    settings.cache_clear()
    yield
    settings.cache_clear()


def typed(*arguments: str) -> None:
    add_commands()(list(arguments), result_action="return_value")


def test_operations_on_one_resource_are_one_rule() -> None:
    rules = access_rules(
        [
            Permission("topic", "a", "write"),
            Permission("topic", "a", "describe-configs"),
            Permission("group", "a.", "read", prefix=True),
            Permission("cluster", "kafka-cluster", "describe"),
        ]
    )
    assert rules == [
        {"resource": {"type": "cluster"}, "operations": ["Describe"]},
        {"resource": {"type": "group", "name": "a.", "patternType": "prefix"}, "operations": ["Read"]},
        {
            "resource": {"type": "topic", "name": "a", "patternType": "literal"},
            "operations": ["DescribeConfigs", "Write"],
        },
    ]


def test_a_distributor_gets_a_resource(managed: None, tmp_path: Path) -> None:
    typed("distributor", "add", "dist-north", "--to", str(tmp_path))
    resource = json.loads((tmp_path / "dist-north.1.json").read_text())
    assert resource["metadata"] == {"name": "dist-north.1", "labels": {"strimzi.io/cluster": "kafka"}}
    written = {each["resource"]["name"]: each["operations"] for each in resource["spec"]["authorization"]["acls"]}
    assert written["distributors.dist-north.confirmations"] == ["Describe", "Write"]
    assert resource["spec"]["quotas"]["producerByteRate"] > 0


@pytest.mark.parametrize(
    "command", [("distributor", "rotate", "dist-north"), ("distributor", "revoke", "dist-north"), ("acls", "apply")]
)
def test_no_user_is_touched(command: tuple[str, ...], managed: None) -> None:
    with pytest.raises(ManagedByStrimzi, match="KafkaUser"):
        typed(*command)
