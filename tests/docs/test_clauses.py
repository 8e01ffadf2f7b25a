"""What the documents name is there."""

from __future__ import annotations

import re

import pytest

from tests.paths import PROJECT

CLAUSES = (PROJECT / "docs" / "clauses.md").read_text()


def test_every_clause_of_the_letter_has_a_place_and_a_test():
    rows = [line.split(" | ") for line in CLAUSES.splitlines() if line.startswith("| L")]
    assert [row[0].removeprefix("| ") for row in rows] == [f"L{number}" for number in range(1, 21)]
    for row in rows:
        assert "`" in row[2], row[0]
        assert "`tests/" in row[3], row[0]


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`((?:tests|services|events|deploy)/[^`]+)`", CLAUSES))))
def test_what_is_named_is_there(named: str):
    path, _, test = named.partition("::")
    assert (PROJECT / path).exists()
    assert not test or f"def {test}(" in (PROJECT / path).read_text()
