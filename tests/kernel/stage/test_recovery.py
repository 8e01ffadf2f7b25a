"""A store that was put back to an older copy: the topic brings back what was published, the inputs what was not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Producer
from psycopg.sql import SQL, Identifier

from events.envelope import Envelope
from events.registry import UnknownType
from events.request import RequestWithdrawn
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.record import Record
from postavka.kernel.outbox.relay import Relay, envelope_of
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.stage.batch_run import BatchOutcome
from postavka.kernel.stage.definition import Stage
from postavka.kernel.stage.recovery import bring_back, complete_inputs, fetch_input, imported_inputs
from postavka.kernel.stage.runner import StageRunner, StoreWentBack
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import EventRecorder, RecordedEvent
from tests.kernel.conftest import MakeTopics, OpenRecorder
from tests.kernel.polling import at_work, on_topic, position, positions, until
from tests.kernel.toys import (
    COMMANDS,
    INN,
    NOON,
    UPSTREAM,
    command,
    decide,
    submit,
    toy,
    unique_name,
    upstream,
    withdraw,
)

TABLES = ("head", "stored_events", "notification_tracking", "claims", "imported_inputs", "incomplete_inputs", "relay")
SUBMITTED, WITHDRAWN = "RequestSubmitted.v1", "RequestWithdrawn.v1"
PLACE = f"{COMMANDS}/0"


@dataclass
class Backup:
    """Copies of the store's tables, taken and put back with SQL, as `pg_dump` and `pg_restore` do."""

    recorder: EventRecorder

    def take(self) -> None:
        with self.recorder.datastore.get_connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("CREATE SCHEMA IF NOT EXISTS backup")
            for table in (*TABLES, "dead_letters"):
                name = Identifier(table)
                connection.execute(SQL("DROP TABLE IF EXISTS backup.{}").format(name))
                connection.execute(SQL("CREATE TABLE backup.{} AS TABLE {}").format(name, name))

    def put_back(self) -> None:
        with self.recorder.datastore.get_connection() as connection, connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")  # events are guarded against this
            for table in (*TABLES, "dead_letters"):
                name = Identifier(table)
                connection.execute(SQL("DELETE FROM {}").format(name))
                connection.execute(
                    SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE SELECT * FROM backup.{}").format(name, name)
                )


@dataclass
class Toy:
    """The toy stage on its own topic, and what every one of its processes does at start."""

    settings: Settings
    stage: Stage
    recorder: EventRecorder

    def start(self, inputs: Sequence[Record] = ()) -> tuple[int, StageRunner]:
        """A worker after a restart; how many events came back. `inputs`: what lies on the topics that feed it."""
        datastore: Any = self.recorder.datastore
        came_back = bring_back(self.settings, self.stage, datastore)
        runner = StageRunner(self.stage, self.recorder, list(self.stage.inputs()), 100)
        runner.imported = imported_inputs(datastore)
        complete_inputs(runner, {each.coordinates: each for each in inputs}.get)
        return came_back, runner

    def publish(self) -> None:
        """Let the relay do all its work."""
        relay = Relay(self.settings, self.recorder, self.topic, self.stage.source, {})
        with at_work(relay):
            until(lambda: relay.failed or relay.position >= self.recorder.head(), "everything is published")
        assert relay.failed is None

    @property
    def topic(self) -> str:
        return self.stage.topic

    def events(self) -> list[RecordedEvent]:
        return self.recorder.read(0, 10_000)

    def published(self) -> list[Record]:
        return on_topic(self.settings, self.topic)

    def history(self, request_id: UUID) -> list[str]:
        events = self.recorder.load([request_id]).get(request_id, [])
        assert [each.version for each in events] == list(range(1, len(events) + 1))
        return [each.type for each in events]


@pytest.fixture
def the_toy(settings: Settings, open_recorder: OpenRecorder, make_topics: MakeTopics) -> Toy:
    """Its schema stays the fixture's; its topic is the test's."""
    stage = toy(name=unique_name())
    make_topics(stage.topic)
    return Toy(settings, stage, open_recorder())


@pytest.fixture
def backup(the_toy: Toy) -> Backup:
    """Of its store."""
    return Backup(the_toy.recorder)


def write(the_toy: Toy, events: Sequence[RecordedEvent]) -> None:
    """What a relay has written that was killed, or paused, in the middle."""
    producer = Producer(for_librdkafka(the_toy.settings) | {"partitioner": "murmur2_random"})
    for each in events:
        headers: Any = envelope_of(each, the_toy.stage.source).headers()
        producer.produce(the_toy.topic, each.body, str(each.originator_id).encode(), headers=headers)
    assert producer.flush(30) == 0


def read_again(runner: StageRunner, inputs: Sequence[Record]) -> BatchOutcome:
    """What Kafka gives the worker: everything behind the marks."""
    places = {f"{each.topic}/{each.partition}" for each in inputs}
    marks = runner.take_partitions(places)
    return runner.handle([each for each in inputs if each.offset > marks[f"{each.topic}/{each.partition}"].offset])


def inputs_of(requests: Sequence[UUID], start: int = 0) -> list[Record]:
    return [command(start + number, submit(request)) for number, request in enumerate(requests)]


# Nothing is missing


def test_nothing_comes_back_into_a_store_that_has_everything(the_toy: Toy) -> None:
    _, runner = the_toy.start()
    runner.handle(inputs_of([uuid4() for _ in range(10)]))
    the_toy.publish()
    before = the_toy.events()
    came_back, again = the_toy.start()
    assert came_back == 0
    assert again.imported == frozenset()
    assert the_toy.events() == before
    assert the_toy.start()[0] == 0


def test_events_that_are_not_published_yet_are_left_alone(the_toy: Toy) -> None:
    _, runner = the_toy.start()
    runner.handle(inputs_of([uuid4()]))
    assert the_toy.start()[0] == 0
    assert the_toy.recorder.head() == 1


# An older copy


def test_everything_that_was_published_comes_back_byte_for_byte(the_toy: Toy, backup: Backup) -> None:
    early, late = [uuid4() for _ in range(20)], [uuid4() for _ in range(20)]
    inputs = inputs_of(early)
    _, runner = the_toy.start()
    runner.handle(inputs)
    the_toy.publish()
    backup.take()

    later = [*inputs_of(late, 20), *(command(40 + number, withdraw(request)) for number, request in enumerate(early))]
    inputs += later
    runner.handle(later)
    the_toy.publish()
    before, marks = the_toy.events(), the_toy.recorder.marks([PLACE])
    assert len(before) == 60

    backup.put_back()
    assert the_toy.recorder.head() == 20
    came_back, again = the_toy.start()
    assert came_back == 40
    assert the_toy.events() == before
    assert the_toy.recorder.head() == 60

    outcome = read_again(again, inputs)
    assert (outcome.duplicates, outcome.events, outcome.dead_letters) == (40, [], [])
    assert the_toy.recorder.marks([PLACE]) == marks
    the_toy.publish()
    assert positions(the_toy.published()) == list(range(1, 61))
    assert the_toy.start()[0] == 0


def test_an_empty_store_is_brought_back_from_the_beginning(the_toy: Toy, backup: Backup) -> None:
    backup.take()
    requests = [uuid4() for _ in range(30)]
    _, runner = the_toy.start()
    runner.handle(inputs_of(requests))
    the_toy.publish()
    before = the_toy.events()
    backup.put_back()
    came_back, again = the_toy.start()
    assert came_back == 30
    assert the_toy.events() == before
    assert read_again(again, inputs_of(requests)).events == []


def test_what_was_decided_but_not_published_is_decided_anew(the_toy: Toy, backup: Backup) -> None:
    early, late, last = ([uuid4() for _ in range(10)] for _ in range(3))
    inputs = [*inputs_of(early), *inputs_of(late, 10), *inputs_of(last, 20)]
    _, runner = the_toy.start()
    runner.handle(inputs[:10])
    backup.take()
    runner.handle(inputs[10:20])
    the_toy.publish()
    runner.handle(inputs[20:])

    backup.put_back()
    came_back, again = the_toy.start()
    assert came_back == 10
    outcome = read_again(again, inputs)
    assert (outcome.duplicates, len(outcome.events)) == (10, 10)
    assert {each.originator_id for each in outcome.events} == set(last)
    for request in (*early, *late, *last):
        assert the_toy.history(request) == [SUBMITTED]
    assert the_toy.recorder.marks([PLACE]) == {PLACE: Checkpoint(29, 0)}
    the_toy.publish()
    assert positions(the_toy.published()) == list(range(1, 31))


def test_positions_that_only_some_partitions_had_leave_a_gap_and_are_never_given_again(
    the_toy: Toy, backup: Backup
) -> None:
    """The relay was killed in the middle of a round: 2 and 4 are on the topic, 1 and 3 are not."""
    requests = [uuid4() for _ in range(4)]
    backup.take()
    _, runner = the_toy.start()
    runner.handle(inputs_of(requests))
    write(the_toy, [each for each in the_toy.events() if each.position % 2 == 0])
    backup.put_back()

    came_back, again = the_toy.start()
    assert came_back == 2
    assert [each.position for each in the_toy.events()] == [2, 4]
    outcome = read_again(again, inputs_of(requests))
    assert [each.originator_id for each in outcome.events] == [requests[0], requests[2]]
    assert [each.position for each in the_toy.events()] == [2, 4, 5, 6]
    the_toy.publish()
    published = the_toy.published()
    assert positions(published) == [2, 4, 5, 6]
    for partition in range(PARTITIONS):
        theirs = [position(each) for each in published if each.partition == partition]
        assert theirs == sorted(theirs)
    assert the_toy.start()[0] == 0, "and a restart finds nothing missing"


# An input with several events, of which only the first are on the topic


def two_at_once(the_toy: Toy, by: Callable[[], str] = lambda: "toy") -> None:
    """Let a request be withdrawn with being sent; `by` is looked up for it."""

    def decide_both(state: Any, message: Any, facts: Any) -> Any:
        decided = decide(state, message, facts)
        return (*decided, RequestWithdrawn(withdrawn_by=by())) if state is None else decided

    the_toy.stage = replace(the_toy.stage, decide=decide_both)


def cut_off(the_toy: Toy, backup: Backup, *requests: UUID, published: int = 1) -> list[Record]:
    """Decide on inputs, publish so many events of them, put the store back."""
    inputs = inputs_of(requests)
    backup.take()
    _, runner = the_toy.start()
    runner.handle(inputs)
    write(the_toy, the_toy.events()[:published])
    backup.put_back()
    return inputs


def test_an_input_of_whose_two_events_only_the_first_was_published_is_completed(the_toy: Toy, backup: Backup) -> None:
    """The relay is killed between two events of one input, and then the store is put back as well."""
    two_at_once(the_toy)
    request, other = uuid4(), uuid4()
    inputs = cut_off(the_toy, backup, request, other)
    _, again = the_toy.start(inputs)
    assert the_toy.history(request) == [SUBMITTED, WITHDRAWN]
    assert read_again(again, inputs).duplicates == 1
    assert the_toy.history(request) == the_toy.history(other) == [SUBMITTED, WITHDRAWN]
    assert len(the_toy.events()) == 4
    the_toy.publish()
    assert positions(the_toy.published()) == [1, 2, 3, 4]


def test_one_that_was_published_whole_gets_nothing_more(the_toy: Toy, backup: Backup) -> None:
    numbers = iter("abcd")
    two_at_once(the_toy, lambda: next(numbers))
    request = uuid4()
    inputs = cut_off(the_toy, backup, request, published=2)
    _, again = the_toy.start(inputs)
    read_again(again, inputs)
    assert the_toy.history(request) == [SUBMITTED, WITHDRAWN]
    assert the_toy.recorder.dead_letters() == []


def test_a_start_that_was_interrupted_completes_an_input_once(the_toy: Toy, backup: Backup) -> None:
    two_at_once(the_toy)
    request = uuid4()
    inputs = cut_off(the_toy, backup, request)
    bring_back(the_toy.settings, the_toy.stage, the_toy.recorder.datastore)  # and killed
    for _ in range(3):
        the_toy.start(inputs)
    assert the_toy.history(request) == [SUBMITTED, WITHDRAWN]


def test_what_can_not_be_completed_is_to_be_seen(the_toy: Toy, backup: Backup) -> None:
    """What is on the topic was decided on facts that are gone: a second half made on others would not fit it."""

    def decide_on_facts(state: Any, message: Any, facts: Any) -> Any:
        decided = decide(state, replace_inn(message), facts)
        return (*decided, RequestWithdrawn(withdrawn_by="toy")) if state is None else decided

    inns = iter(("7707083893", "7736050003"))

    def replace_inn(message: Any) -> Any:
        return message.model_copy(update={"inn": next(inns)})

    the_toy.stage = replace(the_toy.stage, decide=decide_on_facts)
    request = uuid4()
    inputs = cut_off(the_toy, backup, request)
    the_toy.start(inputs)
    assert the_toy.history(request) == [SUBMITTED]
    [letter] = the_toy.recorder.dead_letters()
    assert (letter.code, letter.subject, letter.record) == ("incomplete", request, inputs[0])


def test_the_record_of_an_input_is_fetched_from_where_it_lies(settings: Settings, make_topics: MakeTopics) -> None:
    topic = unique_name()
    make_topics(topic)
    producer = Producer(for_librdkafka(settings))
    for each in range(3):
        producer.produce(topic, b"%d" % each, partition=4)
    assert producer.flush(30) == 0
    assert [getattr(fetch_input(settings, f"{topic}/4/{each}"), "value", None) for each in (0, 2, 3)] == [
        b"0",
        b"2",
        None,
    ]


def test_claimed_values_come_back_with_their_events(the_toy: Toy, backup: Backup) -> None:
    owner = uuid4()
    backup.take()
    _, runner = the_toy.start()
    runner.handle([command(0, submit(owner, inn="7707083893"))])
    the_toy.publish()
    backup.put_back()
    assert the_toy.recorder.find_claims(INN, ["7707083893"]) == {}
    the_toy.start()
    assert the_toy.recorder.find_claims(INN, ["7707083893"]) == {"7707083893": owner}


def test_positions_of_an_input_are_known_again_after_reading_it_anew(the_toy: Toy, backup: Backup) -> None:
    """What came back is skipped only after its place was noted: a late duplicate that follows is still one."""
    request, other = uuid4(), uuid4()
    backup.take()
    inputs = [command(0, submit(request)), command(1, submit(other)), upstream(0, request, 7), upstream(1, other, 8)]
    _, runner = the_toy.start()
    runner.handle(inputs)
    the_toy.publish()
    backup.put_back()
    _, again = the_toy.start()
    assert read_again(again, inputs).duplicates == 4
    assert the_toy.recorder.marks([f"{UPSTREAM}/0"]) == {f"{UPSTREAM}/0": Checkpoint(1, 8)}
    assert again.handle([upstream(2, request, 7)]).duplicates == 1
    assert the_toy.history(request) == [SUBMITTED, WITHDRAWN]


def test_a_late_duplicate_on_the_topic_comes_back_once(the_toy: Toy, backup: Backup) -> None:
    backup.take()
    request = uuid4()
    _, runner = the_toy.start()
    runner.handle([command(0, submit(request)), command(1, withdraw(request))])
    the_toy.publish()
    write(the_toy, the_toy.events())
    before = the_toy.events()
    backup.put_back()
    assert the_toy.start()[0] == 2
    assert the_toy.events() == before


def test_two_older_copies_one_after_the_other(the_toy: Toy, backup: Backup) -> None:
    requests = [uuid4() for _ in range(30)]
    inputs = inputs_of(requests)
    backup.take()
    for reached in (10, 20, 30):
        _, runner = the_toy.start()
        read_again(runner, inputs[:reached])
        the_toy.publish()
        backup.put_back()
    came_back, runner = the_toy.start()
    assert came_back == 30
    assert read_again(runner, inputs).events == []
    assert [the_toy.history(request) for request in requests] == [[SUBMITTED]] * 30
    assert positions(the_toy.published()) == list(range(1, 31))


def test_a_worker_that_still_runs_notices_and_ends(the_toy: Toy, backup: Backup) -> None:
    _, runner = the_toy.start()
    runner.handle(inputs_of([uuid4()]))
    backup.take()
    runner.handle(inputs_of([uuid4()], 1))
    backup.put_back()
    with pytest.raises(StoreWentBack):
        runner.handle(inputs_of([uuid4()], 2))
    assert the_toy.recorder.head() == 1


def test_two_workers_that_start_at_once_bring_back_the_same_events_once(
    the_toy: Toy, backup: Backup, open_recorder: OpenRecorder
) -> None:
    backup.take()
    _, runner = the_toy.start()
    runner.handle(inputs_of([uuid4() for _ in range(50)]))
    the_toy.publish()
    before = the_toy.events()
    backup.put_back()
    other = Toy(the_toy.settings, the_toy.stage, open_recorder())
    with ThreadPoolExecutor(2) as threads:
        came_back = [each.result()[0] for each in [threads.submit(one.start) for one in (the_toy, other)]]
    assert sorted(came_back) == [0, 50]
    assert the_toy.events() == before


# What lies on the topic beside events


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("ce_id", b"no/uuid"),),
        (("ce_id", f"{uuid4()}/first".encode()),),
        (("ce_id", f"{uuid4()}".encode()),),
        (("ce_position", b"0"),),
        (("ce_position", None),),
    ],
)
def test_a_record_that_no_relay_wrote_does_not_come_back_and_does_not_stop_the_start(
    the_toy: Toy, headers: tuple[tuple[str, bytes | None], ...]
) -> None:
    good: dict[str, bytes | None] = dict(upstream(0, uuid4(), 5).headers)
    sent: Any = list({**good, **dict(headers)}.items()) if headers else []
    producer = Producer(for_librdkafka(the_toy.settings))
    producer.produce(the_toy.topic, b'{"withdrawn_by":"?"}', b"?", headers=sent)
    assert producer.flush(30) == 0
    assert the_toy.start()[0] == 0
    assert the_toy.events() == []


def test_an_event_of_a_newer_release_stops_the_start_rather_than_being_lost(the_toy: Toy) -> None:
    producer = Producer(for_librdkafka(the_toy.settings))
    headers: Any = Envelope(
        f"{uuid4()}/1", the_toy.stage.source, "FromTheFuture.v1", "s", NOON, clock=1, position=1
    ).headers()
    producer.produce(the_toy.topic, b"{}", b"k", headers=headers)
    assert producer.flush(30) == 0
    with pytest.raises(UnknownType):
        the_toy.start()
    assert (the_toy.events(), the_toy.recorder.head()) == ([], 0)
