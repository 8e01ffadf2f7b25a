"""Defects that others' systems have had, tried here. Each is named after the report that tells of it."""

from __future__ import annotations

import itertools
import json
from typing import Any
from uuid import UUID

import pytest

from events import upcasting
from events.envelope import Envelope
from events.model import Decision
from events.registry import encode
from events.shipping import DocumentIssued
from postavka.kernel.log.record import Record
from postavka.kernel.stage.definition import Input, Stage
from postavka.kernel.stage.runner import StageRunner
from tests.paths import PROJECT
from tests.services.memory import MemoryStore
from tests.simulation.simulation import Step, happens, holds_on, in_memory, settle
from tests.simulation.small_world import NOON
from tests.simulation.world import World

START = [("go", name) for name in ("request-1", "request-2") for _ in range(12)]
"""Both are there, and have read their marks."""


def history(world: World, *steps: tuple[Any, ...]) -> None:
    for step in steps:
        happens(world, Step(*step))


# Marten 3321: all events are stored, and a projection never sees one or two of them


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_marten_3321_an_event_is_not_skipped_when_writers_commit_in_any_order(order: tuple[int, ...]) -> None:
    """Two writers of one store, and its relay reads between their commits, whichever comes first. (Positions that two
    real transactions draw: `test_two_writers_at_once_leave_no_gap_and_a_reader_never_sees_one`.)"""
    going = [[("go", "request-1")] * 4, [("go", "request-2")] * 4, [("go", "request-1/relay")] * 6]
    holds_on(
        *START,
        ("tell", "0 submit"),
        ("tell", "2 submit"),
        *(step for part in order for step in going[part]),
        *(step for part in order for step in going[part]),
    )


# Marten 3705: a gap between positions, and what waits for them to be whole stands still


def test_marten_3705_a_gap_between_positions_holds_nobody_up() -> None:
    """A restored store: of two events the second was published, so that the first one's position is never given
    again."""
    with in_memory():
        world = World()
        history(world, *START, ("tell", "2 submit"), ("tell", "0 submit"), ("assign", "request", 2))
        history(world, *[("go", "request-1", 50)] * 8)
        tables = world.databases["request"].tables
        assert [event.position for event in tables.events] == [1, 2]
        relay = world.processes["request-1"].relay  # type: ignore[attr-defined]
        while not world.log.partitions["request.events", partition_of_second(tables)]:
            history(world, ("go", "request-1/relay", 1))
        assert relay.position == 0
        first = [place for place, records in world.log.partitions.items() if place[0] == "request.events" and records]
        assert len(first) == 1, "the other one is not published yet"
        history(world, ("restore", "request"))
        settle(world)
        assert [event.position for event in world.databases["request"].tables.events] == [2, 3]
        assert {mark.position for mark in world.databases["shown"].tables.marks.values()} >= {2, 3}


def partition_of_second(tables: Any) -> int:
    """The relay sends a round by partition, in the order in which it meets them."""
    from tests.simulation.invariants import partition_at

    return partition_at(tables.events[1])


# Axon 2500: what was refused for a defect in an upcaster stays refused when that is mended


def test_axon_2500_a_dead_letter_is_read_by_the_upcasters_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    request = UUID(int=7)
    golden = (PROJECT / "events/golden/DocumentIssued.v1.jsonl").read_text().splitlines()[0]
    sample = json.loads(golden)["value"].encode()
    headers = tuple(Envelope(f"{request}/1", "/s", "DocumentIssued.v1", str(request), NOON, position=1).headers())
    record = Record("shipping.events", 0, 0, 0, str(request).encode(), sample, headers)
    seen: list[DocumentIssued] = []

    def decide(state: Any, message: Any, facts: Any) -> Decision:
        seen.append(message)
        return ()

    feed = Input("shipping.events", (DocumentIssued,), from_stage=True)
    stage = Stage("toy", lambda: [feed], None, decide, lambda state, event: state)
    store: Any = MemoryStore()
    runner = StageRunner(stage, store, [feed], 10)

    following, lift = upcasting.UPCASTERS["DocumentIssued.v1"]
    monkeypatch.setitem(upcasting.UPCASTERS, "DocumentIssued.v1", (following, lambda fields: fields["no such field"]))
    [letter] = runner.handle([record]).dead_letters
    assert (letter.code, letter.record, seen) == ("bad-body", record, [])
    assert runner.retry([letter]).dead_letters[0].code == "bad-body"

    monkeypatch.setitem(upcasting.UPCASTERS, "DocumentIssued.v1", (following, lift))
    assert runner.retry([letter]).dead_letters == []
    [taken] = seen
    assert taken.form == "postavka.document/1"
    assert encode(taken) != sample


# Faust 502 and 606: by a rebalance in the middle of a batch something is handled twice, or passed over


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("others", [1, 3, 6, 12])
def test_faust_502_and_606_a_rebalance_repeats_nothing_and_loses_nothing(turns: int, others: int) -> None:
    """The first worker is stopped wherever it is with its batch, the second gets the partitions and comes so far; then
    the first goes on, none the wiser."""
    holds_on(
        *START,
        ("assign", "request", 2),
        *[("go", "request-1")] * 4,
        ("tell", "0 submit"),
        ("tell", "1 submit"),
        ("tell", "0 withdraw"),
        *[("go", "request-1", 2)] * turns,
        ("assign", "request", 3),
        *[("go", "request-2", 3)] * others,
        *[("go", "request-1", 2)] * 6,
        ("tell", "1 withdraw"),
        ("assign", "request", 2),
        *[("go", "request-1", 1), ("go", "request-2", 1)] * 3,
    )
