"""Numbers of requests: given by the store of their stage, and read as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from postavka.domain.request_numbers import canonical, number_of, position_of


def test_a_number_has_the_year_of_moscow_and_the_position() -> None:
    assert number_of(255, datetime(2026, 11, 30, 12, tzinfo=UTC)) == "2026-000255"
    assert number_of(255, datetime(2026, 12, 31, 21, tzinfo=UTC)) == "2027-000255"
    assert number_of(1_234_567, datetime(2026, 1, 1, tzinfo=UTC)) == "2026-1234567"


@pytest.mark.parametrize(
    "typed", ["2026-000255", "№ 2026-000255", "№2026-255", " 2026–255 ", "2026/255", "n 2026 - 255"]
)
def test_a_number_is_read_as_people_write_it(typed: str) -> None:
    assert canonical(typed) == "2026-000255"
    assert position_of("2026-000255") == 255


@pytest.mark.parametrize("typed", ["2026-0000255", "2026", "26-255", "6f9c8a1e", "482-019-337", "2026-255-1", "№"])
def test_what_is_no_number_is_none(typed: str) -> None:
    assert canonical(typed) is None
