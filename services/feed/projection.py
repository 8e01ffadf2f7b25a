"""Follows the stages' topics, and numbers the events of each tenant: every event once, rows and marks in one
transaction.

It is no fold that could be made anew: programs hold the numbers. A copy of PostgreSQL has them; numbers that were given
after the copy was taken are given again, perhaps to other events, and a place in the feed names its event for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import tuple_row

from events.envelope import Envelope, rfc3339
from events.registry import MESSAGES, UnknownType, read_fields
from events.topics import STAGE_TOPICS
from events.upcasting import newest_version
from postavka.kernel.latest_used import LatestUsed
from postavka.kernel.log.record import Record
from postavka.kernel.process import metrics
from postavka.kernel.projection.blue_green import connect
from postavka.kernel.projection.checkpoints import keep_unread, move_marks, read_marks
from postavka.kernel.projection.event_reader import WRONG, EventReader, unread
from postavka.kernel.projection.read_model import Unread
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.arrays import Bigints, Texts, Uuids
from postavka.kernel.store.checkpoint import Checkpoint, CheckpointMoved
from postavka.kernel.store.migration import MigrationSet, require
from postavka.kernel.store.queries import load_queries
from postavka.web import identity
from postavka.web.identity.principal import Role
from services.feed.order import FeedEntry, Place, cause_of, in_order
from services.feed.views import ADDRESSES, BEGINS, VIEWS, seen_by

QUERIES = load_queries("services.feed")

SCHEMA = "feed"
MIGRATIONS = MigrationSet("services.feed", "services.feed")
TOPICS = tuple(topic.name for topic in STAGE_TOPICS)
CHANGES_CHANNEL = "feed_changes"
"""NOTIFY: tenants that have something new, as `key_of` writes them, with blanks between them."""
KEYS_IN_A_NOTICE = 30
CACHE = 20_000
Tenant = tuple[str, str]
"""`partner` or `distributor`, and its id."""


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date, and that of the accounts: row-level security is defined there. Raises
    `NotMigrated`."""
    require(conninfo, "accounts", identity.MIGRATIONS)
    require(conninfo, SCHEMA, MIGRATIONS)


def key_of(party: str, party_id: str) -> str:
    """A tenant as one word."""
    return f"feed:{party}:{quote(party_id)}"


@dataclass(slots=True)
class Addressees:
    """Who is told of a request. `earlier`: numbers of its partner's events that a distributor is told of later."""

    partner: str
    distributor: str | None = None
    earlier: list[int] = field(default_factory=list)


@dataclass(slots=True)
class NumberedEvent:
    """An event on its way into the table; numbers are 0 until they are given."""

    request_id: UUID
    partner: str
    event: str
    distributor: str | None = None
    partner_number: int = 0
    distributor_number: int = 0


class FeedProjection:
    """The `postavka.kernel.projection.worker.Projection` of the feed."""

    name = SCHEMA
    topics = TOPICS

    def __init__(self, config: Settings) -> None:
        self._conninfo = database_url(config)
        prepare(self._conninfo)
        self._connection: psycopg.Connection[Any] | None = None
        self._marks: dict[str, Checkpoint] = {}
        self._known = LatestUsed[UUID, Addressees](CACHE)

    def marks(self, names: Sequence[str]) -> dict[str, int]:
        """Read the marks; what is cached may be another worker's by now, so it goes."""
        self._known.clear()
        fresh = read_marks(self._connect(), names)
        self._marks.update(fresh)
        return {name: mark.offset for name, mark in fresh.items()}

    def project(self, records: Sequence[Record]) -> int:
        """Tell what the records bring. Everything or nothing is written."""
        connection = self._connect()
        reader = EventReader(self._marks)
        not_read: list[Unread] = []
        entries = list(_entries(reader, records, not_read))
        moved = reader.moved()
        if not moved:
            return 0
        try:
            with connection.transaction():
                known = self._write(connection, reader, entries)
                keep_unread(connection, not_read)
                move_marks(connection, moved)
        except (psycopg.Error, CheckpointMoved):
            self._connection = None
            connection.close()
            self._known.clear()
            raise
        self._marks = reader.checkpoints
        self._known.keep(known)
        if not_read:
            metrics.RECORDS.labels(self.name, "unread").inc(len(not_read))
        return len(entries)

    def _write(
        self, connection: psycopg.Connection[Any], reader: EventReader, entries: Sequence[FeedEntry]
    ) -> dict[UUID, Addressees]:
        """Tell what can be told, and keep what waits. Returns whose the requests are."""
        by_request: dict[UUID, list[FeedEntry]] = {}
        for each in entries:
            by_request.setdefault(each.request_id, []).append(each)
        known, waited = self._load(connection, by_request)
        batch = _Batch(known)

        def is_read(cause: Place) -> bool:
            return reader.partition(cause[0], cause[1]).offset >= cause[2]

        for request_id, brought in by_request.items():
            before = waited.get(request_id, [])
            told, left = in_order([*before, *brought], request_id in known, is_read)
            for each in told:
                batch.tell(each)
            over = {each.place for each in before} & {each.place for each in told}
            new = {each.place for each in left} - {each.place for each in before}
            for place in over:
                connection.execute(QUERIES.forget_waiting, place)
            for each in left:
                if each.place in new:
                    topic, offset = (each.cause[0], each.cause[2]) if each.cause else (None, None)
                    row = (request_id, *each.place, topic, offset, each.clock, each.type, each.event)
                    connection.execute(QUERIES.keep_waiting, row)
        batch.write(connection)
        return known

    def _load(
        self, connection: psycopg.Connection[Any], requests: Iterable[UUID]
    ) -> tuple[dict[UUID, Addressees], dict[UUID, list[FeedEntry]]]:
        """Whose the requests are, and what of them waits."""
        wanted = Uuids(requests)
        if not wanted:
            return {}, {}
        # What is changed is written before it is remembered: a transaction that fails must leave what is cached alone.
        known = {
            each: Addressees(found.partner, found.distributor, list(found.earlier))
            for each in wanted
            if (found := self._known.get(each)) is not None
        }
        missing = Uuids(each for each in wanted if each not in known)
        cursor = connection.cursor(row_factory=tuple_row)
        for request_id, partner, distributor, earlier in cursor.execute(QUERIES.load_requests, (missing,)):
            known[request_id] = Addressees(partner, distributor, earlier)
        waited: dict[UUID, list[FeedEntry]] = {}
        for request_id, topic, number, offset, cause, at, clock, kind, event in cursor.execute(
            QUERIES.load_waiting, (wanted,)
        ):
            place = None if cause is None else (cause, number, at)
            entry = FeedEntry(request_id, (topic, number, offset), place, clock, kind, event)
            waited.setdefault(request_id, []).append(entry)
        return known, waited

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo, SCHEMA, SCHEMA)
        return self._connection


class _Batch:
    """What one transaction tells, in order, tenant by tenant."""

    def __init__(self, known: dict[UUID, Addressees]) -> None:
        self._known = known
        self._events: list[NumberedEvent] = []
        self._changed: set[UUID] = set()
        self._for_partner: dict[str, list[NumberedEvent]] = {}
        self._for_distributor: dict[str, list[NumberedEvent | tuple[str, int]]] = {}
        """Events of this batch; of earlier ones the partner and its number."""
        self._held: dict[UUID, list[NumberedEvent]] = {}
        """Events of this batch of which a distributor is told when the request is approved."""

    def tell(self, entry: FeedEntry) -> None:
        """Tell one event to those whom it concerns."""
        if not entry.event:
            return
        data = orjson.loads(entry.event)["data"] if entry.type in (BEGINS, ADDRESSES) else {}
        if entry.type == BEGINS:
            self._known.setdefault(entry.request_id, Addressees(data["partner_id"]))
            self._changed.add(entry.request_id)
        whose = self._known[entry.request_id]
        told = NumberedEvent(entry.request_id, whose.partner, entry.event)
        self._events.append(told)
        self._for_partner.setdefault(whose.partner, []).append(told)
        if entry.type == ADDRESSES and data["distributor"] is not None and whose.distributor is None:
            self._address(entry.request_id, whose, data["distributor"]["id"])
        if VIEWS[entry.type].distributor is None:
            return
        if whose.distributor is not None:
            told.distributor = whose.distributor
            self._for_distributor.setdefault(whose.distributor, []).append(told)
        else:
            self._held.setdefault(entry.request_id, []).append(told)
            self._changed.add(entry.request_id)

    def _address(self, request_id: UUID, whose: Addressees, distributor: str) -> None:
        """Tell this distributor from now on, first of what was before."""
        whose.distributor = distributor
        told = self._for_distributor.setdefault(distributor, [])
        told += [(whose.partner, number) for number in whose.earlier]
        for each in self._held.pop(request_id, ()):
            each.distributor = distributor
            told.append(each)
        whose.earlier = []
        self._changed.add(request_id)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Give the numbers, and write the rows."""
        if not self._events:
            return
        counts = Counter({("partner", tenant): len(told) for tenant, told in self._for_partner.items()})
        counts |= Counter({("distributor", tenant): len(told) for tenant, told in self._for_distributor.items()})
        tenants = sorted(counts)
        rows = connection.execute(
            QUERIES.count_up,
            (
                Texts(party for party, _ in tenants),
                Texts(tenant for _, tenant in tenants),
                Bigints(counts[each] for each in tenants),
            ),
        )
        first = {(party, tenant): last - counts[party, tenant] + 1 for party, tenant, last in rows}
        for tenant, told in self._for_partner.items():
            for number, each in enumerate(told, first["partner", tenant]):
                each.partner_number = number
        old: list[tuple[str, int, str, int]] = []
        for tenant, addressed in self._for_distributor.items():
            for number, event in enumerate(addressed, first["distributor", tenant]):
                if isinstance(event, NumberedEvent):
                    event.distributor_number = number
                else:
                    old.append((*event, tenant, number))
        connection.execute(
            QUERIES.add_events,
            (
                Texts(each.partner for each in self._events),
                Bigints(each.partner_number for each in self._events),
                Texts(each.distributor for each in self._events),
                Bigints(each.distributor_number for each in self._events),
                Texts(each.event for each in self._events),
            ),
        )
        if old:
            partners, numbers, distributors, given = zip(*old, strict=True)
            connection.execute(
                QUERIES.address, (Texts(partners), Bigints(numbers), Texts(distributors), Bigints(given))
            )
        for request_id in self._changed:
            whose = self._known[request_id]
            whose.earlier += [each.partner_number for each in self._held.get(request_id, ())]
            row = (request_id, whose.partner, whose.distributor, whose.earlier)
            connection.execute(QUERIES.keep_request, row)
        keys = [key_of(*each) for each in tenants]
        for start in range(0, len(keys), KEYS_IN_A_NOTICE):
            connection.execute(QUERIES.tell, (CHANGES_CHANNEL, " ".join(keys[start : start + KEYS_IN_A_NOTICE])))


def _entries(reader: EventReader, records: Iterable[Record], not_read: list[Unread]) -> Iterable[FeedEntry]:
    """What the records bring. Of an event that nobody is told of only its place and its cause count; one that nothing
    of ours has caused is not even waited for."""

    def refuse(record: Record, wrong: Exception) -> None:
        not_read.append(unread(record.topic, record.partition, record, wrong))

    for record, headers, _ in reader.read(records, refuse):
        try:
            envelope = Envelope.of(headers)
            newest = newest_version(envelope.type)
            if newest not in MESSAGES:
                raise UnknownType(f"the type {envelope.type!r} is not known to this release")
            cause = cause_of(envelope.input, record.partition, TOPICS)
            if newest not in VIEWS and cause is None:
                continue
            event = _event(envelope, record.value) if newest in VIEWS else ""
            place = record.topic, record.partition, record.offset
            yield FeedEntry(UUID(envelope.subject), place, cause, envelope.clock, newest, event)
        except WRONG as wrong:
            refuse(record, wrong)


def _event(envelope: Envelope, body: bytes | None) -> str:
    """The event as a CloudEvent in JSON, as its partner sees it, in its newest version. Places on our own log stay with
    us: they tell how much everybody else does."""
    newest, fields = read_fields(envelope.type, body)
    data = seen_by(Role.PARTNER, newest, fields)
    if newest == BEGINS and not isinstance(fields["partner_id"], str):
        raise ValueError("partner_id is no text")
    if newest == ADDRESSES and fields["distributor"] is not None and not isinstance(fields["distributor"]["id"], str):
        raise ValueError("the distributor's id is no text")
    causation = envelope.causation if (envelope.causation or "").startswith("/") else None
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": envelope.id,
            "source": envelope.source,
            "type": newest,
            "subject": envelope.subject,
            "time": rfc3339(envelope.time),
            "datacontenttype": "application/json",
            **({} if causation is None else {"causationid": causation}),
            **({} if envelope.correlation is None else {"correlationid": envelope.correlation}),
            "data": data,
        }
    ).decode()
