"""Findings that an auditor has looked into and acknowledged, each with a signed event and a reason: they stay shown,
and no longer make a verification fail.

What counts is the topic and the signature. An acknowledgement is of one finding in its very words: whatever is found
at that place later is another one. It is signed with the key of the checkpoints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from events.audit import FindingAcknowledged
from events.envelope import header_map, rfc3339
from events.registry import BadBody, UnknownType, decode, explain
from events.topics import CHECKPOINTS
from postavka.kernel.errors import NotFound, UserError
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.projection.event_reader import type_of
from postavka.kernel.settings import PARTITIONS, Settings
from services.audit.findings import Finding, Findings
from services.audit.integrity.keys import SigningKey, published_keys, read_key
from services.audit.settings import AuditSettings
from services.audit.verifier import Refused, VerifierKey, open_note

SUBJECT = "findings.acknowledged"
"""Key and `ce_subject`. It has a partition to itself: the logs' names, the keys of checkpoints, lie in others."""
KEEP = 10_000
"""Findings of the last verification that can be acknowledged."""


class NoSuchFinding(NotFound):
    """The last verification did not find this."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A finding that was acknowledged: by whom, why, when."""

    finding: Finding
    by: str
    reason: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """The acknowledgement as JSON, for programs."""
        code, place, words = self.finding.code, self.finding.place, self.finding.words
        statement = {"acknowledged_by": self.by, "reason": self.reason, "acknowledged_at": self.at}
        return {"code": code, "place": place, "words": words, **statement}


def signed_text(origin: str, finding: Finding, by: str, reason: str, at: datetime) -> str:
    """What is signed, line by line: words and reason by their SHA-256, since they may have lines of their own."""
    hashes = (hashlib.sha256(text.encode()).hexdigest() for text in (finding.words, reason))
    return "".join(
        f"{line}\n" for line in (f"{origin}/{SUBJECT}", finding.code, finding.place, *hashes, by, rfc3339(at))
    )


def statement_of(
    key: SigningKey, origin: str, finding: Finding, by: str, reason: str, at: datetime
) -> FindingAcknowledged:
    """The signed event that acknowledges a finding. Raises `UserError` for a name or a reason that can't stand in
    it."""
    try:
        return FindingAcknowledged(
            code=finding.code,
            place=finding.place,
            words=finding.words,
            acknowledged_by=by,
            reason=reason,
            acknowledged_at=at,
            note=key.sign(signed_text(origin, finding, by, reason, at)),
        )
    except ValidationError as wrong:
        raise UserError(f"this can't be acknowledged so: {explain(wrong)}") from None


def read_statement(statement: FindingAcknowledged, origin: str, keys: Sequence[VerifierKey]) -> Acknowledged | None:
    """The acknowledgement in an event; None unless one of the keys has signed just that."""
    finding = Finding(statement.code, statement.place, statement.words)
    try:
        text = open_note(statement.note, keys)
    except Refused:
        return None
    if text != signed_text(origin, finding, statement.acknowledged_by, statement.reason, statement.acknowledged_at):
        return None
    return Acknowledged(finding, statement.acknowledged_by, statement.reason, statement.acknowledged_at)


def acknowledged(config: Settings, audit: AuditSettings | None = None) -> list[Acknowledged]:
    """Everything that was acknowledged under a key of this installation, the first one of each finding."""
    audit = audit or AuditSettings()
    keys = published_keys(audit.key_file(config))
    place = (CHECKPOINTS.name, partition_of(SUBJECT.encode(), PARTITIONS))
    found: dict[Finding, Acknowledged] = {}
    for batch in read_records(config, {place: 0}):
        for record in batch:
            if type_of(header_map(record.headers)) != FindingAcknowledged.TYPE:
                continue
            try:
                statement = decode(FindingAcknowledged.TYPE, record.value)
            except (BadBody, UnknownType):
                continue
            assert isinstance(statement, FindingAcknowledged)  # noqa: S101
            if (read := read_statement(statement, audit.origin, keys)) is not None:
                found.setdefault(read.finding, read)
    return list(found.values())


def set_apart(findings: Findings, known: Iterable[Acknowledged]) -> list[Acknowledged]:
    """Take the acknowledged ones out of the problems and return them. Of a kind of which not all are listed
    nothing is taken out: what was not listed can't have been looked into."""
    told = findings.problems + findings.notes
    whole = {code for code, count in findings.counts.items() if sum(each.code == code for each in told) == count}
    by_finding = {each.finding: each for each in known if each.finding.code in whole}
    apart = [by_finding[each] for each in findings.problems if each in by_finding]
    findings.problems = [each for each in findings.problems if each not in by_finding]
    return apart


def keep(config: Settings, problems: Sequence[Finding]) -> None:
    """Keep what a verification has found: what can be acknowledged now."""
    file = _kept(config)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps([[each.code, each.place, each.words] for each in problems[:KEEP]]))


def acknowledge(
    config: Settings,
    code: str,
    place: str,
    by: str,
    reason: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Acknowledged:
    """Acknowledge what the last verification has found at this place. Raises `NoSuchFinding`, `NoSigningKey`,
    `CommandNotSent`."""
    file, audit = _kept(config), AuditSettings()
    kept = [Finding(*each) for each in orjson.loads(file.read_bytes())] if file.exists() else []
    finding = next((each for each in kept if (each.code, each.place) == (code, place)), None)
    if finding is None:
        raise NoSuchFinding(
            f"the last verification on this machine has no open problem {code} at {place}: "
            "`postavka audit verify` shows those that there are"
        )
    statement = statement_of(read_key(audit.key_file(config)), audit.origin, finding, by, reason, now())
    publish(config, statement)
    return Acknowledged(finding, by, reason, statement.acknowledged_at)


def publish(config: Settings, statement: FindingAcknowledged) -> None:
    """Write an acknowledgement onto the topic. Raises `CommandNotSent`."""
    sender = Sender(config, "/postavka/audit")
    sender.send(CHECKPOINTS.name, SUBJECT, statement)
    sender.flush()


def _kept(config: Settings) -> Path:
    return config.home / "audit" / "findings.json"
