"""Findings that were acknowledged: what counts, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postavka.kernel.errors import UserError
from services.audit.findings import MOST, Finding, Findings
from services.audit.integrity.keys import SigningKey
from services.audit.verification.acknowledgements import Acknowledged, read_statement, set_apart, statement_of

AT = datetime(2026, 3, 16, 9, 30, 0, 123_456, UTC)
ORIGIN = "postavka"
GATE = Finding("gate", "shipping/812", "manufacturing was ordered, and there is no such answer (L17)")
KEY = SigningKey("postavka-audit", Ed25519PrivateKey.generate())
SAID = statement_of(KEY, ORIGIN, GATE, "auditor-1", "Акт № 14.\nСм. письмо", AT)


def test_what_one_of_the_keys_has_signed_counts() -> None:
    other = SigningKey("postavka-audit", Ed25519PrivateKey.generate())
    read = read_statement(SAID, ORIGIN, [other.verifier, KEY.verifier])
    assert read == Acknowledged(GATE, "auditor-1", "Акт № 14.\nСм. письмо", AT)


@pytest.mark.parametrize(
    "change",
    [
        {"code": "differs"},
        {"place": "shipping/813"},
        {"words": "something else"},
        {"reason": "another reason"},
        {"acknowledged_by": "auditor-2"},
        {"acknowledged_at": datetime(2026, 3, 17, tzinfo=UTC)},
        {"note": "no note"},
        {"note": SAID.note.replace("shipping/812", "shipping/813")},
    ],
)
def test_what_was_changed_after_it_was_signed_counts_for_nothing(change: dict[str, object]) -> None:
    assert read_statement(SAID.model_copy(update=change), ORIGIN, [KEY.verifier]) is None


def test_another_key_and_another_installation_count_for_nothing() -> None:
    other = SigningKey("postavka-audit", Ed25519PrivateKey.generate())
    assert read_statement(SAID, ORIGIN, [other.verifier]) is None
    assert read_statement(SAID, ORIGIN, []) is None
    assert read_statement(SAID, "elsewhere", [KEY.verifier]) is None


@pytest.mark.parametrize(
    ("by", "reason"), [("", "a reason"), ("x\ny", "a reason"), ("auditor-1", "no"), ("a", "r" * 1_001)]
)
def test_a_name_or_a_reason_that_is_none_is_refused(by: str, reason: str) -> None:
    with pytest.raises(UserError, match="can't be acknowledged"):
        statement_of(KEY, ORIGIN, GATE, by, reason, AT)


def known(*findings: Finding) -> list[Acknowledged]:
    return [Acknowledged(each, "auditor-1", "see act 14", AT) for each in findings]


def test_acknowledged_problems_are_set_apart_and_stay_counted() -> None:
    findings = Findings()
    for each in (GATE, replace(GATE, place="shipping/900")):
        findings.problem(each.code, each.place, each.words)
    apart = set_apart(findings, known(GATE))
    assert [each.finding for each in apart] == [GATE]
    assert [each.place for each in findings.problems] == ["shipping/900"]
    assert findings.counts == {"gate": 2}


def test_other_words_at_the_same_place_are_another_problem() -> None:
    findings = Findings()
    findings.problem(GATE.code, GATE.place, "manufacturing was ordered, and invoice 1 was not paid (L17)")
    assert set_apart(findings, known(GATE)) == []
    assert len(findings.problems) == 1


def test_of_a_kind_that_is_not_told_whole_nothing_is_set_apart() -> None:
    findings = Findings()
    for number in range(MOST + 1):
        findings.problem("gate", f"shipping/{number}", "words")
    assert set_apart(findings, known(*findings.problems)) == []
    assert len(findings.problems) == MOST
