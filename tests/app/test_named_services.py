"""Whoever names services without importing the registry names those that there are: a new one is not forgotten."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import yaml

from bench.growth import LEFT_OUT
from postavka.app.broker_access.services import GROUPS, READS_ALL, SEES_ALL, STANDS_FOR
from postavka.app.one_box.priorities import NICENESS
from postavka.app.registry import SCHEMAS, SERVICES
from services.ops.consumers import READERS
from tests.faults import schedule
from tests.paths import PROJECT


def scraped() -> set[str]:
    """Services in the sample configuration of Prometheus."""
    found = yaml.safe_load((PROJECT / "deploy" / "observability" / "prometheus.yml").read_text("utf-8"))
    return {each["labels"]["service"] for each in found["scrape_configs"][0]["static_configs"]}


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(set(NICENESS) - {"kafka"}, id="niceness"),
        pytest.param({reader.name for reader in READERS} | {"web"}, id="readers; web keeps no place"),
        pytest.param(scraped(), id="prometheus.yml"),
        pytest.param(schedule.SERVICES, id="storms"),
    ],
)
def test_all_services_are_named(named: Collection[str]) -> None:
    assert set(named) == set(SERVICES)


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(STANDS_FOR, id="parties"),
        pytest.param(GROUPS, id="groups"),
        pytest.param(SEES_ALL, id="sees all"),
        pytest.param(READS_ALL, id="reads all"),
        pytest.param(LEFT_OUT, id="left out of the benchmark of growth"),
    ],
)
def test_only_services_are_named(named: Collection[str]) -> None:
    assert set(named) <= set(SERVICES)


def test_a_group_of_its_own_is_the_same_everywhere() -> None:
    assert {reader.name: reader.group for reader in READERS if reader.group is not None} == GROUPS


def test_every_service_with_a_store_of_its_own_has_its_schema() -> None:
    assert set(SERVICES) - set(SCHEMAS) == {"desk", "web"}
