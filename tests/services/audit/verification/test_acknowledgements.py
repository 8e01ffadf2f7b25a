"""Findings that were acknowledged: what counts, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postavka.kernel.errors import UserError
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.settings import PARTITIONS, Settings
from services.audit.findings import MOST, Finding, Findings
from services.audit.integrity.keys import SigningKey
from services.audit.verification.acknowledgements import Acknowledged, read_statement, set_apart, statement_of
from services.audit.verification.fold_check import _digest
from services.audit.verification.stored_and_published import StoredAndPublished

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


def test_other_contents_at_an_acknowledged_place_are_a_new_problem(tmp_path: Path) -> None:
    config = Settings(home=tmp_path)

    def found(folder: str, value: bytes, position: list[tuple[str, bytes]]) -> Findings:
        there = tmp_path / folder
        there.mkdir()
        check = StoredAndPublished(
            config, "approval", "approval.events", "/postavka/approval", 1, {}, tmp_path / folder
        )
        partition = partition_of(b"k", PARTITIONS)
        check._take(partition, SimpleNamespace(key=b"k", value=b"{}", headers=position, offset=6))
        check._take(partition, SimpleNamespace(key=b"k", value=value, headers=position, offset=7))
        check._compare_one(1, bytes([1]) * 32, sha256(value).digest())
        check._found.close()
        check._stored.close()
        return check.reached.findings

    for number, headers in enumerate(([], [("ce_position", b"1")])):
        first, same, other = (
            found(f"{number}{name}", value, headers)
            for name, value in (("first", b"1"), ("same", b"1"), ("other", b"2"))
        )
        acts = known(*first.problems)
        set_apart(same, acts)
        assert same.problems == []
        set_apart(other, acts)
        assert {each.code for each in other.problems} == {"differs", "other-duplicate" if headers else "foreign"}


def test_another_row_in_the_cabinet_is_a_new_problem() -> None:
    row = {"approval": {"at": "1", "by": None}, "billing": {"sum": "10"}}
    same = {"approval": {"at": "1"}, "billing": {"sum": "11"}}
    assert _digest(row, ["approval"]) == _digest(same, ["approval"])
    assert _digest(row, ["billing"]) != _digest(same, ["billing"])
