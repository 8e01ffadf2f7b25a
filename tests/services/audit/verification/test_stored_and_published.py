"""Store and topic, record by record: what is not the same on both, not once, or not in order is found and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.outbox.relay import read_events
from postavka.kernel.settings import PARTITIONS
from services.audit.findings import Findings
from services.audit.integrity.logs import leaf_hash, leaf_of_event
from services.audit.verification.stored_and_published import StoredAndPublished, stored_digests
from tests.services.audit.conftest import Log


def check(log: Log, folder: Path, head: int | None = None) -> Findings:
    ends = end_offsets(log.config, [(log.name, number) for number in range(PARTITIONS)])
    size = log.recorder.head() if head is None else head
    return StoredAndPublished(log.config, log.stage, log.name, f"/postavka/{log.stage}", size, ends, folder).run()


def producer(log: Log) -> Producer:
    return Producer(for_librdkafka(log.config) | {"partitioner": "murmur2_random"})


def test_a_log_as_it_was_written_is_well(log: Log, tmp_path):
    log.add(50)
    found = check(log, tmp_path)
    assert found.problems == found.notes == []


def test_the_leaves_that_postgresql_makes_are_those_of_the_tree(log: Log):
    log.add(12)
    log.tamper("UPDATE stored_events SET clock = 0, trace = NULL, input = NULL WHERE notification_id %% 3 = 0")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    log.tamper("UPDATE stored_events SET trace = %s, causation = NULL WHERE notification_id %% 3 = 1", trace)
    with log.sql() as connection:
        made = dict(stored_digests(connection, log.stage, f"/postavka/{log.stage}", 0, 12))
        connection.execute(f"SET search_path TO {log.stage}")
        expected = {event.position: leaf_hash(leaf_of_event(log.name, event)) for event in read_events(connection, 0)}
    assert made == expected
    assert len(made) == 12


def duplicate(log: Log) -> None:
    log.publish(after=log.recorder.head() - 3)


def foreign(log: Log) -> None:
    sender = producer(log)
    sender.produce(log.name, b"{}", b"k", headers=[("ce_type", b"Approved.v1")])
    sender.flush(10)


def altered_body(log: Log) -> None:
    log.tamper("UPDATE stored_events SET state = '{}' WHERE notification_id = 4")


def altered_header(log: Log) -> None:
    log.tamper("UPDATE stored_events SET clock = clock + 1 WHERE notification_id = 4")


def deleted_from_store(log: Log) -> None:
    log.tamper("DELETE FROM stored_events WHERE notification_id = 4")


def not_published(log: Log) -> None:
    log.tamper(
        "INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id, recorded_at, "
        "clock) SELECT originator_id, 1000, topic, state, 21, recorded_at, clock FROM stored_events "
        "WHERE notification_id = 20"
    )
    log.tamper("UPDATE head SET position = 21")


def other_duplicate(log: Log) -> None:
    with log.sql() as connection:
        connection.execute(f"SET search_path TO {log.stage}")
        event = read_events(connection, 19)[0]
    sender = producer(log)
    log.produce(sender, event, value=b'{"other": 1}')
    sender.flush(10)


def wrong_partition(log: Log) -> None:
    with log.sql() as connection:
        connection.execute(f"SET search_path TO {log.stage}")
        event = read_events(connection, 19)[0]
    sender = producer(log)
    for partition in range(PARTITIONS):
        log.produce(sender, event, partition=partition)
    sender.flush(10)


@pytest.mark.parametrize(
    ("tamper", "problems", "notes"),
    [
        (duplicate, set(), {"late-duplicate"}),
        (foreign, {"foreign"}, set()),
        (altered_body, {"differs"}, set()),
        (altered_header, {"differs"}, set()),
        (deleted_from_store, {"not-in-store"}, set()),
        (not_published, {"not-on-topic"}, set()),
        (other_duplicate, {"other-duplicate"}, set()),
        (wrong_partition, {"wrong-partition", "twice"}, {"late-duplicate"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_wrong_is_named(log: Log, tmp_path, tamper: Callable[[Log], None], problems: set[str], notes: set[str]):
    log.add(20)
    tamper(log)
    found = check(log, tmp_path)
    assert {each.code for each in found.problems} == problems, found
    assert {each.code for each in found.notes} == notes
    if tamper in (altered_body, altered_header, deleted_from_store):
        assert [each.place for each in found.problems] == [f"{log.stage}/4"]


def test_what_comes_after_the_cut_is_left_for_the_next_time(log: Log, tmp_path):
    log.add(30)
    found = check(log, tmp_path, head=20)
    assert found.problems == found.notes == []


def test_an_interrupted_check_goes_on_where_it_was(log: Log, tmp_path, monkeypatch):
    monkeypatch.setattr("services.audit.verification.stored_and_published.CHECKPOINT", 10)
    log.add(60)
    ends = end_offsets(log.config, [(log.name, number) for number in range(PARTITIONS)])
    source = f"/postavka/{log.stage}"

    # Told of behind a checkpoint, and again when more was read and no checkpoint written.
    def interrupt(records: int) -> None:
        if records >= 30:
            monkeypatch.setattr("services.audit.verification.stored_and_published.CHECKPOINT", 1_000)
        if records > 40:
            raise KeyboardInterrupt

    first = StoredAndPublished(log.config, log.stage, log.name, source, 60, ends, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        first.run(interrupt)
    again = StoredAndPublished(log.config, log.stage, log.name, source, 60, ends, tmp_path)
    assert 30 <= again.reached.records < first.reached.records
    found = again.run()
    assert again.reached.records == 60
    assert found.problems == found.notes == []
