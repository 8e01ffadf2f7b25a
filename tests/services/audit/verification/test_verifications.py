"""Verifications on record: one at a time is asked for, what came of it is kept, also when it could not be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from postavka.kernel.settings import Settings
from services.audit.findings import Findings
from services.audit.integrity.store import connect
from services.audit.verification.verifications import MOST_FINDINGS, ask, keep_outcome, newest, verify_what_is_asked
from services.audit.verification.verify import VerificationReport


@pytest.fixture
def config(database: str, tmp_path: Path) -> Settings:
    return Settings(database_url=database, home=tmp_path, kafka_bootstrap_servers=None, _env_file=None)


def test_one_is_asked_for_at_a_time_and_a_failure_is_told(config: Settings) -> None:
    with connect(config) as connection:
        assert ask(connection, "anna")
        assert not ask(connection, "boris")
        verify_what_is_asked(config)  # without a broker
        (done,) = newest(connection)
        assert (done.asked_by, done.report, done.well) == ("anna", None, False)
        assert done.finished_at is not None
        assert "KAFKA_BOOTSTRAP_SERVERS" in (done.failed or "")
        assert ask(connection, "boris"), "the next may be asked for"


def test_nothing_is_done_while_another_service_is_at_it(config: Settings) -> None:
    with connect(config) as connection, connect(config) as other:
        ask(connection, "anna")
        other.execute("SELECT pg_advisory_lock(hashtext('postavka.audit.verification'))")
        verify_what_is_asked(config)
        assert newest(connection)[0].started_at is None


def test_the_outcome_of_the_command_is_kept_with_its_first_findings(config: Settings) -> None:
    findings = Findings()
    for number in range(MOST_FINDINGS + 5):
        findings.problem("gate", f"shipping/{number}", "ordered without an answer (L17)")
    keep_outcome(config, "cli:anna", VerificationReport({"request": 7}, events=7, seconds=2.0, findings=findings))
    keep_outcome(config, "cli:anna", VerificationReport({"request": 8}, events=8, seconds=1.0))
    with connect(config) as connection:
        well, bad = newest(connection)
    assert (well.well, bad.well) == (True, False)
    assert bad.report is not None
    assert len(bad.report["problems"]) == MOST_FINDINGS
    assert bad.report["counts"]["gate"] == MOST_FINDINGS + 5
    assert bad.started_at is not None
    assert bad.finished_at is not None
    assert (bad.finished_at - bad.started_at).total_seconds() == pytest.approx(2.0)
