"""The models of PostgreSQL and Kafka hold what the real ones do: the product's code asks both the same, at random, and
is answered the same. What the model leaves out is waiting: locks of rows, and isolation within a transaction."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import PersistenceError

from events.registry import encode
from events.request import RequestWithdrawn
from postavka.kernel.log import offsets
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.outbox import relay
from postavka.kernel.outbox.publisher import Publisher
from postavka.kernel.projection import checkpoints
from postavka.kernel.projection.blue_green import connect
from postavka.kernel.runtime.embedded import Endpoints
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.stage import recovery
from postavka.kernel.store.checkpoint import Checkpoint, CheckpointMoved
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.recorder import Batch, Claim, DeadLetter, EventRecorder, RecordedEvent
from tests.kernel.polling import until
from tests.kernel.toys import unique_name
from tests.simulation import log
from tests.simulation.database import Database, Datastore, Session
from tests.simulation.small_world import NOON
from tests.simulation.statements import ModelTables, StoreTables, let_retry

STORE, MODEL = "request", "timer"
REQUESTS = [UUID(int=number) for number in range(1, 4)]
LET_RETRY = "UPDATE dead_letters SET status = 'retry' WHERE status = 'open'"
OTHERS = ["marks", "load", "head", "relay", "letters", "retry", "come_back", "project"]
NAMES = ["commands.requests/0", "commands.requests/1"]
TYPE, BODY = RequestWithdrawn.TYPE, encode(RequestWithdrawn(withdrawn_by="anna"))


class Nobody:
    """A judge that lets everything pass."""

    def committed(self, *_: Any) -> None: ...

    def locked(self, *_: Any) -> None: ...


@dataclass
class Sent:
    """A publisher that keeps what it is given."""

    records: list[Any] = field(default_factory=list)

    def send(self, *record: Any) -> None:
        self.records.append(record)

    def wait(self, waiting: Any) -> None: ...


@dataclass
class Asked:
    """PostgreSQL, the real one or the model."""

    datastore: Any
    model: Any
    """A session in the schema of a read model."""
    let_retry: Callable[[], object]
    """Lets all open dead letters be tried again, as an operator does."""

    def __post_init__(self) -> None:
        self.recorder = EventRecorder.__new__(EventRecorder)
        self.recorder.datastore = self.datastore
        self.session = self.datastore.open_session()

    def ask(self, what: str, *about: Any) -> Any:
        """The answer, or the name of the error."""
        try:
            return getattr(self, f"_{what}")(*about)
        except (PersistenceError, psycopg.Error, CheckpointMoved) as error:
            return type(error).__name__

    def _append(self, batch: Batch) -> Any:
        return self.recorder.append(batch)

    def _marks(self, names: Sequence[str]) -> Any:
        return self.recorder.marks(names)

    def _load(self, requests: Sequence[UUID]) -> Any:
        return self.recorder.load(requests)

    def _head(self) -> Any:
        return self.recorder.head()

    def _relay(self, position: int, offset: int) -> Any:
        relay.write_checkpoint(self.session, position, {("t", 3): offset})
        return relay.read_checkpoint(self.session, ["t"]), relay.read_events(self.session, position)

    def _letters(self) -> Any:
        sent: Any = Sent()
        relay.publish_dead_letters(self.session, sent, "/test")
        return [
            (key, value, [each for each in headers if each[0] != "dlq_id"]) for _, key, value, headers in sent.records
        ]

    def _retry(self) -> Any:
        self.let_retry()
        letters = self.recorder.dead_letters("status = 'retry'", 200)
        for first in letters[:1]:
            self.recorder.refuse_again(replace(first, code="again", reason="still wrong"))
        self.recorder.append(Batch(retried=[each.id for each in letters[1:2]]))
        left = self.recorder.dead_letters("status = 'retry'", 200)
        return [[replace(each, id=0) for each in found] for found in (letters, left)]

    def _come_back(self, events: Sequence[RecordedEvent]) -> Any:
        with self.session.transaction():
            head = recovery._head(self.session, recovery.QUERIES.head_for_update)
            raised = [event._replace(position=head + event.position) for event in events]
            recovery.import_events(self.session, raised, lambda event: [("kind", f"back {event.version}")])
            recovery._note_incomplete(self.session, raised)
        noted = [row["input"] for row in self._dicts(recovery.QUERIES.incomplete_inputs)]
        self._dicts(recovery.QUERIES.completed, (noted[0],))
        return recovery.imported_inputs(self.datastore), noted, self.recorder.head()

    def _dicts(self, query: Any, parameters: Any = ()) -> Any:
        with self.datastore.get_connection() as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if not parameters else None

    def _project(self, moved: dict[str, tuple[Checkpoint, Checkpoint]], offset: int) -> Any:
        with self.model.transaction():
            checkpoints.keep_unread(self.model, [("t", 0, offset, "Type.v1", "why")])
            checkpoints.move_marks(self.model, moved)
        return checkpoints.read_marks(self.model, list(moved))


@pytest.fixture
def both(database: str) -> Iterator[tuple[Asked, Asked]]:
    """The real one first."""
    datastore = SchemaDatastore(database, STORE)
    store, model = (
        Database(name, tables, Nobody()) for name, tables in ((STORE, StoreTables()), (MODEL, ModelTables()))
    )
    with connect(database, MODEL, MODEL) as session:
        real = Asked(datastore, session, lambda: real.session.execute(LET_RETRY))
        modelled = Datastore(store, lambda session: None)
        yield real, Asked(modelled, Session(model), lambda: let_retry(store.tables))
        real.session.close()
    datastore.close()


def questions(chance: random.Random, count: int) -> Iterator[tuple[Any, ...]]:
    """Of all kinds, right and wrong ones."""

    def guessed() -> Checkpoint:
        return Checkpoint(chance.randrange(-1, 3), chance.randrange(3))

    def event(position: int = 0) -> RecordedEvent:
        request, version = chance.choice(REQUESTS), chance.randrange(1, 6)
        place = f"{chance.choice(NAMES)}/{chance.randrange(9)}"
        return RecordedEvent(request, version, TYPE, BODY, NOON, 7, "cause", None, place, None, position)

    def letter() -> DeadLetter:
        record = Record("commands.requests", 0, chance.randrange(4), 0, b"key", None, (("a\x00", None), ("b", b"c")))
        return DeadLetter(record, "code", "reason", chance.choice([None, *REQUESTS]))

    for _ in range(count):
        what = chance.choice(
            ["append"] * 4 + ["marks", "load", "head", "relay", "letters", "retry", "come_back", "project"]
        )
        moved = {name: (guessed(), guessed()) for name in chance.sample(NAMES, chance.randrange(3))}
        match what:
            case "append":
                events = [event() for _ in range(chance.randrange(3))]
                claims = [Claim("kind", str(chance.randrange(30)), REQUESTS[0]) for _ in range(chance.randrange(2))]
                letters = [letter() for _ in range(chance.choice([0, 0, 1]))]
                yield what, Batch(events, claims, letters, moved)
            case "marks":
                yield what, chance.sample(NAMES, 1)
            case "load":
                yield what, chance.sample(REQUESTS, 2)
            case "relay":
                yield what, chance.randrange(9), chance.randrange(9)
            case "come_back":
                yield what, [event(position) for position in range(1, chance.randrange(2, 4))]
            case "project":
                yield what, moved, chance.randrange(3)
            case _:
                yield (what,)


def test_the_log_in_memory_keeps_what_a_broker_keeps(servers: Endpoints) -> None:
    """Rounds of a relay, and what is found on the topic by who starts behind them."""
    settings, topic, chance = Settings(**servers.settings()), unique_name(), random.Random(1)
    world: Any = SimpleNamespace(size=1, log=log.Log(lambda *_: None))
    ensure_topics(settings, [topic])
    publisher = Publisher(settings, {})
    kept = log.MemoryPublisher(world, {})
    try:
        for _ in range(5):
            for _ in range(chance.randrange(30)):
                key, value = b"%d" % chance.randrange(9), b"%d" % chance.randrange(1_000)
                for each in (publisher, kept):
                    each.send(topic, key, value, [("a", b"b")])
            publisher.wait()
            kept.wait()
            assert publisher.offsets == kept.offsets
    finally:
        publisher.close()
    places = [(topic, number) for number in range(PARTITIONS)]
    assert offsets.end_offsets(settings, places) == log.end_offsets(world, places)
    assert offsets.first_offsets(settings, places) == log.first_offsets(world, places)
    start = {place: chance.randrange(4) for place in places}
    found = {place: [each for each in all_of(read_records(settings, start)) if each[:2] == place] for place in places}
    known = {place: [each for each in all_of(log.read_records(world, start)) if each[:2] == place] for place in places}
    assert found == known
    assert any(found.values())


def all_of(batches: Iterator[list[Record]]) -> list[Record]:
    return [each._replace(timestamp_ms=0) for batch in batches for each in batch]


@pytest.mark.parametrize("seed", range(3))
def test_the_model_answers_as_postgresql_does(both: tuple[Asked, Asked], seed: int) -> None:
    real, model = both
    answers = set()
    for number, (what, *about) in enumerate(questions(random.Random(seed), 250)):
        expected = real.ask(what, *about)
        assert model.ask(what, *about) == expected, f"{number}: {what} {about}"
        answers.add(expected if isinstance(expected, str) else what)
    assert answers >= {"append", "come_back", "project", "letters", "retry", "TrackingConflict", "IntegrityError"}


def test_a_lock_is_one_sessions_until_that_ends(both: tuple[Asked, Asked]) -> None:
    for asked in both:
        first, second = asked.datastore.open_session(), asked.datastore.open_session()

        def has_lock(session: Any) -> bool:
            return bool(session.execute(relay.QUERIES.lock, ("relay of a store",)).fetchone()[0])

        assert (has_lock(first), has_lock(first), has_lock(second)) == (True, True, False)
        first.close()
        until(lambda session=second: has_lock(session), "the server has seen the end of the first")
        second.close()
