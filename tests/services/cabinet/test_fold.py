"""The cabinet's fold: any interleaving of the stages' topics gives the same row (L18)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from events.registry import BadBody, UnknownType, encode
from events.samples import samples
from events.topics import STAGE_TOPICS
from services.cabinet.fold import (
    CHANGES,
    REQUIRED,
    STAGES,
    UNREAD_BODIES,
    UNSHOWN,
    NotOfThisStage,
    Row,
    fold,
    read,
    status,
)
from tests.services.histories import merged

Told = tuple[str, str, dict[str, Any], str, int]
"""Stage, type, fields, time, position: what `fold` is given of one event."""

EVERYTHING: dict[str, list[tuple[str, dict[str, Any]]]] = {
    topic.writer: [
        (message.TYPE, json.loads(encode(sample)))
        for message in topic.carries
        if message.TYPE not in UNSHOWN
        for sample in samples(message)
    ]
    for topic in STAGE_TOPICS
}


@st.composite
def topics(draw: st.DrawFn) -> list[list[Told]]:
    """Any events of one request on each of the stages' topics, in the order of their positions."""
    found = []
    for stage in STAGES:
        events = draw(st.lists(st.sampled_from(EVERYTHING[stage]), max_size=6))
        found.append([(stage, *event, f"2026-03-16T09:30:{place:02}Z", place) for place, event in enumerate(events, 1)])
    return found


def folded(history: list[Told]) -> Row:
    row: Row = {}
    for stage, type_name, fields, time, position in history:
        fold(row, stage, type_name, copy.deepcopy(fields), time, position)
    return row


@for_all(st.data())
def test_any_interleaving_of_the_topics_gives_the_same_row(data: st.DataObject):
    stages = data.draw(topics())
    one, other = (data.draw(merged(stages, repeats=False)) for _ in range(2))
    assert folded(one) == folded(other)
    assert status(folded(one)) == status(folded(other))


@for_all(topics())
def test_an_event_touches_only_its_own_stages_group(stages: list[list[Told]]):
    row = folded([event for topic in stages for event in topic])
    for events in stages:
        alone = folded(events)
        assert all(row[stage] == group for stage, group in alone.items())


@for_all(st.data())
def test_a_row_that_was_written_and_loaded_in_between_is_folded_on_alike(data: st.DataObject):
    """The live projection keeps rows as JSON; a rebuild folds in memory to the end."""
    history = data.draw(topics().flatmap(lambda stages: merged(stages, repeats=False)))
    at_once = folded(history)
    row: Row = {}
    for stage, type_name, fields, time, position in history:
        fold(row, stage, type_name, copy.deepcopy(fields), time, position)
        row = json.loads(json.dumps(row))
    assert row == json.loads(json.dumps(at_once))


@pytest.mark.parametrize("stage", STAGES)
def test_every_event_of_a_stage_can_be_folded_alone(stage: str):
    """What comes first of a stage may be any of its events, for another release may have dropped those before."""
    for type_name, fields in EVERYTHING[stage]:
        assert read(stage, type_name, json.dumps(fields).encode()) == (
            (type_name, {} if type_name in UNREAD_BODIES else json.loads(json.dumps(fields)))
        )
        row = folded([(stage, type_name, fields, "2026-03-16T09:30:00Z", 7)])
        assert row[stage]["position"] == 7
        assert status(row)


def test_a_term_is_that_of_the_last_event_and_a_renewal_has_none():
    def term(*events: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        history: list[Told] = [("renewal", *event, "t", place) for place, event in enumerate(events, 1)]
        group = folded(history)["renewal"]
        return {name: group.get(name) for name in ("service_from", "service_until", "lapsed_at")}

    started = ("ServiceStarted.v1", {"service_from": "2026-01-01", "service_until": "2026-12-31"})
    lapsed = ("ServiceLapsed.v1", {"service_until": "2026-12-31"})
    renewed = ("ServiceRenewed.v1", {"service_from": "2026-01-01", "service_until": "2027-12-31"})
    of_another = ("RenewalActivated.v1", {"renews": "x"})
    nothing = dict.fromkeys(("service_from", "service_until", "lapsed_at"))
    assert term(started) == {**started[1], "lapsed_at": None}
    assert term(started, lapsed) == {**started[1], "lapsed_at": "t"}
    assert term(started, lapsed, renewed) == {**renewed[1], "lapsed_at": None}
    assert term(started, of_another) == term(of_another) == nothing


def test_every_event_that_changes_a_row_is_of_one_stage():
    known = {type_name for types in REQUIRED.values() for type_name in types}
    assert CHANGES.keys() <= known
    assert known >= UNSHOWN
    assert not CHANGES.keys() & UNSHOWN


@pytest.mark.parametrize("stage", STAGES)
def test_what_no_stage_has_written_is_told_before_a_row_is_touched(stage: str):
    for other in STAGES:
        for type_name, fields in EVERYTHING[other]:
            if other != stage:
                with pytest.raises(NotOfThisStage, match=r"is no event of"):
                    read(stage, type_name, json.dumps(fields).encode())
    for type_name, fields in EVERYTHING[stage]:
        for name in () if type_name in UNREAD_BODIES else REQUIRED[stage][type_name]:
            without = {key: value for key, value in fields.items() if key != name}
            with pytest.raises(NotOfThisStage, match=name):
                read(stage, type_name, json.dumps(without).encode())


def test_a_body_that_is_shown_nowhere_is_not_read():
    """It moves the request, whatever stands in it: so with the live projection, a rebuild and the auditor alike."""
    assert "ShippingOpened.v2" in UNREAD_BODIES
    assert read("shipping", "ShippingOpened.v2", b"{") == ("ShippingOpened.v2", {})
    assert read("shipping", "ShippingOpened.v1", None) == ("ShippingOpened.v2", {})
    with pytest.raises(BadBody):
        read("shipping", "ShipmentIssued.v1", b"{")
    with pytest.raises(UnknownType):
        read("shipping", "ShippingOpened.v99", b"{}")
