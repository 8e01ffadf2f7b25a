"""The one set of rules by which records are read."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest

from events import export
from events.commands import DistributorConfirmation
from postavka.kernel.log.record import RawHeaders, Record
from postavka.kernel.log.unreadable import MARKER, UNREADABLE
from postavka.kernel.projection.event_reader import (
    LARGEST_BODY,
    EventReader,
    PartitionReader,
    Unreadable,
    envelope_of,
    message_of,
    type_of,
    unread,
)
from postavka.kernel.store.checkpoint import Checkpoint

STAGE, OUTSIDE = "request.events", "distributors.north.confirmations"
REQUEST = UUID("7927d160-aaaa-4bbb-8ccc-0123456789ab")
KEY = str(REQUEST).encode()


def of_stage(offset: int, position: bytes | None, partition: int = 0) -> Record:
    headers: RawHeaders = (("ce_type", b"A.v1"), ("ce_position", position))
    return Record(STAGE, partition, offset, 0, KEY, b"{}", headers)


def answer(body: bytes, key: bytes = KEY, headers: RawHeaders = ()) -> Record:
    return Record(OUTSIDE, 0, 0, 0, key, body, headers)


def read(reader: EventReader, *records: Record) -> tuple[list[int], list[tuple[int, str]]]:
    """Offsets that count, and what was refused with its code."""
    refused: list[tuple[int, str]] = []
    counted = reader.read(records, lambda record, wrong: refused.append((record.offset, wrong.code)))
    return [record.offset for record, _, _ in counted], refused


def test_a_record_counts_once_by_offset_and_by_position() -> None:
    reader = EventReader({f"{STAGE}/0": Checkpoint(4, 2)})
    records = [of_stage(4, b"2"), of_stage(5, b"2"), of_stage(6, b"3"), of_stage(7, b"1"), of_stage(6, b"9")]
    assert read(reader, *records) == ([6], [])
    assert reader.duplicates == 4
    assert reader.moved() == {f"{STAGE}/0": (Checkpoint(4, 2), Checkpoint(7, 3))}


def test_partitions_may_be_mixed_and_each_has_its_checkpoint() -> None:
    reader = EventReader({f"{STAGE}/1": Checkpoint(8, 8), "other/0": Checkpoint(1, 1)})
    assert read(reader, of_stage(0, b"1"), of_stage(9, b"9", 1), of_stage(1, b"2"), of_stage(8, b"10", 1))[0] == [
        *(0, 9),
        1,
    ]
    assert reader.moved() == {
        f"{STAGE}/0": (Checkpoint(), Checkpoint(1, 2)),
        f"{STAGE}/1": (Checkpoint(8, 8), Checkpoint(9, 9)),
    }
    assert reader.checkpoints["other/0"] == Checkpoint(1, 1)


@pytest.mark.parametrize(
    "position", [None, b"", b"x", b"0", b"-1", b" 7", b"1_0", b"9" * 19, b"9" * 5_000, "٣".encode()]
)
def test_an_event_without_a_position_is_refused_and_the_checkpoint_moves_over_it(position: bytes | None) -> None:
    reader = EventReader({})
    assert read(reader, of_stage(3, position)) == ([], [(3, "no-position")])
    assert reader.moved() == {f"{STAGE}/0": (Checkpoint(), Checkpoint(3, 0))}


def test_an_outsider_needs_no_position_and_may_not_hide_a_record_behind_one() -> None:
    reader = EventReader({}, lambda topic: topic != OUTSIDE)
    first, second = answer(b"{}", headers=(("ce_position", b"9"),)), answer(b"{}")._replace(offset=1)
    assert read(reader, first, second) == ([0, 1], [])
    assert reader.checkpoints == {f"{OUTSIDE}/0": Checkpoint(1, 0)}


@pytest.mark.parametrize("relayed", [True, False])
def test_markers_are_passed_over_and_what_no_client_can_read_is_refused(relayed: bool) -> None:
    marker = Record(STAGE, 0, 0, 0, None, None, ((MARKER, b"1"),))
    broken = Record(STAGE, 0, 1, 0, KEY, b"{}", (("ce_position", b"1"), (UNREADABLE, b"not UTF-8")))
    without_reason = broken._replace(offset=2, headers=((UNREADABLE, None),))
    reader = EventReader({}, lambda topic: relayed)
    assert read(reader, marker, broken, without_reason) == ([], [(1, "unreadable"), (2, "unreadable")])
    assert (reader.markers, reader.checkpoints) == (1, {f"{STAGE}/0": Checkpoint(2, 0)})


def test_a_header_without_a_value_is_none_that_is_there() -> None:
    [(_, headers, position)] = PartitionReader(relayed=False).read([answer(b"{}", headers=(("ce_type", None),))], print)
    assert (type_of(headers, "Otherwise.v1"), position) == ("Otherwise.v1", 0)


def test_what_can_not_be_read_is_kept_with_its_place_and_in_words_that_postgresql_takes() -> None:
    record = Record(STAGE, 3, 7, 0, KEY, b"", (("ce_type", b"A\x00\xff.v1"),))
    assert unread(STAGE, 3, record, KeyError("ce_subject")) == (
        *(STAGE, 3, 7),
        "A\\0�.v1",
        "the header or field 'ce_subject' is missing",
    )


# What a stage obeys

YES = b'{"request_id":"%b","confirmation_id":"n-1","accepted":%b}'


@pytest.mark.parametrize("word", [b"true", b'"true"', b"1", b'"yes"', b'"ON"', b"1.0"])
@pytest.mark.parametrize("name", [KEY, KEY.upper(), b"urn:uuid:" + KEY, b"{" + KEY + b"}", KEY.replace(b"-", b"")])
def test_an_answer_is_a_yes_however_it_is_written(word: bytes, name: bytes) -> None:
    message = message_of(answer(YES % (name, word)), DistributorConfirmation.TYPE, keyed_by_request=True)
    assert isinstance(message, DistributorConfirmation)
    assert (message.request_id, message.accepted) == (REQUEST, True)


def test_every_spelling_that_the_published_schema_names_is_taken() -> None:
    schema = json.loads((export.SCHEMAS / f"{DistributorConfirmation.TYPE}.json").read_bytes())
    named = schema["properties"]["accepted"]["description"].partition("were taken: ")[2]
    for part, is_yes in zip(named.split(";")[:2], (True, False), strict=True):
        words = part.partition(" for ")[0].strip().split(", ")
        assert len(words) == 7
        for word in {*words, *map(str.upper, words)}:
            message = message_of(answer(YES % (KEY, word.encode())), DistributorConfirmation.TYPE, True)
            assert isinstance(message, DistributorConfirmation)
            assert message.accepted is is_yes, word


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (answer(YES % (KEY, b'"ja"')), "bad-body"),
        (answer(YES % (KEY, b"2")), "bad-body"),
        (answer(b"\xef\xbb\xbf" + YES % (KEY, b"true")), "bad-body"),
        (answer(YES % (KEY, b"true"), key=KEY.upper()), "wrong-key"),
        (answer(YES % (str(uuid4()).encode(), b"true")), "wrong-key"),
        (answer(b""), "bad-body"),
        (answer(b" " * LARGEST_BODY + YES % (KEY, b"true")), "too-large"),
    ],
)
def test_what_is_no_answer(record: Record, code: str) -> None:
    with pytest.raises(Unreadable) as refused:
        message_of(record, DistributorConfirmation.TYPE, keyed_by_request=True)
    assert refused.value.code == code


def test_of_a_key_that_stands_twice_the_last_value_counts() -> None:
    body = b'{"request_id":"%b","confirmation_id":"n-1","accepted":true,"accepted":false}' % KEY
    message = message_of(answer(body), DistributorConfirmation.TYPE, keyed_by_request=True)
    assert isinstance(message, DistributorConfirmation)
    assert not message.accepted


def test_an_outsiders_clock_does_not_count_and_a_stages_does() -> None:
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": b"x",
        "ce_type": b"A.v1",
        "ce_subject": KEY,
        "ce_time": b"2026-03-16T09:30:00Z",
        "ce_clock": b"%016x" % 77,
    }
    assert envelope_of(of_stage(0, b"1"), headers, "A.v1", relayed=True).clock == 77
    assert envelope_of(answer(b"{}"), headers, "A.v1", relayed=False).clock == 0
    made = envelope_of(answer(b"{}"), {}, "A.v1", relayed=False)
    assert (made.id, made.source, made.subject) == (f"{OUTSIDE}/0/0", "kafka:", str(REQUEST))
