"""Terms of several requests that name one another, in whatever order all of it is read; and days of periods."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given as for_all
from hypothesis import strategies as st

from events.commands import ProlongService
from events.model import Unacceptable
from events.registry import MESSAGES, fields_of
from postavka.domain.periods import last_day, term_of, whole_months
from services.renewal import decider
from services.renewal.state import Running, State
from services.renewal.timer.projection import ServiceRows
from tests.services.renewal.test_decider import FROM, activated, facts, submitted

IDS = [UUID(int=0x0190F3A0_0000_7000_8000_000000000000 + number) for number in range(5)]
DAYS = st.dates(date(2026, 1, 1), date(2031, 12, 31))


class Services:
    """All requests, each with its state, and the timer that carries what they tell one another."""

    def __init__(self) -> None:
        self.states: dict[UUID, State] = dict.fromkeys(IDS, decider.INITIAL)
        self.rows = ServiceRows()
        self._carried: set[Any] = set()

    def take(self, request_id: UUID, message: Any) -> None:
        decision = decider.decide(self.states[request_id], message, facts(FROM))
        assert not isinstance(decision, Unacceptable)
        for event in decision:
            self.states[request_id] = decider.evolve(self.states[request_id], event)
            self.rows.take(event.TYPE, fields_of(event), str(request_id), "", None)

    def carry(self) -> bool:
        """Everything that was not carried yet, each twice; was there anything?"""
        new = [(key, row) for key, row in self.rows.carried.items() if key not in self._carried]
        for key, row in new:
            self._carried.add(key)
            command = MESSAGES[row["type"]].model_validate(row["body"])
            assert str(command.request_id) == row["request_id"]  # type: ignore[attr-defined]
            for _ in range(2):
                self.take(UUID(row["request_id"]), command)
        return bool(new)

    def served(self) -> dict[UUID, list[tuple[date, date]]]:
        """The deliveries of each service."""
        return {
            request_id: sorted([(state.own.first, state.own.last), *state.prolonged])
            for request_id, state in self.states.items()
            if isinstance(state, Running)
        }


def root_of(request_id: UUID, names: dict[UUID, UUID | None]) -> UUID | None:
    """What a chain of names ends at; None for a circle."""
    seen = set()
    while (named := names[request_id]) is not None:
        if request_id in seen:
            return None
        seen.add(request_id)
        request_id = named
    return request_id


@for_all(
    st.lists(st.sampled_from([None, None, *IDS]), min_size=5, max_size=5),
    st.lists(st.tuples(DAYS, st.integers(1, 24)), min_size=5, max_size=5),
    st.permutations([(kind, request_id) for kind in ("submitted", "activated") for request_id in IDS]),
    st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_whatever_is_activated_is_part_of_one_service(
    named: list[UUID | None], bought: list[tuple[date, int]], order: list[tuple[str, UUID]], carried: list[bool]
) -> None:
    names = dict(zip(IDS, named, strict=True))
    days = {each: (first, last_day(first, months)) for each, (first, months) in zip(IDS, bought, strict=True)}
    services = Services()
    for (kind, request_id), now in zip(order, carried, strict=True):
        services.take(request_id, submitted(names[request_id]) if kind == "submitted" else activated(*days[request_id]))
        if now:
            services.carry()
    while services.carry():
        pass
    served = services.served()
    assert sorted(period for periods in served.values() for period in periods) == sorted(days.values())


@for_all(
    st.lists(st.sampled_from([None, *IDS]), min_size=5, max_size=5),
    st.lists(st.tuples(DAYS, st.integers(1, 24)), min_size=5, max_size=5),
    st.permutations(IDS),
)
def test_a_chain_of_renewals_is_one_term_wherever_it_was_named(
    named: list[UUID | None], bought: list[tuple[date, int]], order: list[UUID]
) -> None:
    """In ordinary life: all requests are known and the deliveries named are activated when they are; the rest in any
    order."""
    names = dict(zip(IDS, named, strict=True))
    days = {each: (first, last_day(first, months)) for each, (first, months) in zip(IDS, bought, strict=True)}
    services = Services()
    for request_id in IDS:
        services.take(request_id, submitted(names[request_id]))
    for request_id in sorted(order, key=lambda each: names[each] is not None):
        services.take(request_id, activated(*days[request_id]))
        while services.carry():
            pass
    served = services.served()
    for root in (each for each in IDS if names[each] is None):
        chain = sorted(days[each] for each in IDS if root_of(each, names) == root)
        assert served[root] == chain
        state = services.states[root]
        assert isinstance(state, Running)
        assert state.days == term_of(chain)


def test_the_timer_tells_the_days_as_they_were_activated() -> None:
    services = Services()
    services.take(IDS[1], submitted(IDS[0]))
    services.take(IDS[1], activated())
    [row] = services.rows.carried.values()
    assert ProlongService.model_validate(row["body"]) == ProlongService(
        request_id=IDS[0],
        renewal_id=IDS[1],
        registration_number="12345678",
        activated_from=FROM,
        activated_until=last_day(FROM, 12),
    )


@for_all(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 120))
def test_a_period_says_how_many_months_it_has(first: date, months: int) -> None:
    last = last_day(first, months)
    assert whole_months(first, last) == months
    assert term_of([(first, last)]) == (first, last)


def test_days_that_are_no_whole_months_are_added_as_days() -> None:
    first, last = date(2026, 1, 1), date(2026, 1, 10)
    assert whole_months(first, last) is None
    assert term_of([(first, last), (date(2026, 1, 5), date(2026, 1, 7))]) == (first, date(2026, 1, 13))


@for_all(st.lists(st.tuples(DAYS, st.integers(1, 24)), min_size=1, max_size=6))
def test_a_term_is_no_shorter_than_what_was_bought_for_it(bought: list[tuple[date, int]]) -> None:
    periods = [(first, last_day(first, months)) for first, months in bought]
    first, last = term_of(periods)
    assert last >= max(each for _, each in periods)
    inside = [period for period in periods if period[0] >= first]
    assert last == last_day(first, sum(months for begins, months in bought if begins >= first)) or (
        abs(last - last_day(first, sum(months for begins, months in bought if begins >= first)))
        <= timedelta(days=3 * len(inside))
    )
