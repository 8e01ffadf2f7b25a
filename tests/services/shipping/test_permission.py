"""Permission numbers: unique, unguessable, can be dictated, and any slip of the tongue is noticed (L14, L15)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shipping.permission import NotAPermission, check_digit, new_permission_number, parse

EXAMPLE = "482-019-337-561-908-274-651"
NUMBERS = st.integers(0, 10**20 - 1).map(lambda number: f"{number:020d}").map(lambda d: d + str(check_digit(d)))


def test_a_number_has_one_written_form():
    assert re.fullmatch(r"(\d{3}-){6}\d{3}", new_permission_number())


def test_the_check_digit_is_damms():
    assert check_digit("572") == 4  # the example of the literature
    assert check_digit("5724") == 0


def test_a_thousand_numbers_are_a_thousand():
    numbers = {new_permission_number() for _ in range(1_000)}
    assert len(numbers) == 1_000
    assert len({number[:3] for number in numbers}) > 300  # spread over the whole range, no sequence


@given(NUMBERS)
def test_every_number_is_read_back_however_it_is_typed(digits: str):
    written = parse(digits)
    for typed in (written, written.replace("-", " "), f"  {written} ", written.replace("-", " – "), digits):
        assert parse(typed) == written


@pytest.mark.parametrize("number", [new_permission_number() for _ in range(20)], ids=range(20))
def test_every_single_wrong_digit_is_noticed(number: str):
    for place, right in enumerate(number):
        for wrong in "0123456789":
            if right != "-" and wrong != right:
                with pytest.raises(NotAPermission, match="контрольная"):
                    parse(number[:place] + wrong + number[place + 1 :])


@pytest.mark.parametrize("number", [new_permission_number() for _ in range(20)], ids=range(20))
def test_every_swap_of_neighbours_is_noticed(number: str):
    digits = number.replace("-", "")
    for place in range(len(digits) - 1):
        one, other = digits[place], digits[place + 1]
        if one != other:
            with pytest.raises(NotAPermission, match="контрольная"):
                parse(digits[:place] + other + one + digits[place + 2 :])


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "только из цифр"),
        ("482-019-337-561-908-274-65O", "только из цифр"),
        ("٤٨٢-019-337-561-908-274-650", "только из цифр"),
        ("482-019", "21 цифра, а введено 6"),
        ("482-019-337-561-908-274-6500", "21 цифра, а введено 22"),
    ],
)
def test_what_is_no_number_is_named(typed: str, complaint: str):
    with pytest.raises(NotAPermission, match=complaint):
        parse(typed)


def test_the_example_of_the_docs_is_a_number():
    assert parse(EXAMPLE) == EXAMPLE
