"""Tiles, sizes and checkpoints in the schema `audit`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.sql import Identifier

from postavka.kernel.log.record import partition_name
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.migration import MigrationSet
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from services.audit.integrity.logs import LOGS, stage_of
from services.audit.integrity.merkle import Tree
from services.audit.integrity.signed_tables import TABLES, is_prepared, is_there, last_row, newest_row

QUERIES = load_queries("services.audit")

SCHEMA = "audit"
MIGRATIONS = MigrationSet("services.audit", "services.audit")


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A row of the table `checkpoints`."""

    id: int
    log: str
    size: int
    root: bytes
    signed_at: datetime
    note: str


def connect(config: Settings) -> psycopg.Connection[Any]:
    """A connection to the auditor's schema."""
    return open_session(
        database_url(config),
        {"search_path": f"{SCHEMA},public", "jit": "off"},
        application_name="postavka-audit",
    )


def open_tree(connection: psycopg.Connection[Any], log: str) -> Tree:
    """The tree of a log as it was saved last."""
    row = connection.execute(QUERIES.tree_size, (log,)).fetchone()

    @lru_cache(maxsize=64)
    def read(level: int, index: int) -> bytes:
        found = connection.execute(QUERIES.tile, (log, level, index)).fetchone()
        return bytes(found[0]) if found else b""

    return Tree(int(row[0]) if row else 0, _TileReader(read))


class _TileReader:
    """A reader of tiles; full ones never change and are remembered for a while."""

    def __init__(self, read: Any) -> None:
        self._read = read

    def __call__(self, level: int, index: int) -> bytes:
        hashes: bytes = self._read(level, index)
        if len(hashes) < 32 * 256:
            self._read.cache_clear()
        return hashes


def save(
    connection: psycopg.Connection[Any], trees: Mapping[str, Tree], followed: Mapping[tuple[str, int], int]
) -> None:
    """Keep what has changed, and how far each partition has been followed. In the caller's transaction."""
    rows = [
        (log, level, index, hashes)
        for log, tree in trees.items()
        for (level, index), hashes in tree.take_changed().items()
    ]
    with connection.cursor() as cursor:
        if rows:
            cursor.executemany(QUERIES.save_tile, rows)
        cursor.execute(QUERIES.save_sizes, (list(trees), [tree.size for tree in trees.values()]))
        cursor.execute(QUERIES.save_followed, ([partition_name(*place) for place in followed], list(followed.values())))


def read_followed(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Next offset to read, by `topic/partition`."""
    return dict(connection.execute(QUERIES.read_followed).fetchall())


CHECKPOINT = "SELECT id, log, size, root, signed_at, note FROM checkpoints"


def checkpoints(connection: psycopg.Connection[Any], log: str) -> list[SignedCheckpoint]:
    """All of a log, the oldest first."""
    return _rows(connection, CHECKPOINT + " WHERE log = %s ORDER BY id", (log,))


def newest_checkpoint(connection: psycopg.Connection[Any], log: str) -> SignedCheckpoint | None:
    """The last one signed; None before the first."""
    return next(iter(_rows(connection, CHECKPOINT + " WHERE log = %s ORDER BY id DESC LIMIT 1", (log,))), None)


def newest_checkpoints(connection: psycopg.Connection[Any], logs: Iterable[str]) -> dict[str, SignedCheckpoint]:
    """The last one signed of each of these logs; a log without any is left out."""
    return {each.log: each for each in _rows(connection, QUERIES.newest_checkpoints, (list(logs),))}


def unpublished(connection: psycopg.Connection[Any]) -> list[SignedCheckpoint]:
    """Those that may not be in the file and on the topic yet."""
    return _rows(connection, CHECKPOINT + " WHERE NOT told ORDER BY id", ())


def unsigned(
    connection: psycopg.Connection[Any], heads: dict[str, int] | None = None
) -> tuple[dict[str, int], list[str]]:
    """Logs whose newest checkpoint does not reach `heads` (left out: what their stores have now); and these heads."""
    if heads is None:
        heads = {}
        for log in LOGS:
            there = connection.execute(QUERIES.table_there, (f"{stage_of(log)}.head",)).fetchone()
            if there is not None and there[0] is not None:
                row = connection.execute(QUERIES.store_head.format(Identifier(stage_of(log)))).fetchone()
                heads[log] = int(row[0]) if row else 0
        if is_prepared(connection):
            heads |= {each.log: newest_row(connection, each) for each in TABLES if is_there(connection, each)}
    tables = {each.log for each in TABLES}
    signed = newest_checkpoints(connection, heads)
    reached = {log: signed[log].size if log in signed else 0 for log in heads}
    for log in tables & set(heads):  # of a table a head is an id, and the tree has rows
        whole = reached[log] == open_tree(connection, log).size
        reached[log] = (last_row(connection, log) or 0) if whole else -1
    return heads, [log for log, head in heads.items() if reached[log] < head if head]


def _rows(connection: psycopg.Connection[Any], query: Any, parameters: Sequence[Any]) -> list[SignedCheckpoint]:
    return [
        SignedCheckpoint(number, log, size, bytes(root), at, note)
        for number, log, size, root, at, note in connection.execute(query, parameters)
    ]
