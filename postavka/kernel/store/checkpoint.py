"""The checkpoint of an input: kept beside what was made of it, and moved in the same transaction."""

from __future__ import annotations

from typing import NamedTuple


class Checkpoint(NamedTuple):
    """The checkpoint of one input partition: offset of the last record handled (-1: none), highest position seen."""

    offset: int = -1
    position: int = 0


class CheckpointMoved(RuntimeError):
    """The marks in the database are not where this worker left them (a rebuild has swapped the tables in, or another
    worker has them): read them again and go on from there."""
