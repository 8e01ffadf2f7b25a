"""What a person types for an id stands for the one that begins so, or the error says why not."""

from __future__ import annotations

from uuid import UUID

import pytest

from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.id_beginning import bounds, one_of, the_one, unknown

ID = UUID("6f9c8a1e-0d52-4a8e-9d0e-1c5f3a7b9e21")


@pytest.mark.parametrize("typed", ["6", "6f9c8a1e", "6F9C8A1E-", "6f9c8a1e0d52", "6f9c8a1e-0d5", "6f9c8a…", str(ID)])
def test_the_beginning_of_an_id_has_it_between_its_bounds(typed: str) -> None:
    low, high = bounds("request", typed)
    assert low <= ID <= high
    assert (low == high) is (typed == str(ID))


@pytest.mark.parametrize("typed", ["", "-", "x", "6f9c-8a1e", "6f9c8a1e-0d524", f"{ID}0", "act-1", "2026-000255"])
def test_what_begins_no_id_is_said_to_be_none(typed: str) -> None:
    with pytest.raises(UserError, match="is no id of a request"):
        bounds("request", typed)


def test_none_and_several_are_told_apart() -> None:
    assert the_one("request", "6f", [ID]) == ID
    with pytest.raises(NotFound, match="no request begins with '6f'"):
        the_one("request", "6f", [])
    with pytest.raises(UserError, match="several requests: a0, a1, a2, a3, a4, a5, a6, a7 and more; type more of it"):
        the_one("request", "a", [f"a{each}" for each in range(9)])


def test_a_whole_name_counts_though_others_begin_with_it() -> None:
    assert one_of("document", "act-1", ["act-1", "act-12"]) == "act-1"
    assert one_of("document", "inv", ["act-1", "invoice-1"]) == "invoice-1"


def test_a_slip_of_the_pen_is_answered_with_what_was_meant() -> None:
    known = ["ip-berezin", "lukomor"]
    assert str(unknown("partner", "lukomorr", known)) == "'lukomorr' is no partner. Did you mean 'lukomor'?"
    assert (
        str(unknown("partner", "zz", map(str, range(10))))
        == "'zz' is no partner; there are 0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
    )
