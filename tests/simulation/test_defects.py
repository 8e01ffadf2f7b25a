"""Defects planted into the code are found by simulated histories, and each shrinks to a schedule that shows it."""

from __future__ import annotations

import pytest

from tests.simulation.defects import DEFECTS, Defect
from tests.simulation.simulation import as_test, first_failure, holds_on, shortened


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda each: each.name)
def test_a_planted_defect_is_found_and_shrinks_to_a_schedule(defect: Defect) -> None:
    with defect.planted():
        failure = first_failure(range(defect.seed, 10_000))
        assert failure is not None, "within 10,000 seeds nothing goes wrong"
        short = shortened(failure)
        assert (short.kind, len(short.steps) < 100) == (failure.kind, True)
        with pytest.raises(type(failure.error)):
            holds_on(*short.steps)
    holds_on(*short.steps)
    assert as_test(short).startswith("def test_seed_")
