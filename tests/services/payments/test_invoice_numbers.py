"""Invoice numbers have no gaps within a year: whatever rolls back, whoever is at work, and after a restore (L15)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
import time_machine
from confluent_kafka import Producer
from eventsourcing.persistence import OperationalError

from events.billing import InvoiceIssued
from events.envelope import Envelope
from events.registry import decode, encode
from events.topics import APPROVAL_EVENTS
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.record import Record
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.outbox.relay import envelope_of
from postavka.kernel.settings import Settings
from postavka.kernel.stage.recovery import bring_back, imported_inputs
from postavka.kernel.stage.runner import StageRunner
from postavka.kernel.store.recorder import Batch, EventRecorder
from services.billing.stage import STAGE
from tests.services.histories import approved
from tests.services.memory import NOON
from tests.services.payments.conftest import OpenRecorder
from tests.services.test_money_conserved import billing_inputs

DIRECT = approved(distributor=None)


def runner_on(recorder: EventRecorder) -> StageRunner:
    return StageRunner(STAGE, recorder, billing_inputs(), 1_000)


def approvals(count: int, partition: int = 0, start: int = 0) -> list[Record]:
    """Approvals of direct sales, on one partition of the topic."""
    records = []
    for offset in range(start, start + count):
        request = str(uuid4())
        envelope = Envelope(f"{request}/1", "/test", DIRECT.TYPE, request, NOON, position=offset + 1)
        headers = tuple(envelope.headers())
        records.append(Record(APPROVAL_EVENTS.name, partition, offset, 0, request.encode(), encode(DIRECT), headers))
    return records


def numbers(recorder: EventRecorder) -> list[str]:
    """In the order of their positions."""
    events = [decode(event.type, event.body) for event in recorder.read(0, 100_000)]
    return [event.number for event in events if isinstance(event, InvoiceIssued)]


def in_a_row(year: int, count: int, first: int = 1) -> list[str]:
    return [f"{year}-{number:07d}" for number in range(first, first + count)]


NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


def test_two_workers_at_once_leave_no_gap(open_recorder: OpenRecorder):
    together = threading.Barrier(2)

    def work(partition: int) -> None:
        recorder = open_recorder()
        runner = runner_on(recorder)
        records = approvals(60, partition)
        together.wait()
        for start in range(0, 60, 20):
            runner.handle(records[start : start + 20])

    with time_machine.travel(NOW, tick=True), ThreadPoolExecutor(2) as pool:
        list(pool.map(work, (0, 1)))
    assert numbers(open_recorder()) == in_a_row(2026, 120)


def test_what_rolls_back_gives_its_numbers_back(open_recorder: OpenRecorder, monkeypatch: pytest.MonkeyPatch):
    recorder = open_recorder()
    runner = runner_on(recorder)
    records = approvals(9)
    append = EventRecorder.append

    def away(self: EventRecorder, batch: Batch) -> int:
        monkeypatch.setattr(EventRecorder, "append", append)
        raise OperationalError("PostgreSQL is away")

    with time_machine.travel(NOW, tick=True):
        runner.handle(records[:3])
        monkeypatch.setattr(EventRecorder, "append", away)
        with pytest.raises(OperationalError):
            runner.handle(records[3:6])
        assert numbers(recorder) == in_a_row(2026, 3)
        runner_on(recorder).handle(records[3:9])
    assert numbers(recorder) == in_a_row(2026, 9)


def test_approvals_told_twice_and_sales_through_distributors_take_no_number(open_recorder: OpenRecorder):
    recorder = open_recorder()
    first, second = approvals(2)
    through = approved()
    body = encode(through)
    late = Envelope("x/9", "/test", through.TYPE, str(uuid4()), NOON, position=9)
    other = Record(APPROVAL_EVENTS.name, 0, 8, 0, late.subject.encode(), body, tuple(late.headers()))
    again = Envelope("y/10", "/test", DIRECT.TYPE, UUID(first.key.decode()).hex, NOON, position=10)
    repeated = Record(APPROVAL_EVENTS.name, 0, 9, 0, first.key, first.value, tuple(again.headers()))
    with time_machine.travel(NOW, tick=True):
        runner_on(recorder).handle([first, second, other, repeated])
        runner_on(recorder).handle(approvals(1, start=10))
    assert numbers(recorder) == in_a_row(2026, 3)


def test_a_year_begins_at_midnight_in_moscow(open_recorder: OpenRecorder):
    recorder = open_recorder()
    runner = runner_on(recorder)
    records = approvals(6)
    with time_machine.travel(datetime(2026, 12, 31, 20, 59, 58, tzinfo=UTC), tick=False):
        runner.handle(records[:2])
    with time_machine.travel(datetime(2026, 12, 31, 21, 0, 0, tzinfo=UTC), tick=False):
        runner.handle(records[2:4])
    # A worker whose clock is behind goes on with the old year: no gap there either.
    with time_machine.travel(datetime(2026, 12, 31, 20, 59, 59, tzinfo=UTC), tick=False):
        runner_on(recorder).handle(records[4:])
    assert numbers(recorder) == in_a_row(2026, 2) + in_a_row(2027, 2) + in_a_row(2026, 2, first=3)
    days = [event.issued_on.year for event in _invoices(recorder)]
    assert days == [2026, 2026, 2027, 2027, 2026, 2026]


def test_a_restored_store_goes_on_where_its_topic_ends(settings: Settings, open_recorder: OpenRecorder):
    recorder = open_recorder()
    records = approvals(7)
    with time_machine.travel(NOW, tick=True):
        runner_on(recorder).handle(records[:2])
        with recorder.datastore.get_connection() as connection:
            copy = connection.execute("SELECT position FROM head").fetchone()
            assert copy is not None
        runner_on(recorder).handle(records[2:5])
        ensure_topics(settings, [STAGE.topic])
        # Two of the three later invoices were published, then the store goes back to the copy.
        _publish(settings, [event for event in recorder.read(0, 100) if event.position <= copy["position"] + 4])
        _restore(recorder, copy["position"])
        assert numbers(recorder) == in_a_row(2026, 2)
        bring_back(settings, STAGE, recorder.datastore)
        assert numbers(recorder) == in_a_row(2026, 4)
        again = runner_on(recorder)
        again.imported = imported_inputs(recorder.datastore)
        again.handle(records[2:7])
    assert numbers(recorder) == in_a_row(2026, 7)


def _invoices(recorder: EventRecorder) -> list[InvoiceIssued]:
    events = [decode(event.type, event.body) for event in recorder.read(0, 1_000)]
    return [event for event in events if isinstance(event, InvoiceIssued)]


def _publish(settings: Settings, events: Sequence) -> None:
    producer = Producer(for_librdkafka(settings))
    for event in events:
        envelope = envelope_of(event, STAGE.source)
        producer.produce(STAGE.topic, event.body, envelope.subject.encode(), headers=envelope.headers(), partition=0)
    assert producer.flush(30) == 0


def _restore(recorder: EventRecorder, position: int) -> None:
    with recorder.datastore.get_connection() as connection, connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")  # events are guarded against this
        connection.execute(
            "DELETE FROM claims WHERE originator_id IN (SELECT originator_id FROM stored_events "
            "WHERE notification_id > %s)",
            (position,),
        )
        connection.execute("DELETE FROM stored_events WHERE notification_id > %s", (position,))
        connection.execute("UPDATE head SET position = %s", (position,))
        connection.execute(
            "UPDATE notification_tracking SET notification_id = 1, position = 2 WHERE notification_id > 1"
        )
