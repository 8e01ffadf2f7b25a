"""A power cut under load loses nothing that was acknowledged; `python -m tests.cluster.power` cuts 200 times."""

from __future__ import annotations

import pytest

from tests.cluster.disk import why_not
from tests.cluster.power import cuts

SEED = 1


@pytest.mark.servers
def test_what_was_acknowledged_outlives_power_cuts() -> None:
    if (impossible := why_not()) is not None:
        pytest.skip(impossible)
    reports = list(cuts(2, SEED))
    assert all(report.rows and report.records and report.events for report in reports)
    assert all(report.holds for report in reports), reports
