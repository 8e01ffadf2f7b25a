"""Does everybody who reads the log get on?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from confluent_kafka.admin import AdminClient

from postavka.app.one_box.doctor.check import Check, listed
from postavka.kernel.installation.held import HeldPartition, all_held
from postavka.kernel.log.offsets import PartitionOffsets
from postavka.kernel.settings import Settings
from services.ops.consumers import READERS, reached

STILL_SECONDS = 5.0
"""Lag that doesn't get smaller for so long is not load but a standstill: the slowest save their place every 3 s."""
Marks = Mapping[str, Mapping[tuple[str, int], int]]
"""Reader → input partition → offset of the last record handled, -1 for none."""


def check_held(held: Sequence[HeldPartition]) -> Check | None:
    """Wrong if a reader holds a partition that has lost its end."""
    if not held:
        return None
    todo = "postavka topics --set-back; docs/how-it-recovers.md, “A log that has lost its end”"
    return Check("lag", "wrong", listed([str(each) for each in held]), todo)


def check_marks(marks: Marks, ends: Mapping[tuple[str, int], int]) -> Check | None:
    """Wrong if a topic ends before what was handled: it has lost records, and new ones at these offsets are skipped."""
    short = sorted(
        f"{topic}/{partition} ends at {ends[topic, partition]}, {reader} has handled {offset}"
        for reader, reached in marks.items()
        for (topic, partition), offset in reached.items()
        if (topic, partition) in ends and offset >= ends[topic, partition]
    )
    if not short:
        return None
    todo = "its reader holds it when it runs: docs/how-it-recovers.md, “A log that has lost its end”"
    return Check("lag", "wrong", f"Kafka has lost records: {listed(short)}", todo)


def lag_of(marks: Marks, ends: Mapping[tuple[str, int], int]) -> dict[str, int]:
    """Records not handled yet, by reader."""
    return {
        reader: sum(max(0, ends[place] - 1 - offset) for place, offset in reached.items() if place in ends)
        for reader, reached in marks.items()
    }


def check_lag(before: Mapping[str, int], after: Mapping[str, int], moved: Iterable[str]) -> Check:
    """Does every reader with lag get on? `moved`: readers that have handled something between the two looks."""
    getting_on = set(moved)
    stuck = [
        f"{reader} {lag}" for reader, lag in after.items() if lag and before.get(reader) and reader not in getting_on
    ]
    if stuck:
        todo = "is the service up (see below)? its log says why it stands still"
        return Check("lag", "wrong", f"records wait and nothing moves: {listed(stuck)}", todo)
    total = sum(after.values())
    return Check("lag", "ok", f"{total} records, being handled" if total else "none")


def _marks(connection: psycopg.Connection[Any], admin: AdminClient) -> Marks:
    return {each.name: found for each in READERS if (found := reached(connection, admin, each))}


def ask_lag(config: Settings, connection: psycopg.Connection[Any], admin: AdminClient) -> Check:
    """The check of everybody who keeps a place of its own; it asks twice where records wait."""
    before = _marks(connection, admin)
    places = {place for reached in before.values() for place in reached}
    with PartitionOffsets(config) as offsets:
        ends = offsets.ends(places)
    if (lost := check_held(all_held(connection)) or check_marks(before, ends)) is not None:
        return lost
    lag = lag_of(before, ends)
    if not any(lag.values()):
        return check_lag(lag, lag, ())
    time.sleep(STILL_SECONDS)
    after = _marks(connection, admin)
    moved = [reader for reader in after if after[reader] != before.get(reader)]
    return check_lag(lag, lag_of(after, ends), moved)
