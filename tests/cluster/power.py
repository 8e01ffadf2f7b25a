"""Power cuts under load: what was acknowledged is there afterwards, or is found to be missing.

    python -m tests.cluster.power --cuts 200 --seed 1

PostgreSQL and Kafka run on a disk of their own, whose power is cut at a random moment while rows are committed, records
acknowledged and a relay publishes what a stage has stored. After each cut everything is looked at:

- PostgreSQL: no commit that was acknowledged is missing;
- a topic with `flush.messages=1`: no record that was acknowledged is missing;
- a stage's topic without it: what the broker has lost, the relay publishes again, in order.
"""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.topics import ensure_topics
from postavka.kernel.outbox.relay import Relay
from postavka.kernel.runtime.embedded import EmbeddedServers, Endpoints
from postavka.kernel.settings import Settings
from postavka.kernel.store.datastore import SchemaDatastore
from postavka.kernel.store.migration import EVENT_STORE, migrate
from postavka.kernel.store.recorder import Batch, EventRecorder
from tests.cluster.disk import Disk, why_not
from tests.kernel.polling import PATIENCE_SECONDS, on_topic, positions, until
from tests.kernel.toys import SCHEMA, event
from tests.paths import JARS

FLUSHED, EVENTS = "flushed", "toy.events"
LOAD_SECONDS = (0.5, 2.5)
"""Power is cut so long after everything has begun to work, at random."""


RECOVERY_SECONDS = 180.0
"""Until everything is published again: behind a cut the broker looks through its logs, and a request that it leaves
unanswered is repeated after 15 seconds, on a busy machine more than once."""


@dataclass
class Acknowledged:
    """What clients were told is safe."""

    rows: set[int] = field(default_factory=set)
    records: set[bytes] = field(default_factory=set)
    events: int = 0
    """The highest position of an event that was committed."""


@dataclass(frozen=True, slots=True)
class CutReport:
    """What one cut has done. `missing_…`: acknowledged, and not there; must be none. `published_again`: events that the
    broker had lost."""

    rows: int
    records: int
    events: int
    missing_rows: int
    missing_records: int
    missing_events: int
    published_again: int

    @property
    def holds(self) -> bool:
        return not (self.missing_rows or self.missing_records or self.missing_events)


def relay_of(settings: Settings) -> Relay:
    """The toy stage's relay."""
    assert settings.database_url is not None
    recorder = EventRecorder(SchemaDatastore(settings.database_url.get_secret_value(), SCHEMA))
    return Relay(settings, recorder, EVENTS, "/postavka/toy", {})


def relay_alone(endpoints: Endpoints) -> None:
    """Work as a process that can be killed."""
    relay_of(Settings(**endpoints.settings())).run()


class Stand:
    """Servers on a disk, with what works on them. `rounds` of cuts share the data: a cut may hit what an earlier one
    has left behind."""

    def __init__(self, disk: Disk, chance: random.Random) -> None:
        self._disk, self._chance = disk, chance
        self._told = Acknowledged()
        self._stopping = threading.Event()

    def cut_once(self) -> CutReport:
        """Start, work, cut the power, give it back, look."""
        with self._servers() as endpoints:
            settings = self._prepare(endpoints)
            lost = self._published_again(settings) if self._told.events else 0
            report = self._look(endpoints, settings, lost)
            if not report.holds:
                return report
            self._work(endpoints, settings)
        self._disk.restore()
        with self._servers() as endpoints:
            settings = self._prepare(endpoints)
            lost = self._published_again(settings)
            report = self._look(endpoints, settings, lost)
            self._end(gently=True)
        return report

    @contextmanager
    def _servers(self) -> Iterator[Endpoints]:
        home = self._disk.path / "home"
        home.mkdir(exist_ok=True)
        (home / "run" / "supervisor.sock").unlink(missing_ok=True)
        try:
            with EmbeddedServers(home, JARS) as self._embedded:
                yield self._embedded.start()
        except BaseException as failed:  # the disk goes, and their logs with it
            kept = Path(tempfile.mkdtemp(prefix="postavka-power-"))
            with (kept / "threads").open("w") as file:
                faulthandler.dump_traceback(file)
            for log in [*(home / "log").glob("*.log"), home / "kafka" / "kafka.log"]:
                with suppress(OSError):  # the disk may be without power
                    shutil.copy(log, kept)
            failed.add_note(f"what the servers said is in {kept}")
            raise

    def _end(self, *, gently: bool) -> None:
        """Stop the servers; or kill everything at once: the kernel ends what supervisord had started. A postmaster that
        nobody has buried yet would keep the next one from starting: to it the other is there."""
        if not gently:
            manager = psutil.Process(self._embedded.processes._child.pid)
            started = manager.children(recursive=True)
            with suppress(ProcessLookupError):
                os.killpg(manager.pid, signal.SIGKILL)
            until(lambda: not any(psutil.pid_exists(each.pid) for each in started), "the servers are buried")
        self._embedded.processes.close()

    def _prepare(self, endpoints: Endpoints) -> Settings:
        settings = Settings(**endpoints.settings())
        with psycopg.connect(endpoints.database_url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS committed (number bigint PRIMARY KEY)")
        migrate(endpoints.database_url, SCHEMA, EVENT_STORE)
        ensure_topics(settings, [EVENTS])
        admin = AdminClient(for_librdkafka(settings))
        if FLUSHED not in admin.list_topics(timeout=PATIENCE_SECONDS).topics:
            config = {"flush.messages": "1", "retention.ms": "-1"}
            for made in admin.create_topics([NewTopic(FLUSHED, 1, 1, config=config)]).values():
                made.result(PATIENCE_SECONDS)
        return settings

    def _work(self, endpoints: Endpoints, settings: Settings) -> None:
        """Commit, produce and publish until the power is cut."""
        self._stopping.clear()
        relay = multiprocessing.get_context("spawn").Process(target=relay_alone, args=(endpoints,), daemon=True)
        relay.start()
        begun = [threading.Event() for _ in range(3)]
        workers = [
            threading.Thread(target=work, args=(endpoints, settings, each), daemon=True)
            for work, each in zip((self._commit_rows, self._produce, self._commit_events), begun, strict=True)
        ]
        for each in workers:
            each.start()
        for each in begun:
            assert each.wait(PATIENCE_SECONDS), "nothing was acknowledged"
        time.sleep(self._chance.uniform(*LOAD_SECONDS))
        self._disk.cut()
        self._stopping.set()
        self._end(gently=False)
        relay.kill()  # it has no power either: it must not go on with the next servers
        relay.join()
        for each in workers:
            each.join(PATIENCE_SECONDS)
            assert not each.is_alive()

    def _commit_rows(self, endpoints: Endpoints, settings: Settings, begun: threading.Event) -> None:
        number = max(self._told.rows, default=0)
        with suppress(psycopg.Error), psycopg.connect(endpoints.database_url) as connection:
            number += 1_000  # behind what was on its way when the power went
            while not self._stopping.is_set():
                number += 1
                connection.execute("INSERT INTO committed VALUES (%s)", (number,))
                connection.commit()
                self._told.rows.add(number)
                begun.set()

    def _produce(self, endpoints: Endpoints, settings: Settings, begun: threading.Event) -> None:
        producer = Producer(for_librdkafka(settings) | {"linger.ms": 0, "message.timeout.ms": 5_000})

        def acknowledged(error: object, message: object) -> None:
            if error is None:
                self._told.records.add(message.value())  # type: ignore[attr-defined]
                begun.set()

        while not self._stopping.is_set():
            producer.produce(FLUSHED, uuid4().hex.encode(), on_delivery=acknowledged)
            producer.poll(0.005)
        producer.poll(1)
        producer.purge()
        producer.flush(1)

    def _commit_events(self, endpoints: Endpoints, settings: Settings, begun: threading.Event) -> None:
        recorder = EventRecorder(SchemaDatastore(endpoints.database_url, SCHEMA))
        with suppress(Exception):  # however the store says that the power has gone
            while not self._stopping.is_set():
                before = recorder.append(Batch([event(uuid4(), 1) for _ in range(20)]))
                self._told.events = before + 20
                begun.set()
        recorder.datastore.close()

    def _published_again(self, settings: Settings) -> int:
        """Let a relay find what the broker has lost; how many events that were."""
        before = len(set(self._positions(settings)))
        relay = relay_of(settings)
        stored = relay._recorder.head()  # what else was acknowledged is lost, and `_look` finds it
        relay.start()
        until(
            lambda: relay.failed is not None or (relay.active and relay.position >= stored),
            f"the relay publishes all up to {stored} again",
            RECOVERY_SECONDS,
        )
        relay.stop()
        relay.join(PATIENCE_SECONDS)
        assert relay.failed is None, relay.failed
        return len(set(self._positions(settings))) - before

    def _positions(self, settings: Settings) -> list[int]:
        return positions(on_topic(settings, EVENTS))

    def _look(self, endpoints: Endpoints, settings: Settings, published_again: int) -> CutReport:
        with psycopg.connect(endpoints.database_url) as connection:
            rows = {number for (number,) in connection.execute("SELECT number FROM committed")}
        records = {
            record.value for batch in read_records(settings, {(FLUSHED, 0): 0}) for record in batch if record.value
        }
        published = set(self._positions(settings))
        wanted = set(range(1, self._told.events + 1))
        return CutReport(
            rows=len(self._told.rows),
            records=len(self._told.records),
            events=len(wanted),
            missing_rows=len(self._told.rows - rows),
            missing_records=len(self._told.records - records),
            missing_events=len(wanted - published),
            published_again=published_again,
        )


def cuts(count: int, seed: int) -> Iterator[CutReport]:
    """So many cuts on one disk."""
    with Disk() as disk:
        stand = Stand(disk, random.Random(seed))
        for _ in range(count):
            yield stand.cut_once()


def main() -> None:
    """Print a line a cut; exits with 1 when something acknowledged is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=200, help="how many (default: 200, some three quarters of an hour)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which the power is cut")
    chosen = parser.parse_args()
    if (impossible := why_not()) is not None:
        sys.exit(impossible)
    failed = 0
    for number, report in enumerate(cuts(chosen.cuts, chosen.seed), 1):
        failed += not report.holds
        print(f"{number}: {'holds' if report.holds else 'LOST'} {report}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
