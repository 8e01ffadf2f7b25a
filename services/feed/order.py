"""The order in which the events of one request are told: none before what caused it, whichever topic is read first.
Pure.

Each event says which record was being handled when it was written (`input`). An event waits while that record has not
been read, or waits itself; and whatever stands behind it on its own topic waits with it. Nothing is told of a request
before it was submitted: until then nobody knows whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.feed.views import BEGINS

Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An event of a request on its way into the feed. `cause`: the stage's record that was being handled, if it was
    one. `event`: the event as its partner sees it, as JSON; empty: told to nobody, and only others wait for it."""

    request_id: UUID
    place: Place
    cause: Place | None
    clock: int
    type: str
    event: str


def cause_of(given: str | None, partition: int, topics: Sequence[str]) -> Place | None:
    """The place of a stage's record that `input` names. None for a command, and for another partition: it has another
    reader, and belongs to another request."""
    topic, number, offset = (given or "").rsplit("/", 2) if (given or "").count("/") >= 2 else ("", "", "")
    if topic not in topics or number != str(partition) or not offset.isdigit():
        return None
    return topic, partition, int(offset)


def in_order(
    entries: Sequence[FeedEntry], known: bool, is_read: Callable[[Place], bool]
) -> tuple[list[FeedEntry], list[FeedEntry]]:
    """The entries that are told now, in order, and those that wait, of all of one request that are not told yet.
    `known`: its submission was told."""
    left = sorted(entries, key=lambda each: each.place)
    told: list[FeedEntry] = []
    while True:
        waiting = {each.place for each in left}
        heads = {each.place[0]: each for each in reversed(left)}.values()
        free = [
            head
            for head in heads
            if (known or head.type == BEGINS)
            and (head.cause is None or (is_read(head.cause) and head.cause not in waiting))
        ]
        if not free:
            return told, left
        first = min(free, key=lambda each: (each.clock, each.place))
        known = known or first.type == BEGINS
        told.append(first)
        left.remove(first)
