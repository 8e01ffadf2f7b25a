"""The outbox relay: copies a stage's event store to its topic, in order of position, each event once.

Only one relay a stage is at work (a PostgreSQL advisory lock). It starts from a checkpoint, reads what lies on the
topic behind it, and publishes nothing at or below the highest position found in a partition. Then round after
round: read the next events, produce, wait until the broker has them all. The producer is idempotent, so that a retry
neither repeats nor reorders. A relay that was replaced while paused may still write a late duplicate: readers skip a
position they have seen, an auditor sees it.

Whoever commits in the same process hands the events over (`feed`): what follows on what was published need not be asked
of the store. All else is read there: what other workers wrote, what was there at the start.

A topic that is shorter than the checkpoint says has lost records: then everything is looked at from its beginning, and
what is missing is published again.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson
import psycopg

from events.envelope import Envelope, header_map
from postavka.kernel.log.offsets import end_offsets
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_records
from postavka.kernel.log.record import Record, partition_name
from postavka.kernel.outbox.publisher import Publisher
from postavka.kernel.process import liveness
from postavka.kernel.process.logs import WAITING, logger
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.recorder import EventRecorder, RecordedEvent

QUERIES = load_queries("postavka.kernel.outbox")

log = logger(__name__)

ROUND = 4_000
"""Most events read and produced before waiting for the broker."""
POLL_SECONDS, QUIET_POLL_SECONDS, QUIET_SECONDS = 0.1, 0.5, 10.0
"""How long a relay sleeps when nobody wakes it: bounds the delay of events written by another worker. The longer one
counts when for `QUIET_SECONDS` no other worker has written any."""
PAUSE, LONGEST_PAUSE_SECONDS = 1.0, 0.05
"""Between two rounds, as long as the last one took: the slower everything is, the more gathers for the next, and the
broker has about as much to do for ten events as for a hundred."""
FED = 8
"""Commits that are kept until they are published; of more, the oldest are read from the store."""
CHECKPOINT_SECONDS = 1.0
DEAD_LETTER_SECONDS = 2.0
"""How often dead letters are looked for: nobody waits for them as for an event."""
LOCK_RETRY_SECONDS = 1.0
DEAD_LETTERS = "dead-letters"
LARGEST_COPY = 900_000
"""Bytes of a dead letter that is copied whole. The broker takes 1 MiB a batch, compressed or not; what an outsider gets
into that may be far larger when it is unpacked, and every copy has headers more than its original."""

Positions = dict[tuple[str, int], int]


def envelope_of(event: RecordedEvent, source: str) -> Envelope:
    """The envelope under which a stored event is published. Its id is `request/version`: the same on every try."""
    subject = str(event.originator_id)
    return Envelope(
        id=f"{subject}/{event.version}",
        source=source,
        type=event.type,
        subject=subject,
        time=event.time,
        clock=event.clock,
        causation=event.causation,
        correlation=event.correlation,
        position=event.position,
        input=event.input,
        trace=event.trace,
    )


class Route(Protocol):
    """The choice of a topic for each event, if not all go to one."""

    @property
    def topics(self) -> Sequence[str]:
        """All that `__call__` may name."""
        ...

    def __call__(self, event: RecordedEvent) -> Sequence[str]: ...


class Relay(threading.Thread):
    """A thread of a stage's process. `wake()` it after a commit; `stop()` it; `failed` is for the watchdog."""

    def __init__(
        self,
        settings: Settings,
        recorder: EventRecorder,
        topic: str,
        source: str,
        copies: Mapping[str, str],
        on_published: Callable[[int], None] = lambda count: None,
        route: Route | None = None,
        longest_pause: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        """`route`: where each event goes, instead of to `topic` and the copies. `longest_pause`: between two rounds, in
        seconds."""
        super().__init__(name="relay", daemon=True)
        self._route = route
        self._longest_pause = longest_pause
        self._settings = settings
        self._recorder = recorder
        self._topic = topic
        self._source = source
        self._copies = dict(copies)
        self.for_outsiders = frozenset(self._copies.values() if route is None else route.topics)
        """Copies are made, and routes lead, for programs that aren't ours."""
        self._on_published = on_published
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._fed: deque[tuple[int, Sequence[RecordedEvent]]] = deque(maxlen=FED)
        self.failed: BaseException | None = None
        self.active = False
        self.position = 0
        """Everything up to here is on the topic."""
        self._skip_until = 0
        """Behind this position nothing can be on the topic yet."""

    def wake(self) -> None:
        """Say that there may be something to publish."""
        self._woken.set()

    def feed(self, events: Sequence[RecordedEvent], first: int) -> None:
        """These were committed just now, at the positions from `first` on."""
        if events and self.active:
            self._fed.append((first, events))
        self._woken.set()

    def stop(self) -> None:
        """Finish the round at hand and end."""
        self._stopping.set()
        self._woken.set()

    def run(self) -> None:
        """Relay while this process holds the outbox's lock, until `stop`; wait while PostgreSQL or Kafka is away."""
        while not self._stopping.is_set():
            liveness.beat(self.name)
            try:
                with self._connect() as session:
                    self._relay_while_locked(session)
            except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as away:
                self.active = False
                log.warning(WAITING, server="PostgreSQL", why=str(away)[:200])
                self._stopping.wait(LOCK_RETRY_SECONDS)
            except BaseException as error:
                self.active = False
                self.failed = error
                liveness.rest(self.name)
                log.exception("relay: cannot go on", error=str(error)[:500])
                return
        self.active = False
        liveness.rest(self.name)

    def _connect(self) -> psycopg.Connection[Any]:
        """The session that holds the lock. A machine that is cut off never says good-bye, so both ends look for each
        other: otherwise the lock of a dead relay would keep the others waiting for two hours."""
        looks = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
        return self._recorder.datastore.open_session(
            looks,
            application_name=f"postavka-{self._recorder.datastore.schema}",
            keepalives_idle=5,
            keepalives_interval=5,
            keepalives_count=3,
        )

    def _relay_while_locked(self, session: psycopg.Connection[Any]) -> None:
        schema = self._recorder.datastore.schema
        while not self._stopping.is_set():
            row = session.execute(QUERIES.lock, (f"relay of {schema}",)).fetchone()
            if row and row[0]:
                break
            liveness.beat(self.name)
            self._stopping.wait(LOCK_RETRY_SECONDS)
        else:
            return
        topics = [self._topic, *self._copies.values()] if self._route is None else list(self._route.topics)
        position, offsets = read_checkpoint(session, topics)
        if lost_records(self._settings, offsets):
            log.error("relay: the topic is shorter than the checkpoint; publishing what is missing", topic=self._topic)
            position, offsets = 0, dict.fromkeys(offsets, 0)
        there = highest_positions(self._settings, offsets, lambda: liveness.beat(self.name))
        self._skip_until = max(there.values(), default=0)
        self.position = position
        self._fed.clear()  # of another time: the store may be another since
        self.active = True
        log.info("relay: at work", topic=self._topic, position=position)
        publisher = Publisher(self._settings, offsets, self.for_outsiders)
        try:
            self._publish(session, publisher, there)
        finally:
            publisher.close()

    def _publish(self, session: psycopg.Connection[Any], publisher: Publisher, there: Positions) -> None:
        written = others_wrote = time.monotonic()
        dirty = False
        letters_due = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            liveness.beat(self.name)
            session.pgconn.consume_input()  # raises if the session has ended, and the lock with it
            events = self._next()
            if not events and (events := read_events(session, self.position)):
                others_wrote = started
            if events:
                for event in events:
                    self._publish_one(publisher, event, there)
                publisher.wait(lambda: liveness.beat(self.name))
                self.position = events[-1].position
                self._on_published(len(events))
                dirty = True
            if time.monotonic() >= letters_due:
                publish_dead_letters(session, publisher, self._source, lambda: liveness.beat(self.name))
                letters_due = time.monotonic() + DEAD_LETTER_SECONDS
            if dirty and time.monotonic() - written > CHECKPOINT_SECONDS:
                write_checkpoint(session, self.position, publisher.offsets)
                written, dirty = time.monotonic(), False
            if len(events) < ROUND:
                if events:
                    self._stopping.wait(min(PAUSE * (time.monotonic() - started), self._longest_pause))
                self._woken.wait(POLL_SECONDS if started - others_wrote < QUIET_SECONDS else QUIET_POLL_SECONDS)
                self._woken.clear()
        write_checkpoint(session, self.position, publisher.offsets)

    def _next(self) -> list[RecordedEvent]:
        """What was fed and follows on what is published."""
        found: list[RecordedEvent] = []
        while self._fed and len(found) < ROUND:
            first, events = self._fed.popleft()
            ours = self.position + len(found) + 1
            if first > ours:  # behind events of another worker: the store has them all
                self._woken.set()
                break
            fresh = events[ours - first :]
            found += [RecordedEvent(*event[:-1], position) for position, event in enumerate(fresh, ours)]
        return found

    def _publish_one(self, publisher: Publisher, event: RecordedEvent, there: Positions) -> None:
        envelope = envelope_of(event, self._source)
        key, headers = envelope.subject.encode(), envelope.headers()
        for topic in (self._topic, self._copies.get(event.type)) if self._route is None else self._route(event):
            if topic is None or (
                event.position <= self._skip_until
                and event.position <= there.get((topic, partition_of(key, PARTITIONS)), 0)
            ):
                continue
            publisher.send(topic, key, event.body, headers)


# The checkpoint


def read_checkpoint(session: psycopg.Connection[Any], topics: list[str]) -> tuple[int, dict[tuple[str, int], int]]:
    """Position up to which everything is published, and from which offset each partition must be looked at."""
    row = session.execute(QUERIES.read_checkpoint).fetchone()
    position, stored = row if row else (0, {})
    offsets = {
        (topic, partition): int(stored.get(partition_name(topic, partition), 0))
        for topic in topics
        for partition in range(PARTITIONS)
    }
    return position, offsets


def write_checkpoint(session: psycopg.Connection[Any], position: int, offsets: Mapping[tuple[str, int], int]) -> None:
    """Remember that everything up to `position` is published, below these offsets."""
    stored = {partition_name(*place): offset for place, offset in offsets.items()}
    session.execute(QUERIES.write_checkpoint, (position, orjson.dumps(stored).decode()))


def highest_positions(
    settings: Settings, offsets: Mapping[tuple[str, int], int], reading: Callable[[], None] = lambda: None
) -> Positions:
    """The highest position that lies in each partition from these offsets on; calls `reading` now and then. (The last
    record alone won't do: it may be a replaced relay's late duplicate.)"""
    highest: Positions = {}
    for batch in read_records(settings, offsets):
        reading()
        for record in batch:
            position = _position(record)
            place = (record.topic, record.partition)
            if position > highest.get(place, 0):
                highest[place] = position
    return highest


def lost_records(settings: Settings, offsets: Mapping[tuple[str, int], int]) -> bool:
    """Does a partition end below the offset we have already reached in it?"""
    ends = end_offsets(settings, list(offsets))
    return any(ends[place] < offset for place, offset in offsets.items())


def _position(record: Record) -> int:
    try:
        return int(header_map(record.headers)["ce_position"])
    except (KeyError, ValueError):
        return 0


def read_events(session: psycopg.Connection[Any], after: int) -> list[RecordedEvent]:
    """The next events behind a position."""
    rows = session.execute(
        QUERIES.read_events,
        (after, ROUND),
        prepare=True,
        binary=True,
    )
    return [RecordedEvent(*row) for row in rows]


# Dead letters


def publish_dead_letters(
    session: psycopg.Connection[Any],
    publisher: Publisher,
    source: str,
    waiting: Callable[[], None] = lambda: None,
) -> None:
    """Copy new dead letters to their topic: original key, value and headers, and where and why in `dlq_…` headers.
    At least once: one that is sent again after a crash has the same `dlq_id`. One that is too large for the broker is
    copied without its contents (`dlq_omitted`: how many bytes); the store has it whole."""
    rows = session.execute(QUERIES.unpublished_dead_letters, prepare=True).fetchall()
    if not rows:
        return
    for number, topic, partition, offset, key, value, headers, code, reason, sha256 in rows:
        original = [(name, None if data is None else base64.b64decode(data)) for name, data in headers]
        facts = {
            "dlq_id": f"{source}#{number}",
            "dlq_topic": topic,
            "dlq_partition": str(partition),
            "dlq_offset": str(offset),
            "dlq_code": code,
            "dlq_reason": reason[:1_000],
            "dlq_sha256": sha256,
        }
        size = (
            len(key or b"") + len(value or b"") + sum(10 + len(name) * 4 + len(data or b"") for name, data in original)
        )
        if size > LARGEST_COPY:
            facts["dlq_omitted"] = str(size)
            key, value, original = None, None, []
        extra = [(name, text.encode()) for name, text in facts.items()]
        publisher.send(DEAD_LETTERS, key, value, [*original, *extra])
    publisher.wait(waiting)
    session.execute(QUERIES.dead_letters_published, ([row[0] for row in rows],))
