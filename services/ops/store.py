"""The event store of acts by hand: schema `ops`, topic `ops.events`. An act and its event are one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from events.model import Event
from events.ops import LetterPlace
from events.registry import encode
from postavka.kernel.clock import Clock
from postavka.kernel.process import tracing
from postavka.kernel.store.migration import EVENT_STORE, MigrationSet, require
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.recorder import APPEND, Batch, RecordedEvent, parameters_of
from postavka.kernel.store.session import open_session

QUERIES = load_queries("services.ops")

SCHEMA = "ops"
MIGRATIONS = MigrationSet("services.ops", "services.ops")
SOURCE = "/postavka/ops"
OWN = {"search_path": f"{SCHEMA},public"}
SEES_ALL = {"app.scope": "all", "jit": "off"}
"""Parameters of a session that reads the cabinet of all tenants, past row-level security."""

NOT_THERE = (psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedTable)
"""The answers of PostgreSQL about a service that was never here."""

_clock = Clock()


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date. Raises `NotMigrated`."""
    require(conninfo, SCHEMA, EVENT_STORE, MIGRATIONS)


@contextmanager
def acting(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction in which something is done by hand. Holds the head of the store, so that acts come one by one."""
    with open_session(conninfo, OWN, autocommit=False, application_name="postavka-ops") as act:
        act.execute(QUERIES.lock)
        yield act


def record(act: psycopg.Connection[Any], done: Sequence[tuple[UUID, Event, str | None]]) -> None:
    """Write events about these subjects; the third of each is its cause: a record's coordinates, if there is one."""
    if not done:
        return
    subjects = [subject for subject, _, _ in done]
    versions: dict[UUID, int] = dict(act.execute(QUERIES.versions, (subjects,)).fetchall())
    now, trace = datetime.now(UTC), tracing.current()
    batch = Batch()
    for subject, event, cause in done:
        versions[subject] = versions.get(subject, 0) + 1
        causation = cause and f"kafka:{cause}"
        batch.events.append(
            RecordedEvent(
                *(subject, versions[subject], event.TYPE, encode(event), now, _clock.tick(), causation, str(subject)),
                input=None,
                trace=trace,
            )
        )
    act.execute(APPEND, parameters_of(batch), binary=True)


def cause_of(place: LetterPlace) -> str:
    """Where the record of a dead letter lies, as events name their inputs."""
    return f"{place.topic}/{place.partition}/{place.offset}"
