"""The copies of a log that must agree: the topic on Kafka, the stage's store and the tree's leaf hashes in PostgreSQL,
and those of the evidence folder. Each is read as leaf hashes by position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from events.envelope import header_map
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.queries import load_queries
from services.audit.integrity.logs import (
    Foreign,
    digest_of,
    leaf_hash,
    leaf_of_event,
    position_of,
    stage_of,
    stored_events,
)
from services.audit.verifier import (
    GAP,
    HASH_BYTES,
    Refused,
    read_unchecked,
    split_notes,
)

QUERIES = load_queries("services.audit")

MOST_FINDINGS = 20
"""Of one copy: who rewrites a whole log makes one finding a position."""
MOST_MISSING = 3_000_000
"""Positions in a row that may be missing: one further on is taken for forged, not for the end of a cut log."""
TELL_EVERY = 20_000
"""Events between two words about progress."""
OnProgress = Callable[[str, int], None]
"""Called with what is being read and how many events of it have been."""


@dataclass(frozen=True, slots=True)
class TamperFinding:
    """Something that is not as it was signed."""

    log: str
    """The stage's topic."""
    copy: str
    """Where: `topic`, `store`, `tree`, `evidence`, or where a checkpoint is."""
    kind: str
    """edited, deleted, inserted, swapped, truncated, duplicate, foreign, checkpoint, rewritten"""
    position: int | None
    """The first event concerned."""
    message: str

    def __str__(self) -> str:
        return f"{self.log}: {self.message}"


@dataclass(slots=True)
class Copy:
    """Leaf hashes of one copy of a log by position; a position without an event has that of a gap."""

    name: str
    leaves: bytes
    reach: int | None = None
    """How far it must go, where that is not as far as is signed: trees and evidence of a copy that was put back may be
    behind until the auditor's service has caught up."""
    ids: dict[int, str] = field(default_factory=dict)
    """Position → type and id, as far as asked for."""

    @property
    def size(self) -> int:
        """The number of its events."""
        return len(self.leaves) // HASH_BYTES

    def leaf(self, position: int) -> bytes:
        """The hash of the event at this position; empty behind the end."""
        return self.leaves[(position - 1) * HASH_BYTES : position * HASH_BYTES]

    def each(self) -> Iterator[bytes]:
        """All of them, in order."""
        return (self.leaf(position) for position in range(1, self.size + 1))


def read_topic(
    config: Settings, log: str, on_progress: OnProgress = lambda what, count: None
) -> tuple[Copy, list[TamperFinding]]:
    """The log as readers see it: of two records under one position the first counts, and one whose position is below
    another's before it in the partition is passed over. What a relay can't have written is found."""
    leaves = bytearray()
    findings: list[TamperFinding] = []
    highest: dict[int, int] = {}
    count = 0

    def find(message: Any, kind: str, position: int | None, words: str) -> None:
        if len(findings) < MOST_FINDINGS:
            place = f"{message.topic}/{message.partition}/{message.offset}"
            findings.append(TamperFinding(log, "topic", kind, position, f"the record {place} {words}"))

    places = [(log, number) for number in range(PARTITIONS)]
    records = sum(end_offsets(config, places).values())
    for batch in read_records(config, dict.fromkeys(places, 0)):
        for message in batch:
            key, headers, value = message.key, message.headers, message.value
            try:
                position = position_of(log, key, headers, value)
            except Foreign as why:
                find(message, "foreign", None, f"was not written by the stage: it has {why}")
                continue
            _, leaf = digest_of(key, value, headers)
            partition = message.partition
            there = bytes(leaves[(position - 1) * HASH_BYTES : position * HASH_BYTES])
            if there not in (b"", GAP):
                if there != leaf:
                    find(message, "duplicate", position, f"is another event under position {position}")
                continue
            if position > records + MOST_MISSING:
                find(message, "inserted", position, f"has the position {position}, far behind the end of the log")
                continue
            if position < highest.get(partition, 0):
                find(
                    message,
                    "swapped",
                    position,
                    f"has position {position}, but stands behind position {highest[partition]}: readers pass it over",
                )
            highest[partition] = max(position, highest.get(partition, 0))
            if len(leaves) < position * HASH_BYTES:
                leaves.extend(GAP * (position - len(leaves) // HASH_BYTES))
            leaves[(position - 1) * HASH_BYTES : position * HASH_BYTES] = leaf
            count += 1
            if count % TELL_EVERY == 0:
                on_progress(f"{log} on Kafka", count)
    return Copy("topic", bytes(leaves)), findings


def read_store(
    connection: psycopg.Connection[Any], log: str, on_progress: OnProgress = lambda what, count: None
) -> Copy:
    """The log as it is in the stage's store; empty where the schema is missing."""
    row = connection.execute(QUERIES.table_there, (f"{stage_of(log)}.stored_events",)).fetchone()
    if row is None or row[0] is None:
        return Copy("store", b"")
    leaves = bytearray()
    for count, event in enumerate(stored_events(connection, log), 1):
        behind = event.position - 1 - len(leaves) // HASH_BYTES
        if 0 < behind < MOST_MISSING:
            leaves.extend(GAP * behind)
        leaves.extend(leaf_hash(leaf_of_event(log, event)))
        if count % TELL_EVERY == 0:
            on_progress(f"{stage_of(log)} in PostgreSQL", count)
    return Copy("store", bytes(leaves))


def read_tree(connection: psycopg.Connection[Any], log: str) -> Copy:
    """The leaf hashes of the tree in PostgreSQL."""
    leaves = b"".join(bytes(row[0]) for row in connection.execute(QUERIES.tree_leaves, (log,)))
    size = connection.execute(QUERIES.tree_size, (log,)).fetchone()
    return Copy("tree", leaves, reach=int(size[0]) if size else 0)


def reach_of_evidence(connection: psycopg.Connection[Any], log: str, folder: Path) -> int:
    """The position up to which a log's evidence reaches: as far as its own checkpoints go, and those that PostgreSQL
    knows to be in it."""
    published = connection.execute(QUERIES.published_size, (log,)).fetchone()
    sizes = [int(published[0]) if published else 0]
    file = folder / f"{log}.checkpoints"
    for note in split_notes(file.read_text("utf-8", "replace")) if file.exists() else ():
        try:
            sizes.append(read_unchecked(note).size)
        except Refused:
            continue  # it is a finding already
    return max(sizes)


def names_of(
    config: Settings, connection: psycopg.Connection[Any], log: str, copy: Copy, wrong: Sequence[int]
) -> dict[int, str]:
    """Type and id of the events at these positions, as this copy has them. Of a copy that has only hashes: as the store
    or the topic has the event with that hash."""
    wanted = frozenset(wrong)
    if copy.name in SOURCES:
        return {position: name for position, (name, _) in SOURCES[copy.name](config, connection, log, wanted).items()}
    return {
        position: name
        for describe in SOURCES.values()
        for position, (name, leaf) in describe(config, connection, log, wanted).items()
        if leaf == copy.leaf(position)
    }


Described = dict[int, tuple[str, bytes]]
"""Position → type with id, and leaf hash."""


def _on_topic(config: Settings, connection: psycopg.Connection[Any], log: str, wanted: frozenset[int]) -> Described:
    found: Described = {}
    for batch in read_records(config, dict.fromkeys(((log, number) for number in range(PARTITIONS)), 0)):
        for message in batch:
            headers = message.headers
            named = header_map(headers)
            position = named.get("ce_position", b"")
            if position.isdigit() and int(position) in wanted:
                name = b" ".join((named.get("ce_type", b"?"), named.get("ce_id", b"?"))).decode("utf-8", "replace")
                _, leaf = digest_of(message.key, message.value, headers)
                found.setdefault(int(position), (name, leaf))
    return found


def _in_store(config: Settings, connection: psycopg.Connection[Any], log: str, wanted: frozenset[int]) -> Described:
    return {
        event.position: (f"{event.type} {event.originator_id}/{event.version}", leaf_hash(leaf_of_event(log, event)))
        for event in stored_events(connection, log, min(wanted) - 1)
        if event.position in wanted
    }


SOURCES = {"topic": _on_topic, "store": _in_store}
"""Copies that have the events themselves."""
