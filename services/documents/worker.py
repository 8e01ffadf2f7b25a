"""The thread that dispatches: one of all workers at a time, and only when the log has been read to its end.

A worker that is behind would not know what has left already. The operator's key would keep a repetition harmless even
then; paper has no key.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from prometheus_client import Counter, Gauge

from events.topics import DOCUMENT_COMMANDS, SHIPPING_EVENTS
from postavka.kernel.blobs import BlobsAway, open_blobs
from postavka.kernel.log.offsets import OffsetsUnknown, end_offsets
from postavka.kernel.log.record import partition_name
from postavka.kernel.log.topics import check_topics
from postavka.kernel.outbox.command_sender import CommandNotSent, Sender
from postavka.kernel.process import liveness
from postavka.kernel.process.logs import WAITING, logger
from postavka.kernel.process.polling import pause_after
from postavka.kernel.projection.checkpoints import read_marks
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.store.queries import load_queries
from services.documents.dispatch import Dispatch
from services.documents.operator import OperatorAway
from services.documents.projection import connect
from services.documents.settings import documents_settings, open_operator, open_seal

QUERIES = load_queries("services.documents")

log = logger(__name__)

NAME = "dispatch"
SOURCE = "/postavka/papers"
IDLE_SECONDS = 0.5
AWAY_SECONDS = 2.0
LOCK = QUERIES.lock
SILENT_SECONDS = 600.0
"""One round at most: it renders many documents, and an operator may be slow."""

STEPS = Counter("postavka_papers_steps_total", "Steps taken with documents")
ANSWERS = Counter("postavka_papers_answers_total", "Answers of counterparties carried over")
TROUBLED = Gauge("postavka_papers_troubled", "Documents that were put off, with a reason in papers.work")
DUE = Gauge("postavka_papers_due", "Documents that are to be rendered or sent and are not on their way")
OLDEST = Gauge("postavka_papers_oldest_seconds", "How long the oldest of them has waited, since it was issued")
OPERATOR_AWAY = Gauge("postavka_papers_operator_away", "1 while the exchange operator does not answer")

MEASURE_SECONDS = 10.0
OUTBOX = QUERIES.outbox
"""Paper that waits for the clerk is not among them, nor a document of a closed request that has not left."""


class Worker:
    """Runs until the process ends."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._url = database_url(config)
        check_topics(config, [DOCUMENT_COMMANDS.name, SHIPPING_EVENTS.name])
        self._operator = open_operator(config, documents_settings())
        self._seal = open_seal(documents_settings())
        self._blobs = open_blobs(config)
        self._polled = 0.0
        self._measure_at = 0.0

    def run(self) -> None:
        """Rounds without end; servers that are away are waited for. Raises when something is wrong with the program."""
        sender = Sender(self._config, SOURCE)
        while True:
            liveness.beat(NAME, SILENT_SECONDS)
            try:
                with connect(self._url) as connection:
                    self._dispatch(connection, sender)
            except (
                psycopg.OperationalError,
                psycopg.InterfaceError,
                OffsetsUnknown,
                CommandNotSent,
                BlobsAway,
            ) as away:
                log.warning(WAITING, why=f"{type(away).__name__}: {away}"[:300])
                time.sleep(AWAY_SECONDS)

    def _dispatch(self, connection: psycopg.Connection[Any], sender: Sender) -> None:
        """Dispatch for as long as this connection holds."""
        while not _only(connection):
            liveness.beat(NAME, SILENT_SECONDS)
            time.sleep(AWAY_SECONDS)
        self._catch_up(connection)
        dispatch = Dispatch(connection, self._blobs, self._operator, sender, self._seal)
        log.info("dispatching", operator=type(self._operator).__name__, sealed=self._seal is not None)
        while True:
            liveness.beat(NAME, SILENT_SECONDS)
            try:
                self._measure(connection)
                steps = dispatch.round()
                STEPS.inc(steps)
                if time.monotonic() - self._polled > documents_settings().edo_poll_seconds:
                    self._polled = time.monotonic()
                    ANSWERS.inc(dispatch.poll())
                    OPERATOR_AWAY.set(0)
            except OperatorAway as away:
                log.warning("the operator is away", why=str(away)[:300])
                OPERATOR_AWAY.set(1)
                steps = 0
                time.sleep(AWAY_SECONDS)
            if not steps:
                time.sleep(IDLE_SECONDS)

    def _measure(self, connection: psycopg.Connection[Any]) -> None:
        if time.monotonic() < self._measure_at:
            return
        started = time.monotonic()
        troubled, due, oldest = connection.execute(OUTBOX).fetchone() or (0, 0, 0.0)
        TROUBLED.set(troubled)
        DUE.set(due)
        OLDEST.set(oldest)
        self._measure_at = time.monotonic() + pause_after(time.monotonic() - started, MEASURE_SECONDS)

    def _catch_up(self, connection: psycopg.Connection[Any]) -> None:
        """Wait until the projection has what the log holds now."""
        ends = end_offsets(self._config, [(SHIPPING_EVENTS.name, partition) for partition in range(PARTITIONS)])
        names = {partition_name(*place): end for place, end in ends.items()}
        while any(mark.offset < names[name] - 1 for name, mark in read_marks(connection, list(names)).items()):
            liveness.beat(NAME, SILENT_SECONDS)
            time.sleep(IDLE_SECONDS)


def _only(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(LOCK).fetchone()
    return bool(row and row[0])
