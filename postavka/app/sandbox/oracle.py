"""Says what a sandbox must have told, from what was sold alone, and compares: each reminder once, on its day, none
missed, none doubled. It knows the plan, the table of events and the letters, and nothing of the stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg

from postavka.app.sandbox.plan import SoldService, year_later

TOLD = """SELECT originator_id::text, topic, convert_from(state, 'UTF8')::jsonb AS said
FROM renewal.stored_events WHERE topic IN ('ReminderDue.v1', 'ServiceLapsed.v1')"""
RENEWED = "SELECT count(*) FROM renewal.stored_events WHERE topic = 'ServiceRenewed.v1'"

Fact = tuple[str, str, date]
"""A service, what is told of it (`30`: a reminder; `end`), and the day."""


@dataclass(frozen=True, slots=True)
class OracleVerdict:
    """What the oracle has found. `reminders` and `ended` count what was told."""

    reminders: Counter[str]
    ended: int
    renewed: int
    letters: int
    missing: list[Fact]
    surplus: list[Fact]
    wrong_letters: list[str]

    @property
    def is_right(self) -> bool:
        """Everything happened once, and nothing else did."""
        return not (self.missing or self.surplus or self.wrong_letters)


def expected(services: Iterable[SoldService], ladder: Sequence[int], begins: date, until: date) -> Counter[Fact]:
    """What must be told of these services from the day `begins` to the day `until`."""
    facts: Counter[Fact] = Counter()
    for each in services:
        changes = each.renewed_on if each.renewed_on is not None else until + timedelta(days=1)
        _one_end(facts, str(each.request_id), each.last, each.first, begins, changes, ladder)
        if each.renewed_on is not None:
            in_time = each.renewed_on <= each.last + timedelta(days=1)
            last = year_later(each.last + timedelta(days=1) if in_time else each.renewed_on)
            after = until + timedelta(days=1)
            _one_end(facts, str(each.request_id), last, each.renewed_on, each.renewed_on, after, ladder)
    return facts


def _one_end(
    facts: Counter[Fact], name: str, last: date, known: date, since: date, changes: date, ladder: Sequence[int]
) -> None:
    """What is told of one last day between `since` and the day before `changes`. Of steps that were passed when the
    first day was looked at, the nearest to the end is told then."""
    days = {step: last - timedelta(days=step) for step in ladder}
    passed = [step for step, day in days.items() if known < day < since <= last]
    if passed and since < changes and since not in days.values():
        facts[name, str(min(passed)), since] += 1
    for step, day in days.items():
        if known < day and since <= day < changes:
            facts[name, str(step), day] += 1
    if max(last + timedelta(days=1), since) < changes:
        facts[name, "end", max(last + timedelta(days=1), since)] += 1


def verdict(databases: Iterable[str], letters: Mapping[str, int], wanted: Counter[Fact]) -> OracleVerdict:
    """Compare with what is in the stage's stores, and with the letters that the sink has got, by request."""
    found: Counter[Fact] = Counter()
    renewals = 0
    for each in databases:
        with psycopg.connect(each) as connection:
            for request_id, kind, said in connection.execute(TOLD).fetchall():
                found[request_id, _what(kind, said), date.fromisoformat(said["reckoning"]["day"])] += 1
            ((renewed,),) = connection.execute(RENEWED).fetchall()
            renewals += renewed
    return compare(wanted, found, letters, renewals)


def compare(wanted: Counter[Fact], found: Counter[Fact], letters: Mapping[str, int], renewed: int) -> OracleVerdict:
    """What of this differs: was told too often, too seldom, or by more or fewer letters than reminders. Pure."""
    reminded = Counter(name for (name, what, _), times in found.items() for _ in range(times) if what != "end")
    return OracleVerdict(
        Counter(what for (_, what, _), times in found.items() for _ in range(times) if what != "end"),
        sum(times for (_, what, _), times in found.items() if what == "end"),
        renewed,
        sum(letters.values()),
        sorted((wanted - found).elements()),
        sorted((found - wanted).elements()),
        sorted(name for name in letters.keys() | reminded.keys() if letters.get(name, 0) != reminded.get(name, 0)),
    )


def _what(kind: str, said: dict[str, Any]) -> str:
    return str(said["days_before"]) if kind.startswith("ReminderDue") else "end"
