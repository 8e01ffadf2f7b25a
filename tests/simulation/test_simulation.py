"""A thousand histories of the simulated installation in `make quick`, ten thousand in `make test`. More, or a seed of
one's own: `python -m tests.simulation --help`."""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import main, told_failure
from tests.simulation.defects import DEFECTS
from tests.simulation.simulation import as_test, first_failure, history_of, holds_on, shortened


@pytest.mark.parametrize(
    "seeds",
    [
        range(1_000),
        *(pytest.param(range(low, low + 3_000), marks=pytest.mark.servers) for low in (1_000, 4_000, 7_000)),
    ],
    ids=lambda seeds: f"{seeds.start}-{seeds.stop}",
)
def test_nothing_is_lost_or_doubled_whatever_happens(seeds: range) -> None:
    failure = first_failure(seeds)
    assert failure is None, as_test(shortened(failure))


def test_a_seed_is_one_history() -> None:
    assert history_of(17) == history_of(17) != history_of(18)


def test_the_long_form_says_how_far_it_is_and_what_it_has_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "30", "--processes", "1"]) == 0
    assert "30 histories in" in capsys.readouterr().out
    with DEFECTS[0].planted():
        found = told_failure(range(5))
    assert found is not None
    assert found.startswith("seed 0: ")
    assert "def test_seed_0() -> None:" in found


# What simulated histories have found, as they shrank


def test_what_was_refused_before_a_restore_stays_refused_after_it() -> None:
    """A withdrawal came before its request and was refused; the request's event came back from the topic, the refusal
    did not, and the withdrawal, read again, had an effect."""
    holds_on(
        ("tell", "3 withdraw"),
        ("tell", "3 submit"),
        *[("go", "request-2", 3)] * 13,
        *[("go", "request-2/relay")] * 7,
        ("restore", "request"),
    )


def test_two_workers_that_start_at_once_complete_an_input_once() -> None:
    """Both did, and the second ended with a conflict."""
    holds_on()
