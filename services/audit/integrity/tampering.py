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

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import psycopg

from events.topics import CHECKPOINTS
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.settings import PARTITIONS, Settings
from services.audit.integrity import keys as signing
from services.audit.integrity.copies import (
    MOST_FINDINGS,
    Copy,
    OnProgress,
    TamperFinding,
    names_of,
    reach_of_evidence,
    read_store,
    read_topic,
    read_tree,
)
from services.audit.integrity.logs import (
    LOGS,
    stage_of,
)
from services.audit.integrity.store import checkpoints, connect
from services.audit.settings import AuditSettings
from services.audit.verifier import (
    GAP,
    HASH_BYTES,
    Checkpoint,
    Refused,
    VerifierKey,
    open_checkpoint,
    roots_at,
    split_notes,
)

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
    on_progress: OnProgress = lambda what, count: None,
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
            findings += _verify_log(config, connection, audit.origin_of(log), log, known, folder, on_progress)
    return findings


def _verify_log(
    config: Settings,
    connection: psycopg.Connection[Any],
    origin: str,
    log: str,
    known: list[VerifierKey],
    folder: Path,
    on_progress: OnProgress,
) -> list[TamperFinding]:
    findings: list[TamperFinding] = []
    signed = signed_checkpoints(config, connection, origin, log, known, folder, findings)
    topic, odd = read_topic(config, log, on_progress)
    findings += odd
    copies = [topic, read_store(connection, log, on_progress), read_tree(connection, log)]
    kept = folder / f"{log}.leaves"
    if kept.exists():
        copies.append(Copy("evidence", kept.read_bytes(), reach=reach_of_evidence(connection, log, folder)))
    copies = [copy for copy in copies if copy.size or copy.name in ("topic", "store")]
    truth, upto = truth_of(copies, signed)
    for copy in copies:
        if copy is not truth:
            bound = upto if copy.reach is None else min(upto, copy.reach)
            findings += _compare(config, connection, log, copy, truth, bound)
    wrong = first_wrong(truth, signed)
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


# Comparing


def truth_of(copies: Sequence[Copy], signed: Sequence[Checkpoint]) -> tuple[Copy, int]:
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


def first_wrong(truth: Copy, signed: Sequence[Checkpoint]) -> Checkpoint | None:
    """The first checkpoint whose root this copy does not give."""
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
    copy.ids = names_of(config, connection, log, copy, wrong)
    truth.ids = names_of(config, connection, log, truth, wrong)
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
