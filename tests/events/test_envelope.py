"""Headers on Kafka and back: ours, and as the `cloudevents` library understands them (CloudEvents 1.0, Kafka binding,
binary mode)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import LONGEST_ATTRIBUTE, Envelope, EnvelopeError, header_map, rfc3339
from events.registry import MESSAGES, BadBody, decode, encode
from events.samples import sample_envelope, samples

REQUEST = "0198f3c2-7c1e-7a44-9b1d-3f0a5c6e7d81"

SHORT = Envelope("1", "/distributors/союз", "Approved.v1", REQUEST, datetime(2026, 3, 16, 9, 30, tzinfo=UTC))
FULL = Envelope(
    id=f"{REQUEST}/4",
    source="/postavka/approval",
    type="Approved.v1",
    subject=REQUEST,
    time=datetime(2026, 3, 16, 9, 30, 0, 123_456, UTC),
    clock=(1_773_653_400_123 << 16) + 7,
    causation=f"/postavka/request#{REQUEST}/1",
    correlation="/cabinet#нажата-кнопка",
    position=41,
    input="request.events/3/17",
    trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200)
EARLIEST, LATEST = datetime(1, 1, 3), datetime(9999, 12, 29)  # noqa: DTZ001 - hypothesis adds the zones
TIMES = st.datetimes(EARLIEST, LATEST, timezones=st.timezones())
"""In any zone, also in the hour that comes twice when clocks are put back."""
ENVELOPES = st.builds(
    Envelope,
    id=TEXTS,
    source=TEXTS,
    type=TEXTS,
    subject=TEXTS,
    time=TIMES.map(lambda moment: moment.astimezone(UTC)),
    clock=st.integers(0, 2**63 - 1),
    causation=st.none() | TEXTS,
    correlation=st.none() | TEXTS,
    position=st.none() | st.integers(1, 10**18 - 1),
    input=st.none() | TEXTS,
    trace=st.none() | st.just(FULL.trace),
)


@given(ENVELOPES)
def test_every_envelope_is_read_back_as_it_was(envelope: Envelope):
    assert Envelope.read(envelope.headers()) == envelope


@given(TIMES)
def test_a_time_of_any_zone_is_read_back_as_the_same_moment(moment: datetime):
    # Compared in UTC: Python never takes a moment of an hour that comes twice for equal to one of another zone.
    assert Envelope.read(replace(SHORT, time=moment).headers()).time == moment.astimezone(UTC)


@pytest.mark.parametrize("envelope", [SHORT, FULL])
def test_headers_in_any_order_with_strangers_among_them(envelope: Envelope):
    headers = [("x-unknown", b"\xff"), ("ce_future", b"1"), ("empty", None), *reversed(envelope.headers())]
    assert Envelope.read(headers) == envelope


def test_of_a_repeated_header_the_last_counts():
    assert Envelope.read([("ce_id", b"first"), *SHORT.headers()]).id == "1"


def test_times_are_written_in_one_form_only():
    moscow = timezone(timedelta(hours=3))
    assert rfc3339(datetime(2026, 3, 16, 12, 30, tzinfo=moscow)) == "2026-03-16T09:30:00.000000Z"
    with pytest.raises(ValueError, match="zone"):
        rfc3339(datetime(2026, 3, 16, 12, 30))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("written", "hour"),
    [(b"2026-03-16T09:30:00Z", 9), (b"2026-03-16T12:30:00.5+03:00", 9), (b"2026-03-16T09:30:00.123456789Z", 9)],
)
def test_times_of_other_writers_are_read_as_utc(written: bytes, hour: int):
    envelope = Envelope.read([*SHORT.headers(), ("ce_time", written)])
    assert (envelope.time.hour, envelope.time.tzinfo) == (hour, UTC)


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"])
def test_a_missing_header_is_named(name: str):
    headers = [(key, value) for key, value in FULL.headers() if key != name]
    with pytest.raises(EnvelopeError, match=f"header {name} is missing"):
        Envelope.read(headers)
    with pytest.raises(EnvelopeError, match=f"header {name} is missing"):
        Envelope.read([*headers, (name, None)])


SECRET = "s3cret"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_specversion", b""),
        ("ce_id", b""),
        ("ce_id", b"\xff\xfe"),
        ("ce_id", b"1\n2"),
        ("ce_source", b"\x00"),
        ("ce_subject", b"a" * (LONGEST_ATTRIBUTE + 1)),
        ("ce_subject", "я".encode() * LONGEST_ATTRIBUTE),
        ("ce_type", "\x85".encode()),
        ("ce_time", b"yesterday " + SECRET.encode()),
        ("ce_time", b"2026-03-16T09:30:00"),
        ("ce_time", b"2026-13-16T09:30:00Z"),
        ("ce_time", b"0001-01-01T00:00:00+14:00"),
        ("ce_time", b"\xff"),
        ("ce_clock", b""),
        ("ce_clock", SECRET.encode()),
        ("ce_clock", b"8000000000000000"),
        ("ce_clock", b"0x00000000000001"),
        ("ce_clock", b"-000000000000001"),
        ("ce_clock", b"0000_0000_000001"),
        ("ce_position", b"0"),
        ("ce_position", b"-1"),
        ("ce_position", b" 1"),
        ("ce_position", b"1_000"),
        ("ce_position", "١".encode()),
        ("ce_position", b"9" * 19),
        ("ce_position", SECRET.encode()),
        ("ce_causationid", b"\x7f"),
        ("ce_correlationid", b"a\x00b"),
        ("ce_input", b"\xd0"),
    ],
)
def test_a_malformed_header_is_named_and_its_value_is_not_told(name: str, value: bytes):
    with pytest.raises(EnvelopeError, match=f"header {name} ") as refused:
        Envelope.read([*FULL.headers(), (name, value)])
    assert SECRET not in str(refused.value)


@given(st.dictionaries(st.sampled_from([name for name, _ in FULL.headers()]), st.binary(max_size=40)))
def test_whatever_the_headers_hold_they_are_read_or_refused(changed: dict[str, bytes]):
    refusal = ""
    try:
        envelope = Envelope.read([*FULL.headers(), *changed.items()])
    except EnvelopeError as refused:
        refusal = str(refused)
    if refusal:
        assert any(f"header {name} " in refusal for name in changed)
    else:
        assert Envelope.read(envelope.headers()) == envelope


@pytest.mark.parametrize("trace", [b"", b"00-xyz", b"\xff"])
def test_a_malformed_trace_loses_the_trace_and_not_the_event(trace: bytes):
    assert Envelope.read([*FULL.headers(), ("traceparent", trace)]).trace is None


# As the cloudevents library understands it


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_cloudevents_library_reads_what_is_written_here(name: str):
    message = samples(MESSAGES[name])[0]
    envelope, body = sample_envelope(message), encode(message)
    event = from_kafka_event(KafkaMessage(header_map(envelope.headers()), envelope.subject, body))
    assert event.get_specversion() == "1.0"
    assert (event.get_id(), event.get_source(), event.get_type()) == (envelope.id, envelope.source, name)
    assert (event.get_subject(), event.get_time()) == (envelope.subject, envelope.time)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == json.loads(body)
    extensions = {
        "causationid": envelope.causation,
        "correlationid": envelope.correlation,
        "input": envelope.input,
        "position": None if envelope.position is None else str(envelope.position),
        "clock": f"{envelope.clock:016x}" if envelope.clock else None,
        "partitionkey": envelope.subject,
    }
    assert {key: event.get_extension(key) for key in extensions} == extensions


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_what_the_cloudevents_library_writes_is_read_here(name: str):
    message = samples(MESSAGES[name])[0]
    envelope, body = sample_envelope(message), encode(message)
    event = from_kafka_event(KafkaMessage(header_map(envelope.headers()), envelope.subject, body))
    written = to_binary_event(event)
    assert written.key == envelope.subject
    # The library knows `ce_` headers and the content type only: the W3C header is its carrier's affair.
    expected = {key: value for key, value in header_map(envelope.headers()).items() if key != "traceparent"}
    assert {**written.headers, "ce_partitionkey": b""} == {**expected, "ce_partitionkey": b""}
    read = Envelope.read(written.headers.items())
    assert (read.id, read.time, read.position, read.clock) == (
        envelope.id,
        envelope.time,
        envelope.position,
        envelope.clock,
    )
    assert decode(read.type, written.value) == message


def test_an_outside_sender_with_the_library_alone_is_understood():
    event = CloudEvent(
        attributes={
            "type": "WithdrawRequest.v1",
            "source": "/partners/p-1001",
            "subject": REQUEST,
            "datacontenttype": "application/json",
            "time": datetime(2026, 3, 16, 9, 30, tzinfo=UTC),
            "partitionkey": REQUEST,
        },
        data={"request_id": REQUEST, "partner_id": "p-1001", "withdrawn_by": "Иванова", "reason": None},
    )
    written = to_binary_event(event)
    assert written.key == REQUEST
    envelope = Envelope.read(written.headers.items())
    assert (envelope.source, envelope.subject, envelope.position) == ("/partners/p-1001", REQUEST, None)
    assert encode(decode(envelope.type, written.value)).startswith(b'{"request_id":"0198f3c2')


# No event without data: on Kafka that is a tombstone


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_there_is_no_event_without_data(name: str):
    for message in samples(MESSAGES[name]):
        assert encode(message)[:1] == b"{"
    for nothing in (None, b""):
        with pytest.raises(BadBody, match="empty"):
            decode(name, nothing)
