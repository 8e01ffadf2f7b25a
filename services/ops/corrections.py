"""Corrections of dead letters: one person puts a record right; where that opens the gate or moves money, a second one
agrees. Each step is an event in the transaction that makes it, under the request that the correction names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.sql import SQL, Identifier

from events.model import Event
from events.ops import CorrectionAgreed, CorrectionProposed, DeadLetterCorrected, LetterPlace
from postavka.kernel.errors import UserError
from postavka.kernel.log.aiokafka_patches.records import raw_headers
from postavka.kernel.log.unreadable import RAW_HEADERS
from postavka.kernel.store.queries import load_queries
from postavka.kernel.store.session import open_session
from services.ops.dead_letters import KeptDeadLetter, letter, mark, place_of, subject_of
from services.ops.identity import TYPE, check
from services.ops.store import acting, cause_of, record

QUERIES = load_queries("services.ops")

ONE_OPERATOR = "POSTAVKA_CORRECTIONS_BY_ONE"


class NotAgreed(UserError):
    """Nobody can agree to this now; the message says why. `russian`: the same for pages."""

    def __init__(self, english: str, russian: str) -> None:
        super().__init__(english)
        self.russian = russian


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction that waits for a second person's word."""

    id: int
    stage: str
    letter: int
    key: bytes | None = field(repr=False)
    value: bytes = field(repr=False)
    type: str | None
    """Of a record that came without one."""
    reason: str
    proposed_by: str
    proposed_at: datetime


def correct(
    conninfo: str,
    stage: str,
    number: int,
    by: str,
    reason: str,
    key: bytes | None,
    value: bytes,
    *,
    type_name: str | None = None,
    by_one: bool = False,
) -> bool:
    """Put a letter right: this key (None: the letter's own) and value go to the letter's topic, with its headers, as a
    new record; `type_name` is the type of one that came without. True: it is on its way; False: it waits until a second
    person agrees. `by_one`: an installation with one operator, where nobody else is there to ask. Raises
    `NoSuchDeadLetter` when it is settled already, `NotACorrection`."""
    found = letter(conninfo, stage, number)
    key = found.key if key is None else key
    checked = check(found.topic, found.key, found.value, found.headers, key or b"", value, type_name)
    with acting(conninfo) as act:
        place = place_of(act, stage, number)
        act.execute(QUERIES.forget_proposals, (stage, number))
        if checked.needs_agreement and not by_one:
            act.execute(QUERIES.add_proposal, (stage, number, key, value, type_name, reason, by))
            proposed = CorrectionProposed(letter=place, proposed_by=by, reason=reason, proposed_sha256=_sha256(value))
            record(act, [(_subject(place, checked.request), proposed, cause_of(place))])
            return False
        agreed = by if checked.needs_agreement else None
        made = Proposal(0, stage, number, key, value, type_name, reason, by, found.received_at)
        _send(act, found, place, checked.request, made, agreed)
    return True


def agree(conninfo: str, stage: str, number: int, by: str, proposal: int) -> None:
    """A second person's word: the correction that this person has seen (`proposal`, its id) is on its way. Raises
    `NoSuchDeadLetter`, and `NotAgreed` when there is no such proposal or it is this person's own."""
    found = letter(conninfo, stage, number)
    with acting(conninfo) as act:
        waiting = _proposal(act, stage, number)
        if waiting is None or waiting.id != proposal:
            raise NotAgreed(
                f"{stage}/{number} has no such correction waiting: look at it again",
                "Такого исправления нет или его успели изменить. Посмотрите ещё раз.",
            )
        if same_person(waiting.proposed_by, by):
            raise NotAgreed(
                f"a second person has to agree, {by} proposed it; {ONE_OPERATOR}=true is for one operator alone",
                "Согласиться должен второй сотрудник, а это исправление предложили вы.",
            )
        checked = check(
            found.topic, found.key, found.value, found.headers, waiting.key or b"", waiting.value, waiting.type
        )
        act.execute(QUERIES.forget_proposal, (proposal,))
        _send(act, found, place_of(act, stage, number), checked.request, waiting, by)


def proposal_of(conninfo: str, stage: str, number: int) -> Proposal | None:
    """What waits for a second person's word about this letter."""
    with open_session(conninfo, {"search_path": "ops,public"}) as connection:
        there = connection.execute(QUERIES.proposals_there).fetchone()
        return _proposal(connection, stage, number) if there and there[0] else None


def _proposal(connection: psycopg.Connection[Any], stage: str, number: int) -> Proposal | None:
    return connection.cursor(row_factory=class_row(Proposal)).execute(QUERIES.proposal, (stage, number)).fetchone()


def _send(
    act: psycopg.Connection[Any],
    found: KeptDeadLetter,
    place: LetterPlace,
    request: UUID | None,
    made: Proposal,
    agreed_by: str | None,
) -> None:
    """The letter is done, and its correction in the outbox, with who made it and who agreed."""
    stage, number = place.stage, place.number
    mark(act, stage, "corrected", SQL("status = 'open' AND id = %s"), (number,))
    who = made.proposed_by if agreed_by is None else f"{made.proposed_by}, agreed: {agreed_by}"
    added = {"dlq_corrects": f"{stage}/{number}", "dlq_corrected_by": who}
    if made.type is not None:
        added[TYPE] = made.type
    row = act.execute(QUERIES.headers_of.format(Identifier(stage)), (number,)).fetchone()
    assert row is not None  # noqa: S101
    headers = [pair for pair in _legible(row[0]) if pair[0] not in added]
    headers += [[name, base64.b64encode(text.encode()).decode()] for name, text in added.items()]
    act.execute(
        QUERIES.add_correction,
        (stage, number, place.topic, made.key, made.value, orjson.dumps(headers).decode()),
    )
    sha256 = _sha256(made.value)
    events: list[Event] = [
        DeadLetterCorrected(letter=place, corrected_by=made.proposed_by, reason=made.reason, corrected_sha256=sha256)
    ]
    if agreed_by is not None:
        by_one = agreed_by is not None and same_person(agreed_by, made.proposed_by)
        agreed = CorrectionAgreed(
            letter=place, proposed_by=made.proposed_by, agreed_by=agreed_by, corrected_sha256=sha256, by_one=by_one
        )
        events.insert(0, agreed)
    record(act, [(_subject(place, request), event, cause_of(place)) for event in events])


def _subject(place: LetterPlace, request: UUID | None) -> UUID:
    """The request that the correction is about; without one, as of every letter."""
    return request or subject_of(place)


def _sha256(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def unsent_corrections(connection: psycopg.Connection[Any], limit: int = 500) -> list[dict[str, Any]]:
    """Corrected records that are not on their topic yet."""
    return connection.cursor(row_factory=dict_row).execute(QUERIES.unsent_corrections, (limit,)).fetchall()


def corrections_sent(connection: psycopg.Connection[Any], ids: Sequence[int]) -> None:
    """The broker has them."""
    connection.execute(QUERIES.corrections_sent, (list(ids),))


def _legible(stored: list[list[str | None]]) -> list[list[str | None]]:
    """The headers that a correction takes over: of an unreadable record its own, with names that are text."""
    raw = next((value for name, value in stored if name == RAW_HEADERS), None)
    if raw is None:
        return stored
    return [
        [name.decode("utf-8", "backslashreplace"), None if value is None else base64.b64encode(value).decode()]
        for name, value in raw_headers(base64.b64decode(raw))
    ]


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: who acts on a page and in the shell under one login is the same."""
    return one.removeprefix("cli:") == other.removeprefix("cli:")
