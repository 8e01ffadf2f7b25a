"""The watchdog in a service: whatever does not get on, though both servers answer, ends the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Producer

from postavka.kernel.installation import held
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.process.watchdog import BUSY_SECONDS, POSTGRESQL
from postavka.kernel.settings import Settings
from postavka.kernel.stage.service import StageService
from tests.kernel.conftest import MakeTopics, OpenRecorder
from tests.kernel.polling import PATIENCE_SECONDS, until
from tests.kernel.toys import COMMANDS, SCHEMA, UPSTREAM, command, submit, toy

PATIENCE = 0.05


@pytest.fixture
def service(
    settings: Settings, open_recorder: OpenRecorder, make_topics: MakeTopics, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StageService]:
    """Of the toy stage, with little patience; not at work: neither its reader nor its relay is started."""
    monkeypatch.setattr(held, "AGAIN_SECONDS", 0.0)
    open_recorder()  # empties the store
    make_topics(COMMANDS, UPSTREAM, f"{SCHEMA}.events", "dead-letters")
    made = StageService(toy(), settings.model_copy(update={"stall_seconds": PATIENCE}))
    yield made
    made.datastore.close()
    made.thread.shutdown()


async def look(service: StageService) -> None:
    """As the watchdog does every two seconds; twice, further apart than the patience."""
    await service._look_for_stalls()
    await asyncio.sleep(PATIENCE * 2)
    await service._look_for_stalls()


async def test_one_that_gets_on_stays(service: StageService):
    await look(service)


async def test_a_relay_that_publishes_nothing_ends_the_process(service: StageService):
    service.runner.handle([command(0, submit(uuid4()))])
    service.runner.marks.clear()  # the record was never on the topic
    await look(service)
    service.relay.active = True
    with pytest.raises(RuntimeError, match="the relay"):
        await look(service)


async def test_a_relay_that_gets_on_stays(service: StageService):
    service.runner.handle([command(0, submit(uuid4()))])
    service.relay.active = True
    await service._look_for_stalls()
    service.relay.position = service.recorder.head()
    await asyncio.sleep(PATIENCE * 2)
    await look(service)


async def test_a_batch_without_end_ends_the_process(service: StageService):
    service.watchdog.busy_since = service.watchdog.time.now() - BUSY_SECONDS / 2
    await look(service)
    service.watchdog.busy_since = service.watchdog.time.now() - 2 * BUSY_SECONDS
    with pytest.raises(RuntimeError, match="one batch"):
        await look(service)


async def test_a_sender_that_goes_away_in_a_transaction_ends_nobody(service: StageService, settings: Settings):
    """What lies behind its first record can't be read, and so nothing stands still. A stage that does not read what
    another has said when the transaction is over does stand still."""
    gone, other = (Producer(for_librdkafka(settings) | more) for more in ({"transactional.id": uuid4().hex}, {}))
    gone.init_transactions(PATIENCE_SECONDS)
    gone.begin_transaction()
    for sender in (gone, other):
        sender.produce(COMMANDS, b"{}", b"k", 0)
        assert sender.flush(PATIENCE_SECONDS) == 0
    await look(service)
    assert service.trouble() is None
    assert service.watchdog.lag == 0
    gone.abort_transaction(PATIENCE_SECONDS)
    until(lambda: end_offsets(settings, [(COMMANDS, 0)])[COMMANDS, 0] > 2, "the transaction is over")
    with pytest.raises(RuntimeError, match="no progress"):
        await look(service)


async def test_while_a_server_is_away_nothing_ends(service: StageService):
    service.runner.handle([command(0, submit(uuid4()))])
    service.relay.active = True
    service.watchdog.servers.silent(POSTGRESQL, time.monotonic(), "away")
    service.watchdog.away_at = service.watchdog.time.now()
    await look(service)


def test_facts_that_cannot_be_asked_for_are_asked_for_again(service: StageService, monkeypatch: pytest.MonkeyPatch):
    """A primary has died, and the next one is not there yet: the stage waits, and does not end."""
    gather, away = service.stage.gather, [psycopg.OperationalError("the server is in hot standby mode")]

    def gather_when_back(*arguments: Any) -> Any:
        if away:
            raise away.pop()
        return gather(*arguments)

    monkeypatch.setattr(service.runner, "stage", replace(service.stage, gather=gather_when_back))
    outcome = service._handle_batch([command(0, submit(uuid4()))])
    assert len(outcome.events) == 1
    assert not away


async def test_a_batch_that_hangs_when_it_is_tried_again_ends_the_process(service: StageService):
    """PostgreSQL was away; it is back, but the new try's connection answers nothing: nobody takes the trouble back."""
    service.watchdog.servers.silent(POSTGRESQL, time.monotonic(), "away")
    service.watchdog.busy_since = service.watchdog.time.now() - 3 * BUSY_SECONDS
    service.watchdog.away_at = service.watchdog.time.now() - BUSY_SECONDS / 2
    await look(service)
    service.watchdog.away_at = service.watchdog.time.now() - 2 * BUSY_SECONDS
    with pytest.raises(RuntimeError, match="one batch"):
        await look(service)


def test_the_session_that_holds_the_lock_looks_whether_the_other_end_is_there(service: StageService):
    """A machine that is cut off says no good-bye; PostgreSQL's own default is to wait two hours."""
    with service.relay._connect() as session:
        shown = session.execute("SHOW tcp_keepalives_idle").fetchone()
        assert shown in (("5",), ("0",)), "0: a unix socket, which knows by itself"
        assert session.execute("SHOW search_path").fetchone() == (SCHEMA,)
        assert session.info.get_parameters()["keepalives_idle"] == "5"
    assert isinstance(session, psycopg.Connection)
