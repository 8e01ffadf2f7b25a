"""What a stage has written of a record: nothing is known before its mark says so, and everything from then on."""

from __future__ import annotations

from functools import partial
from uuid import UUID, uuid4

from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.outcome import RecordOutcome, claimed_by, outcome_of
from postavka.kernel.store.recorder import Batch, Claim, EventRecorder
from tests.kernel.toys import COMMANDS, event

PLACE = f"{COMMANDS}/0"


def too_early() -> list[UUID]:
    raise AssertionError("what is asked before the mark may be written a moment later, and then the mark is there")


def test_whose_events_follow_is_asked_once_they_are_there(recorder: EventRecorder) -> None:
    request = uuid4()
    with recorder.datastore.open_session() as store:
        assert outcome_of(store, "toy", (COMMANDS, 0, 7), too_early) is None
        recorder.append(
            Batch(
                [event(request, 1)._replace(input=f"{PLACE}/7")],
                [Claim("payment", "p-1", request)],
                moved={PLACE: (recorder.marks([PLACE])[PLACE], Checkpoint(7))},
            )
        )
        subjects = partial(claimed_by, store, "payment", "p-1")
        found = outcome_of(store, "toy", (COMMANDS, 0, 7), subjects)
        assert found is not None
        assert [each.reference for each in found.events] == [f"/postavka/toy#{request}/1"]
        assert outcome_of(store, "toy", (COMMANDS, 0, 6), subjects) == RecordOutcome([])
        assert outcome_of(store, "toy", (COMMANDS, 0, 8), too_early) is None
