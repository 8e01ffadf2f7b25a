"""Decide again what is on record, and compare. Pure but for the facts' oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson

from events.envelope import header_map
from events.model import Event, Unacceptable
from events.registry import decode, fields_of
from events.versions import spoken
from postavka.kernel.stage.definition import Input, Stage
from services.audit.reading import Corrections, corrector
from services.audit.replay.decision_log import Lane, Past, RecordedStep, incoming_of
from services.audit.replay.recorded_facts import Oracle, RecordedDecision

NOT_DECIDERS = frozenset(
    (
        "unreadable",
        "unknown-type",
        "no-position",
        "too-large",
        "bad-body",
        "wrong-key",
        "no-subject",
        "upgrade-unfinished",
    )
)
"""Codes of dead letters that no decider has seen."""
MOST_FIELDS = 6

Bodies = tuple[tuple[str, bytes], ...]
"""Type and body of events, as they would be written."""


@dataclass(frozen=True, slots=True)
class DeadLetterVerdict:
    """The verdict on a dead letter: what its stage said."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one input: what is decided now, beside what was decided then."""

    stage: str
    subject: UUID
    coordinates: str
    at_ms: int
    then: tuple[str, ...]
    """Types of the events on record, or the dead letter's code."""
    now: tuple[str, ...]
    difference: str | None
    """None: the same. Otherwise the first event that differs, with its first fields."""
    position: int | None
    """Of the first differing event on record; None where nothing is on record there."""
    events: Bodies = ()
    """What is decided now."""
    past: tuple[Past, ...] = ()
    corrected_by: str | None = None
    """Who has put the input in a dead letter's place, if operations did."""


@dataclass(frozen=True, slots=True)
class Rules:
    """A stage, with its decider or another in its place."""

    stage: Stage
    feeds: Mapping[str, Input]
    decide: Callable[[Any, Any, Any], Any]
    evolve: Callable[[Any, Any], Any]
    initial: Any


class Redecision:
    """The re-decision of lanes: it decides them again, and compares."""

    def __init__(
        self,
        rules: Mapping[str, Rules],
        oracles: Mapping[str, Oracle],
        letters: Mapping[tuple[str, str], DeadLetterVerdict],
        corrections: Corrections = MappingProxyType({}),
    ) -> None:
        self._corrections = corrections
        self._rules = rules
        self._oracles = oracles
        self._letters = letters

    def lane(self, lane: Lane, wanted: Callable[[RecordedStep], bool]) -> Iterator[tuple[int, Callable[[], Verdict]]]:
        """What there is to decide in it: when (for pacing: an event's clock or an input's time, in milliseconds) and
        how. States follow what is on record, so that all that comes after one difference does not repeat it."""
        rules = self._rules[lane.stage]
        states = [rules.initial]
        recorded: list[list[Event]] = []
        for step in lane.steps:
            events = [_event(past) for past in step.events]
            recorded.append(events)
            state = states[-1]
            for event in events:
                state = rules.evolve(state, event)
            states.append(state)
        for number, step in enumerate(lane.steps):
            if wanted(step):
                yield step.at_ms, lambda n=number, s=step: self._decide(lane, s, recorded[n], [states[n]])  # type: ignore[misc]
        for step in lane.idle:
            if wanted(step):
                yield step.at_ms, lambda s=step: self._decide(lane, s, [], states[s.low : s.high + 1])  # type: ignore[misc]

    def _corrector(self, step: RecordedStep) -> str | None:
        found = step.input
        if not self._corrections or found is None:
            return None
        return corrector(self._corrections, found.topic, header_map(found.headers), found.value)

    def _decide(self, lane: Lane, step: RecordedStep, recorded: list[Event], states: Sequence[Any]) -> Verdict:
        letter = self._letters.get((lane.stage, step.coordinates)) if not recorded else None
        then = (f"dead letter {letter.code}",) if letter else tuple(past.type for past in step.events)

        def verdict(
            now: tuple[str, ...], difference: str | None, bodies: tuple[tuple[str, bytes], ...] = ()
        ) -> Verdict:
            position = step.events[0].position if step.events else None
            return Verdict(
                lane.stage, lane.subject, step.coordinates, step.at_ms, then, now, difference, position, bodies,
                tuple(step.events), self._corrector(step),
            )  # fmt: skip

        if step.input is None:
            return verdict((), "the input is not on its topic")
        rules = self._rules[lane.stage]
        feed = rules.feeds.get(step.input.topic)
        if feed is None:
            return verdict((), f"{step.input.topic} is no input of the stage now")
        incoming = incoming_of(step.input, feed, lane.subject)
        if incoming is None:
            same = letter is not None and letter.code in NOT_DECIDERS
            return verdict(("unread",), None if same else "the input can't be read now")
        if letter is not None and letter.code in NOT_DECIDERS:
            return verdict(then, None)
        at = datetime.fromtimestamp(step.at_ms / 1000, UTC)
        past = RecordedDecision(
            lane.subject,
            incoming.message,
            recorded,
            at,
            (letter.code, letter.reason) if letter else None,
            step.events[0].position if step.events else None,
        )
        best: Verdict | None = None
        for state in states:
            try:
                decision = rules.decide(state, rules.stage.translate(incoming), self._oracles[lane.stage](past, state))
            except Exception as bug:
                found = verdict(("decider failed",), f"the decider fails: {type(bug).__name__}: {bug}"[:300])
                if letter is not None and letter.code == "decider-failed":
                    return verdict(then, None)
            else:
                if isinstance(decision, Unacceptable):
                    same = letter is not None and letter.code == decision.code
                    what = f"unacceptable now: {decision.code}: {decision.reason}"
                    found = verdict((f"dead letter {decision.code}",), None if same else what)
                else:
                    now, bodies = tuple(event.TYPE for event in decision), tuple(map(spoken, decision))
                    found = verdict(now, _difference(step.events, letter, decision, bodies), bodies)
            if found.difference is None:
                return found
            best = best or found
        assert best is not None  # noqa: S101  (there is always a state)
        return best


def _difference(
    past: Sequence[Past],
    letter: DeadLetterVerdict | None,
    decided: Sequence[Event],
    bodies: Bodies,
) -> str | None:
    """The first event that differs; None when all are the same."""
    if letter is not None:
        return None if not decided else f"taken now: {decided[0].TYPE}; then: dead letter {letter.code}"
    for then, now, body in zip(past, decided, bodies, strict=False):
        if (then.type, then.body) == body:
            continue
        was = decode(then.type, then.body)
        if was.TYPE != now.TYPE:
            return f"{then.type} then, {now.TYPE} now"
        before, after = fields_of(was), fields_of(now)
        if then.type != now.TYPE:  # an older version is compared in what it says
            before, after = _as_recorded(orjson.loads(then.body), before, after)
        paths = list(_paths(before, after))
        if paths:
            more = f" and {len(paths) - MOST_FIELDS} more" if len(paths) > MOST_FIELDS else ""
            return f"{now.TYPE}: {'; '.join(paths[:MOST_FIELDS])}{more}"
    if len(past) > len(decided):
        return f"{past[len(decided)].type} then, nothing now"
    if len(decided) > len(past):
        return f"{decided[len(past)].TYPE} now, nothing then"
    return None


def _as_recorded(recorded: Any, before: Any, after: Any) -> tuple[Any, Any]:
    """Both without what a record of an older version does not say."""
    if not (isinstance(recorded, dict) and isinstance(before, dict) and isinstance(after, dict)):
        return before, after
    pairs = {name: _as_recorded(recorded[name], before.get(name), after.get(name)) for name in recorded}
    return {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}


def _paths(then: Any, now: Any, path: str = "") -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted(then.keys() | now.keys()):
            yield from _paths(then.get(name), now.get(name), f"{path}.{name}" if path else name)
    elif then != now:
        yield f"{path}: {_short(then)} → {_short(now)}"


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 80 else text[:79] + "…"


def _event(past: Past) -> Event:
    event = decode(past.type, past.body)
    assert isinstance(event, Event)  # noqa: S101  (a stage's topic carries events)
    return event
