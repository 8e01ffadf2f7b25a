"""Is every copy of a log what was signed? If not, which event is the first that is not, and what was done to it.

Four copies are compared: the topic on Kafka, the stage's store in PostgreSQL, the tree's leaf hashes in PostgreSQL, and
those of the evidence folder. What is true is not a matter of majority: the copy counts that gives the roots of the
signed checkpoints, from wherever these come (evidence folder, PostgreSQL, topic). Where no copy gives them any more,
the checkpoints still say between which two positions history was changed.

    for finding in verify_checkpoints(config):     # empty: all holds
        print(finding)

Runs while everything works: checkpoints are read first, so that each copy must have at least what they cover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psycopg

from events.envelope import header_map
from events.topics import CHECKPOINTS
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.queries import load_queries
from services.audit.integrity import keys as signing
from services.audit.integrity.logs import (
    LOGS,
    Foreign,
    digest_of,
    leaf_hash,
    leaf_of_event,
    position_of,
    stage_of,
    stored_events,
)
from services.audit.integrity.store import SCHEMA, checkpoints, connect
from services.audit.settings import AuditSettings
from services.audit.verifier import (
    GAP,
    HASH_BYTES,
    Checkpoint,
    Refused,
    VerifierKey,
    open_checkpoint,
    read_unchecked,
    roots_at,
    split_notes,
)

QUERIES = load_queries("services.audit")

MOST_FINDINGS = 20
"""Of one copy: who rewrites a whole log makes one finding a position."""
MOST_MISSING = 3_000_000
"""Positions in a row that may be missing: one further on is taken for forged, not for the end of a cut log."""
TELL_EVERY = 20_000

Told = Callable[[str, int], None]
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


WHERE = {
    "topic": "the topic {log}",
    "store": "the table {stage}.stored_events",
    "tree": "the tree in audit.tiles",
    "evidence": "the leaf hashes of the evidence folder",
}


def verify_checkpoints(
    config: Settings,
    audit: AuditSettings | None = None,
    *,
    logs: Sequence[str] = LOGS,
    trusted: Sequence[VerifierKey] | None = None,
    evidence: Path | None = None,
    told: Told = lambda what, count: None,
) -> list[TamperFinding]:
    """Compare every copy of these logs with all checkpoints; an empty list says that all holds.

    `trusted` are the keys that count (default: those published beside the signing key), `evidence` another folder than
    the configured one: one that was kept elsewhere.
    """
    audit = audit or AuditSettings()
    known = list(trusted) if trusted is not None else signing.published_keys(audit.key_file(config))
    folder = evidence or audit.evidence_folder(config)
    findings: list[TamperFinding] = []
    with connect(config) as connection:
        for log in logs:
            findings += _verify_log(config, connection, audit.origin_of(log), log, known, folder, told)
    return findings


def _verify_log(
    config: Settings,
    connection: psycopg.Connection[Any],
    origin: str,
    log: str,
    known: list[VerifierKey],
    folder: Path,
    told: Told,
) -> list[TamperFinding]:
    findings: list[TamperFinding] = []
    signed = signed_checkpoints(config, connection, origin, log, known, folder, findings)
    topic, odd = read_topic(config, log, told)
    findings += odd
    copies = [topic, read_store(connection, log, told), read_tree(connection, log)]
    kept = folder / f"{log}.leaves"
    if kept.exists():
        copies.append(Copy("evidence", kept.read_bytes(), reach=_reach_of_evidence(connection, log, folder)))
    copies = [copy for copy in copies if copy.size or copy.name in ("topic", "store")]
    truth, upto = _truth(copies, signed)
    for copy in copies:
        if copy is not truth:
            bound = upto if copy.reach is None else min(upto, copy.reach)
            findings += _compare(config, connection, log, copy, truth, bound)
    wrong = _first_wrong(truth, signed)
    if wrong is not None:
        findings.append(
            TamperFinding(
                log,
                "topic",
                "rewritten",
                upto + 1,
                f"no copy is what was signed: history was changed between event {upto + 1} and event {wrong.size} "
                f"(checkpoint of {wrong.time})",
            )
        )
    return findings


# Checkpoints from everywhere


def signed_checkpoints(
    config: Settings,
    connection: psycopg.Connection[Any],
    origin: str,
    log: str,
    known: list[VerifierKey],
    folder: Path,
    findings: list[TamperFinding],
) -> list[Checkpoint]:
    """All that are signed, each once; what does not hold becomes a finding."""
    file = folder / f"{log}.checkpoints"
    sources: list[tuple[str, Iterable[str]]] = [
        ("the evidence folder", split_notes(file.read_text("utf-8", "replace")) if file.exists() else ()),
        ("audit.checkpoints in PostgreSQL", [each.note for each in checkpoints(connection, log)]),
        (f"the topic {CHECKPOINTS.name}", _notes_on_topic(config, log)),
    ]
    trusted = list(known)
    found: dict[str, Checkpoint] = {}
    for place, notes in sources:
        for note in notes:
            if note in found:
                continue
            try:
                checkpoint = open_checkpoint(note, trusted)
                if checkpoint.origin != origin:
                    raise Refused(f"it is of the log {checkpoint.origin!r}")
            except Refused as wrong:
                findings.append(
                    TamperFinding(log, place, "checkpoint", None, f"a checkpoint in {place} is forged: {wrong}")
                )
                continue
            trusted += checkpoint.next_keys
            found[note] = checkpoint
    roots: dict[int, bytes] = {}
    for checkpoint in found.values():
        if roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            message = f"two checkpoints over {checkpoint.size} events have different roots: the key signed a fork"
            findings.append(TamperFinding(log, "checkpoints", "checkpoint", checkpoint.size, message))
    return sorted(found.values(), key=lambda each: each.size)


def _notes_on_topic(config: Settings, log: str) -> Iterator[str]:
    places = dict.fromkeys(((CHECKPOINTS.name, partition) for partition in range(PARTITIONS)), 0)
    for batch in read_records(config, places):
        for message in batch:
            if message.key == log.encode():
                try:
                    yield str(orjson.loads(message.value or b"{}")["note"])
                except (orjson.JSONDecodeError, KeyError, TypeError):
                    yield ""


# Copies


def read_topic(config: Settings, log: str, told: Told = lambda what, count: None) -> tuple[Copy, list[TamperFinding]]:
    """The log as readers see it: of two records under one position the first counts, and one whose position is below
    another's before it in the partition is passed over. What a relay can't have written is found."""
    leaves = bytearray()
    findings: list[TamperFinding] = []
    highest: dict[int, int] = {}
    count = 0

    def find(message: Any, kind: str, position: int | None, said: str) -> None:
        if len(findings) < MOST_FINDINGS:
            place = f"{message.topic}/{message.partition}/{message.offset}"
            findings.append(TamperFinding(log, "topic", kind, position, f"the record {place} {said}"))

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
                told(f"{log} on Kafka", count)
    return Copy("topic", bytes(leaves)), findings


def read_store(connection: psycopg.Connection[Any], log: str, told: Told = lambda what, count: None) -> Copy:
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
            told(f"{stage_of(log)} in PostgreSQL", count)
    return Copy("store", bytes(leaves))


def read_tree(connection: psycopg.Connection[Any], log: str) -> Copy:
    """The leaf hashes of the tree in PostgreSQL."""
    rows = connection.execute(
        f"SELECT hashes FROM {SCHEMA}.tiles WHERE log = %s AND level = 0 ORDER BY index",  # noqa: S608
        (log,),
    )
    leaves = b"".join(bytes(row[0]) for row in rows)
    size = connection.execute(f"SELECT size FROM {SCHEMA}.logs WHERE name = %s", (log,)).fetchone()  # noqa: S608
    return Copy("tree", leaves, reach=int(size[0]) if size else 0)


def _reach_of_evidence(connection: psycopg.Connection[Any], log: str, folder: Path) -> int:
    """The position up to which a log's evidence reaches: as far as its own checkpoints go, and those that PostgreSQL
    knows to be in it."""
    told = connection.execute(
        f"SELECT coalesce(max(size), 0) FROM {SCHEMA}.checkpoints WHERE log = %s AND told",  # noqa: S608
        (log,),
    ).fetchone()
    sizes = [int(told[0]) if told else 0]
    file = folder / f"{log}.checkpoints"
    for note in split_notes(file.read_text("utf-8", "replace")) if file.exists() else ():
        try:
            sizes.append(read_unchecked(note).size)
        except Refused:
            continue  # it is a finding already
    return max(sizes)


# Comparing


def _truth(copies: Sequence[Copy], signed: Sequence[Checkpoint]) -> tuple[Copy, int]:
    """The copy that gives the signed roots, or does so the longest; and up to which position it is proved."""
    best, upto = copies[0], -1
    seen: dict[bytes, int] = {}
    last = signed[-1].size if signed else 0
    for copy in copies:
        covered = copy.leaves[: last * HASH_BYTES]
        if covered not in seen:
            proved = 0
            for checkpoint, root in roots_at(covered, signed):
                if root != checkpoint.root:
                    break
                proved = checkpoint.size
            seen[covered] = proved
        if seen[covered] > upto:
            best, upto = copy, seen[covered]
    return best, upto


def _first_wrong(truth: Copy, signed: Sequence[Checkpoint]) -> Checkpoint | None:
    return next((checkpoint for checkpoint, root in roots_at(truth.leaves, signed) if root != checkpoint.root), None)


def _compare(
    config: Settings, connection: psycopg.Connection[Any], log: str, copy: Copy, truth: Copy, upto: int
) -> list[TamperFinding]:
    """Where a copy differs from the one that is proved, up to where it is."""
    bound = upto * HASH_BYTES
    if copy.leaves[:bound] == truth.leaves[:bound]:
        return []
    wrong = [position for position in range(1, upto + 1) if copy.leaf(position) != truth.leaf(position)]
    name = WHERE[copy.name].format(log=log, stage=stage_of(log))
    if copy.size < upto and wrong[0] > copy.size:
        message = f"truncated: {name} ends at event {copy.size}, {upto} were signed"
        return [TamperFinding(log, copy.name, "truncated", wrong[0], message)]
    copy.ids = _named(config, connection, log, copy, wrong)
    truth.ids = _named(config, connection, log, truth, wrong)
    moved = {truth.ids[position]: position for position in wrong if position in truth.ids}
    return [_difference(log, name, copy, truth, position, moved) for position in wrong[:MOST_FINDINGS]] + _many(
        log, name, copy, wrong
    )


def _difference(log: str, name: str, copy: Copy, truth: Copy, position: int, moved: dict[str, int]) -> TamperFinding:
    is_id, was_id = copy.ids.get(position), truth.ids.get(position)
    was = f" (it was {was_id})" if was_id else ""
    if copy.leaf(position) in (b"", GAP):
        return TamperFinding(log, copy.name, "deleted", position, f"event {position} was deleted from {name}{was}")
    if is_id is None or is_id == was_id or was_id is None:
        named = f": {is_id}" if is_id else was
        return TamperFinding(log, copy.name, "edited", position, f"event {position} was edited in {name}{named}")
    there = moved.get(is_id)
    if there is not None and copy.ids.get(there) == was_id:
        message = f"events {position} and {there} were swapped in {name}: {is_id} stands where {was_id} was"
        return TamperFinding(log, copy.name, "swapped", position, message)
    if there is None and was_id in copy.ids.values():
        message = f"{is_id} was inserted as event {position} in {name}, before {was_id}"
        return TamperFinding(log, copy.name, "inserted", position, message)
    if there is None:
        message = f"event {position} was replaced in {name} by {is_id}{was}"
        return TamperFinding(log, copy.name, "edited", position, message)
    if was_id not in copy.ids.values():
        message = f"event {position} was deleted from {name} (it was {was_id}); {is_id} has moved up"
        return TamperFinding(log, copy.name, "deleted", position, message)
    message = f"event {position} in {name} is {is_id}, it was {was_id}: everything behind was renumbered"
    return TamperFinding(log, copy.name, "edited", position, message)


def _many(log: str, name: str, copy: Copy, wrong: Sequence[int]) -> list[TamperFinding]:
    if len(wrong) <= MOST_FINDINGS:
        return []
    message = f"{len(wrong)} events in {name} are not what was signed, up to event {wrong[-1]}"
    return [TamperFinding(log, copy.name, "rewritten", wrong[0], message)]


def _named(
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
