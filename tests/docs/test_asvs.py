"""The table of OWASP ASVS 5.0 has every requirement of levels 1 and 2, and names files that are there."""

from __future__ import annotations

import re
from collections import Counter

from tests.paths import PROJECT

SECTIONS = {
    "1.1": "1 2",
    "1.2": "1 2 3 4 5 6 7 8 9",
    "1.3": "1 2 3 4 5 6 7 8 9 10 11",
    "1.4": "1 2 3",
    "1.5": "1 2",
    "2.1": "1 2 3",
    "2.2": "1 2 3",
    "2.3": "1 2 3 4",
    "2.4": "1",
    "3.2": "1 2",
    "3.3": "1 2 3 4",
    "3.4": "1 2 3 4 5 6",
    "3.5": "1 2 3 4 5",
    "3.7": "1 2",
    "4.1": "1 2 3",
    "4.2": "1",
    "4.3": "1 2",
    "4.4": "1 2 3 4",
    "5.1": "1",
    "5.2": "1 2 3",
    "5.3": "1 2",
    "5.4": "1 2 3",
    "6.1": "1 2 3",
    "6.2": "1 2 3 4 5 6 7 8 9 10 11 12",
    "6.3": "1 2 3 4",
    "6.4": "1 2 3 4",
    "6.5": "1 2 3 4 5",
    "6.6": "1 2 3",
    "6.8": "1 2 3 4",
    "7.1": "1 2 3",
    "7.2": "1 2 3 4",
    "7.3": "1 2",
    "7.4": "1 2 3 4 5",
    "7.5": "1 2",
    "7.6": "1 2",
    "8.1": "1 2",
    "8.2": "1 2 3",
    "8.3": "1",
    "8.4": "1",
    "9.1": "1 2 3",
    "9.2": "1 2 3 4",
    "10.1": "1 2",
    "10.2": "1 2",
    "10.3": "1 2 3 4",
    "10.4": "1 2 3 4 5 6 7 8 9 10 11",
    "10.5": "1 2 3 4 5",
    "10.6": "1 2",
    "10.7": "1 2 3",
    "11.1": "1 2",
    "11.2": "1 2 3",
    "11.3": "1 2 3",
    "11.4": "1 2 3 4",
    "11.5": "1",
    "11.6": "1",
    "12.1": "1 2 3",
    "12.2": "1 2",
    "12.3": "1 2 3 4",
    "13.1": "1",
    "13.2": "1 2 3 4 5",
    "13.3": "1 2",
    "13.4": "1 2 3 4 5",
    "14.1": "1 2",
    "14.2": "1 2 3 4",
    "14.3": "1 2 3",
    "15.1": "1 2 3",
    "15.2": "1 2 3",
    "15.3": "1 2 3 4 5 6 7",
    "16.1": "1",
    "16.2": "1 2 3 4 5",
    "16.3": "1 2 3 4",
    "16.4": "1 2 3",
    "16.5": "1 2 3",
    "17.1": "1",
    "17.2": "1 2 3 4",
    "17.3": "1 2",
}
"""The requirements of levels 1 and 2 by section, as the standard of May 2025 numbers them (5.0.0, its CSV)."""
VERDICTS = {"holds": "hold", "in part": "hold in part", "**not met**": "are not met", "does not apply": "do not apply"}
TEXT = (PROJECT / "docs" / "asvs.md").read_text("utf-8")
ROW = re.compile(r"^\| ([0-9]+\.[0-9]+\.[0-9]+) \| ([^|]+) \| ([^|]+) \| ([^|]*?) ?\|$", re.MULTILINE)


def test_every_requirement_has_a_row_in_its_chapter() -> None:
    wanted = [f"{section}.{number}" for section, numbers in SECTIONS.items() for number in numbers.split()]
    assert len(wanted) == 253
    assert [number for number, *_ in ROW.findall(TEXT)] == wanted
    for chapter, rows in re.findall(r"^## V([0-9]+) [^\n]+\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL):
        assert {number.partition(".")[0] for number, *_ in ROW.findall(rows)} == {chapter}


def test_every_row_says_how_it_stands_and_where_that_is_tested() -> None:
    for number, verdict, done, where in ROW.findall(TEXT):
        assert verdict in VERDICTS, number
        assert len(done.strip()) > 10, number
        named = re.findall(r"`(\S+\.py)`", where)
        assert bool(where) == (verdict in ("holds", "in part")), number
        for file in named:
            assert any((PROJECT / folder / file).is_file() for folder in (".", "tests/web")), (number, file)
        assert where == "" or named or "](" in where, number


def test_the_counts_at_its_head_are_right() -> None:
    counts = Counter(verdict for _, verdict, _, _ in ROW.findall(TEXT))
    said = " ".join(TEXT.split())
    for verdict, words in VERDICTS.items():
        assert f"{counts[verdict]} {words}" in said
    not_met = {f"V{number}" for number, verdict, _, _ in ROW.findall(TEXT) if verdict == "**not met**"}
    assert not_met == set(re.findall(r"V[0-9.]+[0-9]", TEXT.partition("Not met: ")[2].partition("\n\n")[0]))
