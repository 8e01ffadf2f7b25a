"""Is every event of a store on its topic, once, in order, byte for byte, and nothing else there?

PostgreSQL makes the leaf hash of every event as its record must look (`stored_digests`); here the same is made of
what does lie on the topic. Neither goes through the code that publishes. Hashes are kept by position in two files, so
that the comparison is one of memory, an interrupted check goes on where it was, and ten million events need no memory.
They are the leaves of the log's Merkle tree: what was signed of it is checked on them as well.
"""

from __future__ import annotations

import mmap
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import orjson
import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_pieces
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.queries import load_queries
from services.audit.findings import Findings
from services.audit.integrity.leaf_sql import leaf_expression
from services.audit.integrity.logs import digest_of
from services.audit.reading import Place, reading
from services.audit.verifier import GAP

QUERIES = load_queries("services.audit")

DIGEST = 32
WINDOW = 100_000
"""Events whose digests are asked of PostgreSQL at once."""
CHECKPOINT = 200_000
"""Records between two checkpoints."""
_ROW = struct.Struct(">hiqi32s")
_NOTHING = bytes(DIGEST)
_COPY_HEADER = 19
EVERY = SQL("")


@dataclass(slots=True)
class Reached:
    """The point that a check has reached. `offsets`: next to read, by partition; `highest`: highest position seen
    there."""

    offsets: dict[int, int] = field(default_factory=dict)
    highest: dict[int, int] = field(default_factory=dict)
    stored: int = 0
    """Positions whose digests are in the file."""
    records: int = 0
    findings: Findings = field(default_factory=Findings)

    def save(self, file: Path) -> None:
        """Whole or not at all."""
        kept = {
            "offsets": list(self.offsets.items()),
            "highest": list(self.highest.items()),
            "stored": self.stored,
            "records": self.records,
            "findings": self.findings.as_json(),
        }
        fresh = file.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(kept))
        fresh.replace(file)

    @classmethod
    def load(cls, file: Path) -> Reached:
        """How far an earlier run got, from its checkpoint; at the beginning where there is none."""
        if not file.exists():
            return cls()
        kept = orjson.loads(file.read_bytes())
        return cls(
            dict(kept["offsets"]),
            dict(kept["highest"]),
            kept["stored"],
            kept["records"],
            Findings.from_json(kept["findings"]),
        )


class Digests:
    """A digest by position, in a file."""

    def __init__(self, file: Path, count: int) -> None:
        self._size = max(1, count * DIGEST)
        file.touch()
        self._file = file.open("r+b")
        self._file.truncate(self._size)
        self._map = mmap.mmap(self._file.fileno(), self._size)

    def get(self, position: int) -> bytes:
        """The digest at one position, counted from 1; zeros where none was put."""
        return self._map[(position - 1) * DIGEST : position * DIGEST]

    def put(self, position: int, digest: bytes) -> None:
        """Keep the digest of one position."""
        self._map[(position - 1) * DIGEST : position * DIGEST] = digest

    def window(self, after: int, until: int) -> bytes:
        """The digests of positions `after + 1` to `until`, one after another."""
        return self._map[after * DIGEST : until * DIGEST]

    def put_window(self, after: int, digests: bytes) -> None:
        """Keep digests, one after another, from position `after + 1` on."""
        self._map[after * DIGEST : after * DIGEST + len(digests)] = digests

    def flush(self) -> None:
        """Bring what was put to the disk."""
        self._map.flush()

    def close(self) -> None:
        """Close the file."""
        self._map.close()
        self._file.close()


class StoredAndPublished:
    """The check of one stage up to position `head`, on partitions up to `ends`. `folder` keeps its digests."""

    def __init__(
        self,
        config: Settings,
        stage: str,
        topic: str,
        source: str,
        head: int,
        ends: dict[Place, int],
        folder: Path,
        is_known_gap: Callable[[int], bool] = lambda position: False,
    ) -> None:
        self._is_known_gap = is_known_gap
        self._config = config
        self._stage = stage
        self._topic = topic
        self._source = source
        self._head = head
        self._ends = {place: end for place, end in ends.items() if place[0] == topic and end > 0}
        self._state = folder / f"{stage}.json"
        self._found = Digests(folder / f"{stage}.topic", head)
        self._stored = Digests(folder / f"{stage}.store", head)
        self.reached = Reached.load(self._state)
        self._failed: BaseException | None = None

    def run(
        self,
        on_progress: Callable[[int], None] = lambda records: None,
        leaves: Callable[[bytes], None] = lambda leaves: None,
    ) -> Findings:
        """Compare store and topic; `on_progress` hears how many records are read, `leaves` gets the leaf hashes of the
        topic in the end."""
        asking = threading.Thread(target=self._ask_store, daemon=True)
        asking.start()
        try:
            self._read_topic(on_progress)
            asking.join()
            if self._failed is not None:
                raise self._failed
            self._compare()
            leaves(self._found.window(0, self._head))
        finally:
            asking.join()
            self._found.close()
            self._stored.close()
        return self.reached.findings

    # The topic

    def _read_topic(self, on_progress: Callable[[int], None]) -> None:
        reached = self.reached
        start = {place: reached.offsets.get(place[1], 0) for place in self._ends}
        left = {place: offset for place, offset in start.items() if offset < self._ends[place]}
        saved = reached.records
        for piece in read_pieces(self._config, left, self._ends):
            for record in piece.records:
                self._take(piece.partition, record)
            reached.records += len(piece.records)
            if reached.records - saved >= CHECKPOINT:
                saved = reached.records
                self._checkpoint()
            on_progress(reached.records)
        self._checkpoint()

    def _checkpoint(self) -> None:
        self._found.flush()
        self.reached.save(self._state)

    def _take(self, partition: int, record: Any) -> None:
        offset = record.offset
        self.reached.offsets[partition] = offset + 1
        position, digest = digest_of(record.key, record.value, record.headers)
        findings = self.reached.findings
        place = f"{self._topic}/{partition}/{offset}"
        if position is None:
            findings.problem("foreign", place, f"a record that no relay wrote: it has no position{_of(digest)}")
            return
        if position > self._head:
            return  # written after the cut
        astray = partition_of(record.key or b"", PARTITIONS) != partition
        if astray:
            findings.problem("wrong-partition", place, f"it lies in another partition than its key's{_of(digest)}")
        highest = self.reached.highest.get(partition, 0)
        known = self._found.get(position)
        if position > highest:
            self.reached.highest[partition] = position
            if known == _NOTHING:
                self._found.put(position, digest)
            elif astray or known != digest:  # else it was read before, behind the last checkpoint
                findings.problem("twice", place, f"position {position} lies in another partition as well{_of(digest)}")
        elif known == digest:
            findings.note("late-duplicate", place, f"position {position} again, the same: readers skip it")
        elif known == _NOTHING:
            words = f"position {position} for the first time, behind {highest}{_of(digest)}"
            findings.problem("out-of-order", place, words)
            self._found.put(position, digest)
        else:
            words = f"position {position} again, with other contents{_of(digest)}, before {known.hex()}"
            findings.problem("other-duplicate", place, words)

    # The store

    def _ask_store(self) -> None:
        try:
            with reading(self._config) as connection:
                for after in range(self.reached.stored, self._head, WINDOW):
                    until = min(after + WINDOW, self._head)
                    rows = dict(stored_digests(connection, self._stage, self._source, after, until))
                    if len(rows) == until - after:
                        self._stored.put_window(after, b"".join(rows.values()))
                    else:
                        for position, digest in rows.items():
                            self._stored.put(position, digest)
                    self._stored.flush()
                    self.reached.stored = until
        except BaseException as failed:  # raised by `run`, in the thread that waits
            self._failed = failed

    def _compare(self) -> None:
        for after in range(0, self._head, WINDOW):
            until = min(after + WINDOW, self._head)
            here, there = self._stored.window(after, until), self._found.window(after, until)
            if here == there and _NOTHING not in here:
                continue
            for position in range(after + 1, until + 1):
                self._compare_one(position, self._stored.get(position), self._found.get(position))

    def _compare_one(self, position: int, here: bytes, there: bytes) -> None:
        findings, place = self.reached.findings, f"{self._stage}/{position}"
        if here == there == _NOTHING and self._is_known_gap(position):
            self._found.put(position, GAP)
            findings.note("gap", place, "no event, and known as such: the store was restored from an older copy")
        elif here == there == _NOTHING:
            findings.problem("gone", place, "in neither the store nor the topic: a gap in the positions")
        elif there == _NOTHING:
            findings.problem("not-on-topic", place, f"in the store, not on {self._topic}{_of(here)}")
        elif here == _NOTHING:
            findings.problem("not-in-store", place, f"on {self._topic}, not in the store{_of(there)}")
        elif here != there:
            words = f"store and {self._topic} do not have the same bytes{_of(here)} and {there.hex()}"
            findings.problem("differs", place, words)


def _of(digest: bytes) -> str:
    """What was found there, for a finding's words: other contents at the same place are another finding."""
    return f": SHA-256 {digest.hex()}"


def stored_digests(
    connection: psycopg.Connection[Any], schema: str, source: str, after: int, until: int, only: Composable = EVERY
) -> Iterator[tuple[int, bytes]]:
    """(position, leaf hash) of events of a store, in order, made by PostgreSQL."""
    query = QUERIES.stored_digests.format(
        leaf=_leaf(source), schema=Identifier(schema), after=Literal(after), until=Literal(until), only=only
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        data = b"".join(copy)
    for _, _, position, _, digest in _ROW.iter_unpack(data[_COPY_HEADER:-2]):
        yield position, digest


HEADERS: tuple[tuple[str, LiteralString, LiteralString | None], ...] = (
    ("content-type", "'application/json'", None),
    ("ce_specversion", "'1.0'", None),
    ("ce_id", "id || '/' || originator_version", None),
    ("ce_source", "{source}", None),
    ("ce_type", "topic", None),
    ("ce_time", """to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""", None),
    ("ce_subject", "id", None),
    ("ce_clock", "lpad(to_hex(clock), 16, '0')", "clock <> 0"),
    ("ce_causationid", "causation", "causation IS NOT NULL"),
    ("ce_correlationid", "correlation", "correlation IS NOT NULL"),
    ("ce_position", "notification_id::text", None),
    ("ce_input", "input", "input IS NOT NULL"),
    ("traceparent", "trace", "trace IS NOT NULL"),
)
"""The headers of an event in their order: name, value from the store's columns, and when it is there."""


def _leaf(source: str) -> Composable:
    """The canonical form of an event as an expression of SQL."""
    headers = [
        (
            name,
            SQL(value).format(source=Literal(source)) if "{source}" in value else SQL(value),
            None if condition is None else SQL(condition),
        )
        for name, value, condition in HEADERS
    ]
    return leaf_expression(SQL("id"), headers, SQL("state"))
