"""The findings of a verification: problems, and notes of what is odd and harmless."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST = 200
"""Findings of one kind that are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` for programs; `place` is where to look: an event's `stage/position`, a record's coordinates, a request."""

    code: str
    place: str
    words: str


@dataclass(slots=True)
class Findings:
    """Problems by code, notes likewise: how many, and the first of them."""

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def problem(self, code: str, place: str, words: str) -> None:
        """Something is not as it must be."""
        self._add(self.problems, Finding(code, place, words))

    def note(self, code: str, place: str, words: str) -> None:
        """Add an oddity that is known and harmless."""
        self._add(self.notes, Finding(code, place, words))

    def _add(self, kept: list[Finding], finding: Finding) -> None:
        self.counts[finding.code] = self.counts.get(finding.code, 0) + 1
        if self.counts[finding.code] <= MOST:
            kept.append(finding)

    def merge(self, other: Findings) -> None:
        """Take in those of another part."""
        self.problems += other.problems
        self.notes += other.notes
        for code, count in other.counts.items():
            self.counts[code] = self.counts.get(code, 0) + count

    def as_json(self) -> dict[str, Any]:
        """The findings as JSON, for a child process's answer and for reports."""
        return {
            "problems": [[each.code, each.place, each.words] for each in self.problems],
            "notes": [[each.code, each.place, each.words] for each in self.notes],
            "counts": self.counts,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Findings:
        """The other way round."""
        return cls(
            [Finding(*each) for each in fields["problems"]],
            [Finding(*each) for each in fields["notes"]],
            fields["counts"],
        )
