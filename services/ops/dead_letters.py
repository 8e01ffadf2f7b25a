"""Dead letters over all stages: in groups, one by one with a diagnosis, and what can be done about them.

Retry, correct and discard are acts: each is an event (`events/ops.py`), written in the transaction that changes the
letter. The stage itself tries what is marked for it, in batches; a corrected record travels as a new one.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier

from events.model import Event
from events.ops import DeadLetterDiscarded, DeadLetterRetried, LetterPlace
from events.topics import STAGE_TOPICS
from postavka.kernel.errors import NotFound
from postavka.kernel.store.queries import load_queries
from services.ops.dead_letter_reasons import NO_TYPE, diagnosis, reason_in_russian, title_of
from services.ops.identity import has_type, requests_named
from services.ops.store import acting, cause_of, record

QUERIES = load_queries("services.ops")

STAGES = tuple(topic.writer for topic in STAGE_TOPICS)
LETTERS = UUID("5d1c36e4-3c29-4a59-9e0f-6a2a4fb8b1c7")
"""Namespace of the subjects of letters that are about no known request."""
MOST_AT_ONCE = 50_000
OPEN = ("open", "retry")
SETTLED = ("done", "corrected", "discarded")


class NoSuchDeadLetter(NotFound):
    """The dead letter is not there, or is settled already."""


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters of one stage with one reason code."""

    stage: str
    code: str
    open: int
    being_retried: int
    settled: int
    first_at: datetime
    last_at: datetime

    @property
    def title(self) -> str:
        """What is wrong with them, in two or three Russian words."""
        return title_of(self.code)

    @property
    def diagnosis(self) -> str:
        """What such a letter is, and what helps; in Russian."""
        return diagnosis(self.code)


@dataclass(frozen=True, slots=True)
class KeptDeadLetter:
    """One dead letter as it came."""

    stage: str
    number: int
    topic: str
    partition: int
    offset: int
    code: str
    reason: str
    request_id: UUID | None
    received_at: datetime
    status: str
    tries: int
    sha256: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = field(repr=False)

    @property
    def id(self) -> str:
        """The id as people write it: `billing/12`."""
        return f"{self.stage}/{self.number}"

    @property
    def about(self) -> frozenset[UUID]:
        """Which requests it is about: its subject, and those that the record itself names."""
        found = requests_named(self.key, self.value, self.headers)
        return frozenset(found if self.request_id is None else found | {self.request_id})

    @property
    def record(self) -> str:
        """Where the record lies: topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def title(self) -> str:
        """What is wrong with it, in two or three Russian words."""
        return title_of(self.code)

    @property
    def russian(self) -> str:
        """The stage's reason in Russian; empty where pages have no words for it, and show it as the stage said it."""
        return reason_in_russian(self.code, self.reason)

    @property
    def diagnosis(self) -> str:
        """What such a letter is, and what helps; in Russian."""
        return NO_TYPE if self.code == "unknown-type" and not has_type(self.headers) else diagnosis(self.code)


def groups(conninfo: str) -> list[Group]:
    """All groups with something open first, then by the newest."""
    found: list[Group] = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for stage in _stages(connection):
            rows = connection.execute(QUERIES.groups.format(Identifier(stage)))
            found += [Group(stage, *row) for row in rows]
    return sorted(found, key=lambda group: (group.open + group.being_retried == 0, -group.last_at.timestamp()))


def letters(
    conninfo: str,
    stage: str | None = None,
    code: str | None = None,
    statuses: Sequence[str] = OPEN,
    request_id: UUID | None = None,
    limit: int = 100,
) -> list[KeptDeadLetter]:
    """The newest of them that fit. About a request are those that its stage knows to be, and those whose key, body or
    headers have its id, in whatever spelling."""
    where: Composable = SQL("status = ANY(%s) AND (%s::text IS NULL OR code = %s)")
    parameters: list[Any] = [list(statuses), code, code]
    if request_id is not None:
        where += SQL(" AND (") + QUERIES.names_request + SQL(")")
        parameters += _spellings(request_id)
    found: list[KeptDeadLetter] = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for each in _stages(connection):
            if stage in (None, each):
                found += _select(connection, each, where, parameters, limit)
    return sorted(found, key=lambda letter: letter.received_at, reverse=True)[:limit]


def _spellings(request: UUID) -> list[Any]:
    """What `names_request` looks for: the id as a column has it, as texts have it, and as a header's whole value."""
    plain = [str(request), request.hex]
    headers = [base64.b64encode(each.encode()).decode()[:40] for text in plain for each in (text, text.upper())]
    return [request, plain, plain, headers]


def letter(conninfo: str, stage: str, number: int) -> KeptDeadLetter:
    """The dead letter of this number in a stage's store. Raises `NoSuchDeadLetter`."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        found = _select(connection, stage, SQL("id = %s"), (number,), 1) if stage in _stages(connection) else []
    if not found:
        raise NoSuchDeadLetter(f"there is no dead letter {stage}/{number}")
    return found[0]


def open_by_stage(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """How many nobody has settled yet, of every stage whose schema is there."""
    found = {}
    for stage in _stages(connection):
        row = connection.execute(QUERIES.count_open.format(Identifier(stage))).fetchone()
        found[stage] = int(row[0]) if row else 0
    return found


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of a stage's dead letters by status: `taken` at a later try, `waiting` to be tried again, `open`."""

    open: int
    waiting: int
    taken: int


def tally(conninfo: str, stage: str) -> Tally:
    """The figures of one stage's dead letters. Raises `NoSuchDeadLetter` for what is no stage."""
    _check_stage(stage)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(QUERIES.tally.format(Identifier(stage))).fetchone()
    return Tally(*row) if row else Tally(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The foreseen effect of an act on many: how many letters by reason, and how many are left for another time,
    because so many are done at once."""

    by_code: Mapping[str, int]
    left: int

    @property
    def letters(self) -> int:
        """How many, in all."""
        return sum(self.by_code.values())


def foresee(conninfo: str, stage: str, numbers: Sequence[int] | None, code: str | None = None) -> Foreseen:
    """What `retry` or `discard` with the same arguments would act on. Changes nothing. Raises `NoSuchDeadLetter`."""
    _check_stage(stage)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        rows = connection.execute(
            QUERIES.count_by_code.format(Identifier(stage), OF_WHICH, SQL(str(MOST_AT_ONCE))),
            _which(numbers, code),
        ).fetchall()
        whole = connection.execute(
            QUERIES.count_that_fit.format(Identifier(stage), OF_WHICH),
            _which(numbers, code),
        ).fetchone()
    by_code: dict[str, int] = dict(rows)
    return Foreseen(by_code, (whole[0] if whole else 0) - sum(by_code.values()))


def open_numbers(conninfo: str, stage: str, code: str) -> list[int]:
    """The letters that `discard` of this reason code would act on. Raises `NoSuchDeadLetter`."""
    _check_stage(stage)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        rows = connection.execute(
            QUERIES.open_numbers.format(Identifier(stage), OF_WHICH, SQL(str(MOST_AT_ONCE))), _which(None, code)
        )
        return [number for (number,) in rows]


# Acts

OF_WHICH = SQL("status = 'open' AND (%s::bigint[] IS NULL OR id = ANY(%s)) AND (%s::text IS NULL OR code = %s)")


def _which(numbers: Sequence[int] | None, code: str | None) -> tuple[Any, ...]:
    wanted = None if numbers is None else list(numbers)
    return wanted, wanted, code, code


def retry(
    conninfo: str, stage: str, numbers: Sequence[int] | None, by: str, code: str | None = None, reason: str = ""
) -> int:
    """Hand open letters to their stage again, `None`: all of them (of one code); returns how many."""
    return _settle(
        conninfo,
        stage,
        "retry",
        OF_WHICH,
        _which(numbers, code),
        lambda place: DeadLetterRetried(letter=place, retried_by=by, reason=reason or None),
    )


def discard(
    conninfo: str, stage: str, numbers: Sequence[int] | None, by: str, reason: str, code: str | None = None
) -> int:
    """Give letters up, with a written reason; `None`: all that are open (of one code); returns how many."""
    return _settle(
        conninfo,
        stage,
        "discarded",
        OF_WHICH,
        _which(numbers, code),
        lambda place: DeadLetterDiscarded(letter=place, discarded_by=by, reason=reason),
    )


def headers_of(stored: Sequence[Sequence[str | None]]) -> tuple[tuple[str, bytes | None], ...]:
    """Headers as the store keeps them, as they were."""
    return tuple((name or "", None if value is None else base64.b64decode(value)) for name, value in stored)


def _settle(
    conninfo: str,
    stage: str,
    status: str,
    where: SQL,
    parameters: Sequence[Any],
    event_of: Callable[[LetterPlace], Event],
) -> int:
    with acting(conninfo) as act:
        places = mark(act, stage, status, where, parameters)
        record(act, [(subject_of(place), event_of(place), cause_of(place)) for place in places])
    return len(places)


def mark(
    act: psycopg.Connection[Any], stage: str, status: str, where: SQL, parameters: Sequence[Any]
) -> list[LetterPlace]:
    """Give letters another status; returns where they lie."""
    _check_stage(stage)
    statement: Composed = QUERIES.mark.format(Identifier(stage), where, SQL(str(MOST_AT_ONCE)))
    rows = act.execute(statement, (status, *parameters)).fetchall()
    return [
        LetterPlace(
            stage=stage,
            number=number,
            topic=topic,
            partition=partition,
            offset=offset,
            code=code,
            sha256=sha256,
            request_id=subject,
        )
        for number, topic, partition, offset, code, sha256, subject in rows
    ]


def place_of(act: psycopg.Connection[Any], stage: str, number: int) -> LetterPlace:
    """Where an open letter lies, held until the act is done. Raises `NoSuchDeadLetter` when it is settled already."""
    found = mark(act, stage, "open", SQL("status = 'open' AND id = %s"), (number,))
    if not found:
        raise NoSuchDeadLetter(f"there is no open dead letter {stage}/{number}")
    return found[0]


def _check_stage(stage: str) -> None:
    if stage not in STAGES:
        raise NoSuchDeadLetter(f"there is no stage {stage!r}; there are {', '.join(STAGES)}")


def subject_of(place: LetterPlace) -> UUID:
    """The subject of events about a dead letter: its request; an id made from the letter's where none is known."""
    return place.request_id or uuid5(LETTERS, f"{place.stage}/{place.number}")


def _stages(connection: psycopg.Connection[Any]) -> list[str]:
    """Stages whose schema is there."""
    rows = connection.execute(QUERIES.stages_with_dead_letters, (list(STAGES),))
    return [stage for (stage,) in rows]


def _select(
    connection: psycopg.Connection[Any], stage: str, where: Composable, parameters: Sequence[Any], limit: int
) -> list[KeptDeadLetter]:
    statement = QUERIES.dead_letters.format(Identifier(stage), where)
    rows = connection.execute(statement, (*parameters, limit))
    return [KeptDeadLetter(stage, *(*row[:-1], headers_of(row[-1]))) for row in rows]
