"""What an auditor decides again on the record alone is what was decided."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given as for_all
from hypothesis import strategies as st

from events.commands import ConsiderService
from events.model import Event, Unacceptable
from events.reference import Contract
from events.renewal import ServiceStarted
from postavka.domain.calendar import MOSCOW
from services.audit.replay.recorded_facts import RecordedDecision, RecordedFacts
from services.renewal import decider

REQUEST = UUID("0190f3a0-0000-7000-8000-000000000001")
UNTIL = date(2026, 12, 31)
STARTED = ServiceStarted(registration_number="1", service_from=date(2026, 1, 1), service_until=UNTIL)
CONTRACT = Contract(number="ITS-1", valid_from=date(2026, 1, 1), valid_until=UNTIL)


@for_all(
    st.lists(
        st.tuples(
            st.datetimes(datetime(2026, 10, 1), datetime(2027, 2, 1), timezones=st.just(UTC)),  # noqa: DTZ001
            st.integers(-2, 1),
            st.sampled_from([None, CONTRACT]),
        ),
        max_size=20,
    )
)
def test_every_decision_is_made_again_from_its_record(asked: list[tuple[datetime, int, Contract | None]]) -> None:
    """The moment and the contract stand in the events, the ladder in the command. A stage that was behind decided long
    after the broker had the command: that time plays no part."""
    facts_of = RecordedFacts("").of["renewal"]
    state = decider.evolve(decider.INITIAL, STARTED)
    for moment, ahead, contract in sorted(asked, key=lambda each: each[0]):
        today = moment.astimezone(MOSCOW).date()
        message = ConsiderService(request_id=REQUEST, day=today + timedelta(days=ahead), ladder=(60, 30, 7))
        decision = decider.decide(state, message, decider.Facts(moment, today, contract))
        refused = (decision.code, decision.reason) if isinstance(decision, Unacceptable) else None
        events: list[Event] = [] if isinstance(decision, Unacceptable) else list(decision)
        at = moment + timedelta(days=3) if events else moment  # of an input that led to nothing: the broker's time
        recorded = RecordedDecision(REQUEST, message, events, at, refused, 1 if events else None)
        assert decider.decide(state, message, facts_of(recorded, state)) == decision
        for event in events:
            state = decider.evolve(state, event)
