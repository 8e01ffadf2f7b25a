"""A topic that has lost its end: nothing is skipped in silence, whoever reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from events.model import Message
from events.registry import encode
from postavka.kernel.installation import held as held_module
from postavka.kernel.installation.held import HeldPartitions, all_held, set_back
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.settings import Settings
from postavka.kernel.stage.service import StageService
from postavka.kernel.store.checkpoint import Checkpoint
from tests.kernel.conftest import MakeTopics, OpenRecorder
from tests.kernel.polling import on_topic, until
from tests.kernel.toys import COMMANDS, SCHEMA, UPSTREAM, command, submit, toy

PLACE, NAME = (COMMANDS, 0), f"{COMMANDS}/0"
Send = Callable[..., list[UUID]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_module, "AGAIN_SECONDS", 0.0)


@pytest.fixture
def open_service(
    settings: Settings, store: str, open_recorder: OpenRecorder, make_topics: MakeTopics
) -> Iterator[Callable[[], StageService]]:
    """Starts the toy stage anew, each time as its supervisor does; neither reader nor relay are at work."""
    open_recorder()  # empties the store
    with psycopg.connect(store, autocommit=True) as connection:
        connection.execute("DELETE FROM installation.held")
    make_topics(COMMANDS, UPSTREAM, f"{SCHEMA}.events", "dead-letters")
    opened: list[StageService] = []

    def open_one() -> StageService:
        opened.append(StageService(toy(), settings))
        return opened[-1]

    yield open_one
    for service in opened:
        service.datastore.close()
        service.thread.shutdown()
        service.offsets.close()
    with psycopg.connect(store, autocommit=True) as connection:
        connection.execute("DELETE FROM installation.held")


@pytest.fixture
def send(settings: Settings) -> Send:
    """Puts commands of new requests into the partition."""

    def send_some(count: int) -> list[UUID]:
        producer = Producer(for_librdkafka(settings))
        ids = [uuid4() for _ in range(count)]
        for each in ids:
            message: Message = submit(each)
            record = command(0, message)
            producer.produce(COMMANDS, encode(message), str(each), partition=0, headers=list(record.headers))
        assert producer.flush(30) == 0
        return ids

    return send_some


def recreate(settings: Settings) -> None:
    """The topic is lost and made anew."""
    admin = AdminClient(for_librdkafka(settings))
    admin.delete_topics([COMMANDS])[COMMANDS].result(60)
    until(lambda: COMMANDS not in admin.list_topics(timeout=20).topics, "the topic is gone")
    ensure_topics(settings, [COMMANDS])


def read(service: StageService) -> None:
    """What the worker does with partitions that are given to it, with what lies in them, and with its own stop."""
    for name in (NAME,):
        service._take([name])

    async def handle() -> None:
        records = on_topic(service.config, COMMANDS)
        service.worker._queue.put_nowait(records)
        task = asyncio.create_task(service._handle())
        await asyncio.sleep(0)
        while not service.worker._queue.empty() or service.watchdog.busy_since is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(handle())


def handled(service: StageService) -> set[UUID]:
    with service.datastore.get_connection() as connection:
        return {row["originator_id"] for row in connection.execute("SELECT originator_id FROM stored_events")}


def test_new_records_at_offsets_that_were_handled_are_read_in_the_end(
    settings: Settings, store: str, open_service: Callable[[], StageService], send: Send
) -> None:
    service = open_service()
    old = send(5)
    read(service)
    assert handled(service) == set(old)
    recreate(settings)
    time.sleep(0.01)  # of another millisecond than the last event
    new = send(2)

    service = open_service()
    read(service)
    service.worker.assigned = lambda: {PLACE}  # type: ignore[method-assign]
    assert handled(service) == set(old), "left alone"
    trouble = service.trouble()
    assert trouble is not None
    assert f"{NAME} ended at offset 2, and {SCHEMA} had handled 4" in trouble
    assert "postavka topics --set-back" in trouble

    new += send(10)  # the topic grows past the checkpoint: it stays held, whoever starts anew
    service = open_service()
    read(service)
    assert handled(service) == set(old)
    assert NAME in [f"{each.place[0]}/{each.place[1]}" for each in all_held_of(store)]

    assert not service.held.let_go()
    assert list(set_back(settings).values()) == [-1]
    assert service.held.let_go()
    service = open_service()
    read(service)
    assert handled(service) == {*old, *new}
    assert service.trouble() is None


def test_a_broker_that_was_cut_off_and_answers_as_the_leader_that_it_was_holds_nothing(
    settings: Settings, open_service: Callable[[], StageService], send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer comes with those of others, which took longer than an end is asked for again."""
    monkeypatch.setattr(held_module, "AGAIN_SECONDS", 0.05)
    service = open_service()
    send(5)
    read(service)
    ends, asked = service.held._offsets.ends, []

    def late_and_old(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        asked.append(list(places))
        if len(asked) > 1:
            return ends(asked[-1])
        time.sleep(0.1)
        return dict.fromkeys(asked[-1], 0)

    monkeypatch.setattr(service.held._offsets, "ends", late_and_old)
    assert not service.held.look({PLACE: 4})
    assert not service.held.held
    assert asked == [[PLACE], [PLACE]]


def all_held_of(store: str) -> list[held_module.HeldPartition]:
    with psycopg.connect(store) as connection:
        return all_held(connection)


def test_an_end_that_is_lost_while_a_service_runs_is_seen_by_the_watchdog(
    settings: Settings, open_service: Callable[[], StageService], send: Send
) -> None:
    service = open_service()
    send(5)
    read(service)
    service.worker.assigned = lambda: {PLACE}  # type: ignore[method-assign]
    asyncio.run(service._look_for_stalls())
    assert service.trouble() is None
    recreate(settings)
    asyncio.run(service._look_for_stalls())
    assert PLACE in service.held
    assert service.watchdog.lag == 0


def test_what_was_kept_is_not_decided_twice(
    settings: Settings, open_service: Callable[[], StageService], send: Send, store: str
) -> None:
    """The checkpoint goes back to the last record that had an effect, not to the beginning."""
    service = open_service()
    old = send(5)
    read(service)
    service.held.look({PLACE: 7})  # as if two more had been handled, and were lost
    with psycopg.connect(store, autocommit=True) as connection:
        connection.execute("UPDATE toy.notification_tracking SET notification_id = 7")
    assert list(set_back(settings).values()) == [4]
    new = send(1)
    service = open_service()
    read(service)
    assert handled(service) == {*old, *new}


def test_a_topic_of_ours_is_read_again_by_itself(settings: Settings, store: str, open_recorder: OpenRecorder) -> None:
    """Its relay publishes again what is missing, and positions say what was seen."""
    recorder = open_recorder()
    name = "request.events/3"
    ensure_topics(settings, ["request.events"])
    recorder.marks([name])
    with psycopg.connect(store, autocommit=True) as connection:
        connection.execute(
            "UPDATE toy.notification_tracking SET notification_id = %s, position = 7 WHERE application_name = %s",
            (10**12, name),
        )
    assert HeldPartitions(settings, SCHEMA).look({("request.events", 3): 10**12})
    assert recorder.marks([name])[name] == Checkpoint(-1, 7)
    assert all_held_of(store) == []
