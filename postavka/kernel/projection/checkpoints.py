"""The marks of a projection: how far each input partition is folded in, moved in the transaction of the rows; and what
it could not read, kept in the same transaction.

The table `marks (name, "offset", position)` lies in the projection's own schema, which the connection's search path
names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from postavka.kernel.projection.read_model import Unread
from postavka.kernel.store.arrays import Bigints, Texts
from postavka.kernel.store.checkpoint import Checkpoint, CheckpointMoved
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.kernel.projection")


def read_marks(connection: psycopg.Connection[Any], names: Sequence[str]) -> dict[str, Checkpoint]:
    """The checkpoints by `topic/partition`; a partition without one is at -1."""
    rows = connection.cursor(row_factory=tuple_row).execute(QUERIES.marks, (Texts(names),))
    found = {name: Checkpoint(offset, position) for name, offset, position in rows}
    return {name: found.get(name, Checkpoint()) for name in names}


def move_marks(connection: psycopg.Connection[Any], moved: Mapping[str, tuple[Checkpoint, Checkpoint]]) -> None:
    """Move marks from where they are thought to be. Raises `CheckpointMoved` when one is elsewhere."""
    names = Texts(moved)
    before = Bigints(mark.offset for mark, _ in moved.values())
    rows = connection.execute(
        QUERIES.move_marks,
        (
            names,
            before,
            Bigints(mark.offset for _, mark in moved.values()),
            Bigints(mark.position for _, mark in moved.values()),
            names,
            before,
        ),
    ).fetchall()
    if len(rows) != len(names):
        raise CheckpointMoved(f"{len(names) - len(rows)} of {len(names)} marks are elsewhere")


def keep_unread(connection: psycopg.Connection[Any], records: Iterable[Unread]) -> None:
    """Keep what could not be read, each record once."""
    for each in records:
        connection.execute(QUERIES.keep_unread, each)
