"""The recorder: all of a batch or nothing, positions in the order of commit, and what two writers do to each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import DataError, IntegrityError

from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import (
    Batch,
    Claim,
    DeadLetter,
    EventRecorder,
    RecordedEvent,
    TrackingConflict,
)
from tests.kernel.conftest import OpenRecorder
from tests.kernel.toys import COMMANDS, INN, NOON, TRACE, event, record

PLACE = f"{COMMANDS}/0"
HOSTILE: tuple[tuple[str, bytes | None], ...] = (
    ("ce_type", b"\xff\x00"),
    ("empty", None),
    ("ce_type", b"again"),
    ("имя", b""),
)


def letter(offset: int, reason: str = "not JSON", subject: UUID | None = None) -> DeadLetter:
    return DeadLetter(record(COMMANDS, offset, b"\x00key", b"{\x00", HOSTILE), "bad-body", reason, subject)


def moved(recorder: EventRecorder, offset: int, position: int = 0) -> dict[str, tuple[Checkpoint, Checkpoint]]:
    """From the mark as it is now."""
    return {PLACE: (recorder.marks([PLACE])[PLACE], Checkpoint(offset, position))}


def counts(recorder: EventRecorder) -> dict[str, int]:
    """What the store holds, by table."""
    with recorder.datastore.get_connection() as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM stored_events) AS events, (SELECT count(*) FROM claims) AS claims, "
            "(SELECT count(*) FROM dead_letters) AS dead_letters, (SELECT position FROM head) AS head"
        ).fetchone()
    assert row is not None
    return {name: int(row[name]) for name in ("events", "claims", "dead_letters", "head")}


def status(recorder: EventRecorder, number: int) -> tuple[str, int]:
    with recorder.datastore.get_connection() as connection:
        row = connection.execute("SELECT status, tries FROM dead_letters WHERE id = %s", (number,)).fetchone()
    assert row is not None
    return row["status"], row["tries"]


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run these in a thread each, let go together; their results. What one raises is raised here."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        gate.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return [done.result() for done in [threads.submit(run, work) for work in works]]


# Round trip


def test_an_event_comes_back_as_it_went_in(recorder: EventRecorder) -> None:
    request = uuid4()
    went = RecordedEvent(
        request,
        1,
        "RequestSubmitted.v1",
        '{"comment":"Ёж \\u0000"}'.encode() + b"\x00\xff",
        NOON.astimezone(timezone(timedelta(hours=3))),
        2**63 - 1,
        "/partner#c-1",
        "act-1",
        "toy.commands/0/7",
        TRACE,
    )
    assert recorder.append(Batch([went])) == 0
    assert recorder.load([request]) == {request: [went._replace(position=1)]}
    assert recorder.read(0, 10) == [went._replace(position=1)]
    assert recorder.load([request])[request][0].time.utcoffset() is not None


def test_what_an_event_does_not_have_stays_absent(recorder: EventRecorder) -> None:
    bare = RecordedEvent(uuid4(), 1, "T.v1", b"{}", datetime(1999, 1, 1, tzinfo=UTC), 0, None, None, None)
    recorder.append(Batch([bare]))
    (back,) = recorder.read(0, 1)
    assert back == bare._replace(position=1)
    assert (back.causation, back.correlation, back.input, back.trace) == (None, None, None, None)


def test_events_are_loaded_in_order_of_version_and_only_those_asked_for(recorder: EventRecorder) -> None:
    one, other, unknown = uuid4(), uuid4(), uuid4()
    recorder.append(Batch([event(one, 1), event(other, 1), event(one, 2)]))
    recorder.append(Batch([event(one, 3)]))
    found = recorder.load([one, unknown])
    assert {request: [(each.version, each.position) for each in events] for request, events in found.items()} == {
        one: [(1, 1), (2, 3), (3, 4)]
    }


def test_the_log_is_read_in_pieces_behind_a_position(recorder: EventRecorder) -> None:
    recorder.append(Batch([event(uuid4(), 1) for _ in range(5)]))
    assert [each.position for each in recorder.read(0, 2)] == [1, 2]
    assert [each.position for each in recorder.read(2, 2)] == [3, 4]
    assert [each.position for each in recorder.read(4, 2)] == [5]
    assert recorder.read(5, 2) == []


def test_a_batch_of_five_thousand_is_written_whole(recorder: EventRecorder) -> None:
    requests = [uuid4() for _ in range(1_000)]
    batch = Batch([event(request, version, b"x" * 400) for version in range(1, 6) for request in requests])
    batch.moved = moved(recorder, 4_999)
    assert recorder.append(batch) == 0
    assert [each.position for each in recorder.read(0, 10_000)] == list(range(1, 5_001))
    assert [(each.originator_id, each.version) for each in recorder.read(0, 10_000)] == [
        (each.originator_id, each.version) for each in batch.events
    ]
    assert recorder.head() == 5_000


def test_an_empty_store(recorder: EventRecorder) -> None:
    assert recorder.head() == 0
    assert recorder.read(0, 10) == []
    assert recorder.load([uuid4()]) == {}
    assert recorder.marks([PLACE]) == {PLACE: Checkpoint(-1, 0)}
    assert recorder.find_claims(INN, []) == {}
    assert recorder.dead_letters() == []


# Positions


def test_two_writers_at_once_leave_no_gap_and_a_reader_never_sees_one(
    recorder: EventRecorder, open_recorder: OpenRecorder
) -> None:
    batches, size = 40, 3
    writers = (recorder, open_recorder())
    reader = open_recorder()
    ended = threading.Event()
    heads: list[set[int]] = [set(), set()]

    def write(which: int) -> None:
        for _ in range(batches):
            request = uuid4()
            before = writers[which].append(Batch([event(request, version) for version in range(1, size + 1)]))
            heads[which] |= set(range(before + 1, before + size + 1))

    def write_both() -> None:
        try:
            at_once(lambda: write(0), lambda: write(1))
        finally:
            ended.set()

    def read() -> list[list[int]]:
        seen = []
        while not ended.is_set():
            seen.append([each.position for each in reader.read(0, 10_000)])
        return seen

    _, seen = at_once(write_both, read)
    written = list(range(1, 2 * batches * size + 1))
    assert [each.position for each in reader.read(0, 10_000)] == written
    assert sorted(heads[0] | heads[1]) == written
    assert not heads[0] & heads[1], "each writer was told the positions of its own events"
    assert len(seen) > 3
    for positions in seen:
        assert positions == list(range(1, len(positions) + 1)), "n + 1 was seen without n"


def test_a_batch_that_is_refused_gives_its_positions_back(recorder: EventRecorder) -> None:
    request = uuid4()
    recorder.append(Batch([event(request, 1)]))
    with pytest.raises(IntegrityError):
        recorder.append(Batch([event(uuid4(), 1), event(uuid4(), 1), event(request, 1)]))
    assert recorder.append(Batch([event(request, 2)])) == 1
    assert [each.position for each in recorder.read(0, 10)] == [1, 2]


# Conflicts


def test_one_version_of_a_request_is_written_once(recorder: EventRecorder, open_recorder: OpenRecorder) -> None:
    request = uuid4()
    recorder.append(Batch([event(request, 1, b"first")]))
    with pytest.raises(IntegrityError):
        open_recorder().append(Batch([event(request, 1, b"second")]))
    assert [each.body for each in recorder.load([request])[request]] == [b"first"]


def test_of_two_at_once_with_the_same_version_one_is_refused(
    recorder: EventRecorder, open_recorder: OpenRecorder
) -> None:
    other = open_recorder()
    for _ in range(10):
        request = uuid4()

        def write(store: EventRecorder, originator: UUID = request) -> bool:
            try:
                store.append(Batch([event(originator, 1)]))
            except IntegrityError:
                return False
            return True

        assert sorted(at_once(lambda: write(recorder), lambda: write(other))) == [False, True]
    assert counts(recorder)["events"] == counts(recorder)["head"] == 10


def test_a_value_is_claimed_once(recorder: EventRecorder) -> None:
    one, other = uuid4(), uuid4()
    recorder.append(Batch([event(one, 1)], [Claim(INN, "7707083893", one)]))
    with pytest.raises(IntegrityError):
        recorder.append(Batch([event(other, 1)], [Claim(INN, "7707083893", other)]))
    recorder.append(Batch([event(other, 1)], [Claim("another kind", "7707083893", other)]))
    assert recorder.find_claims(INN, ["7707083893", "free"]) == {"7707083893": one}


def test_the_highest_claim_of_a_range(recorder: EventRecorder) -> None:
    request = uuid4()
    values = ["2025-0009", "2026-0001", "2026-0003", "2026-0002", "2027-0001"]
    recorder.append(Batch([event(request, 1)], [Claim("invoice", value, request) for value in values]))
    assert recorder.highest_claim("invoice", "2026-", "2027-") == "2026-0003"
    assert recorder.highest_claim("invoice", "2028-", "2029-") is None
    assert recorder.highest_claim("permission", "2026-", "2027-") is None


def test_marks_that_another_worker_has_moved_are_a_conflict(
    recorder: EventRecorder, open_recorder: OpenRecorder
) -> None:
    slow = moved(recorder, 3)
    open_recorder().append(Batch([event(uuid4(), 1)], moved=moved(recorder, 5, 9)))
    with pytest.raises(TrackingConflict):
        recorder.append(Batch([event(uuid4(), 1)], moved=slow))
    assert recorder.marks([PLACE]) == {PLACE: Checkpoint(5, 9)}
    assert recorder.head() == 1


def test_one_moved_mark_of_several_is_enough_for_a_conflict(recorder: EventRecorder) -> None:
    other = f"{COMMANDS}/1"
    marks = recorder.marks([PLACE, other])
    both = {name: (mark, Checkpoint(7, 0)) for name, mark in marks.items()}
    recorder.append(Batch(moved={other: (marks[other], Checkpoint(2, 0))}))
    with pytest.raises(TrackingConflict):
        recorder.append(Batch(moved=both))
    assert recorder.marks([PLACE, other]) == {PLACE: Checkpoint(-1, 0), other: Checkpoint(2, 0)}


def test_a_mark_moves_without_events_and_its_position_never_goes_back(recorder: EventRecorder) -> None:
    recorder.append(Batch(moved=moved(recorder, 4, 9)))
    recorder.append(Batch(moved=moved(recorder, 5, 3)))
    assert recorder.marks([PLACE]) == {PLACE: Checkpoint(5, 9)}
    assert recorder.head() == 0


# All or nothing


@pytest.mark.parametrize("reason", ["version", "claim", "mark", "dead letter"])
def test_a_batch_that_fails_leaves_nothing(recorder: EventRecorder, reason: str) -> None:
    taken = uuid4()
    recorder.append(Batch([event(taken, 1)], [Claim(INN, "1", taken)], [letter(0)], moved(recorder, 0)))
    before = counts(recorder), recorder.marks([PLACE]), recorder.dead_letters()

    request = uuid4()
    retried = [each.id for each in recorder.dead_letters()]
    batch = Batch([event(request, 1)], [Claim(INN, "2", request)], [letter(1)], moved(recorder, 1), retried)
    match reason:
        case "version":
            batch.events.append(event(taken, 1))
        case "claim":
            batch.claims.append(Claim(INN, "1", request))
        case "mark":
            batch.moved = {PLACE: (Checkpoint(-1, 0), Checkpoint(1, 0))}
        case _:
            batch.dead_letters.append(letter(2, reason="a NUL\x00 is no text"))
    with pytest.raises(DataError if reason == "dead letter" else IntegrityError):
        recorder.append(batch)
    assert (counts(recorder), recorder.marks([PLACE]), recorder.dead_letters()) == before
    assert status(recorder, before[2][0].id) == ("open", 0)


# Dead letters


def test_a_dead_letter_is_kept_as_it_came(recorder: EventRecorder) -> None:
    subject = uuid4()
    recorder.append(Batch(dead_letters=[letter(3, "why", subject), letter(4)], moved=moved(recorder, 4)))
    first, second = recorder.dead_letters()
    assert replace(first, id=0) == letter(3, "why", subject)
    assert replace(second, id=0) == letter(4)
    assert first.id < second.id
    assert [each.id for each in recorder.dead_letters(limit=1)] == [first.id]
    assert recorder.marks([PLACE])[PLACE].offset == 4


def test_an_empty_record_is_kept_too(recorder: EventRecorder) -> None:
    bare = DeadLetter(record(COMMANDS, 1, None, None), "bad-body", "empty")
    recorder.append(Batch(dead_letters=[bare]))
    (kept,) = recorder.dead_letters()
    assert replace(kept, id=0) == bare


def test_the_same_record_is_a_dead_letter_once(recorder: EventRecorder) -> None:
    recorder.append(Batch(dead_letters=[letter(3, "first")]))
    recorder.append(Batch(dead_letters=[letter(3, "second")]))
    assert [each.reason for each in recorder.dead_letters()] == ["first"]


def test_a_retried_letter_is_done_with_the_events_that_it_led_to(recorder: EventRecorder) -> None:
    recorder.append(Batch(dead_letters=[letter(3), letter(4)]))
    first, second = recorder.dead_letters()
    recorder.append(Batch([event(uuid4(), 1)], retried=[first.id]))
    assert status(recorder, first.id) == ("done", 1)
    assert status(recorder, second.id) == ("open", 0)
    assert [each.id for each in recorder.dead_letters("status = 'open'")] == [second.id]


def test_a_letter_that_is_refused_again_stays_with_the_new_reason(recorder: EventRecorder) -> None:
    recorder.append(Batch(dead_letters=[letter(3)]))
    (kept,) = recorder.dead_letters()
    with recorder.datastore.get_connection() as connection:
        connection.execute("UPDATE dead_letters SET status = 'retry'")
    recorder.refuse_again(replace(kept, code="decider-failed", reason="still wrong"))
    assert status(recorder, kept.id) == ("open", 1)
    (again,) = recorder.dead_letters()
    assert (again.code, again.reason) == ("decider-failed", "still wrong")
    assert again.record == kept.record


def test_a_header_name_with_a_nul_does_not_stop_the_batch(recorder: EventRecorder) -> None:
    """A Java client may send one, and PostgreSQL keeps no NUL in jsonb."""
    hostile = DeadLetter(record(COMMANDS, 1, b"k", b"v", (("a\x00b", b"\x00"),)), "bad-body", "why")
    recorder.append(Batch(dead_letters=[hostile], moved=moved(recorder, 1)))
    (kept,) = recorder.dead_letters()
    assert kept.record.headers == (("a\\0b", b"\x00"),)


def test_a_letter_that_another_worker_has_settled_is_not_opened_again(recorder: EventRecorder) -> None:
    recorder.append(Batch(dead_letters=[letter(3)]))
    (kept,) = recorder.dead_letters()
    recorder.append(Batch(retried=[kept.id]))
    recorder.refuse_again(replace(kept, reason="too late"))
    assert status(recorder, kept.id)[0] == "done"
