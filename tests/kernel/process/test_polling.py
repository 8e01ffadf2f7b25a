"""Counting has a share of the processor, not all of it."""

import pytest

from postavka.kernel.process.polling import LONGEST_SECONDS, pause_after


@pytest.mark.parametrize(
    ("took", "usual", "expected"),
    [(0.01, 5.0, 5.0), (0.5, 5.0, 5.0), (2.0, 5.0, 20.0), (30.0, 5.0, LONGEST_SECONDS), (30.0, 300.0, 300.0)],
)
def test_what_takes_long_is_done_less_often(took: float, usual: float, expected: float):
    assert pause_after(took, usual) == expected
