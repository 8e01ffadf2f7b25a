"""The outbox relay against a real broker: every event of the store on its topic, in order, once, whatever happens to
the relay in between.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import Producer

from events.envelope import Envelope, header_map
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.record import Record
from postavka.kernel.outbox import relay as relay_module
from postavka.kernel.outbox.publisher import Publisher, RelayFailed
from postavka.kernel.outbox.relay import (
    Relay,
    envelope_of,
    highest_positions,
    lost_records,
    read_checkpoint,
    read_events,
)
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import Batch, DeadLetter, EventRecorder, RecordedEvent
from tests.kernel.conftest import MakeTopics, OpenRecorder
from tests.kernel.polling import at_work, on_topic, position, positions, until
from tests.kernel.toys import COMMANDS, SCHEMA, TRACE, event, record, unique_name

SOURCE = "/postavka/toy"
WITHDRAWN = "RequestWithdrawn.v1"

OpenRelay = Callable[..., Relay]


@pytest.fixture
def topic(make_topics: MakeTopics) -> str:
    """The toy stage's topic, empty."""
    name = f"{unique_name()}.events"
    make_topics(name)
    return name


@pytest.fixture
def open_relay(settings: Settings, open_recorder: OpenRecorder, topic: str) -> OpenRelay:
    """Relays of the toy stage, each in a process of its own, as far as they know."""

    def open_one(**changes: Any) -> Relay:
        arguments = {"topic": topic, "source": SOURCE, "copies": {}} | changes
        return Relay(settings, open_recorder(), **arguments)

    return open_one


@pytest.fixture
def dead_letters(make_topics: MakeTopics, monkeypatch: pytest.MonkeyPatch) -> str:
    """The topic for dead letters, of this test alone."""
    name = f"{unique_name()}.dead-letters"
    make_topics(name)
    monkeypatch.setattr(relay_module, "DEAD_LETTERS", name)
    return name


def fill(recorder: EventRecorder, count: int, requests: Sequence[UUID] = ()) -> list[RecordedEvent]:
    """Write so many events more, round the requests (new ones without any)."""
    subjects = list(requests) or [uuid4() for _ in range(count)]
    stored = recorder.load(subjects)
    versions = {subject: len(stored.get(subject, ())) for subject in subjects}
    events = []
    for number in range(count):
        subject = subjects[number % len(subjects)]
        versions[subject] += 1
        events.append(event(subject, versions[subject]))
    before = recorder.append(Batch(events))
    return recorder.read(before, count)


def publish(settings: Settings, topic: str, events: Sequence[RecordedEvent]) -> None:
    """What an earlier relay, or a late one, has written."""
    producer = Producer(for_librdkafka(settings) | {"enable.idempotence": True, "partitioner": "murmur2_random"})
    for each in events:
        headers: Any = envelope_of(each, SOURCE).headers()
        producer.produce(topic, each.body, str(each.originator_id).encode(), headers=headers)
    assert producer.flush(30) == 0


def partition_number(each: RecordedEvent) -> int:
    return partition_of(str(each.originator_id).encode(), PARTITIONS)


def checkpoint(recorder: EventRecorder) -> tuple[int, dict[str, int]]:
    with recorder.datastore.get_connection() as connection:
        row = connection.execute("SELECT position, offsets FROM relay").fetchone()
    assert row is not None
    return row["position"], row["offsets"]


def forget_checkpoint(recorder: EventRecorder) -> None:
    """As if the relay had been killed before it wrote one."""
    with recorder.datastore.get_connection() as connection:
        connection.execute("UPDATE relay SET position = 0, offsets = '{}'")


def has_published(relay: Relay, up_to: int) -> Callable[[], bool]:
    def look() -> bool:
        assert relay.failed is None, relay.failed
        return relay.position >= up_to

    return look


def run_once(relay: Relay, recorder: EventRecorder) -> None:
    """From start to end, with everything published that was in the store."""
    with at_work(relay):
        until(has_published(relay, recorder.head()), "the relay has published everything")


# What lies on the topic


def test_events_are_on_the_topic_once_in_order_of_position_in_the_partition_of_their_request(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    events = {each.position: each for each in fill(recorder, 300, [uuid4() for _ in range(40)])}
    told: list[int] = []
    run_once(open_relay(on_published=told.append), recorder)
    records = on_topic(settings, topic)
    assert positions(records) == list(range(1, 301))
    assert sum(told) == 300
    by_partition: dict[int, list[Record]] = {}
    for each in records:
        by_partition.setdefault(each.partition, []).append(each)
    assert len(by_partition) > 1
    for partition, theirs in by_partition.items():
        assert [position(each) for each in theirs] == positions(theirs)
        for each in theirs:
            was = events[position(each)]
            assert each.key == str(was.originator_id).encode()
            assert partition_number(was) == partition
            assert each.value == was.body
            assert Envelope.read(each.headers) == envelope_of(was, SOURCE)


def test_headers_are_those_of_the_contract(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    request = uuid4()
    fill(recorder, 1, [request])
    run_once(open_relay(), recorder)
    (published,) = on_topic(settings, topic)
    assert published.headers == (
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{request}/1".encode()),
        ("ce_source", b"/postavka/toy"),
        ("ce_type", b"RequestWithdrawn.v1"),
        ("ce_time", b"2026-03-16T12:00:00.123456Z"),
        ("ce_subject", str(request).encode()),
        ("ce_clock", b"0000000000000007"),
        ("ce_causationid", b"/cli#c-1"),
        ("ce_correlationid", b"act-1"),
        ("ce_position", b"1"),
        ("ce_input", b"toy.commands/0/1"),
        ("traceparent", TRACE.encode()),
    )


def test_events_that_are_written_while_it_runs_follow(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    relay = open_relay()
    requests = [uuid4() for _ in range(5)]
    with at_work(relay):
        until(lambda: relay.active, "the relay is at work")
        for _ in range(3):
            fill(recorder, 20, requests)
            relay.wake()
            until(has_published(relay, recorder.head()), "the relay has followed")
    assert positions(on_topic(settings, topic)) == list(range(1, 61))


def feed(relay: Relay, recorder: EventRecorder, count: int, requests: Sequence[UUID] = ()) -> list[RecordedEvent]:
    """Commit so many events more, and hand them over as a stage does: as they were before they had a position."""
    stored = fill(recorder, count, requests)
    relay.feed([each._replace(position=0) for each in stored], stored[0].position)
    return stored


def test_what_was_just_committed_is_published_without_asking_the_store(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = open_relay()
    with at_work(relay):
        until(lambda: relay.active, "the relay is at work")
        monkeypatch.setattr(relay_module, "read_events", lambda session, after: [])
        events = [each for _ in range(3) for each in feed(relay, recorder, 5)]
        until(has_published(relay, 15), "what was handed over is published")
    found = {position(each): each for each in on_topic(settings, topic)}
    assert sorted(found) == list(range(1, 16))
    for each in events:
        published = found[each.position]
        assert published.value == each.body
        assert list(published.headers) == list(envelope_of(each, SOURCE).headers())


def test_what_another_worker_wrote_in_between_comes_from_the_store_and_in_order(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    relay, request = open_relay(), uuid4()
    with at_work(relay):
        until(lambda: relay.active, "the relay is at work")
        for _ in range(10):
            feed(relay, recorder, 2, [request])
            fill(recorder, 2, [request])  # another worker's: nobody hands them over here
            feed(relay, recorder, 2, [request])
        until(has_published(relay, 60), "everything is published")
    assert [position(each) for each in on_topic(settings, topic)] == list(range(1, 61))


def test_what_was_published_before_it_was_handed_over_is_not_published_again(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    relay, request = open_relay(), uuid4()
    with at_work(relay):
        first = fill(recorder, 4, [request])
        relay.wake()
        until(has_published(relay, 4), "the store was read")
        relay.feed([each._replace(position=0) for each in first], 1)
        fifth = fill(recorder, 1, [request])
        relay.feed([each._replace(position=0) for each in [*first[2:], *fifth]], 3)
        until(has_published(relay, 5), "what is new in it is published")
    assert [position(each) for each in on_topic(settings, topic)] == [1, 2, 3, 4, 5]


def test_more_commits_than_are_kept(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, request = open_relay(), uuid4()
    delivered = Publisher.wait

    def slowly(self: Publisher, waiting: Callable[[], None] = lambda: None) -> None:
        time.sleep(0.05)
        delivered(self, waiting)

    with at_work(relay):
        until(lambda: relay.active, "the relay is at work")
        monkeypatch.setattr(Publisher, "wait", slowly)
        for _ in range(3 * relay_module.FED):
            feed(relay, recorder, 1, [request])
        until(has_published(relay, 3 * relay_module.FED), "everything is published")
    assert [position(each) for each in on_topic(settings, topic)] == list(range(1, 3 * relay_module.FED + 1))


def test_a_relay_that_waits_for_its_turn_keeps_nothing(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    first, standby = open_relay(), open_relay()
    with at_work(standby):
        with at_work(first):
            until(lambda: first.active or standby.active, "one is at work")
            active, idle = (first, standby) if first.active else (standby, first)
            idle.feed([event(uuid4(), 1)], 4)  # never committed: it would show
            assert not idle._fed
            fill(recorder, 3)
            until(has_published(active, 3), "the other one has published")
        until(lambda: standby.active, "it took over")
        fill(recorder, 1)
        standby.wake()
        until(has_published(standby, 4), "it goes on")
    assert positions(on_topic(settings, topic)) == [1, 2, 3, 4]


def test_what_was_handed_over_before_the_session_was_lost_is_forgotten(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store may have been restored from an older copy meanwhile, and have other events at these positions."""
    relay = open_relay()
    rounds = 0

    def cut(session: psycopg.Connection[Any], after: int) -> list[RecordedEvent]:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            relay.feed([event(uuid4(), 1)], 1)  # of a store that is not there any more
            raise psycopg.OperationalError("cut off")
        return read_events(session, after)

    monkeypatch.setattr(relay_module, "read_events", cut)
    with at_work(relay):
        until(lambda: rounds > 1 and relay.active, "the relay has come back")
        stored = fill(recorder, 1)
        relay.wake()
        until(has_published(relay, 1), "it goes on")
    assert [each.key for each in on_topic(settings, topic)] == [str(stored[0].originator_id).encode()]


def test_a_relay_that_lives_on_what_it_is_handed_notices_that_its_lock_is_gone(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "DEAD_LETTER_SECONDS", 1_000.0)
    monkeypatch.setattr(relay_module, "CHECKPOINT_SECONDS", 1_000.0)
    relay = open_relay()
    sessions: list[psycopg.Connection[Any]] = []
    connect = relay._connect

    def noted() -> psycopg.Connection[Any]:
        sessions.append(connect())
        return sessions[-1]

    monkeypatch.setattr(relay, "_connect", noted)
    with at_work(relay):
        until(lambda: relay.active, "the relay is at work")
        monkeypatch.setattr(relay_module, "read_events", lambda session, after: [])
        feed(relay, recorder, 1)
        until(has_published(relay, 1), "it lives on what it is handed")
        with recorder.datastore.get_connection() as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (sessions[0].info.backend_pid,))
        for number in range(2, 20):
            relay.feed([event(uuid4(), 1)], number)
            time.sleep(0.02)
        until(lambda: len(sessions) == 2, "it has connected anew")
    assert len(on_topic(settings, topic)) < 4


def test_more_than_one_round(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "ROUND", 7)
    fill(recorder, 50)
    run_once(open_relay(), recorder)
    assert positions(on_topic(settings, topic)) == list(range(1, 51))


def test_a_copy_goes_to_a_second_topic_by_type(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, make_topics: MakeTopics
) -> None:
    second = f"{unique_name()}.orders"
    make_topics(second)
    fill(recorder, 10)
    other = RecordedEvent(uuid4(), 1, "RequestSubmitted.v1", b"{}", fill(recorder, 1)[0].time, 8, None, None, None)
    recorder.append(Batch([other]))
    copies = {WITHDRAWN: second}
    run_once(open_relay(copies=copies), recorder)
    assert positions(on_topic(settings, topic)) == list(range(1, 13))
    assert positions(on_topic(settings, second)) == list(range(1, 12))
    original = {position(each): (each.key, each.value, each.headers) for each in on_topic(settings, topic)}
    for copy in on_topic(settings, second):
        assert (copy.key, copy.value, copy.headers) == original[position(copy)]

    forget_checkpoint(recorder)
    run_once(open_relay(copies=copies), recorder)
    assert positions(on_topic(settings, topic)) == list(range(1, 13))
    assert positions(on_topic(settings, second)) == list(range(1, 12))


def test_a_copy_that_is_missing_is_published_although_the_event_itself_is_there(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, make_topics: MakeTopics
) -> None:
    """The relay was killed between the two."""
    second = f"{unique_name()}.orders"
    make_topics(second)
    publish(settings, topic, fill(recorder, 10))
    run_once(open_relay(copies={WITHDRAWN: second}), recorder)
    assert positions(on_topic(settings, topic)) == list(range(1, 11))
    assert positions(on_topic(settings, second)) == list(range(1, 11))


# Starting again


def test_a_relay_that_is_stopped_leaves_a_checkpoint_and_the_next_goes_on_from_there(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    requests = [uuid4() for _ in range(30)]
    fill(recorder, 60, requests)
    run_once(open_relay(), recorder)
    reached, offsets = checkpoint(recorder)
    assert reached == 60
    ends: dict[str, int] = {}
    for each in on_topic(settings, topic):
        ends[f"{topic}/{each.partition}"] = each.offset + 1
    assert offsets == ends | {name: 0 for name in offsets if name not in ends}

    fill(recorder, 40, requests)
    run_once(open_relay(), recorder)
    assert positions(on_topic(settings, topic)) == list(range(1, 101))


def test_a_relay_that_is_killed_before_its_checkpoint_is_replaced_and_nothing_is_lost_or_written_twice(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    requests = [uuid4() for _ in range(30)]
    fill(recorder, 60, requests)
    run_once(open_relay(), recorder)
    forget_checkpoint(recorder)
    fill(recorder, 40, requests)
    run_once(open_relay(), recorder)
    assert positions(on_topic(settings, topic)) == list(range(1, 101))


def test_with_a_checkpoint_that_is_behind_the_topic_too(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    requests = [uuid4() for _ in range(30)]
    fill(recorder, 30, requests)
    run_once(open_relay(), recorder)
    publish(settings, topic, fill(recorder, 30, requests))
    fill(recorder, 30, requests)
    run_once(open_relay(), recorder)
    assert positions(on_topic(settings, topic)) == list(range(1, 91))


def test_a_relay_that_was_killed_in_the_middle_of_a_round_has_reached_each_partition_as_far_as_it_came(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    events = fill(recorder, 120, [uuid4() for _ in range(40)])
    there = [
        each
        for partition in range(PARTITIONS)
        for each in [one for one in events if partition_number(one) == partition][: 2 * partition]
    ]
    publish(settings, topic, there)
    assert 0 < len(on_topic(settings, topic)) < 120
    run_once(open_relay(), recorder)
    records = on_topic(settings, topic)
    assert positions(records) == list(range(1, 121))
    for partition in range(PARTITIONS):
        theirs = [position(each) for each in records if each.partition == partition]
        assert theirs == sorted(theirs)


def test_a_late_duplicate_at_the_end_does_not_hide_what_lies_before_it(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    """A relay that was paused and replaced has written position 2 once more: the last record alone would say that 3 to
    10 are missing."""
    request = uuid4()
    events = fill(recorder, 10, [request])
    publish(settings, topic, [*events, events[1]])
    fill(recorder, 2, [request])
    run_once(open_relay(), recorder)
    assert [position(each) for each in on_topic(settings, topic)] == [*range(1, 11), 2, 11, 12]


def test_records_of_others_on_the_topic_are_no_positions(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    producer = Producer(for_librdkafka(settings))
    for headers in ([], [("ce_position", b"many")], [("ce_position", None)]):
        for partition in range(PARTITIONS):
            producer.produce(topic, b"?", b"?", partition, headers=headers)
    assert producer.flush(30) == 0
    fill(recorder, 20)
    run_once(open_relay(), recorder)
    published = [each for each in on_topic(settings, topic) if each.value != b"?"]
    assert positions(published) == list(range(1, 21))


def test_a_topic_that_is_shorter_than_the_checkpoint_gets_what_it_lost(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, make_topics: MakeTopics
) -> None:
    """Unclean leader election, or a topic that was made anew: the checkpoint knows more than the topic."""
    requests = [uuid4() for _ in range(20)]
    events = fill(recorder, 60, requests)
    run_once(open_relay(), recorder)
    shorter = f"{unique_name()}.events"
    make_topics(shorter)
    publish(settings, shorter, events[:25])
    with recorder.datastore.get_connection() as connection:
        connection.execute("UPDATE relay SET offsets = replace(offsets::text, %s, %s)::jsonb", (topic, shorter))
    with psycopg.connect(
        recorder.datastore.conninfo,  # type: ignore[attr-defined]
        options=f"-c search_path={SCHEMA}",
    ) as session:
        reached, offsets = read_checkpoint(session, [shorter])
    assert reached == 60
    assert lost_records(settings, offsets)
    run_once(open_relay(topic=shorter), recorder)
    records = on_topic(settings, shorter)
    assert positions(records) == list(range(1, 61))
    for partition in range(PARTITIONS):
        theirs = [position(each) for each in records if each.partition == partition]
        assert theirs == sorted(theirs)


def test_positions_that_the_store_does_not_have_do_not_hold_the_relay(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    """After recovery there may be some: decided, published in one partition, lost in another, decided anew."""
    fill(recorder, 6)
    with recorder.datastore.get_connection() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM stored_events WHERE notification_id IN (2, 3)")
    run_once(open_relay(), recorder)
    assert positions(on_topic(settings, topic)) == [1, 4, 5, 6]


def test_the_highest_position_of_each_partition(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str
) -> None:
    events = fill(recorder, 50)
    run_once(open_relay(), recorder)
    everything = {(topic, partition): 0 for partition in range(PARTITIONS)}
    highest: dict[tuple[str, int], int] = {}
    for each in events:
        highest[topic, partition_number(each)] = each.position
    assert highest_positions(settings, everything) == highest
    assert not lost_records(settings, everything)


# Two relays


def test_one_of_two_relays_is_at_work_and_the_other_takes_over(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "LOCK_RETRY_SECONDS", 0.05)
    one, other = open_relay(), open_relay()
    requests = [uuid4() for _ in range(20)]
    fill(recorder, 40, requests)
    with at_work(one, other):
        until(lambda: one.active or other.active, "one is at work")
        active, standby = (one, other) if one.active else (other, one)
        until(has_published(active, 40), "it has published")
        assert not standby.active
        assert standby.position == 0
        active.stop()
        fill(recorder, 40, requests)
        until(lambda: standby.active, "the standby is at work")
        until(has_published(standby, 80), "the standby has published the rest")
    assert positions(on_topic(settings, topic)) == list(range(1, 81))


def test_a_relay_whose_session_is_cut_off_comes_back_and_nothing_is_lost_or_written_twice(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "LOCK_RETRY_SECONDS", 0.05)
    one, other = open_relay(), open_relay()
    requests = [uuid4() for _ in range(20)]
    with at_work(one, other):
        for cut in range(3):
            fill(recorder, 40, requests)
            until(
                lambda: max(one.position, other.position) >= recorder.head(), f"everything is published after cut {cut}"
            )
            with recorder.datastore.get_connection() as connection:
                held = connection.execute(
                    "SELECT pid, pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                ).fetchall()
            assert len(held) == 1, "one lock, one relay"
        fill(recorder, 40, requests)
        until(lambda: max(one.position, other.position) >= 160, "the rest is published")
    assert (one.failed, other.failed) == (None, None)
    assert positions(on_topic(settings, topic)) == list(range(1, 161))


def test_an_event_that_the_broker_refuses_ends_the_relay_and_is_not_passed_over(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay
) -> None:
    request = uuid4()
    fill(recorder, 1, [request])
    recorder.append(Batch([event(request, 2, os.urandom(2_000_000))]))
    relay = open_relay()
    with at_work(relay):
        until(lambda: relay.failed, "the relay has failed")
    assert isinstance(relay.failed, RelayFailed)
    assert not relay.active
    assert relay.position < 2
    assert checkpoint(recorder)[0] < 2


# Dead letters


def keep(recorder: EventRecorder, *records: Record, reason: str = "why") -> None:
    mark = recorder.marks([f"{COMMANDS}/0"])[f"{COMMANDS}/0"]
    letters = [DeadLetter(each, "bad-body", reason) for each in records]
    moved = {f"{COMMANDS}/0": (mark, Checkpoint(records[-1].offset, 0))}
    recorder.append(Batch(dead_letters=letters, moved=moved))


def relayed(recorder: EventRecorder) -> int:
    return len(recorder.dead_letters("relayed"))


def publish_letters(recorder: EventRecorder, relay: Relay) -> None:
    expected = len(recorder.dead_letters())
    with at_work(relay):
        until(lambda: relay.failed or relayed(recorder) == expected, "the dead letters are relayed")
    assert relay.failed is None


def test_a_dead_letter_is_copied_as_it_came_with_where_and_why(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, dead_letters: str
) -> None:
    poison = record(COMMANDS, 7, b"\x00k", b"{\x00", (("ce_type", b"\xff"), ("none", None), ("ce_type", b"2")))
    keep(recorder, poison, reason="не JSON " * 500)
    publish_letters(recorder, open_relay())
    (copy,) = on_topic(settings, dead_letters)
    assert (copy.key, copy.value) == (poison.key, poison.value)
    assert copy.headers[:3] == poison.headers
    facts = header_map(copy.headers[3:])
    assert facts.pop("dlq_reason").decode().startswith("не JSON не JSON")
    assert facts == {
        "dlq_id": f"{SOURCE}#{recorder.dead_letters()[0].id}".encode(),
        "dlq_topic": COMMANDS.encode(),
        "dlq_partition": b"0",
        "dlq_offset": b"7",
        "dlq_code": b"bad-body",
        "dlq_sha256": hashlib.sha256(b"{\x00").hexdigest().encode(),
    }


def test_dead_letters_are_copied_once_over_a_restart(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, dead_letters: str
) -> None:
    keep(recorder, *(record(COMMANDS, offset, b"k", b"v") for offset in range(5)))
    publish_letters(recorder, open_relay())
    keep(recorder, record(COMMANDS, 5, b"k", b"v"))
    publish_letters(recorder, open_relay())
    ids = [header_map(each.headers)["dlq_id"] for each in on_topic(settings, dead_letters)]
    assert sorted(ids) == [f"{SOURCE}#{each.id}".encode() for each in recorder.dead_letters()]


def test_a_dead_letter_that_is_copied_again_after_a_crash_has_the_same_id(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, dead_letters: str
) -> None:
    keep(recorder, record(COMMANDS, 0, b"k", b"v"))
    publish_letters(recorder, open_relay())
    with recorder.datastore.get_connection() as connection:
        connection.execute("UPDATE dead_letters SET relayed = false")
    publish_letters(recorder, open_relay())
    first, second = on_topic(settings, dead_letters)
    assert first.headers == second.headers


@pytest.mark.parametrize("what", ["compressible", "just fits", "headers"])
def test_a_dead_letter_that_the_broker_would_refuse_is_copied_without_its_contents(
    settings: Settings, recorder: EventRecorder, open_relay: OpenRelay, dead_letters: str, topic: str, what: str
) -> None:
    """A record of a few kilobytes may hold a huge body, compressed; and one that just fits does not with more headers.
    The relay must not end on it: the store has it whole."""
    huge = {
        "compressible": record(COMMANDS, 0, b"k", b"{" * 11_000_000),
        "just fits": record(COMMANDS, 0, b"k", os.urandom(1_048_400)),
        "headers": record(COMMANDS, 0, b"k", b"v", tuple((f"h{number}", os.urandom(9_000)) for number in range(120))),
    }[what]
    keep(recorder, huge, record(COMMANDS, 1, b"k", b"v"))
    fill(recorder, 3)
    relay = open_relay()
    publish_letters(recorder, relay)
    copies = on_topic(settings, dead_letters)
    (copy,) = [each for each in copies if header_map(each.headers)["dlq_offset"] == b"0"]
    assert len(copies) == 2
    assert copy.value is None
    facts = header_map(copy.headers)
    assert int(facts["dlq_omitted"]) > 1_000_000
    assert facts["dlq_sha256"] == hashlib.sha256(huge.value or b"").hexdigest().encode()
    assert recorder.dead_letters()[0].record == huge
