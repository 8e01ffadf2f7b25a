"""PostgreSQL in memory, as far as stages and read models ask it: each statement of theirs, by its name, is a function
of the tables. `test_models.py` runs the same statements on a real server and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

import orjson
import psycopg

from postavka.kernel.outbox import relay
from postavka.kernel.projection import blue_green, checkpoints
from postavka.kernel.stage import recovery
from postavka.kernel.store import recorder
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import SELECT_EVENTS, RecordedEvent


class Moved(psycopg.errors.RaiseException):
    """What the function `append` raises when a mark is elsewhere."""

    sqlstate = recorder.TRACKING_CONFLICT


class Tables(Protocol):
    """All that a backup copies."""

    def copy(self) -> Any: ...


@dataclass
class StoreTables:
    """The event store of one stage."""

    head: int = 0
    events: list[RecordedEvent] = field(default_factory=list)
    requests: dict[UUID, tuple[RecordedEvent, ...]] = field(default_factory=dict)
    """The same events, by request."""
    claims: dict[tuple[str, str], UUID] = field(default_factory=dict)
    marks: dict[str, Checkpoint] = field(default_factory=dict)
    imported: frozenset[str] = frozenset()
    incomplete: frozenset[str] = frozenset()
    letters: dict[tuple[str, int, int], tuple[Any, ...]] = field(default_factory=dict)
    status: dict[int, str] = field(default_factory=dict)
    """Of dead letters that are not open, by their number."""
    relayed: frozenset[int] = frozenset()
    checkpoint: tuple[int, dict[str, int]] = (0, {})

    def copy(self) -> StoreTables:
        return StoreTables(
            self.head,
            list(self.events),
            dict(self.requests),
            dict(self.claims),
            dict(self.marks),
            self.imported,
            self.incomplete,
            dict(self.letters),
            dict(self.status),
            self.relayed,
            self.checkpoint,
        )

    def add(self, event: RecordedEvent) -> None:
        """A unique version, a unique position. Raises `UniqueViolation`."""
        known = self.requests.get(event.originator_id, ())
        if any(event.version == each.version for each in known):
            raise psycopg.errors.UniqueViolation(f"{event.originator_id}/{event.version}")
        if self.events and event.position <= self.events[-1].position:
            raise psycopg.errors.UniqueViolation(f"position {event.position}")
        self.events.append(event)
        self.requests[event.originator_id] = (*known, event)


@dataclass
class ModelTables:
    """The tables of a read model."""

    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    marks: dict[str, Checkpoint] = field(default_factory=dict)
    unread: frozenset[tuple[Any, ...]] = frozenset()

    def copy(self) -> ModelTables:
        return ModelTables(dict(self.rows), dict(self.marks), self.unread)


def let_retry(tables: StoreTables) -> None:
    """All open dead letters are to be tried again: what an operator's command does."""
    for letter in tables.letters.values():
        tables.status.setdefault(letter[0], "retry")


Row = Sequence[Any]
Found = tuple[Sequence[str], Iterable[Row]]
"""Names of columns, rows."""
Statement = Callable[..., Found]
F = TypeVar("F", bound=Statement)
NOTHING: Found = (), ()
STATEMENTS: dict[Any, tuple[Statement, bool]] = {}
"""By the text, or the very object where statements have names: what it does, and whether it writes."""


def statement(*queries: Any, writes: bool = False) -> Callable[[F], F]:
    def noted(function: F) -> F:
        STATEMENTS.update({key(query): (function, writes) for query in queries})
        return function

    return noted


def key(query: Any) -> Any:
    return query if isinstance(query, str) else id(query)


# The event store


@statement(recorder.APPEND, writes=True)
def append(tables: StoreTables, *parameters: Any) -> Found:
    originators, versions, types, bodies, times, clocks, causes, correlations, inputs, traces = parameters[:10]
    kinds, values, claimants, tracked, expected, offsets, positions = parameters[10:]
    before = tables.head if originators else None
    for each in zip(
        originators, versions, types, bodies, times, clocks, causes, correlations, inputs, traces, strict=True
    ):
        tables.head += 1
        tables.add(RecordedEvent(*each, tables.head))
    for kind, value, claimant in zip(kinds, values, claimants, strict=True):
        if (kind, value) in tables.claims:
            raise psycopg.errors.UniqueViolation(value)
        tables.claims[kind, value] = claimant
    for name, thought, offset, position in zip(tracked, expected, offsets, positions, strict=True):
        mark = tables.marks.get(name)
        if mark is None or mark.offset != thought:
            raise Moved("another worker has moved a mark")
        tables.marks[name] = Checkpoint(offset, max(mark.position, position))
    return ("append",), [(before,)]


@statement(recorder.INSERT_DEAD_LETTER, writes=True)
def add_dead_letter(tables: StoreTables, *letter: Any) -> Found:
    topic, partition, offset = letter[:3]
    tables.letters.setdefault((topic, partition, offset), (len(tables.letters) + 1, *letter))
    return NOTHING


@statement("SELECT * FROM dead_letters WHERE status = 'retry' ORDER BY id LIMIT %s")
def letters_to_retry(tables: StoreTables, limit: int) -> Found:
    names = "id", "topic", "partition", "offset", "timestamp_ms", "key", "value", "headers", "code", "reason"
    found = [each for each in tables.letters.values() if tables.status.get(each[0]) == "retry"]
    rows = [(*each[:7], orjson.loads(each[7]), *each[8:10], each[11]) for each in found]
    return (*names, "subject"), rows[:limit]


@statement(recorder.QUERIES.dead_letters_taken, writes=True)
def dead_letters_taken(tables: StoreTables, numbers: list[int]) -> Found:
    tables.status.update(dict.fromkeys(numbers, "done"))
    return NOTHING


@statement(recorder.QUERIES.refuse_again, writes=True)
def refuse_again(tables: StoreTables, code: str, reason: str, number: int) -> Found:
    for place, letter in tables.letters.items():
        if letter[0] == number and tables.status.get(number, "open") in ("open", "retry"):
            tables.letters[place] = (*letter[:8], code, reason, *letter[10:])
            tables.status.pop(number, None)
    return NOTHING


@statement(recorder.QUERIES.checkpoints)
def marks(tables: StoreTables, names: list[str]) -> Found:
    found = [(name, *tables.marks[name]) for name in names if name in tables.marks]
    return ("application_name", "notification_id", "position"), found


@statement(recorder.QUERIES.add_checkpoints, writes=True)
def add_checkpoints(tables: StoreTables, names: list[str]) -> Found:
    for name in names:
        tables.marks.setdefault(name, Checkpoint())
    return NOTHING


@statement(SELECT_EVENTS + " WHERE originator_id = ANY(%b) ORDER BY originator_id, originator_version")
def events_of(tables: StoreTables, originators: list[UUID]) -> Found:
    found = [event for each in set(originators) for event in tables.requests.get(each, ())]
    return (), sorted(found, key=lambda event: (event.originator_id, event.version))


@statement(recorder.QUERIES.head, recovery.QUERIES.head, recovery.QUERIES.head_for_update)
def head(tables: StoreTables) -> Found:
    return ("position",), [(tables.head,)]


# The relay


@statement(relay.QUERIES.read_checkpoint)
def read_checkpoint(tables: StoreTables) -> Found:
    return ("position", "offsets"), [tables.checkpoint]


@statement(relay.QUERIES.write_checkpoint, writes=True)
def write_checkpoint(tables: StoreTables, position: int, offsets: str) -> Found:
    tables.checkpoint = position, orjson.loads(offsets)
    return NOTHING


@statement(relay.QUERIES.read_events)
def read_events(tables: StoreTables, after: int, limit: int) -> Found:
    return (), [event for event in tables.events if event.position > after][:limit]


@statement(relay.QUERIES.unpublished_dead_letters)
def unpublished_dead_letters(tables: StoreTables) -> Found:
    found = []
    for letter in tables.letters.values():
        number, topic, partition, offset, _, key, value, headers, code, reason, sha256, _ = letter
        if number not in tables.relayed:
            found.append((number, topic, partition, offset, key, value, orjson.loads(headers), code, reason, sha256))
    return (), found[:100]


@statement(relay.QUERIES.dead_letters_published, writes=True)
def dead_letters_published(tables: StoreTables, numbers: list[int]) -> Found:
    tables.relayed |= set(numbers)
    return NOTHING


# Recovery


@statement(recovery.QUERIES.import_event, writes=True)
def import_event(tables: StoreTables, *event: Any) -> Found:
    tables.add(RecordedEvent(*event))
    return NOTHING


@statement(recovery.QUERIES.import_claim, writes=True)
def import_claim(tables: StoreTables, kind: str, value: str, originator: UUID) -> Found:
    tables.claims.setdefault((kind, value), originator)
    return NOTHING


@statement(recovery.QUERIES.import_input, writes=True)
def import_input(tables: StoreTables, place: str) -> Found:
    tables.imported |= {place}
    return NOTHING


@statement(recovery.QUERIES.raise_head, writes=True)
def raise_head(tables: StoreTables, position: int) -> Found:
    tables.head = max(tables.head, position)
    return NOTHING


@statement(recovery.QUERIES.imported_inputs)
def imported_inputs(tables: StoreTables) -> Found:
    return ("input",), [(each,) for each in tables.imported]


@statement(recovery.QUERIES.note_incomplete, writes=True)
def note_incomplete(tables: StoreTables, place: str) -> Found:
    tables.incomplete |= {place}
    return NOTHING


@statement(recovery.QUERIES.incomplete_inputs)
def incomplete_inputs(tables: StoreTables) -> Found:
    return ("input",), [(each,) for each in sorted(tables.incomplete)]


@statement(recovery.QUERIES.completed, writes=True)
def completed(tables: StoreTables, place: str) -> Found:
    tables.incomplete -= {place}
    return NOTHING


# A read model


@statement(checkpoints.QUERIES.marks)
def model_marks(tables: ModelTables, names: list[str]) -> Found:
    return (), [(name, *tables.marks[name]) for name in names if name in tables.marks]


@statement(checkpoints.QUERIES.move_marks, writes=True)
def move_marks(tables: ModelTables, *parameters: Any) -> Found:
    moved = []
    for name, before, offset, position in zip(*parameters[:4], strict=True):
        if name not in tables.marks or tables.marks[name].offset == before:
            tables.marks[name] = Checkpoint(offset, position)
            moved.append((1,))
    return (), moved


@statement(checkpoints.QUERIES.keep_unread, writes=True)
def keep_unread(tables: ModelTables, *record: Any) -> Found:
    tables.unread |= {record}
    return NOTHING


@statement(blue_green.QUERIES.generation)
def generation(tables: ModelTables, table: str) -> Found:
    return (), [(1,)]


@statement(blue_green.QUERIES.lock_out_swaps)
def lock_out_swaps(tables: ModelTables, name: str) -> Found:
    return NOTHING
