"""Events of a request are told in the order of their causes, in whatever order their topics are read."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID, uuid4

from hypothesis import given as for_all
from hypothesis import strategies as st

from events.approval import Approved
from events.request import RequestSubmitted
from events.shipping import PermissionIssued
from services.feed.order import FeedEntry, Place, cause_of, in_order

ID = uuid4()
SENT: Place = ("request.events", 3, 5)
AGREED: Place = ("approval.events", 3, 2)
PERMIT: Place = ("shipping.events", 3, 8)


def entry(place: Place, cause: Place | None, type_name: str, clock: int = 1, request_id: UUID = ID) -> FeedEntry:
    return FeedEntry(request_id, place, cause, clock, type_name, "{}")


CHAIN = [
    entry(SENT, None, RequestSubmitted.TYPE, 1),
    entry(AGREED, SENT, Approved.TYPE, 2),
    entry(PERMIT, AGREED, PermissionIssued.TYPE, 3),
]


@for_all(order=st.permutations(CHAIN), cuts=st.sets(st.integers(1, 2)))
def test_in_any_order_and_in_any_batches(order: list[FeedEntry], cuts: set[int]):
    read: set[Place] = set()
    told: list[FeedEntry] = []
    waiting: list[FeedEntry] = []
    bounds = [0, *sorted(cuts), len(order)]
    for start, end in pairwise(bounds):
        read |= {each.place for each in order[start:end]}
        now, waiting = in_order([*waiting, *order[start:end]], bool(told), read.__contains__)
        told += now
    assert told == CHAIN
    assert waiting == []


def test_what_stands_behind_on_its_topic_waits_with_it():
    behind = entry(("shipping.events", 3, 9), None, PermissionIssued.TYPE, 4)
    told, left = in_order([CHAIN[2], behind], True, lambda place: False)
    assert told == []
    assert left == [CHAIN[2], behind]


def test_nothing_is_told_before_it_is_known_whose_it_is():
    early = entry(AGREED, None, Approved.TYPE)
    assert in_order([early], False, lambda place: True) == ([], [early])
    assert in_order([early], True, lambda place: True) == ([early], [])


def test_only_a_record_of_a_stage_in_the_same_partition_is_waited_for():
    topics = ["request.events"]
    assert cause_of("request.events/3/17", 3, topics) == ("request.events", 3, 17)
    assert cause_of("request.events/4/17", 3, topics) is None
    assert cause_of("commands.requests/3/17", 3, topics) is None
    for wrong in (None, "", "x", "request.events/3", "request.events/3/-1", "request.events/3/x"):
        assert cause_of(wrong, 3, topics) is None
