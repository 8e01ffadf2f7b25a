"""The live stream of events over all stages, for pages: one reader in the process, as many viewers as there are.

The reader starts with the first viewer and ends after the last; the next time it goes on where it was, if that is not
too far back. It keeps the newest events in memory, so that a viewer that was away for a while goes on where it stopped,
or learns how many it has missed. A viewer gets at most `SHOWN` events a beat; the others are only counted: thousands
a second must not drown a browser.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from aiokafka.errors import KafkaError

from events.registry import read_fields
from events.topics import OPS_EVENTS, STAGE_TOPICS
from postavka.domain.request_numbers import number_of
from postavka.kernel.latest_used import LatestUsed
from postavka.kernel.log.follower import Follower
from postavka.kernel.log.offsets import OffsetsUnknown, end_offsets
from postavka.kernel.log.record import Record
from postavka.kernel.process.logs import WAITING, logger
from postavka.kernel.projection.event_reader import WRONG, EventReader
from postavka.kernel.settings import PARTITIONS, Settings, database_url
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from postavka.web.formats import NO_BREAK_SPACE, money
from services.ops.store import SEES_ALL

QUERIES = load_queries("services.ops")

log = logger(__name__)

TOPICS = (*STAGE_TOPICS, OPS_EVENTS)
KEPT = 20_000
"""Events kept in memory: ten seconds of two thousand a second."""
SHOWN = 40
"""Events sent to a viewer in one beat; more can't be read anyway."""
REQUESTS_KEPT = 50_000
LINGER_SECONDS = 30.0
"""The reader stays so long after its last viewer."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event as viewers see it. `number` counts what this process has read."""

    number: int
    stage: str
    type: str
    request: str
    time: str
    position: int
    topic: str
    partition: int
    offset: int
    value: bytes = field(repr=False)

    def shown(self, name: str) -> dict[str, Any]:
        """The event for the browser. `name`: what people call its request."""
        return {
            "n": self.number,
            "stage": self.stage,
            "type": self.type,
            "request": self.request,
            "name": name,
            "time": self.time,
            "position": self.position,
            "place": f"{self.topic}/{self.partition}/{self.offset}",
            "words": words(self.type, self.value),
        }


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """Whose a request is, and the number by which people call it; empty where that is not known."""

    partner: str = ""
    distributor: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The filter of events that a viewer wants; empty: all."""

    stage: str = ""
    type: str = ""
    request: str = ""
    partner: str = ""
    distributor: str = ""
    text: str = ""

    @property
    def needs_parties(self) -> bool:
        """Does it ask whose the request is?"""
        return bool(self.partner or self.distributor)

    def fits(self, event: FeedEvent, requests: Mapping[str, FeedRequest]) -> bool:
        """Is this event wanted? `requests`: those that are known, by id."""
        if self.stage and event.stage != self.stage:
            return False
        if self.type and self.type.lower() not in event.type.lower():
            return False
        if self.request and not event.request.startswith(self.request):
            return False
        if self.needs_parties:
            about = requests.get(event.request, FeedRequest())
            if self.partner not in ("", about.partner) or self.distributor not in ("", about.distributor):
                return False
        return not self.text or self.text.lower() in event.value.decode("utf-8", "replace").lower()


@dataclass(frozen=True, slots=True)
class Beat:
    """The next piece of the stream for one viewer: some events, how many more fitted, how many of each type there were
    in all."""

    last: int
    events: list[FeedEvent]
    names: Mapping[str, str]
    """What people call their requests."""
    more: int
    counts: Mapping[str, int]
    missed: int
    """Events that were gone from memory before they could be sent to this viewer."""


class Feed:
    """The one reader of the live feed, from which all viewers are served. `view` hands over what came since; it is safe
    from any thread."""

    def __init__(self, config: Settings, topics: Sequence[str] | None = None) -> None:
        """`topics`: instead of those of all stages and of operations."""
        self._config = config
        self._topics = topics if topics is not None else [topic.name for topic in TOPICS]
        self._lock = threading.Lock()
        self._kept: deque[FeedEvent] = deque(maxlen=KEPT)
        self._last = 0
        self._requests = LatestUsed[str, FeedRequest](REQUESTS_KEPT)
        self._thread: threading.Thread | None = None
        self._wanted_until = 0.0
        self._reader = EventReader({})
        self._next: dict[tuple[str, int], int] = {}
        """The offset behind the last record read of each partition."""
        self._ends: dict[tuple[str, int], int] = {}
        """Where the partitions ended when the reader began."""
        self.reading = False
        """Has the reader all that was there when it began? What is written from then on is seen, and what was written
        while nobody looked is not sent as new."""
        self.trouble: str | None = None

    def now(self) -> int:
        """Number of the newest event: where a viewer that wants only what comes begins. What is written afterwards is
        seen if the feed was `reading` before."""
        self._want()
        return self._last

    def view(self, after: int, wanted: EventFilter) -> Beat:
        """What came behind `after` and fits."""
        self._want()
        with self._lock:
            first = self._kept[0].number if self._kept else self._last + 1
            fresh = self._behind(after)
            last = self._last
        if wanted.needs_parties:
            self._look_up({event.request for event in fresh})
        fitting = [event for event in fresh if wanted.fits(event, self._requests)]
        # The newest are shown, in order; what is left out is counted.
        shown = fitting[-SHOWN:]
        self._look_up({event.request for event in shown})
        return Beat(
            last,
            shown,
            {each.request: request_name(each.request, self._requests.get(each.request)) for each in shown},
            max(0, len(fitting) - SHOWN),
            Counter(event.type for event in fitting),
            max(0, first - 1 - after),
        )

    def _behind(self, after: int) -> list[FeedEvent]:
        """The newest are at the end: only they are walked over."""
        found: list[FeedEvent] = []
        for event in reversed(self._kept):
            if event.number <= after:
                break
            found.append(event)
        found.reverse()
        return found

    # The reader

    def _want(self) -> None:
        with self._lock:
            self._wanted_until = time.monotonic() + LINGER_SECONDS
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._read, name="feed", daemon=True)
                self._thread.start()

    def _read(self) -> None:
        while not self._is_done():
            try:
                with Follower(self._config, self._beginning()) as follower:
                    self.trouble = None
                    for batch in follower.records(float("inf")):
                        self.take(batch)
                        self._next |= follower.following
                        if not self.reading:
                            self.reading = all(self._next[place] >= end for place, end in self._ends.items())
                        if self._is_done():
                            return
            except (KafkaError, OffsetsUnknown, RuntimeError) as away:
                self.reading = False
                self.trouble = "Kafka does not answer"
                log.warning(WAITING, server="Kafka", why=str(away)[:200])
                time.sleep(1.0)

    def _is_done(self) -> bool:
        with self._lock:
            if time.monotonic() <= self._wanted_until:
                return False
            # Whoever comes from now on starts the next reader.
            self._thread, self.reading = None, False
            return True

    def _beginning(self) -> dict[tuple[str, int], int]:
        """Where the last reader was; where the topics end, if it was too far behind or there was none."""
        ends = end_offsets(self._config, [(topic, number) for topic in self._topics for number in range(PARTITIONS)])
        self._ends = ends
        with self._lock:
            if self._next:
                behind = sum(max(0, end - self._next[place]) for place, end in ends.items())
                if behind <= KEPT:
                    return dict(self._next)
                self._last += behind  # missed by all
                self._kept.clear()
            self._next = dict(ends)
            return dict(ends)

    def take(self, batch: Iterable[Record]) -> None:
        """Keep these records."""
        with self._lock:
            for record, headers, position in self._reader.read(batch, lambda record, wrong: None):
                try:
                    kind, subject = headers["ce_type"].decode(), headers["ce_subject"].decode()
                    when = headers["ce_time"].decode()
                except WRONG:
                    continue
                self._last += 1
                value = record.value or b"{}"
                stage = record.topic.removesuffix(".events")
                place = (record.topic, record.partition, record.offset)
                self._kept.append(FeedEvent(self._last, stage, kind, subject, when, position, *place, value))
                if kind.startswith("RequestSubmitted."):
                    self._requests.keep({subject: _submitted(kind, value, position, when)})

    # Whose a request is

    def _look_up(self, requests: set[str]) -> None:
        known = {request for request in requests if self._requests.get(request, FeedRequest()).number}
        missing = [request for request in requests - known if is_uuid(request)]
        if not missing:
            return
        try:
            with open_session(database_url(self._config), SEES_ALL) as connection:
                found = requests_of(connection, missing)
        except psycopg.Error as away:
            log.warning("the feed can't see whose requests are", error=str(away)[:200])
            return
        with self._lock:
            self._requests.keep(found)


TELLING: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("number", str),
    ("invoice_number", lambda value: f"счет {value}"),
    ("amount", lambda value: money(str(value))),
    ("due", lambda value: f"осталось {money(str(value))}"),
    ("kind", str),
    ("basis", str),
    ("buyer", str),
    ("distributor_id", str),
    ("document_id", str),
    ("reason", lambda value: value["message"] if isinstance(value, dict) else str(value)),
    ("reasons", lambda value: "; ".join(each["message"] for each in value)),
    ("kit", lambda value: f"комплект {value['number']}"),
    ("product", lambda value: value["name"]),
)
"""Fields worth a word, in order."""


def words(type_name: str, body: bytes) -> str:
    """What an event is about, on one line; nothing of one that can't be read."""
    try:
        fields = read_fields(type_name, body)[1]
        event = [say(fields[name]) for name, say in TELLING if fields.get(name)]
    except (ValueError, TypeError, KeyError):
        return ""
    return " · ".join(event)[:160]


def requests_of(connection: psycopg.Connection[Any], requests: Iterable[str]) -> dict[str, FeedRequest]:
    """Those of these requests that the cabinet has, by id."""
    rows = connection.execute(QUERIES.requests_of, (list(requests),)).fetchall()
    return {request: FeedRequest(*about) for request, *about in rows}


def request_name(request: str, known: FeedRequest | None) -> str:
    """What people call a request; its id where its number is not known."""
    return f"№{NO_BREAK_SPACE}{known.number}" if known is not None and known.number else request


def _submitted(type_name: str, body: bytes, position: int, time: str) -> FeedRequest:
    """What the event with which a request begins says of it."""
    try:
        fields = read_fields(type_name, body)[1]
        number = number_of(position, datetime.fromisoformat(time))
    except ValueError:
        return FeedRequest()
    return FeedRequest(fields.get("partner_id") or "", fields.get("distributor_id") or "", number)


def is_uuid(text: str) -> bool:
    """Does an event's subject name a request? Every one of a stage does."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
