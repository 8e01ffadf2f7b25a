"""The active controller of three brokers is killed under load: the short form of `make cluster`."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.cluster.drills import Sent, carry_out
from tests.cluster.rig import rig
from tests.faults.schedule import OF_THE_PROCEDURE
from tests.paths import JARS
from tests.system.own_whole import own_folder

RATE, SECONDS, SEED = 4.0, 5.0, 1


@pytest.mark.whole
@pytest.mark.timeout(1_800)
def test_a_broker_of_three_is_killed_and_nothing_is_lost_or_doubled(
    measured: Callable[[str], None],
) -> None:
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.skip("faults are made in servers of our own, not in yours")
    with own_folder("cluster") as home, rig(home, JARS, OF_THE_PROCEDURE, standby=False, own_hosts=False) as running:
        report = carry_out(running, "controller", RATE, SEED, Sent(), SECONDS)
        measured(str(report))
        assert report.violations == []
