"""Verifications on record: asked for on a page, done in the auditor's service one at a time, their outcome kept; those
of the command are kept as well."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg
from confluent_kafka import KafkaException
from psycopg.rows import class_row

from postavka.kernel.errors import UserError
from postavka.kernel.process.logs import logger
from postavka.kernel.settings import Settings
from postavka.kernel.store.queries import load_queries
from services.audit.integrity.store import connect
from services.audit.verification.verify import VerificationReport, as_json, folder_of, verify

QUERIES = load_queries("services.audit")

log = logger(__name__)

SHARE = 100_000
"""Events that the one process of a verification in the service folds in memory: a quarter of what the command's do."""
MOST_FINDINGS = 50
"""Of each kind, kept with the outcome."""
TELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Verification:
    """One verification: who asked and when, how far it is (each event is looked at twice), and what came of it."""

    id: int
    asked_by: str
    asked_at: datetime
    started_at: datetime | None
    done: int
    total: int
    finished_at: datetime | None
    report: dict[str, Any] | None
    failed: str | None

    @property
    def well(self) -> bool:
        """Is it done, and all as it was written?"""
        return self.report is not None and bool(self.report["well"])


def newest(connection: psycopg.Connection[Any], most: int = 10) -> list[Verification]:
    """The last ones, the newest first."""
    return connection.cursor(row_factory=class_row(Verification)).execute(QUERIES.verifications, (most,)).fetchall()


def ask(connection: psycopg.Connection[Any], by: str) -> bool:
    """Ask for a verification; False while another one is asked for or at work."""
    return connection.execute(QUERIES.ask_for_verification, (by,)).rowcount == 1


def is_asked(connection: psycopg.Connection[Any]) -> bool:
    """Is a verification asked for or at work?"""
    return connection.execute(QUERIES.asked_verification).fetchone() is not None


def keep_outcome(config: Settings, by: str, report: VerificationReport) -> None:
    """Keep the outcome of a verification that the command has made."""
    with connect(config) as connection:
        connection.execute(QUERIES.keep_verification, (by, _brief(report), report.seconds))


def verify_what_is_asked(config: Settings) -> None:
    """Do the verification that is asked for, if there is one and no other service is at it. One that was cut off goes
    on where it was, if its folder is on this machine. The lock is the connection's: it ends with this call."""
    with connect(config) as connection:
        asked = connection.execute(QUERIES.asked_verification).fetchone()
        if asked is None:
            return
        locked = connection.execute(QUERIES.lock_verification).fetchone()
        if locked is not None and locked[0]:
            _verify(config, connection, *asked)


def _verify(config: Settings, connection: psycopg.Connection[Any], number: int, begun_before: bool) -> None:
    told_at = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > TELL_SECONDS:
            told_at = time.monotonic()
            connection.execute(QUERIES.verification_goes_on, (done, total, number))

    connection.execute(QUERIES.begin_verification, (number,))
    folder = folder_of(config).with_name("verify-asked")
    try:
        report = verify(config, tell, 1, begun_before, folder, SHARE)
    except (UserError, KafkaException, OSError, ValueError) as failed:
        log.warning("a verification could not be done", why=str(failed)[:300])
        connection.execute(QUERIES.end_verification, (None, f"{type(failed).__name__}: {failed}"[:500], number))
    else:
        connection.execute(QUERIES.end_verification, (_brief(report), None, number))


def _brief(report: VerificationReport) -> str:
    whole = as_json(report)
    for kind in ("problems", "notes", "acknowledged"):
        whole[kind] = whole[kind][:MOST_FINDINGS]
    return orjson.dumps(whole, default=str).decode()
