"""Are all rows of who looked and all dead letters there as they were signed? Each that is gone or changed is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

from postavka.kernel.settings import Settings
from postavka.kernel.store.queries import load_queries
from services.audit.findings import Findings
from services.audit.integrity import copies, keys, tampering
from services.audit.integrity.signed import has_trees
from services.audit.integrity.signed_tables import (
    TABLES,
    TAKEN_UP,
    SignedTable,
    hashed_rows,
    is_prepared,
    is_there,
    last_row,
    newest_row,
    row_ids,
)
from services.audit.integrity.store import connect
from services.audit.settings import AuditSettings
from services.audit.verifier import HASH_BYTES, Checkpoint, VerifierKey

QUERIES = load_queries("services.audit")


def check_tables(
    config: Settings, findings: Findings, audit: AuditSettings | None = None, tables: Sequence[SignedTable] = TABLES
) -> int:
    """Compare the tables with what was signed; returns how many rows are signed and there."""
    if not has_trees(config):
        return 0  # said of every log already
    audit = audit or AuditSettings()
    trusted = keys.published_keys(audit.key_file(config))
    with connect(config) as connection:
        if not is_prepared(connection):
            findings.note("unsigned", "audit.looked", "the auditor's service of this release has not run yet")
            return 0
        return sum(_check(config, connection, audit, table, trusted, findings) for table in tables)


def _check(
    config: Settings,
    connection: psycopg.Connection[Any],
    audit: AuditSettings,
    table: SignedTable,
    trusted: list[VerifierKey],
    findings: Findings,
) -> int:
    """What was signed is read first, so that the rows must have it all; rows that come meanwhile are left alone."""
    log, folder = table.log, audit.evidence_folder(config)
    odd: list[copies.TamperFinding] = []
    signed = tampering.signed_checkpoints(config, connection, audit.origin_of(log), log, trusted, folder, odd)
    for each in odd:
        findings.problem(f"signed-{each.kind}", log, each.message)
    entered = last_row(connection, log) or 0
    leaves = _leaves(connection, log, folder, signed, findings)
    there = is_there(connection, table)
    if not signed:
        if there and newest_row(connection, table):
            findings.note("unsigned", log, "no checkpoint covers any of its rows yet")
        return 0
    rows = {digest: number for number, digest in hashed_rows(connection, table)} if there else {}
    missing = [entry for entry, leaf in enumerate(leaves, 1) if leaf not in rows]
    known = set(leaves) | set(copies.read_tree(connection, log).each())
    strange = {number for digest, number in rows.items() if digest not in known and number <= entered}
    for code, entry, count, row in _told(missing, row_ids(connection, log, missing), strange):
        what = "deleted" if code == "row-deleted" else "changed"
        named = f"row {row}" if count == 1 else f"rows {row} to {row + count - 1}"
        last = f" to {entry + count - 1}" if count > 1 else ""
        words = f"{named} of {log} {'was' if count == 1 else 'were'} {what} (signed as entry {entry}{last})"
        findings.problem(code, f"{log}/{row}", words)
    for number in sorted(strange):
        words = f"row {number} of {log} stands among those that were signed and is none of them: put in, or changed"
        findings.problem("row-added", f"{log}/{number}", words)
    if there and table.has_bodies:
        for (number,) in connection.execute(QUERIES.changed_bodies.format(table.table)):
            findings.problem(
                "row-changed", f"{log}/{number}", f"the body of row {number} of {log} is not the one it came with"
            )
    for checkpoint in signed[:1]:
        before = next((line[len(TAKEN_UP) :] for line in checkpoint.extensions if line.startswith(TAKEN_UP)), None)
        if before is not None:
            words = f"its first {before} rows were there before it was signed: they were taken up as they were found"
            findings.note("taken-up", log, f"{words}, at {checkpoint.time}")
    return len(leaves) - len(missing)


def _leaves(
    connection: psycopg.Connection[Any], log: str, folder: Path, signed: Sequence[Checkpoint], findings: Findings
) -> list[bytes]:
    """The leaf hashes that were signed, from whichever copy gives the signed roots. None is a row."""
    found = [copies.read_tree(connection, log)]
    kept = folder / f"{log}.leaves"
    if kept.exists():
        found.append(copies.Copy("evidence", kept.read_bytes()))
    truth, upto = tampering.truth_of(found, signed)
    wrong = tampering.first_wrong(truth, signed)
    if wrong is not None:
        words = f"neither the tree nor the evidence folder has what was signed at {wrong.time}: {wrong.size} rows"
        findings.problem("checkpoint", log, words)
    for copy in found:
        reach = min(upto, copy.size) * HASH_BYTES
        if copy.leaves[:reach] != truth.leaves[:reach]:
            words = (
                f"{tampering.WHERE[copy.name]} are not what was signed"
                if copy.name == "evidence"
                else "the tree in audit.tiles is not what was signed"
            )
            findings.problem("signed-edited", log, words)
    return list(truth.each())[: max(0, upto)]


def _told(missing: Sequence[int], ids: Mapping[int, int], strange: set[int]) -> Iterator[tuple[str, int, int, int]]:
    """Runs of what is missing: code, first place in the tree, how many, first id. A row whose id is there with other
    contents was changed, and is taken out of `strange`."""
    told = [(entry, ids.get(entry, 0), ids.get(entry) in strange) for entry in missing]
    strange -= {row for _, row, changed in told if changed}
    first = 0
    for place, (one, other) in enumerate(pairwise([*told, (0, 0, False)]), 1):
        if other != (one[0] + 1, one[1] + 1, one[2]):
            entry, row, changed = told[first]
            yield "row-changed" if changed else "row-deleted", entry, place - first, row
            first = place
