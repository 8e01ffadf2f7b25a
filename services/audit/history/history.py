"""Everything that happened to one request, in causal order: commands, events, dead letters, acts of operations; each
with who, why, and where it lies.

Events come from the stages' stores, what was asked for from the input topics, and the coordinates of both from the
topics. The order is that of the events' hybrid logical clocks; an input has none: it stands where the broker's time
puts it, before the first event that it led to. What its sender says of the time, of causes and of himself is data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from events.envelope import header_map, position_in
from events.registry import BadBody, UnknownType, decode, fields_of, read_fields
from events.topics import BANK_PAYMENTS, default_type_of, distributor_of
from postavka.kernel.clock import COUNTER_BITS
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.record import Record
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.projection.event_reader import Headers, envelope_of, type_of
from postavka.kernel.settings import PARTITIONS, Settings
from services.audit.reading import (
    STAGE_OF,
    TOPIC_OF,
    Corrections,
    DeadLetterRow,
    StoredRow,
    corrections_made,
    corrector,
    dead_letters,
    letter_corrected,
    reading,
    records_of,
    stored_events,
    topics_there,
)

SLACK_MS = 60_000
"""How far before the first event of a request its topics are searched for what led to nothing."""


class EntryKind(StrEnum):
    """The kind of an entry in a history."""

    INPUT = "input"
    """A command, confirmation, payment, kit: asked for or reported from outside, or done by operations."""
    EVENT = "event"
    DEAD_LETTER = "dead-letter"
    """A stage could not take an input."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One event, input or dead letter in a request's history. `number` counts from 1 in causal order; `cause` is the
    number of the entry it follows from, where that is one of this history."""

    kind: EntryKind
    type: str
    stage: str | None
    """Which wrote the event, or could not take the input; None of an input."""
    who: str
    """Who did it: the person or outside system of an input, the stage of an event."""
    asked_by: str | None
    """Of an event: the one whose input led to it, through whatever events between."""
    time: datetime
    clock: int
    position: int | None
    topic: str
    partition: int
    offset: int | None
    """None: in the store, not on the topic (yet)."""
    id: str
    causation: str | None
    input: str | None
    fields: dict[str, Any]
    note: str | None = None
    """What is odd about it, or what came of it."""
    number: int = 0
    cause: int | None = None
    order: tuple[int, int, int] = field(default=(0, 0, 0), compare=False)

    @property
    def coordinates(self) -> str:
        """The coordinates `topic/partition/offset`; the offset is `?` while the event is not on its topic."""
        return f"{self.topic}/{self.partition}/{'?' if self.offset is None else self.offset}"


@dataclass(frozen=True, slots=True)
class History:
    """The history of one request."""

    request: UUID
    entries: tuple[HistoryEntry, ...]


def history(config: Settings, request: UUID) -> History:
    """Read it. A request nobody knows has no entries."""
    with reading(config) as connection:
        stored = stored_events(connection, [request])
        letters = dead_letters(connection, request)
        records = _records(config, request, stored, letters)
        letters_named = {letter for each in records if (letter := letter_corrected(header_map(each.headers)))}
        corrected = corrections_made(connection, letters_named)
    entries = _linked(_entries(request, stored, letters, records, corrected))
    readable = open_vault(config).reveal([entry.fields for entry in entries])
    return History(request, tuple(replace(each, fields=fields) for each, fields in zip(entries, readable, strict=True)))


def _entries(
    request: UUID,
    stored: Sequence[StoredRow],
    letters: Sequence[DeadLetterRow],
    records: Sequence[Record],
    corrected: Corrections,
) -> list[HistoryEntry]:
    """`corrected`: who has written the records that operations put in place of dead letters."""
    key = str(request).encode()
    entries: list[HistoryEntry] = []
    at: dict[tuple[str, int], Record] = {}
    repeated: list[Record] = []
    inputs: dict[str, Record] = {}
    for record in records:
        stage = STAGE_OF.get(record.topic)
        if stage is None:
            inputs[record.coordinates] = record
        elif (position := _position(record)) is None or (stage, position) in at:
            repeated.append(record)
        else:
            at[stage, position] = record
    for event in stored:
        entries.append(_of_stored(event, at.pop((event.stage, event.position), None), partition_of(key, PARTITIONS)))
    for record in at.values():
        entries.append(replace(_of_input(record), kind=EntryKind.EVENT, note="on the topic, not in the store"))
    for record in repeated:
        entries.append(
            replace(_of_input(record), kind=EntryKind.EVENT, note="a late duplicate, skipped by every reader")
        )
    first_effect: dict[str, int] = {}
    for event in stored:
        if event.input is not None:
            first_effect[event.input] = min(event.clock, first_effect.get(event.input, event.clock))
    refused = {letter.record.coordinates for letter in letters}
    for letter in letters:
        inputs.setdefault(letter.record.coordinates, letter.record)
        entries.append(_of_letter(letter))
    for coordinates, record in inputs.items():
        if record.topic in STAGE_OF:
            continue  # an event that another stage could not take: it is an entry already
        made = _of_input(record)
        by_hand = corrector(corrected, record.topic, header_map(record.headers), record.value)
        made = replace(made, who=by_hand or made.who)
        clock = record.timestamp_ms << COUNTER_BITS
        effect = first_effect.get(coordinates)
        note = None
        if effect is None and coordinates not in refused and made.topic != "ops.events":
            note = "led to no event: told before, or nothing to do"
        clock = min(clock, effect) if effect is not None else clock
        entries.append(replace(made, note=note, clock=clock, order=(clock, 0, record.offset)))
    return entries


def _records(
    config: Settings, request: UUID, stored: Sequence[StoredRow], letters: Sequence[DeadLetterRow]
) -> list[Record]:
    """All records of the request on all topics, its payments, and whatever else its events were made from."""
    payments: set[bytes] = set()
    named = {event.input for event in stored if event.input} | {letter.record.coordinates for letter in letters}
    for event in stored:
        if event.stage == "billing" and b'"payment_id"' in event.body:
            payments.add(str(_fields(event.type, event.body)["payment_id"]).partition("#")[0].encode())
    times = [int(event.time.timestamp() * 1000) for event in stored] + [each.record.timestamp_ms for each in letters]
    keys: dict[str, set[bytes]] = {topic: {str(request).encode()} for topic in topics_there(config)}
    keys.setdefault(BANK_PAYMENTS.name, set()).update(payments)
    return list(records_of(config, keys, min(times, default=SLACK_MS) - SLACK_MS, named))


def _of_stored(event: StoredRow, record: Record | None, partition: int) -> HistoryEntry:
    return HistoryEntry(
        kind=EntryKind.EVENT,
        type=event.type,
        stage=event.stage,
        who=event.stage,
        asked_by=None,
        time=event.time,
        clock=event.clock,
        position=event.position,
        topic=TOPIC_OF[event.stage],
        partition=record.partition if record else partition,
        offset=record.offset if record else None,
        id=f"/postavka/{event.stage}#{event.request_id}/{event.version}",
        causation=event.causation,
        input=event.input,
        fields=_fields(event.type, event.body),
        note=None if record else "not on its topic (yet)",
        order=(event.clock, 1, event.position),
    )


def _of_input(record: Record) -> HistoryEntry:
    headers = header_map(record.headers)
    stage = STAGE_OF.get(record.topic)
    type_name = type_of(headers)
    envelope = envelope_of(record, headers, type_name, stage is not None)
    fields = _outside_fields(record, headers) if stage is None else _fields(type_name, record.value)
    clock = envelope.clock or record.timestamp_ms << COUNTER_BITS
    return HistoryEntry(
        kind=EntryKind.INPUT,
        type=type_name or _untyped(record.topic),
        stage=stage,
        who=who(record, headers, fields),
        asked_by=None,
        time=envelope.time,
        clock=clock,
        position=envelope.position,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        id=envelope.reference,
        causation=envelope.causation,
        input=envelope.input,
        fields=fields,
        order=(clock, 0, record.offset),
    )


def _of_letter(letter: DeadLetterRow) -> HistoryEntry:
    record = letter.record
    clock = int(letter.received_at.timestamp() * 1000) << COUNTER_BITS
    return HistoryEntry(
        kind=EntryKind.DEAD_LETTER,
        type=letter.code,
        stage=letter.stage,
        who=letter.stage,
        asked_by=None,
        time=letter.received_at.astimezone(UTC),
        clock=clock,
        position=None,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        id=f"{letter.stage}/{letter.number}",
        causation=None,
        input=record.coordinates,
        fields={"code": letter.code, "reason": letter.reason},
        note={"open": None, "retry": "is being tried again", "done": "taken at a later try"}.get(letter.status),
        order=(clock, 2, letter.number),
    )


def who(record: Record, headers: Mapping[str, bytes], fields: Mapping[str, Any]) -> str:
    """Who wrote an input: the distributor whose topic it is, the person it names, else the system that it says it is
    from."""
    distributor = distributor_of(record.topic)
    if distributor is not None:
        return distributor
    person = next(
        (
            str(value)
            for name, value in fields.items()
            if value and (name in ("actor", "sent_by") or (name.endswith("_by") and name != "activated_by"))
        ),
        None,
    )
    partner = fields.get("partner_id")
    if person is not None:
        return f"{person} ({partner})" if partner and partner != person else person
    if record.topic == BANK_PAYMENTS.name:
        return "bank"
    return headers.get("ce_source", b"").decode("utf-8", "replace") or record.topic


def _linked(entries: Iterable[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """The entries in order, numbered, with their causes."""
    ordered = [
        replace(entry, number=number) for number, entry in enumerate(sorted(entries, key=lambda each: each.order), 1)
    ]
    by_place = {
        entry.coordinates: entry
        for entry in ordered
        if entry.kind is not EntryKind.DEAD_LETTER and entry.offset is not None
    }
    by_id = {entry.id: entry for entry in ordered}
    linked: dict[int, HistoryEntry] = {}
    for entry in ordered:
        found = by_place.get(entry.input or "") or by_id.get(entry.causation or "")
        cause = found.number if found is not None and found.number != entry.number else None
        asked_by = None
        if entry.kind is not EntryKind.INPUT and found is not None:
            known = linked.get(found.number, found)
            asked_by = known.who if known.kind is EntryKind.INPUT else known.asked_by
        linked[entry.number] = replace(entry, cause=cause, asked_by=asked_by)
    return tuple(linked.values())


def _fields(type_name: str, body: bytes | None) -> dict[str, Any]:
    """An event read as the newest version; what can't be read as it is."""
    try:
        return read_fields(type_name, body)[1]
    except (UnknownType, BadBody):
        return _as_it_is(body)


def _outside_fields(record: Record, headers: Headers) -> dict[str, Any]:
    """An input as the stage reads it that takes it; what it can't read as it is."""
    try:
        return fields_of(decode(type_of(headers, default_type_of(record.topic)), record.value), only_said=True)
    except (UnknownType, BadBody):
        return _as_it_is(record.value)


def _as_it_is(body: bytes | None) -> dict[str, Any]:
    try:
        read = orjson.loads(body or b"null")
    except orjson.JSONDecodeError:
        read = None
    return read if isinstance(read, dict) else {"unreadable": (body or b"").decode("utf-8", "replace")}


def _position(record: Record) -> int | None:
    return position_in(header_map(record.headers))


def _untyped(topic: str) -> str:
    """What a record without a type is taken for, where a topic takes one."""
    return (default_type_of(topic) or "?").partition(".")[0]


def as_json(entry: HistoryEntry) -> dict[str, Any]:
    """One entry as JSON, for programs."""
    return {
        "number": entry.number,
        "kind": entry.kind.value,
        "type": entry.type,
        "stage": entry.stage,
        "who": entry.who,
        "asked_by": entry.asked_by,
        "cause": entry.cause,
        "causation": entry.causation,
        "input": entry.input,
        "time": entry.time,
        "clock": f"{entry.clock:016x}",
        "position": entry.position,
        "topic": entry.topic,
        "partition": entry.partition,
        "offset": entry.offset,
        "id": entry.id,
        "note": entry.note,
        "fields": entry.fields,
    }
