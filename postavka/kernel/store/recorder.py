"""The recorder of a stage's event store: `eventsourcing`'s process recorder with one statement a batch.

Why not the library's own way of writing (9.5.6; each has a test in `tests/kernel/store/test_library_defects.py`):
its pipelined insert hangs for good when a batch is larger than what the socket takes at once; with database functions
switched on it drops the `tracking` argument without a word; and in that mode it takes no lock, so that positions can
become visible out of order. Here one function, `append` (sql/fn_append.sql), writes events, claimed values and the
marks of the inputs in one transaction, and the row lock on `head` gives positions in the order of commit, without gaps.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from eventsourcing.persistence import DatabaseError, IntegrityError, StoredEvent, Tracking
from eventsourcing.postgres import PostgresProcessRecorder
from psycopg.rows import tuple_row

from postavka.kernel.log.record import Record
from postavka.kernel.store.arrays import Bigints, Byteas, Texts, Times, Uuids
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.queries import load_queries

QUERIES = load_queries("postavka.kernel.store")

TRACKING_CONFLICT = "PV001"


class RecordedEvent(NamedTuple):
    """One event on its way into the store, or out of it (then with its position)."""

    originator_id: UUID
    version: int
    type: str
    body: bytes
    time: datetime
    clock: int
    causation: str | None
    correlation: str | None
    input: str | None
    trace: str | None = None
    position: int = 0
    """Last: a relay adds it to what was just committed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that may exist once in this store: `kind` names what it is."""

    kind: str
    value: str
    originator_id: UUID


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be taken, with the reason; `id` is 0 until it is stored."""

    record: Record
    code: str
    reason: str
    subject: UUID | None = None
    id: int = 0


@dataclass(slots=True)
class Batch:
    """All that goes into one transaction."""

    events: list[RecordedEvent] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    moved: dict[str, tuple[Checkpoint, Checkpoint]] = field(default_factory=dict)
    """Input partition (`topic/partition`) → its mark before and after."""
    retried: list[int] = field(default_factory=list)
    """Dead letters that were tried again and taken this time."""


class TrackingConflict(IntegrityError):
    """Another worker has handled records of these inputs meanwhile: read the marks again."""


class EventRecorder(PostgresProcessRecorder):
    """Reads and writes the event store in one schema. The schema is made by `postavka.kernel.store.migration`."""

    datastore: SchemaDatastore

    def __init__(self, datastore: SchemaDatastore) -> None:
        super().__init__(datastore)

    def create_table(self) -> None:
        """Does nothing: tables come from the numbered SQL files of this package."""

    # Writing

    def append(self, batch: Batch) -> int:
        """Write all of a batch or nothing; returns the position before its first event.

        Raises `TrackingConflict` when an input's mark is not where the batch says; `IntegrityError` when another worker
        has written to the same request, or a claimed value exists.
        """
        parameters = parameters_of(batch)
        with self.datastore.get_connection() as connection:
            try:
                if not batch.dead_letters and not batch.retried:
                    row = connection.execute(APPEND, parameters, prepare=True, binary=True).fetchone()
                else:
                    with connection.transaction():
                        row = connection.execute(APPEND, parameters, prepare=True, binary=True).fetchone()
                        self._keep_dead_letters(connection, batch)
            except psycopg.DatabaseError as error:
                if error.sqlstate == TRACKING_CONFLICT:
                    raise TrackingConflict(str(error)) from error
                raise
        assert row is not None  # noqa: S101
        return int(row["append"] or 0)

    def _keep_dead_letters(self, connection: psycopg.Connection[Any], batch: Batch) -> None:
        for letter in batch.dead_letters:
            record = letter.record
            connection.execute(
                INSERT_DEAD_LETTER,
                (
                    record.topic,
                    record.partition,
                    record.offset,
                    record.timestamp_ms,
                    record.key,
                    record.value,
                    _headers_to_json(record),
                    letter.code,
                    letter.reason,
                    _sha256(record.value),
                    letter.subject,
                ),
            )
        if batch.retried:
            connection.execute(QUERIES.dead_letters_taken, (batch.retried,))

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """The library's way in, on top of `append`: same promises, `tracking` included."""
        tracking: Tracking | None = kwargs.get("tracking")
        now = datetime.now(UTC)
        batch = Batch(
            events=[
                RecordedEvent(
                    event.originator_id if isinstance(event.originator_id, UUID) else UUID(event.originator_id),
                    event.originator_version,
                    event.topic,
                    event.state,
                    now,
                    0,
                    None,
                    None,
                    None,
                )
                for event in stored_events
            ]
        )
        if tracking is not None:
            before = self.marks([tracking.application_name])[tracking.application_name]
            if tracking.notification_id <= before.offset:
                raise IntegrityError(f"{tracking.application_name} has been handled up to {before.offset}")
            batch.moved[tracking.application_name] = (before, Checkpoint(tracking.notification_id, before.position))
        first = self.append(batch) + 1
        return list(range(first, first + len(batch.events)))

    # Reading

    def marks(self, names: Sequence[str]) -> dict[str, Checkpoint]:
        """The mark of every named input partition; one that was never handled gets its row now, at -1."""
        with self.datastore.get_connection() as connection:
            rows = self._select_marks(connection, names)
            missing = [name for name in names if name not in rows]
            if missing:
                connection.execute(QUERIES.add_checkpoints, (missing,))
                rows = self._select_marks(connection, names)
        return rows

    @staticmethod
    def _select_marks(connection: psycopg.Connection[Any], names: Sequence[str]) -> dict[str, Checkpoint]:
        cursor = connection.cursor(row_factory=tuple_row).execute(QUERIES.checkpoints, (list(names),))
        return {name: Checkpoint(offset, position) for name, offset, position in cursor}

    def load(self, originators: Iterable[UUID]) -> dict[UUID, list[RecordedEvent]]:
        """All events of these requests, in order of version. A request without events is left out."""
        with self.datastore.get_connection() as connection:
            rows = connection.cursor(row_factory=tuple_row).execute(
                SELECT_EVENTS + " WHERE originator_id = ANY(%b) ORDER BY originator_id, originator_version",
                (Uuids(originators),),
                prepare=True,
                binary=True,
            )
            found: dict[UUID, list[RecordedEvent]] = {}
            for row in rows:
                found.setdefault(row[0], []).append(RecordedEvent(*row))
        return found

    def find_claims(self, kind: str, values: Iterable[str]) -> dict[str, UUID]:
        """Who has claimed these values; a free one is left out."""
        wanted = list(values)
        if not wanted:
            return {}
        with self.datastore.get_connection() as connection:
            rows = connection.cursor(row_factory=tuple_row).execute(QUERIES.find_claims, (kind, wanted))
            return dict(rows.fetchall())

    def highest_claim(self, kind: str, low: str, high: str) -> str | None:
        """The highest value claimed in `low <= value < high`, in the order of the database; None if there is none."""
        with self.datastore.get_connection() as connection:
            row = connection.execute(QUERIES.highest_claim, (kind, low, high)).fetchone()
        assert row is not None  # noqa: S101
        highest: str | None = row["highest"]
        return highest

    def read(self, after: int, limit: int) -> list[RecordedEvent]:
        """The next events, up to `limit` of them, behind position `after`, in order of position."""
        with self.datastore.get_connection() as connection:
            rows = connection.cursor(row_factory=tuple_row).execute(
                SELECT_EVENTS + " WHERE notification_id > %s ORDER BY notification_id LIMIT %s",
                (after, limit),
                prepare=True,
                binary=True,
            )
            return [RecordedEvent(*row) for row in rows]

    def head(self) -> int:
        """The last position given out; 0 for an empty store."""
        with self.datastore.get_connection() as connection:
            row = connection.execute(QUERIES.head).fetchone()
        assert row is not None  # noqa: S101
        return int(row["position"])

    # Dead letters

    def dead_letters(self, where: str = "true", limit: int = 100) -> list[DeadLetter]:
        """Stored dead letters, oldest first. `where` is SQL of ours, never of a user's."""
        with self.datastore.get_connection() as connection:
            rows = connection.execute(
                f"SELECT * FROM dead_letters WHERE {where} ORDER BY id LIMIT %s",  # noqa: S608
                (limit,),
            ).fetchall()
        return [
            DeadLetter(
                Record(
                    row["topic"],
                    row["partition"],
                    row["offset"],
                    row["timestamp_ms"],
                    row["key"],
                    row["value"],
                    tuple((name, None if value is None else base64.b64decode(value)) for name, value in row["headers"]),
                ),
                row["code"],
                row["reason"],
                row["subject"],
                row["id"],
            )
            for row in rows
        ]

    def refuse_again(self, letter: DeadLetter) -> None:
        """A retry came to nothing: the letter stays, with the new reason. One that another worker has got through
        meanwhile, or somebody has settled, stays so."""
        with self.datastore.get_connection() as connection:
            connection.execute(QUERIES.refuse_again, (letter.code, letter.reason, letter.id))


def parameters_of(batch: Batch) -> tuple[Any, ...]:
    """The parameters of the statement `append`: for who writes more than events in the same transaction."""
    events, claims, moved = batch.events, batch.claims, batch.moved
    return (
        Uuids(event.originator_id for event in events),
        Bigints(event.version for event in events),
        Texts(event.type for event in events),
        Byteas(event.body for event in events),
        Times(event.time for event in events),
        Bigints(event.clock for event in events),
        Texts(event.causation for event in events),
        Texts(event.correlation for event in events),
        Texts(event.input for event in events),
        Texts(event.trace for event in events),
        Texts(claim.kind for claim in claims),
        Texts(claim.value for claim in claims),
        Uuids(claim.originator_id for claim in claims),
        Texts(moved),
        Bigints(before.offset for before, _ in moved.values()),
        Bigints(after.offset for _, after in moved.values()),
        Bigints(after.position for _, after in moved.values()),
    )


SELECT_EVENTS = (
    "SELECT originator_id, originator_version, topic, state, recorded_at, clock, causation, correlation, input, trace, "
    "notification_id FROM stored_events"
)
APPEND = QUERIES.append
INSERT_DEAD_LETTER = QUERIES.add_dead_letter


def _headers_to_json(record: Record) -> str:
    pairs = [
        # PostgreSQL keeps no NUL in jsonb, and a name from outside may have one.
        [name.replace("\x00", "\\0"), None if value is None else base64.b64encode(value).decode()]
        for name, value in record.headers
    ]
    return orjson.dumps(pairs).decode()


def _sha256(value: bytes | None) -> str:
    return hashlib.sha256(value or b"").hexdigest()


__all__ = [
    "Batch",
    "Claim",
    "DatabaseError",
    "DeadLetter",
    "EventRecorder",
    "IntegrityError",
    "RecordedEvent",
    "TrackingConflict",
    "parameters_of",
]
