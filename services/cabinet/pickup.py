"""Take up records that an earlier release could not read: a later one folds the requests that they belong to anew.

A fold knows one order, so that a record can't be put in behind what came after it. The requests concerned are few; all
that the log says of them, up to the marks, is read again. Called by who has the partitions, before it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from events.registry import MESSAGES
from events.upcasting import UPCASTERS
from postavka.kernel.log.range_reader import read_pieces
from postavka.kernel.log.record import Piece
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.queries import load_queries
from services.cabinet.folded import CabinetFold
from services.cabinet.table import TOPICS, tell_changed, write_groups

QUERIES = load_queries("services.cabinet")

log = logger(__name__)

Place = tuple[str, int]


def pick_up(
    config: Settings, connection: psycopg.Connection[Any], marks: Mapping[str, Checkpoint], hold: Callable[[], None]
) -> int:
    """Fold anew what this release can read now, in the partitions of these marks; returns how many requests. `hold` is
    called in the transaction that writes, and raises `CheckpointMoved` if the tables are others by then."""
    readable = _readable(connection, marks)
    if not readable:
        return 0
    keys = _keys(config, readable)
    numbers = {partition for _, partition, _ in readable}
    ends = {
        (topic, number): mark.offset + 1
        for topic in TOPICS
        for number in numbers
        if (mark := marks.get(f"{topic}/{number}")) is not None and mark.offset >= 0
    }
    folded = CabinetFold()
    for piece in read_pieces(config, dict.fromkeys(ends, 0), ends):
        folded.take(Piece(piece.topic, piece.partition, [each for each in piece.records if each.key in keys]))
    still = {(topic, partition, offset) for topic, partition, offset, *_ in folded.unread}
    with connection.transaction():
        hold()
        write_groups(connection, folded.rows)
        for place in readable:
            if place not in still:
                connection.execute(QUERIES.forget_unread, place)
        tell_changed(connection, folded.rows)
    log.info("records of a newer release taken up", records=len(readable), requests=len(folded.rows))
    return len(folded.rows)


def _readable(connection: psycopg.Connection[Any], marks: Mapping[str, Checkpoint]) -> list[tuple[str, int, int]]:
    """Records that were put aside for their type, which is known by now."""
    rows = connection.execute(QUERIES.readable, (list(marks),)).fetchall()
    return [(topic, part, offset) for topic, part, offset, type_name in rows if type_name in MESSAGES | UPCASTERS]


def _keys(config: Settings, places: list[tuple[str, int, int]]) -> set[bytes]:
    """The keys of these places' records."""
    wanted = set(places)
    starts: dict[Place, int] = {}
    ends: dict[Place, int] = {}
    for topic, partition, offset in places:
        place = (topic, partition)
        starts[place] = min(offset, starts.get(place, offset))
        ends[place] = max(offset + 1, ends.get(place, 0))
    found = set()
    for piece in read_pieces(config, starts, ends):
        for record in piece.records:
            if (piece.topic, piece.partition, record.offset) in wanted and record.key:
                found.add(record.key)
    return found
