"""Are the leaves of a log those that its checkpoints were signed over?"""

from __future__ import annotations

from collections.abc import Callable

from postavka.kernel.settings import Settings
from postavka.kernel.store.queries import load_queries
from services.audit.findings import Findings
from services.audit.integrity import keys, tampering
from services.audit.integrity.copies import TamperFinding
from services.audit.integrity.store import SCHEMA, connect, open_tree
from services.audit.settings import AuditSettings
from services.audit.verifier import GAP, roots_at

QUERIES = load_queries("services.audit")


def has_trees(config: Settings) -> bool:
    """Has the auditor's service ever been at work here?"""
    with connect(config) as connection:
        row = connection.execute(QUERIES.table_there, (f"{SCHEMA}.checkpoints",)).fetchone()
    return row is not None and row[0] is not None


def known_gaps(config: Settings, log: str) -> Callable[[int], bool]:
    """Is a position one that the log's tree has no event for? There are such where a store was restored from an older
    copy before its last events were published."""

    def known(position: int) -> bool:
        with connect(config) as connection:
            tree = open_tree(connection, log)
            return position <= tree.size and tree.leaf(position - 1) == GAP

    return known if has_trees(config) else lambda position: False


def check_checkpoints(config: Settings, log: str, leaves: bytes, head: int, findings: Findings) -> int:
    """Compare the roots of these leaves with all signed checkpoints up to `head`; returns how many hold. Where one does
    not, every copy of the log is looked at, to name the event."""
    audit = AuditSettings()
    if not has_trees(config):
        findings.note("unsigned", log, "no checkpoint was ever signed: the auditor's service has not run")
        return 0
    odd: list[TamperFinding] = []
    trusted = keys.published_keys(audit.key_file(config))
    folder = audit.evidence_folder(config)
    with connect(config) as connection:
        signed = tampering.signed_checkpoints(config, connection, audit.origin_of(log), log, trusted, folder, odd)
    covered = [each for each in signed if each.size <= head]
    wrong = [each for each, root in roots_at(leaves, covered) if root != each.root]
    if wrong:
        odd = tampering.verify_checkpoints(config, audit, logs=[log])
        size = wrong[0].size
        findings.problem("checkpoint", log, f"the first {size} events are not those signed at {wrong[0].time}")
    for each in odd:
        place = f"{log.removesuffix('.events')}/{each.position}" if each.position else log
        findings.problem(f"signed-{each.kind}", place, each.message)
    if not covered and head:
        findings.note("unsigned", log, f"no checkpoint covers any of its {head} events yet")
    return len(covered) - len(wrong)
