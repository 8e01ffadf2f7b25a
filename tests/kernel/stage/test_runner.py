"""The batch runner on a real store: what is skipped, what is kept as a dead letter, what is decided anew, and that
nothing of it is lost, written twice, or stops the partition.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError, InterfaceError, OperationalError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from events.commands import SubmitRequest, WithdrawRequest
from events.envelope import Envelope
from events.model import Decision, Event, Message, Unacceptable
from events.registry import encode
from events.request import PROCEDURE, RequestSubmitted, RequestWithdrawn
from events.upcasting import UPCASTERS
from events.versions import CONTRACT
from postavka.kernel.clock import Clock
from postavka.kernel.log.record import RawHeaders, Record
from postavka.kernel.projection.event_reader import LARGEST_BODY
from postavka.kernel.stage.batch_run import BatchOutcome, Completion
from postavka.kernel.stage.definition import Incoming, Input, Stage
from postavka.kernel.stage.runner import MOST_TRIES, StageRunner, StoreWentBack
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.recorder import EventRecorder, RecordedEvent
from tests.kernel.conftest import OpenRecorder
from tests.kernel.toys import (
    COMMANDS,
    INN,
    NOON,
    TRACE,
    UPSTREAM,
    Sent,
    command,
    decide,
    record,
    submit,
    toy,
    toy_inputs,
    upstream,
    withdraw,
)

ANY_COMMAND = f"{COMMANDS}/0"
ANY_UPSTREAM = f"{UPSTREAM}/0"
SUBMITTED, WITHDRAWN = "RequestSubmitted.v1", RequestWithdrawn.TYPE


def runner_on(
    recorder: EventRecorder, stage: Stage | None = None, cache_size: int = 100, finished: int = CONTRACT
) -> StageRunner:
    """A worker that starts now."""
    stage = stage or toy()
    return StageRunner(stage, recorder, list(stage.inputs()), cache_size, finished)


@pytest.fixture
def runner(recorder: EventRecorder) -> StageRunner:
    """The toy stage's only worker."""
    return runner_on(recorder)


def history(recorder: EventRecorder, request_id: UUID) -> list[str]:
    """Types of a request's events; their versions are 1, 2, 3 …"""
    events = recorder.load([request_id]).get(request_id, [])
    assert [each.version for each in events] == list(range(1, len(events) + 1))
    return [each.type for each in events]


def codes(recorder: EventRecorder) -> list[str]:
    return [each.code for each in recorder.dead_letters()]


def mark(recorder: EventRecorder, name: str = ANY_COMMAND) -> Checkpoint:
    return recorder.marks([name])[name]


def raw(offset: int, message: Message, **changes: Any) -> Record:
    """The command as it should be, with parts replaced."""
    assert isinstance(message, SubmitRequest | WithdrawRequest)
    return command(offset, message)._replace(**changes)


def with_headers(good: Record, **values: bytes | None) -> Record:
    """The record with these headers instead of those that it has by the same name."""
    kept = tuple((name, value) for name, value in good.headers if name not in values)
    return good._replace(headers=kept + tuple(values.items()))


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(works)) as threads:
        return [done.result() for done in [threads.submit(work) for work in works]]


class Meeting:
    """For `gather`: two runners have both read the states before either of them writes, in the first try of each."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2, timeout=30)
        self._mine = threading.local()

    def __call__(self, *_: Any) -> Any:
        if not getattr(self._mine, "met", False):
            self._mine.met = True
            self._barrier.wait()
        return _Nothing()


class _Nothing:
    def of(self, incoming: Incoming, state: Any) -> Any:
        return None

    def decided(self, incoming: Incoming, events: Sequence[Event]) -> None: ...


# An ordinary batch


def test_a_batch_is_decided_and_written_with_its_mark(runner: StageRunner, recorder: EventRecorder) -> None:
    one, other = uuid4(), uuid4()
    outcome = runner.handle(
        [command(0, submit(one)), command(1, submit(other)), command(2, withdraw(one)), command(3, submit(one))]
    )
    assert (outcome.handled, outcome.first_position, len(outcome.events), outcome.redone) == (4, 1, 3, 0)
    assert history(recorder, one) == [SUBMITTED, WITHDRAWN]
    assert history(recorder, other) == [SUBMITTED]
    assert mark(recorder) == Checkpoint(3, 0)
    assert runner.marks[ANY_COMMAND] == Checkpoint(3, 0)


def test_state_is_known_again_after_a_restart_and_with_a_full_cache(recorder: EventRecorder) -> None:
    requests = [uuid4() for _ in range(5)]
    small = runner_on(recorder, cache_size=2)
    small.handle([command(number, submit(request)) for number, request in enumerate(requests)])
    assert sum(request in small.states for request in requests) == 2
    small.handle([command(10 + number, submit(request)) for number, request in enumerate(requests)])
    runner_on(recorder).handle([command(20 + number, withdraw(request)) for number, request in enumerate(requests)])
    assert [history(recorder, request) for request in requests] == [[SUBMITTED, WITHDRAWN]] * 5


def test_an_event_says_what_caused_it(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    runner.handle([command(7, submit(request)), upstream(4, request, 3)])
    first, second = recorder.load([request])[request]
    assert (first.causation, first.correlation, first.input, first.trace) == (
        f"kafka:#{COMMANDS}/0/7",
        str(request),
        f"{COMMANDS}/0/7",
        TRACE,
    )
    assert (second.causation, second.correlation, second.input, second.trace) == (
        f"/upstream#{request}/3",
        str(request),
        f"{UPSTREAM}/0/4",
        None,
    )


def test_a_version_that_says_nothing_here_is_skipped_undecoded(recorder: EventRecorder) -> None:
    feed = Input(UPSTREAM, (RequestSubmitted,), from_stage=True, silent=frozenset({SUBMITTED}))
    runner = runner_on(recorder, toy(inputs=lambda: [feed]))
    plain = upstream(0, uuid4(), 1)
    outcome = runner.handle([with_headers(plain, ce_type=SUBMITTED.encode())._replace(value=b"{not even JSON")])
    assert (outcome.skipped, outcome.handled, codes(recorder)) == (1, 0, [])
    assert mark(recorder, ANY_UPSTREAM) == Checkpoint(0, 1)


def test_a_cause_without_an_envelope_is_named_by_where_it_lies(recorder: EventRecorder) -> None:
    request = uuid4()
    plain = Input(COMMANDS, (SubmitRequest,), default_type=SubmitRequest.TYPE)
    runner = runner_on(recorder, toy(inputs=lambda: [plain]))
    runner.handle([raw(7, submit(request), headers=())])
    (event,) = recorder.load([request])[request]
    assert event.causation == f"kafka:#{COMMANDS}/0/7"
    assert (event.correlation, event.input, event.trace) == (str(request), f"{COMMANDS}/0/7", None)


@pytest.mark.parametrize("name", ["ce_id", "ce_time", "ce_specversion", "ce_correlationid"])
def test_an_outside_senders_broken_envelope_does_no_harm(
    runner: StageRunner, recorder: EventRecorder, name: str
) -> None:
    request = uuid4()
    runner.handle([with_headers(command(7, submit(request)), **{name: b"\x00\xff"})])
    (event,) = recorder.load([request])[request]
    assert event.causation == f"kafka:#{COMMANDS}/0/7"


def test_what_an_outside_sender_says_of_himself_gets_into_no_event(
    runner: StageRunner, recorder: EventRecorder
) -> None:
    request, other = uuid4(), uuid4()
    forged = Envelope(
        f"{other}/1", "/postavka/approval", SubmitRequest.TYPE, str(other), NOON - timedelta(days=2_000), 1, "/a#b", "c"
    )
    runner.handle([command(7, submit(request))._replace(headers=tuple(forged.headers()))])
    (event,) = recorder.load([request])[request]
    assert (event.causation, event.correlation) == (f"kafka:#{COMMANDS}/0/7", str(request))
    assert event.time > NOON
    assert recorder.load([other]).get(other, []) == []


# What begins a request

BEGINNING = toy(begins=(SubmitRequest,))


def asked(runner: StageRunner, monkeypatch: pytest.MonkeyPatch) -> list[set[UUID]]:
    """Which requests the store is asked for from now on."""
    found: list[set[UUID]] = []
    load = runner.recorder.load

    def noted(originators: Iterable[UUID]) -> dict[UUID, list[RecordedEvent]]:
        wanted = set(originators)
        found.append(wanted)
        return load(wanted)

    monkeypatch.setattr(runner.recorder, "load", noted)
    return found


def test_a_new_request_is_not_looked_for_in_the_store(recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = uuid4(), uuid4()
    runner = runner_on(recorder, BEGINNING)
    with monkeypatch.context() as patched:
        loaded = asked(runner, patched)
        outcome = runner.handle([command(0, submit(one)), command(1, submit(other)), command(2, withdraw(one))])
        assert (loaded, outcome.redone, len(outcome.events)) == ([], 0, 3)
    assert [history(recorder, each) for each in (one, other)] == [[SUBMITTED, WITHDRAWN], [SUBMITTED]]


def test_one_that_is_not_new_after_all_is_decided_on_what_the_store_has(recorder: EventRecorder) -> None:
    known, new = uuid4(), uuid4()
    runner_on(recorder, BEGINNING).handle([command(0, submit(known)), command(1, withdraw(known))])
    outcome = runner_on(recorder, BEGINNING).handle([command(2, submit(known)), command(3, submit(new))])
    assert (outcome.redone, outcome.handled, len(outcome.events)) == (1, 2, 1)
    assert [history(recorder, each) for each in (known, new)] == [[SUBMITTED, WITHDRAWN], [SUBMITTED]]
    assert mark(recorder) == Checkpoint(3, 0)


def test_what_would_be_nothing_for_a_new_one_is_decided_on_what_the_store_has(recorder: EventRecorder) -> None:
    known, unknown = uuid4(), uuid4()
    stage = toy(begins=(SubmitRequest, WithdrawRequest))
    runner_on(recorder, stage).handle([command(0, submit(known))])
    runner_on(recorder, stage).handle([command(1, withdraw(known)), command(2, withdraw(unknown))])
    assert history(recorder, known) == [SUBMITTED, WITHDRAWN]
    assert codes(recorder) == ["no-such-request"]


def test_a_dead_letter_that_is_tried_again_asks_the_store(
    recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = uuid4()
    runner_on(recorder, BEGINNING).handle([command(0, submit(request, comment="boom"))])
    said = RequestWithdrawn(withdrawn_by="somebody")
    runner = runner_on(recorder, toy(begins=(SubmitRequest,), decide=lambda *_: (said,)))
    with monkeypatch.context() as patched:
        loaded = asked(runner, patched)
        runner.retry(recorder.dead_letters())
    assert loaded == [{request}]
    assert history(recorder, request) == [WITHDRAWN]


def test_a_request_that_is_sent_again_leaves_what_is_remembered_of_others(
    recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, other = uuid4(), uuid4()
    runner_on(recorder, BEGINNING).handle([command(0, submit(known))])
    runner = runner_on(recorder, BEGINNING)
    runner.handle([command(1, submit(other))])
    with monkeypatch.context() as patched:
        loaded = asked(runner, patched)
        outcome = runner.handle([command(2, submit(known)), command(3, withdraw(other))])
    assert (outcome.redone, loaded) == (1, [{known}])
    assert history(recorder, other) == [SUBMITTED, WITHDRAWN]


# Seen before


def test_a_record_at_or_below_the_mark_is_skipped(runner: StageRunner, recorder: EventRecorder) -> None:
    one, other = uuid4(), uuid4()
    batch = [command(3, submit(one)), command(4, submit(other))]
    runner.handle(batch)
    again = runner.handle([*batch, command(4, withdraw(one)), command(5, withdraw(other))])
    assert (again.duplicates, again.handled) == (3, 1)
    assert history(recorder, one) == [SUBMITTED]
    assert history(recorder, other) == [SUBMITTED, WITHDRAWN]


def test_after_a_restart_as_well(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    runner.handle([command(3, submit(request))])
    restarted = runner_on(recorder)
    assert restarted.take_partitions([ANY_COMMAND]) == {ANY_COMMAND: Checkpoint(3, 0)}
    outcome = restarted.handle([command(3, withdraw(request))])
    assert (outcome.duplicates, outcome.events) == (1, [])
    assert history(recorder, request) == [SUBMITTED]


def test_the_same_record_twice_in_one_batch(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    outcome = runner.handle([command(0, submit(request)), command(0, submit(request))])
    assert (outcome.handled, outcome.duplicates) == (1, 1)


def test_each_partition_has_its_own_mark(runner: StageRunner, recorder: EventRecorder) -> None:
    one, other = uuid4(), uuid4()
    runner.handle([command(5, submit(one), partition=0)])
    runner.handle([command(5, submit(other), partition=1), command(6, withdraw(one), partition=0)])
    assert history(recorder, one) == [SUBMITTED, WITHDRAWN]
    assert history(recorder, other) == [SUBMITTED]
    assert mark(recorder, f"{COMMANDS}/1") == Checkpoint(5, 0)


def test_a_late_duplicate_of_a_replaced_relay_is_skipped_by_its_position(
    runner: StageRunner, recorder: EventRecorder
) -> None:
    one, other = uuid4(), uuid4()
    runner.handle([command(0, submit(one)), command(1, submit(other))])
    runner.handle([upstream(0, one, 4), upstream(1, other, 9)])
    assert mark(recorder, ANY_UPSTREAM) == Checkpoint(1, 9)

    late = runner.handle([upstream(2, one, 4), upstream(3, other, 9)])
    assert (late.duplicates, late.events, late.dead_letters) == (2, [], [])
    assert mark(recorder, ANY_UPSTREAM) == Checkpoint(3, 9), "the offset goes on, the position does not go back"
    restarted = runner_on(recorder)
    assert restarted.handle([upstream(4, one, 4)]).duplicates == 1


def test_a_late_duplicate_is_not_decided_even_if_it_would_lead_to_something(
    runner: StageRunner, recorder: EventRecorder
) -> None:
    request = uuid4()
    runner.handle([upstream(0, uuid4(), 5)])
    runner.handle([command(0, submit(request))])
    assert runner.handle([upstream(1, request, 5)]).duplicates == 1
    assert history(recorder, request) == [SUBMITTED]
    assert runner.handle([upstream(2, request, 6)]).handled == 1
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN]


def test_positions_count_for_skipped_types_too(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    runner.handle([command(0, submit(request)), with_headers(upstream(0, request, 7), ce_type=SUBMITTED.encode())])
    assert mark(recorder, ANY_UPSTREAM) == Checkpoint(0, 7)
    assert runner.handle([upstream(1, request, 6)]).duplicates == 1


# Not for this stage


def test_a_type_of_the_contract_that_a_stage_does_not_take_is_skipped_undecoded(
    runner: StageRunner, recorder: EventRecorder
) -> None:
    other = with_headers(upstream(0, uuid4(), 1)._replace(value=b"{not read"), ce_type=SUBMITTED.encode())
    outcome = runner.handle([other])
    assert (outcome.skipped, outcome.dead_letters, outcome.events) == (1, [], [])
    assert mark(recorder, ANY_UPSTREAM) == Checkpoint(0, 1)


@pytest.mark.parametrize("type_name", [b"FromTheFuture.v1", b"RequestWithdrawn.v999", b"", b"\xff\x00"])
def test_a_type_that_nobody_knows_is_kept_even_from_a_stage(
    runner: StageRunner, recorder: EventRecorder, type_name: bytes
) -> None:
    runner.handle([with_headers(upstream(0, uuid4(), 1), ce_type=type_name)])
    assert codes(recorder) == ["unknown-type"]


def test_a_type_of_the_contract_in_the_wrong_place_is_kept_when_it_comes_from_outside(
    runner: StageRunner, recorder: EventRecorder
) -> None:
    runner.handle([with_headers(command(0, submit(uuid4())), ce_type=b"DistributorConfirmation.v1")])
    assert codes(recorder) == ["unknown-type"]


@pytest.fixture
def old_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions that were, of a type that the toy takes and of one that it does not."""

    def lift(fields: dict[str, Any]) -> dict[str, Any]:
        return {"withdrawn_by": fields["by"]}

    monkeypatch.setitem(UPCASTERS, "RequestWithdrawn.v-1", ("RequestWithdrawn.v0", dict))
    monkeypatch.setitem(UPCASTERS, "RequestWithdrawn.v0", (WITHDRAWN, lift))
    monkeypatch.setitem(UPCASTERS, "RequestSubmitted.v0", (SUBMITTED, dict))


@pytest.mark.usefixtures("old_versions")
@pytest.mark.parametrize("type_name", [b"RequestWithdrawn.v0", b"RequestWithdrawn.v-1"])
def test_an_old_version_of_what_is_taken_is_read_as_the_newest(
    runner: StageRunner, recorder: EventRecorder, type_name: bytes
) -> None:
    request = uuid4()
    old = with_headers(upstream(0, request, 1)._replace(value=b'{"by":"anna"}'), ce_type=type_name)
    runner.handle([command(0, submit(request)), old])
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN]
    assert recorder.load([request])[request][1].body == encode(RequestWithdrawn(withdrawn_by="anna"))


@pytest.mark.usefixtures("old_versions")
def test_an_old_version_of_what_is_not_taken_is_skipped(runner: StageRunner, recorder: EventRecorder) -> None:
    outcome = runner.handle([with_headers(upstream(0, uuid4(), 1), ce_type=b"RequestSubmitted.v0")])
    assert (outcome.skipped, outcome.dead_letters) == (1, [])


# Poison: kept, with the reason, and the partition goes on


def _poison() -> dict[str, tuple[Record, str]]:
    request = uuid4()
    good, event = command(0, submit(request)), upstream(0, request, 1)
    upper = str(request).upper().encode()
    return {
        "not JSON": (good._replace(value=b"{nonsense"), "bad-body"),
        "empty": (good._replace(value=b""), "bad-body"),
        "no value": (good._replace(value=None), "bad-body"),
        "not UTF-8": (good._replace(value=b'{"request_id":"\xff"}'), "bad-body"),
        "only NUL": (good._replace(value=b"\x00" * 20), "bad-body"),
        "NUL in a text": (good._replace(value=encode(submit(request)).replace(b"p-1", b"p\\u0000")), "bad-body"),
        "a lone surrogate": (good._replace(value=encode(submit(request)).replace(b"p-1", b"\\ud800")), "bad-body"),
        "not an object": (good._replace(value=b"[]"), "bad-body"),
        "wrong types": (good._replace(value=encode(submit(request)).replace(b'"p-1"', b"1")), "bad-body"),
        "an unknown field": (good._replace(value=encode(submit(request))[:-1] + b',"more":1}'), "bad-body"),
        "deeply nested": (good._replace(value=b"[" * 100_000), "bad-body"),
        "too large": (good._replace(value=b" " * LARGEST_BODY + b"{}"), "too-large"),
        "an unknown version": (with_headers(good, ce_type=b"SubmitRequest.v999"), "unknown-type"),
        "no type": (good._replace(headers=()), "unknown-type"),
        "a null type": (with_headers(good, ce_type=None), "unknown-type"),
        "no key": (good._replace(key=None), "wrong-key"),
        "an empty key": (good._replace(key=b""), "wrong-key"),
        "another key": (good._replace(key=str(uuid4()).encode()), "wrong-key"),
        "the key in capitals": (good._replace(key=upper if upper != good.key else b"A"), "wrong-key"),
        "NUL in the key": (good._replace(key=b"\x00"), "wrong-key"),
        "no position": (upstream(0, request, None), "no-position"),
        "a position that is no number": (with_headers(event, ce_position=b"one"), "no-position"),
        "no subject": (with_headers(event, ce_subject=b"r-1"), "no-subject"),
        "a key for a subject": (with_headers(event, ce_subject=b"\x00")._replace(key=b"\x00r-1"), "no-subject"),
        "NUL in a header": (good._replace(value=b"", headers=(*good.headers, ("ce_more", b"\x00"))), "bad-body"),
        "NUL in a header's name": (good._replace(value=b"", headers=(*good.headers, ("\x00", b""))), "bad-body"),
        "a failing decider": (command(0, submit(request, comment="boom")), "decider-failed"),
        "no such request": (command(0, withdraw(request)), "no-such-request"),
    }


@pytest.mark.parametrize("name", list(_poison()))
def test_poison_is_kept_with_a_reason_and_does_not_stop_its_neighbours(
    runner: StageRunner, recorder: EventRecorder, name: str
) -> None:
    poison, code = _poison()[name]
    before, after = uuid4(), uuid4()
    outcome = runner.handle([command(10, submit(before)), poison._replace(offset=11), command(12, submit(after))])
    (kept,) = recorder.dead_letters()
    assert kept.code == code
    assert kept.reason
    if name != "NUL in a header's name":
        assert kept.record == poison._replace(offset=11)
    assert [each.code for each in outcome.dead_letters] == [code]
    assert history(recorder, before) == history(recorder, after) == [SUBMITTED]
    assert mark(recorder, f"{poison.topic}/0").offset == (12 if poison.topic == COMMANDS else 11)
    assert runner.handle([poison._replace(offset=11)]).duplicates == 1
    assert len(recorder.dead_letters()) == 1


def test_the_largest_body_is_still_read(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    body = encode(submit(request))
    runner.handle([raw(0, submit(request), value=b" " * (LARGEST_BODY - len(body)) + body)])
    assert history(recorder, request) == [SUBMITTED]


@pytest.mark.parametrize("secret", ["7707083893", "anna@example"])
def test_a_reason_does_not_repeat_what_was_in_the_body(
    runner: StageRunner, recorder: EventRecorder, secret: str
) -> None:
    body = encode(submit(uuid4(), inn="7707083893")).replace(b'"p-1"', b"1")
    runner.handle([raw(0, submit(uuid4()), value=body)])
    (kept,) = recorder.dead_letters()
    assert kept.code == "bad-body"
    assert secret not in kept.reason


def test_a_reason_with_a_nul_or_without_end_is_kept_all_the_same(recorder: EventRecorder) -> None:
    def refuse(state: Any, message: Message, facts: Any) -> Decision:
        return Unacceptable("long", "a\x00" * 5_000)

    runner = runner_on(recorder, toy(decide=refuse))
    runner.handle([command(0, submit(uuid4()))])
    (kept,) = recorder.dead_letters()
    assert kept.reason.startswith("a\\0a")


def test_a_decider_that_fails_in_the_middle_of_a_request_leaves_its_state_alone(
    runner: StageRunner, recorder: EventRecorder
) -> None:
    request = uuid4()
    runner.handle(
        [command(0, submit(request)), command(1, submit(request, comment="boom")), command(2, withdraw(request))]
    )
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN]
    assert codes(recorder) == ["decider-failed"]
    assert "ZeroDivisionError" in recorder.dead_letters()[0].reason
    assert recorder.dead_letters()[0].subject == request


def test_what_the_release_before_could_not_read_waits_for_the_contract(recorder: EventRecorder) -> None:
    plain, renewal = submit(uuid4()), submit(uuid4()).model_copy(update={"renews": str(uuid4())})
    runner_on(recorder, finished=CONTRACT - 1).handle([command(0, renewal), command(1, plain)])
    assert codes(recorder) == ["upgrade-unfinished"]
    assert history(recorder, plain.request_id) == [SUBMITTED]
    runner_on(recorder).handle([command(2, renewal)])
    assert history(recorder, renewal.request_id) == ["RequestSubmitted.v2"]


def test_an_event_that_can_not_be_lived_through_is_not_written(recorder: EventRecorder) -> None:
    def evolve(state: Sent | None, event: Event) -> Sent | None:
        if isinstance(event, RequestWithdrawn):
            raise KeyError("withdrawn_by")
        return Sent()

    request, other = uuid4(), uuid4()
    runner = runner_on(recorder, toy(evolve=evolve))
    runner.handle([command(0, submit(request)), command(1, withdraw(request)), command(2, submit(other))])
    assert codes(recorder) == ["decider-failed"]
    assert history(recorder, request) == history(recorder, other) == [SUBMITTED]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(b"", b"", [("\x00", b"")], False)
@given(
    st.none() | st.binary(max_size=50),
    st.none() | st.binary(max_size=50) | st.text(max_size=20).map(str.encode),
    st.lists(
        st.tuples(
            st.sampled_from(
                ["ce_type", "ce_id", "ce_subject", "ce_position", "ce_clock", "ce_time", "ce_specversion", "ce_source"]
            )
            | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
            st.none()
            | st.binary(max_size=30)
            | st.sampled_from([b"1.0", b"5", b"SubmitRequest.v1", b"RequestWithdrawn.v1", b"2026-01-01T00:00:00Z"]),
        ),
        max_size=10,
    ),
    st.booleans(),
)
def test_no_record_whatever_it_is_stops_a_partition_or_is_lost(
    recorder: EventRecorder,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    from_stage: bool,
) -> None:
    runner = runner_on(recorder)
    topic = UPSTREAM if from_stage else COMMANDS
    offset = mark(recorder, f"{topic}/0").offset + 1
    outcome = runner.handle([record(topic, offset, key, value, tuple(headers))])
    assert mark(recorder, f"{topic}/0").offset == offset
    assert len(outcome.dead_letters) + outcome.handled + outcome.skipped + outcome.duplicates == 1
    if outcome.dead_letters:
        (kept,) = recorder.dead_letters(f"topic = '{topic}' AND \"offset\" = {offset}")
        assert (kept.record.key, kept.record.value) == (key, value)


# Two workers


def two_meeting(open_recorder: OpenRecorder, **changes: Any) -> tuple[StageRunner, StageRunner]:
    stage = toy(gather=Meeting(), **changes)
    return runner_on(open_recorder(), stage), runner_on(open_recorder(), stage)


def test_two_workers_that_meet_on_a_request_write_nothing_twice(
    recorder: EventRecorder, open_recorder: OpenRecorder
) -> None:
    requests = [uuid4() for _ in range(20)]
    runner_on(recorder).handle([command(number, submit(request)) for number, request in enumerate(requests)])
    one, other = two_meeting(open_recorder)
    mine = [command(100 + number, withdraw(request)) for number, request in enumerate(requests)]
    its = [upstream(number, request, number + 1) for number, request in enumerate(requests)]
    outcomes = in_threads(lambda: one.handle(mine), lambda: other.handle(its))
    assert sorted(outcome.redone for outcome in outcomes) == [0, 1]
    assert sorted(len(outcome.events) for outcome in outcomes) == [0, 20]
    assert [outcome.handled for outcome in outcomes] == [20, 20]
    for request in requests:
        assert history(recorder, request) == [SUBMITTED, WITHDRAWN]
    assert codes(recorder) == []
    assert (mark(recorder).offset, mark(recorder, ANY_UPSTREAM).offset) == (119, 19)


def test_two_workers_with_the_same_records_write_nothing_twice(
    recorder: EventRecorder, open_recorder: OpenRecorder
) -> None:
    """After a rebalance that one of them has not heard of."""
    requests = [uuid4() for _ in range(20)]
    batch = [command(number, submit(request)) for number, request in enumerate(requests)]
    one, other = two_meeting(open_recorder)
    outcomes = in_threads(lambda: one.handle(batch), lambda: other.handle(batch))
    assert sorted(len(outcome.events) for outcome in outcomes) == [0, 20]
    assert sorted(outcome.duplicates for outcome in outcomes) == [0, 20]
    assert recorder.head() == 20
    assert one.marks == other.marks == {ANY_COMMAND: Checkpoint(19, 0)}


def test_two_workers_that_never_stop_meeting(recorder: EventRecorder, open_recorder: OpenRecorder) -> None:
    """Each reads one of two inputs that withdraw the same requests, in small batches, as fast as it can."""
    requests = [uuid4() for _ in range(60)]
    runner_on(recorder).handle([command(number, submit(request)) for number, request in enumerate(requests)])
    one, other = (runner_on(open_recorder()) for _ in range(2))

    def commands() -> None:
        for number, request in enumerate(requests):
            one.handle([command(100 + number, withdraw(request))])

    def events() -> None:
        for number, request in enumerate(requests):
            other.handle([upstream(number, request, number + 1)])

    in_threads(commands, events)
    assert [history(recorder, request) for request in requests] == [[SUBMITTED, WITHDRAWN]] * len(requests)
    assert [each.position for each in recorder.read(0, 1_000)] == list(range(1, 2 * len(requests) + 1))
    assert codes(recorder) == []


class Taken:
    """Facts: who has claimed an INN, in the store and in this batch."""

    def __init__(self, batch: Sequence[Incoming], store: EventRecorder, _: Mapping[UUID, Any]) -> None:
        self._owners = store.find_claims(INN, [str(getattr(each.message, "inn", None)) for each in batch])

    def of(self, incoming: Incoming, state: Any) -> bool:
        return getattr(incoming.message, "inn", None) in self._owners

    def decided(self, incoming: Incoming, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, RequestSubmitted) and event.inn:
                self._owners[event.inn] = incoming.subject


def decide_with_claims(state: Sent | None, message: Message, taken: Any) -> Decision:
    return Unacceptable("inn-taken", "another has it") if taken else decide(state, message, None)


def test_two_workers_that_claim_one_value(recorder: EventRecorder, open_recorder: OpenRecorder) -> None:
    meeting = Meeting()

    def gather(*arguments: Any) -> Taken:
        facts = Taken(*arguments)
        meeting()
        return facts

    stage = toy(gather=gather, decide=decide_with_claims)
    one, other = (runner_on(open_recorder(), stage) for _ in range(2))
    requests = uuid4(), uuid4()
    outcomes = in_threads(
        lambda: one.handle([command(0, submit(requests[0], inn="7707083893"))]),
        lambda: other.handle([command(0, submit(requests[1], inn="7707083893"), partition=1)]),
    )
    assert sorted(outcome.redone for outcome in outcomes) == [0, 1]
    assert sorted(history(recorder, request) for request in requests) == [[], [SUBMITTED]]
    assert codes(recorder) == ["inn-taken"]


def test_one_value_claimed_twice_in_a_batch(recorder: EventRecorder) -> None:
    requests = uuid4(), uuid4()
    runner = runner_on(recorder, toy(gather=Taken, decide=decide_with_claims))
    outcome = runner.handle([command(number, submit(request, inn="1")) for number, request in enumerate(requests)])
    assert outcome.redone == 0
    assert [history(recorder, request) for request in requests] == [[SUBMITTED], []]
    assert codes(recorder) == ["inn-taken"]


def test_a_batch_that_can_never_be_written_ends_the_process_with_nothing_written(recorder: EventRecorder) -> None:
    asked = []

    def stubborn(state: Sent | None, message: Message, facts: Any) -> Decision:
        asked.append(message)
        return decide(state, message, facts)

    runner = runner_on(recorder, toy(decide=stubborn))
    with pytest.raises(RuntimeError, match="could not be written"):
        runner.handle([command(0, submit(uuid4(), inn="1")), command(1, submit(uuid4(), inn="1"))])
    assert len(asked) == 2 * MOST_TRIES
    assert (recorder.head(), mark(recorder)) == (0, Checkpoint(-1, 0))


def test_an_input_that_can_never_be_completed_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def conflict(run: Completion) -> BatchOutcome:
        tries.append(run)
        raise IntegrityError("another request has the value that is claimed")

    monkeypatch.setattr(Completion, "run", conflict)
    runner = StageRunner(toy(), cast(EventRecorder, None), toy_inputs(), 100)
    with pytest.raises(RuntimeError, match="could not be completed"):
        runner.complete(command(0, submit(uuid4())))
    assert len(tries) == MOST_TRIES


# A cache that another worker has made stale


def test_not_acceptable_by_the_cache_is_looked_up_again(recorder: EventRecorder) -> None:
    request = uuid4()
    stale, other = runner_on(recorder), runner_on(recorder)
    stale.handle([upstream(0, request, 1)])
    assert request in stale.states
    other.handle([command(0, submit(request))])
    outcome = stale.handle([upstream(1, request, 2)])
    assert (len(outcome.events), outcome.dead_letters) == (1, [])
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN]


def test_nothing_to_do_by_the_cache_is_looked_up_again(recorder: EventRecorder) -> None:
    def decide_anew(state: Sent | None, message: Message, facts: Any) -> Decision:
        """Who was withdrawn may be sent again."""
        if isinstance(message, SubmitRequest) and state == Sent(withdrawn=True):
            return (RequestSubmitted(procedure=PROCEDURE, **message.model_dump(exclude={"request_id"})),)
        return decide(state, message, facts)

    request = uuid4()
    stale, other = (runner_on(recorder, toy(decide=decide_anew)) for _ in range(2))
    stale.handle([command(0, submit(request))])
    other.handle([upstream(0, request, 1)])
    stale.handle([command(1, submit(request))])
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN, SUBMITTED]


def test_something_to_do_by_a_stale_cache_is_decided_anew(recorder: EventRecorder) -> None:
    request = uuid4()
    stale, other = runner_on(recorder), runner_on(recorder)
    stale.handle([command(0, submit(request))])
    other.handle([upstream(0, request, 1)])
    outcome = stale.handle([command(1, withdraw(request))])
    assert (outcome.redone, outcome.events) == (1, [])
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN]


# The store


def test_a_store_that_went_back_ends_the_process(runner: StageRunner, recorder: EventRecorder) -> None:
    runner.handle([command(5, submit(uuid4()))])
    with recorder.datastore.get_connection() as connection:
        connection.execute("UPDATE notification_tracking SET notification_id = 2")
    with pytest.raises(StoreWentBack, match=f"{COMMANDS}/0: handled up to 5, the store says 2"):
        runner.handle([command(6, submit(uuid4()))])
    assert recorder.head() == 1


def test_a_store_that_is_away_is_no_dead_letter(recorder: EventRecorder, open_recorder: OpenRecorder) -> None:
    """The connections break just when a state from the cache is to be looked up again."""
    cut = threading.Event()

    def decide_while_cut(state: Sent | None, message: Message, facts: Any) -> Decision:
        if cut.is_set():
            cut.clear()
            with recorder.datastore.get_connection() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        return decide(state, message, facts)

    request = uuid4()
    runner = runner_on(open_recorder(), toy(decide=decide_while_cut))
    runner.handle([command(0, submit(request))])
    cut.set()
    batch = [command(1, submit(request)), command(2, withdraw(request))]
    away = 0
    while True:
        try:
            runner.handle(batch)
            break
        except (OperationalError, InterfaceError):
            away += 1
            assert away < 10
    assert away, "the caller was told, and has tried again"
    afterwards = open_recorder()
    assert codes(afterwards) == []
    assert history(afterwards, request) == [SUBMITTED, WITHDRAWN]


# Dead letters, tried again


def mark_for_retry(recorder: EventRecorder) -> list[Any]:
    with recorder.datastore.get_connection() as connection:
        connection.execute("UPDATE dead_letters SET status = 'retry' WHERE status = 'open'")
    return recorder.dead_letters("status = 'retry'")


def statuses(recorder: EventRecorder) -> list[tuple[str, int]]:
    with recorder.datastore.get_connection() as connection:
        rows = connection.execute("SELECT status, tries FROM dead_letters ORDER BY id").fetchall()
    return [(row["status"], row["tries"]) for row in rows]


def test_a_retried_letter_is_taken_when_what_was_missing_is_there(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    runner.handle([command(0, withdraw(request)), command(1, submit(request))])
    marks = mark(recorder)
    outcome = runner.retry(mark_for_retry(recorder))
    assert (outcome.handled, len(outcome.events), outcome.dead_letters) == (1, 1, [])
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN]
    assert recorder.load([request])[request][1].input == f"{COMMANDS}/0/0"
    assert statuses(recorder) == [("done", 1)]
    assert mark(recorder) == marks, "its offset was passed long ago"


def test_a_retried_event_of_a_stage_is_not_a_late_duplicate(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    runner.handle([upstream(0, request, 1), upstream(1, uuid4(), 2)])
    runner.handle([command(0, submit(request))])
    outcome = runner.retry(mark_for_retry(recorder))
    assert len(outcome.events) == 1
    assert statuses(recorder) == [("done", 1), ("open", 1)]
    assert mark(recorder, ANY_UPSTREAM) == Checkpoint(1, 2)


def test_a_retried_letter_that_is_refused_stays_open_with_the_newest_reason(
    runner: StageRunner, recorder: EventRecorder
) -> None:
    runner.handle([command(0, submit(uuid4(), comment="boom")), raw(1, submit(uuid4()), value=b"")])

    def refuse(state: Any, message: Message, facts: Any) -> Decision:
        return Unacceptable("new-code", "a new reason")

    newer = runner_on(recorder, toy(decide=refuse))
    outcome = newer.retry(mark_for_retry(recorder))
    assert [each.code for each in outcome.dead_letters] == ["bad-body", "new-code"]
    assert [(each.code, each.reason) for each in recorder.dead_letters()] == [
        ("bad-body", "the body is empty"),
        ("new-code", "a new reason"),
    ]
    assert statuses(recorder) == [("open", 1), ("open", 1)]
    assert recorder.head() == 0


def test_a_letter_that_is_told_twice_by_now_is_done(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    runner.handle([command(0, withdraw(request)), command(1, submit(request)), command(2, withdraw(request))])
    assert runner.retry(mark_for_retry(recorder)).events == []
    assert statuses(recorder) == [("done", 1)]
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN]


def test_a_letter_of_a_topic_that_is_no_input_any_more_stays(recorder: EventRecorder) -> None:
    """The distributor is gone; somebody marks its dead letters all the same."""
    runner_on(recorder).handle([upstream(0, uuid4(), 1)])
    without = runner_on(recorder, toy(inputs=lambda: toy_inputs()[:1]))
    outcome = without.retry(mark_for_retry(recorder))
    assert [each.code for each in outcome.dead_letters] == ["no-input"]
    assert statuses(recorder) == [("open", 1)]
    assert codes(recorder) == ["no-input"]


def test_an_input_whose_events_came_back_from_the_topic_is_not_decided_again(
    runner: StageRunner, recorder: EventRecorder
) -> None:
    runner.imported = frozenset([f"{COMMANDS}/0/4"])
    outcome = runner.handle([command(4, submit(uuid4())), command(5, submit(uuid4()))])
    assert (outcome.duplicates, outcome.handled) == (1, 1)
    assert mark(recorder).offset == 5


# Clocks


def test_an_event_is_later_than_its_cause_and_than_all_before_it(runner: StageRunner, recorder: EventRecorder) -> None:
    """The wall clock of this machine is years behind, and goes back."""
    readings = iter([5_000, 4_000, 3_000, 2_000, 1_000])
    runner.clock = Clock(lambda: next(readings))
    one, other = uuid4(), uuid4()
    runner.handle([command(0, submit(one)), command(1, submit(other))])
    runner.handle([upstream(0, other, 1, clock=10**15), command(2, withdraw(one))])
    clocks = [each.clock for each in recorder.read(0, 10)]
    assert clocks == sorted(set(clocks))
    assert clocks[0] == 5_000 << 16
    assert clocks[2] > 10**15


def test_a_request_goes_on_behind_its_last_event_after_a_restart_with_a_slow_clock(recorder: EventRecorder) -> None:
    request = uuid4()
    runner_on(recorder).handle([command(0, submit(request))])
    slow = runner_on(recorder)
    slow.clock = Clock(lambda: 1)
    slow.handle([command(1, withdraw(request))])
    first, second = recorder.load([request])[request]
    assert second.clock > first.clock


def test_an_outside_senders_clock_does_not_push_ours(runner: StageRunner, recorder: EventRecorder) -> None:
    runner.clock = Clock(lambda: 1_000)
    runner.handle([command(0, submit(uuid4()), clock=2**62)])
    (event,) = recorder.read(0, 1)
    assert event.clock == 1_000 << 16


def test_a_stages_unreadable_clock_is_none(runner: StageRunner, recorder: EventRecorder) -> None:
    request = uuid4()
    runner.handle([command(0, submit(request))])
    runner.handle([with_headers(upstream(0, request, 1), ce_clock=b"\xff" * 16)])
    assert history(recorder, request) == [SUBMITTED, WITHDRAWN]


def test_the_envelope_of_a_toy_is_one(runner: StageRunner) -> None:
    """What these tests stand on: a command of the toys is a record as the contract has it."""
    headers: RawHeaders = command(0, submit(uuid4())).headers
    assert Envelope.read(headers).time == NOON
