"""What fields hold is read by one reader, whatever an address says."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from postavka.web.fields import id_in, ids_in, moment_field, moment_in


def test_a_moment_is_moscows_and_goes_back_into_its_field():
    moment = moment_in("2026-03-31T18:00")
    assert moment == datetime(2026, 3, 31, 15, tzinfo=UTC)
    assert moment_field(moment) == "2026-03-31T18:00"
    assert moment_in("2026-03-31T18:00+05:00") == datetime(2026, 3, 31, 13, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30T10:00", "0001-01-01T00:00", "9999-12-31T23:59-12:00"])
def test_nonsense_is_no_moment(text: str):
    assert moment_in(text) is None


def test_an_id_is_one_or_none():
    text = "0198f3c2-7c1e-7a44-9b1d-3f0a5c6e7d80"
    assert id_in(text) == id_in(UUID(text)) == UUID(text)
    assert (id_in(""), id_in(None), id_in("№ 12")) == (None, None, None)


def test_ids_are_each_once_in_their_order():
    first, second = UUID(int=2), UUID(int=1)
    assert ids_in([str(first), "№ 12", str(second), str(first), ""]) == [first, second]
