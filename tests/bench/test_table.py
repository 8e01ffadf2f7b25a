"""Several runs of the bench are one table: the median of each figure, with the least and the most beside it."""

from __future__ import annotations

from bench.table import Found, Peer, Row, of_several


def run(rate: float, beside: float) -> Found:
    return Found([Row("a", "requests/s", rate, "", [Peer("another", beside)])], "now", [1.0, 2.0])


def test_one_run_is_shown_as_it_is() -> None:
    only = run(700, 50)
    assert of_several([only]) is only
    assert only.rows[0].spread() == ""


def test_of_several_the_median_counts_and_the_ends_stand_beside_it() -> None:
    found = of_several([run(700, 50), run(400, 20), run(600, 40)])
    (row,) = found.rows
    assert (row.measured, row.least, row.most, row.spread()) == (600, 400, 700, "400 to 700")
    assert row.peers == [Peer("another", 40)]
    assert "1.0 to 2.0, 1.0 to 2.0, 1.0 to 2.0" in found.conditions()
    assert "| a | requests/s | 600  | 400 to 700 | 15.00 × another (40.0) |" in found.as_markdown()


def test_a_figure_that_not_every_run_has_is_kept() -> None:
    broken = Found([], "now", [1.0, 2.0])
    assert [row.measured for row in of_several([broken, run(700, 50)]).rows] == [700]
