"""The queueing model behind docs/cluster.md: at each part's end it agrees with what arithmetic says, and the page shows
its table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.ceiling import PARTITIONS, ROW_MS, STAGES, ceiling, row, simulate
from tests.paths import PROJECT

SHIPPING = next(stage for stage in STAGES if stage.name == "shipping")


def test_at_little_load_each_part_is_as_busy_as_its_work_takes() -> None:
    load = simulate(replace(SHIPPING, decide_ms=1.0), 20.0, 1)
    assert load.holds
    assert load.workers == pytest.approx(20 * 11 / 1_000, rel=0.1), "a batch of one, which costs as much as eleven"
    assert load.head == pytest.approx(20 * (0.28 + SHIPPING.events * ROW_MS) / 1_000, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "workers", "wall", "most"),
    [
        ({"publish_ms": 0.0}, 1, "workers", 1_000 / (0.46 + SHIPPING.events * ROW_MS)),
        ({"decide_ms": 0.001}, PARTITIONS, "relay", 1_000 / 0.12),
        ({"decide_ms": 0.001, "publish_ms": 0.0}, PARTITIONS, "head row", 1_000 / (SHIPPING.events * ROW_MS)),
    ],
)
def test_the_busiest_part_is_where_it_stops(changes: dict[str, float], workers: int, wall: str, most: float) -> None:
    rate, gives_out = ceiling(replace(SHIPPING, **changes), workers)
    assert gives_out == wall
    assert rate == pytest.approx(most, rel=0.1)


def test_above_it_more_and_more_is_left_behind() -> None:
    rate, _ = ceiling(SHIPPING, 2)
    assert simulate(SHIPPING, rate / 2, 2).holds
    assert simulate(SHIPPING, rate * 2, 2).undecided > 5


def test_the_page_shows_what_the_model_says() -> None:
    """Of the dearest stage: all of them take a while."""
    assert row(SHIPPING) in (PROJECT / "docs" / "cluster.md").read_text().splitlines()
