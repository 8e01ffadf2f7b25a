"""Is the cabinet the fold of the log, and did everything go by the procedure? Some partition numbers at a time.

The cabinet's rows and marks are read in one snapshot, and the log is folded up to exactly those marks, so that a live
cabinet is compared with what it must be at that very moment. The procedure is checked up to the cut, which holds the
causes of all it holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.sql import Identifier

from events.topics import default_type_of, distributor_of
from postavka.kernel.log.partitioner import partition_of
from postavka.kernel.log.range_reader import read_pieces
from postavka.kernel.log.record import Piece, partition_name
from postavka.kernel.projection.event_reader import (
    WRONG,
    EventReader,
    Headers,
    Unreadable,
    message_of,
    type_of,
    unread,
)
from postavka.kernel.settings import PARTITIONS, Settings
from postavka.kernel.store.queries import load_queries
from services.audit.consistent_cut import Cut
from services.audit.findings import Findings
from services.audit.reading import OF_MONEY, STAGE_OF, TOPIC_OF, Place, reading
from services.audit.verification.documents import KeptDocument
from services.audit.verification.procedure import MATTERS, Case, OutsideInputs, ProcedureEvent, check_case
from services.cabinet.fold import STAGES, UNSHOWN, Row, fold, read, status
from services.cabinet.table import SCHEMA, read_marks

QUERIES = load_queries("services.audit")

ROWS = 2_000


@dataclass(slots=True)
class FoldedShare:
    """The result of folding some partitions. `permissions`: (number, where) of all permission numbers; `documents`: all
    documents issued and rendered; `requests`: ids of all rows that must be there."""

    events: int = 0
    findings: Findings = field(default_factory=Findings)
    permissions: list[tuple[str, str]] = field(default_factory=list)
    documents: list[KeptDocument] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def check_share(
    config: Settings, cut: Cut, partitions: Sequence[int], on_progress: Callable[[int], None] = lambda events: None
) -> FoldedShare:
    """Read these partition numbers and compare."""
    share = FoldedShare()
    inputs = read_outside_inputs(config, cut, partitions)
    with reading(config) as connection:
        there = connection.execute(QUERIES.table_there, (f"{SCHEMA}.marks",)).fetchone()
        marks: dict[Place, int] = {}
        if there is not None and there[0] is not None:
            connection.execute(QUERIES.use_schema_and_public.format(Identifier(SCHEMA)))
            names = {
                partition_name(topic, number): (topic, number) for topic in TOPIC_OF.values() for number in partitions
            }
            marks = {names[name]: mark.offset for name, mark in read_marks(connection, list(names)).items()}
        log = _Log(share, cut, marks)
        log.read(config, partitions, on_progress)
        for request, case in log.cases.items():
            check_case(request, case, inputs, share.findings)
        rows = log.rows
        if marks:
            _compare(connection, rows, share.findings)
    share.requests = [str(request) for request in rows]
    return share


class _Log:
    def __init__(self, share: FoldedShare, cut: Cut, marks: Mapping[Place, int]) -> None:
        self._share = share
        self._cut = cut
        self._marks = marks
        self._reader = EventReader({})
        self._issued: dict[str, tuple[str, str]] = {}
        self._rendered: set[str] = set()
        self._known: dict[bytes, tuple[UUID, Row, Case]] = {}
        """By the bytes of the header: hashing a `UUID` costs as much as folding."""

    @property
    def rows(self) -> dict[UUID, Row]:
        """What the cabinet must show."""
        return {request: row for request, row, _ in self._known.values() if row}

    @property
    def cases(self) -> dict[UUID, Case]:
        """What the procedure is checked on."""
        return {request: case for request, _, case in self._known.values() if case.events}

    def read(self, config: Settings, partitions: Iterable[int], on_progress: Callable[[int], None]) -> None:
        places = [(topic, number) for topic in TOPIC_OF.values() for number in partitions]
        ends = {place: max(self._cut.ends.get(place, 0), self._marks.get(place, -1) + 1) for place in places}
        ends = {place: end for place, end in ends.items() if end > 0}
        for piece in read_pieces(config, dict.fromkeys(ends, 0), ends):
            self._take(piece)
            on_progress(self._share.events)
        for document, (sha256, place) in self._issued.items():
            self._share.documents.append((document, sha256, place, document in self._rendered))

    def _take(self, piece: Piece) -> None:
        topic, partition = piece.topic, piece.partition
        stage, folded_up_to = STAGE_OF[topic], self._marks.get((topic, partition), -1)
        head = self._cut.heads.get(stage, 0)

        def refuse(record: Any, wrong: Exception) -> None:
            *_, words = unread(topic, partition, record, wrong)
            place = f"{topic}/{partition}/{record.offset}"
            self._share.findings.note("unread", place, f"this release can't read it: {words}")

        for record, headers, position in self._reader.partition(topic, partition).read(piece.records, refuse):
            try:
                type_name, fields = read(stage, headers["ce_type"].decode(), record.value)
                known = self._known.get(headers["ce_subject"]) or self._of(headers["ce_subject"])
                time = headers["ce_time"].decode()
            except WRONG as wrong:
                refuse(record, wrong)
                continue
            self._share.events += 1
            if record.offset <= folded_up_to and type_name not in UNSHOWN:
                fold(known[1], stage, type_name, fields, time, position)
            if position <= head:
                self._note(known[2], type_name.partition(".")[0], fields, headers, f"{stage}/{position}")

    def _of(self, key: bytes) -> tuple[UUID, Row, Case]:
        """What is known of a request under this way of writing its id; ours is in small letters."""
        request = UUID(key.decode())
        known = self._known.setdefault(str(request).encode(), (request, {}, Case()))
        self._known[key] = known
        return known

    def _note(self, case: Case, name: str, fields: Mapping[str, Any], headers: Headers, place: str) -> None:
        if name in MATTERS:
            clock = int(headers.get("ce_clock", b"0"), 16)
            case.events.setdefault(name, []).append(
                ProcedureEvent(name, fields, clock, place, headers.get("ce_input", b"").decode())
            )
            if name == "PermissionIssued":
                self._share.permissions.append((fields["number"], place))
        elif name == "DocumentIssued":
            self._issued[fields["document_id"]] = (fields["sha256"], place)
        elif name == "DocumentRendered":
            self._share.documents.append((fields["document_id"], fields["sha256"], place, True))
            self._rendered.add(fields["document_id"])


def read_outside_inputs(config: Settings, cut: Cut, partitions: Sequence[int]) -> OutsideInputs:
    """What may open the gate: all payments and credits, and the confirmations of requests of these partitions, each as
    billing reads it. Outside senders put their records into whatever partition they like, so that all are read."""
    inputs = OutsideInputs()
    numbers = frozenset(partitions)
    wanted = {
        place: end
        for place, end in cut.ends.items()
        if end > 0 and (distributor_of(place[0]) is not None or place[0] in OF_MONEY)
    }
    reader = EventReader({}, lambda topic: False)
    for piece in read_pieces(config, dict.fromkeys(wanted, 0), wanted):
        of_money, default_type = piece.topic in OF_MONEY, default_type_of(piece.topic)
        partition = reader.partition(piece.topic, piece.partition)
        for record, headers, _ in partition.read(piece.records, lambda record, wrong: None):
            if not of_money and partition_of(record.key or b"", PARTITIONS) not in numbers:
                continue
            with suppress(Unreadable):  # billing could not take it either
                inputs.take(piece.topic, message_of(record, type_of(headers, default_type), keyed_by_request=True))
    return inputs


def _compare(connection: psycopg.Connection[Any], rows: Mapping[UUID, Row], findings: Findings) -> None:
    query = QUERIES.cabinet_rows.format(Identifier(SCHEMA))
    ids = iter(rows)
    while chosen := list(islice(ids, ROWS)):
        found = {row[0]: row for row in connection.execute(query, (chosen,), binary=True)}
        for request in chosen:
            expected, row = rows[request], found.get(request)
            if row is None:
                findings.problem("cabinet-row-missing", str(request), "the log has it, the cabinet does not")
                continue
            shown = {stage: orjson.loads(text) for stage, text in zip(STAGES, row[2:], strict=True) if text is not None}
            if shown != expected and (which := _different(shown, expected)):
                words = f"the cabinet's row is not the fold of the log: {', '.join(which)}"
                words += f": SHA-256 {_digest(shown, which)}, of the fold {_digest(expected, which)}"
                findings.problem("cabinet-differs", str(request), words)
            elif row[1] != status(expected):
                findings.problem("cabinet-status", str(request), f"{row[1]} is shown, {status(expected)} is the fold")


def _different(shown: Row, expected: Row) -> list[str]:
    """Stages whose groups differ. A field that is None and one that is not there are the same: an earlier release may
    have folded a record that did not have the field yet."""
    if "request" in expected and "number" not in shown.get("request", {}):
        expected = {**expected, "request": {**expected["request"], "number": None}}  # folded by the release before
    return [stage for stage in STAGES if _without_empty(shown.get(stage)) != _without_empty(expected.get(stage))]


def _digest(row: Row, stages: Sequence[str]) -> str:
    """What a row says in these groups: other contents are another finding."""
    inputs = [_without_empty(row.get(stage)) for stage in stages]
    return hashlib.sha256(orjson.dumps(inputs, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty(each) for name, each in value.items() if each is not None}
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


def surplus_rows(connection: psycopg.Connection[Any], expected: Iterable[str]) -> list[str]:
    """Requests that the cabinet shows and the log does not have. One that has come since has events in a store."""
    known = set(expected)
    query = QUERIES.cabinet_requests.format(Identifier(SCHEMA))
    extra = [row[0] for row in connection.execute(query) if row[0] not in known]
    newer: set[str] = set()
    for stage in STAGES:
        there = connection.execute(QUERIES.table_there, (f"{stage}.stored_events",)).fetchone()
        if extra and there is not None and there[0] is not None:
            events = QUERIES.requests_with_events
            newer.update(row[0] for row in connection.execute(events.format(Identifier(stage)), (extra,)))
    return [each for each in extra if each not in newer]
