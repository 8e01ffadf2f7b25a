"""Follows the stages' topics, the distributors' answers and the dead letters; writes what is news into the outbox.

States of the rules, e-mails, notices for the topics and the marks of the inputs are written in one transaction, so that
nothing is sent twice and nothing is left out, whenever the process dies. Every piece of news claims a name made from
its cause: read again after PostgreSQL was restored, it is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import psycopg
from psycopg.rows import tuple_row

from events.commands import DistributorConfirmation
from events.envelope import Envelope, header_map
from events.model import Message, Reason
from events.notices import NoticeKind, NoticeReceipt
from events.registry import decode
from events.topics import DEAD_LETTERS, OPS_EVENTS, STAGE_TOPICS, confirmations_of, default_type_of, distributor_of
from events.upcasting import newest_version
from postavka.domain.reference.store import Snapshot, current
from postavka.kernel.latest_used import LatestUsed
from postavka.kernel.log.record import Record
from postavka.kernel.process import metrics
from postavka.kernel.process.logs import logger
from postavka.kernel.projection.blue_green import connect, generation, swap_lock
from postavka.kernel.projection.checkpoints import keep_unread
from postavka.kernel.projection.event_reader import WRONG, EventReader, message_of, type_of, unread
from postavka.kernel.projection.read_model import Unread
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.store.arrays import Texts, Uuids
from postavka.kernel.store.checkpoint import Checkpoint, CheckpointMoved
from postavka.kernel.store.migration import EVENT_STORE, MigrationSet, require
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.recorder import (
    APPEND,
    TRACKING_CONFLICT,
    Batch,
    parameters_of,
)
from postavka.web import identity
from services.notices.categories import Audience
from services.notices.channels.channel import NewsItem
from services.notices.channels.email.message import NAMESPACE
from services.notices.channels.registry import channels
from services.notices.rules import TAKES, Cause, News, RuleState, apply_rules
from services.notices.settings import NoticesSettings, notices_settings

QUERIES = load_queries("services.notices")

log = logger(__name__)

SCHEMA = "notices"
MIGRATIONS = MigrationSet("services.notices", "services.notices")
CACHE = 20_000
FOLLOWED = tuple(topic.name for topic in (*STAGE_TOPICS, OPS_EVENTS))


def topics_of(distributors: Iterable[str]) -> list[str]:
    """What is followed when these distributors have topics."""
    return [*FOLLOWED, *map(confirmations_of, distributors), DEAD_LETTERS.name]


class Notices:
    """The `postavka.kernel.projection.worker.Projection` that decides what is sent."""

    name = "notices"

    def __init__(
        self,
        config: Settings,
        distributors: Sequence[str],
        chosen: NoticesSettings | None = None,
        reference: Callable[[], Snapshot] | None = None,
        anew: tuple[str, Mapping[str, Checkpoint]] | None = None,
    ) -> None:
        """`distributors`: those whose topics there are. `anew` is for a rebuild: the schema with the new tables and how
        far they have got. Nobody is notified then, and marks are not kept."""
        self._conninfo = database_url(config)
        self._schema = anew[0] if anew else SCHEMA
        self.silent = anew is not None
        self._generation = 0
        prepare(self._conninfo)
        chosen = chosen or notices_settings()
        look_up = reference or (lambda: current(self._conninfo))
        self._channels = channels(config, chosen, distributors, look_up)
        self.distributors = tuple(distributors)
        self.topics = topics_of(distributors)
        self._connection: psycopg.Connection[Any] | None = None
        self._marks: dict[str, Checkpoint] = dict(anew[1]) if anew else {}
        self._states = LatestUsed[UUID, RuleState](CACHE)
        self.busy = False
        """Something is taken in just now: a receipt may be among it, and letters give way."""
        self.wake: Callable[[], None] = lambda: None
        """Told after every commit with something in the outbox."""

    def marks(self, names: Sequence[str]) -> dict[str, int]:
        """Read the marks; what is cached may be another worker's by now, so it goes."""
        self._states.clear()
        connection = self._connect()
        self._generation = generation(connection, "stories")
        if self.silent:
            return {name: self._marks.setdefault(name, Checkpoint()).offset for name in names}
        connection.execute(QUERIES.add_checkpoints, (list(names),))
        rows = connection.cursor(row_factory=tuple_row).execute(QUERIES.checkpoints, (list(names),))
        fresh = {name: Checkpoint(offset, position) for name, offset, position in rows}
        self._marks.update(fresh)
        return {name: mark.offset for name, mark in fresh.items()}

    def project(self, records: Sequence[Record]) -> int:
        """Take the records in. Everything or nothing is written."""
        self.busy = True
        try:
            return self._project(records)
        finally:
            self.busy = False

    def _project(self, records: Sequence[Record]) -> int:
        connection = self._connect()
        work = _Work(self, connection, records)
        try:
            with connection.transaction():
                swap_lock(connection, self._schema)
                if generation(connection, "stories") != self._generation:
                    raise CheckpointMoved("the tables were built anew")
                counted, outward = work.run()
        except psycopg.DatabaseError as error:
            self._forget(connection)
            if error.sqlstate == TRACKING_CONFLICT or isinstance(error, psycopg.errors.UniqueViolation):
                raise CheckpointMoved(str(error)) from error
            raise
        except BaseException:
            self._forget(connection)
            raise
        self._marks = work.reader.checkpoints
        self._states.keep(work.states)
        if outward:
            self.wake()
        return counted

    def _forget(self, connection: psycopg.Connection[Any]) -> None:
        self._states.clear()
        self._connection = None
        connection.close()

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo, self._schema, SCHEMA)
        return self._connection


Read = tuple[Record, Envelope | None, Message | None, UUID | None]
"""A record that says something here; without a message: a dead letter."""


def is_relayed(topic: str) -> bool:
    """Do records of this topic have positions? Answers are outsiders', and dead letters come from all stages."""
    return topic != DEAD_LETTERS.name and distributor_of(topic) is None


def read_news(reader: EventReader, records: Iterable[Record], keep: Callable[[Unread], None]) -> Iterator[Read]:
    """What is for us of these records; `keep` gets events that can't be read. A distributor's answer that billing can't
    take comes as a dead letter."""
    copies: list[Record] = []
    """Dead letters. One of a record that no client can read has its headers."""

    def refuse(record: Record, wrong: Exception) -> None:
        if record.topic == DEAD_LETTERS.name:
            copies.append(record)
        elif is_relayed(record.topic):
            keep(unread(record.topic, record.partition, record, wrong))

    for record, headers, _ in reader.read(records, refuse):
        if record.topic == DEAD_LETTERS.name:
            copies.append(record)
            continue
        try:
            type_name = type_of(headers, default_type_of(record.topic))
            if not is_relayed(record.topic):
                message = message_of(record, type_name, keyed_by_request=True)
                if isinstance(message, DistributorConfirmation):
                    yield record, None, message, message.request_id
            elif newest_version(type_name) in TAKES or record.topic == OPS_EVENTS.name:
                envelope = Envelope.of(headers)
                yield record, envelope, decode(type_name, record.value), UUID(envelope.subject)
        except WRONG as wrong:
            refuse(record, wrong)
    for record in copies:
        yield record, None, None, None


def cause_of(record: Record, envelope: Envelope) -> Cause:
    """What news of this event stand on."""
    where = envelope.input or record.coordinates
    return Cause(envelope.reference, where, envelope.time, envelope.type, record.value or b"", envelope.position or 0)


def not_taken(record: Record) -> tuple[str, str, dict[str, str]] | None:
    """What a dead letter says of itself: the distributor whose record it was, where that lies, all headers; None if it
    was nobody's."""
    headers = {name: value.decode("utf-8", "replace") for name, value in header_map(record.headers).items()}
    distributor = distributor_of(headers.get("dlq_topic", ""))
    if distributor is None:
        return None
    return distributor, f"{headers['dlq_topic']}/{headers.get('dlq_partition')}/{headers.get('dlq_offset')}", headers


class _Work:
    """The work on one batch, inside its transaction."""

    def __init__(self, owner: Notices, connection: psycopg.Connection[Any], records: Sequence[Record]) -> None:
        self._owner = owner
        self._connection = connection
        self._records = records
        self.reader = EventReader(owner._marks, is_relayed)
        self.states: dict[UUID, RuleState] = {}
        self._changed: set[UUID] = set()
        self._answers: dict[tuple[str, UUID, str], str] = {}
        """First record of each answer that this batch repeats or brings, by distributor, request and confirmation."""
        self._new_answers: set[tuple[str, UUID, str]] = set()
        self._news: list[tuple[News, Envelope | None, Record]] = []

    def run(self) -> tuple[int, int]:
        """How many records counted, and how many pieces of news there are."""
        read = list(read_news(self.reader, self._records, self._keep_unread))
        self._load({subject for *_, subject in read if subject is not None})
        self._load_answers(
            (distributor_of(record.topic) or "", message.request_id, message.confirmation_id)
            for record, _, message, _ in read
            if isinstance(message, DistributorConfirmation)
        )
        for record, envelope, message, subject in read:
            self._take(record, envelope, message, subject)
        if self._owner.silent:
            self._keep_states()
            self._keep_answers()
            return len(read), 0
        items = [NewsItem(self._located(news), record, envelope) for news, envelope, record in self._news]
        delivered = sum(channel.deliver(self._connection, items) for channel in self._owner._channels)
        if moved := self.reader.moved():
            self._connection.execute(APPEND, parameters_of(Batch(moved=moved)), prepare=True, binary=True)
        self._keep_states()
        self._keep_answers()
        return len(read), delivered

    # Reading

    def _keep_unread(self, wrong: Unread) -> None:
        keep_unread(self._connection, [wrong])
        metrics.RECORDS.labels(SCHEMA, "unread").inc()

    def _load(self, subjects: set[UUID]) -> None:
        known = self._owner._states
        self.states = {subject: known[subject] for subject in subjects if subject in known}
        missing = list(subjects - self.states.keys())
        rows = self._connection.execute(QUERIES.load_requests, (missing,)).fetchall()
        stored = {subject: RuleState.model_validate_json(kept) for subject, kept in rows}
        self.states.update({subject: stored.get(subject, RuleState()) for subject in missing})

    def _load_answers(self, places: Iterable[tuple[str, UUID, str]]) -> None:
        wanted = list(set(places))
        if not wanted:
            return
        rows = self._connection.execute(QUERIES.load_answers, [list(column) for column in zip(*wanted, strict=True)])
        self._answers = {
            (distributor, request, confirmation): first for distributor, request, confirmation, first in rows
        }

    # Writing

    def _keep_states(self) -> None:
        if not self._changed:
            return
        subjects = Uuids(self._changed)
        self._connection.execute(
            QUERIES.keep_requests,
            (subjects, Texts(self.states[each].model_dump_json(exclude_defaults=True) for each in subjects)),
        )

    def _keep_answers(self) -> None:
        if not self._new_answers:
            return
        rows = [(*place, self._answers[place]) for place in self._new_answers]
        self._connection.execute(
            QUERIES.keep_answers,
            [kind(column) for kind, column in zip((Texts, Uuids, Texts, Texts), zip(*rows, strict=True), strict=True)],
        )

    # News

    def _take(self, record: Record, envelope: Envelope | None, message: Message | None, subject: UUID | None) -> None:
        if message is None:
            self._dead_letter(record)
        elif isinstance(message, DistributorConfirmation):
            self._seen(record, message)
        elif envelope is not None and subject is not None:
            before = self.states[subject]
            after, news = apply_rules(before, subject, message, cause_of(record, envelope))
            if after is not before:
                self.states[subject] = after
                self._changed.add(subject)
            self._news += [(each, envelope, record) for each in news]

    def _seen(self, record: Record, answer: DistributorConfirmation) -> None:
        distributor = distributor_of(record.topic) or ""
        place = (distributor, answer.request_id, answer.confirmation_id)
        first = self._answers.get(place)
        if first is None:
            self._answers[place] = first = record.coordinates
            self._new_answers.add(place)
        if first != record.coordinates:
            receipt = NoticeReceipt(
                record=record.coordinates, confirmation_id=answer.confirmation_id, duplicate_of=first
            )
            self._tell_of_record(record, answer.request_id, distributor, NoticeKind.DUPLICATE, receipt, None)

    def _dead_letter(self, record: Record) -> None:
        found = not_taken(record)
        if found is None:
            return
        distributor, place, headers = found
        self._connection.execute(QUERIES.forget_answer, (distributor, place))
        for known in [each for each, first in self._answers.items() if first == place]:
            del self._answers[known]
            self._new_answers.discard(known)
        reason = Reason(
            code=headers.get("dlq_code", "unreadable"),
            message=f"Запись {place} не принята: {headers.get('dlq_reason', '')}"[:2_000],
        )
        receipt = NoticeReceipt(record=place, confirmation_id=None, reason=reason)
        try:
            subject = UUID((record.key or b"").decode())
        except ValueError:
            subject = uuid5(NAMESPACE, place)
        self._tell_of_record(record, subject, distributor, NoticeKind.UNREADABLE, receipt, reason, place)

    def _tell_of_record(
        self,
        record: Record,
        subject: UUID,
        distributor: str,
        kind: NoticeKind,
        receipt: NoticeReceipt,
        reason: Reason | None,
        place: str | None = None,
    ) -> None:
        """A receipt for a record itself, not for an event."""
        where = place or record.coordinates
        cause = Cause(f"kafka:#{where}", where, datetime.fromtimestamp(max(record.timestamp_ms, 0) / 1000, UTC))
        facts = {"receipt": receipt, "reason": reason}
        news = News(subject, cause, Audience.DISTRIBUTOR, distributor, None, kind, None, facts)
        self._news.append((news, None, record))

    def _located(self, news: News) -> News:
        """An answer that was held is answered with the approval: where the answer itself lies was noted."""
        receipt: NoticeReceipt | None = news.facts.get("receipt")
        if receipt is None or distributor_of(receipt.record.split("/", 1)[0]) is not None:
            return news
        located = receipt.model_copy(update={"record": self._record_of(news, receipt)})
        return replace(news, facts={**news.facts, "receipt": located})

    def _record_of(self, news: News, receipt: NoticeReceipt) -> str:
        at_hand = self._answers.get((news.party_id, news.request_id, receipt.confirmation_id or ""))
        if at_hand is not None:
            return at_hand
        row = self._connection.execute(
            QUERIES.record_of, (news.party_id, news.request_id, receipt.confirmation_id)
        ).fetchone()
        return str(row[0]) if row else receipt.record


def prepare(conninfo: str) -> None:
    """Check that the schema is up to date, and that of accounts: its function guards the e-mails of tenants. Raises
    `NotMigrated`."""
    require(conninfo, "accounts", identity.MIGRATIONS)
    require(conninfo, SCHEMA, EVENT_STORE, MIGRATIONS)
