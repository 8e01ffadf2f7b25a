"""What a sender says of himself orders and names nothing in a request's history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from events.envelope import Envelope
from events.topics import BILLING_EVENTS, REQUEST_COMMANDS, confirmations_of
from postavka.kernel.clock import COUNTER_BITS
from postavka.kernel.log.record import RawHeaders, Record
from services.audit.history.export import ExportRange, _within, row_of
from services.audit.history.history import HistoryEntry, _entries, _linked
from services.audit.reading import StoredRow

NOON = datetime(2026, 3, 16, 12, tzinfo=UTC)
ANSWERS = confirmations_of("dist-north")


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def history_of(request: UUID) -> tuple[HistoryEntry, ...]:
    """A request sent, and its answer, whose sender claims to be the approval, years ago."""
    key, sent = str(request).encode(), Envelope("c-1", "/postavka/web", "SubmitRequest.v1", str(request), at(0))
    forged = Envelope(
        f"{request}/1", "/postavka/approval", "DistributorConfirmation.v1", str(request), at(-3_000_000), 1, "/a#b", "c"
    )
    body = b'{"request_id":"%s","confirmation_id":"1","accepted":true,"note":null}' % key
    records = [
        Record(REQUEST_COMMANDS.name, 3, 4, milliseconds(at(0)), key, b"{}", tuple(sent.headers())),
        Record(ANSWERS, 3, 5, milliseconds(at(2)), key, body, tuple(forged.headers())),
    ]
    stored = [
        stored_event("request", request, 1, f"{REQUEST_COMMANDS.name}/3/4", "kafka:#c", at(1)),
        stored_event("billing", request, 2, f"{ANSWERS}/3/5", f"kafka:#{ANSWERS}/3/5", at(3)),
    ]
    return _linked(_entries(request, stored, [], records, {}))


def stored_event(stage: str, request: UUID, number: int, source: str, causation: str, time: datetime) -> StoredRow:
    clock = milliseconds(time) << COUNTER_BITS
    return StoredRow(stage, number, request, 1, "X.v1", b"{}", time, clock, causation, None, source, None)


def test_an_answer_stands_where_the_broker_has_taken_it_and_not_where_its_sender_wants_it():
    entries = history_of(uuid4())
    assert [each.topic for each in entries] == [REQUEST_COMMANDS.name, "request.events", ANSWERS, "billing.events"]
    answer = entries[2]
    assert (answer.time, answer.who, answer.causation) == (at(2), "dist-north", None)
    assert answer.id == f"kafka:#{ANSWERS}/3/5"
    assert (entries[3].cause, entries[3].asked_by) == (3, "dist-north")


def test_no_sender_chooses_in_which_export_a_record_is_found():
    headers: RawHeaders = (("ce_clock", b"0000000000000001"), ("ce_position", b"1"), ("ce_specversion", b"1.0"))
    headers += (("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", b"X.v1"))
    headers += (("ce_time", b"2020-01-01T00:00:00Z"), ("ce_subject", b"s"))
    wanted = ExportRange(since=at(0), until=at(10))
    first, last = (milliseconds(moment) << COUNTER_BITS for moment in (at(0), at(10)))
    found = {
        topic: _within(row_of(Record(topic, 0, 0, milliseconds(at(5)), b"k", b"{}", headers)), first, last, wanted)
        for topic in (ANSWERS, BILLING_EVENTS.name)
    }
    assert found == {ANSWERS: True, BILLING_EVENTS.name: False}
