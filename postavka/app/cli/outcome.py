"""Sending a command, and staying until something has come of it: what its stage has written, and what the next stage
has made of that, if that is the word that counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import psycopg

from events.model import Message
from events.upcasting import newest_version
from postavka.app.event_lines import event_line, reasons_of
from postavka.kernel.console import SOURCE, console, print_line
from postavka.kernel.errors import CommandRefused, NoAnswer
from postavka.kernel.outbox.command_sender import Sender
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import Settings, database_url
from postavka.kernel.stage.refusals import says_no
from postavka.kernel.store.outcome import RecordOutcome, StoredFact, claimed_by, followed, outcome_of
from postavka.kernel.store.session import open_session

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.05
NEXT = {"RequestSubmitted": "approval", "RequestWithdrawn": "shipping"}
"""Whose word on an event is the answer: a request that was taken is worth what approval says of it."""


@dataclass(slots=True)
class CommandAnswer:
    """The events that have come of a command, stage by stage; `refused` says why it was not taken."""

    events: list[StoredFact] = field(default_factory=list)
    refused: str | None = None

    @property
    def reasons(self) -> list[str]:
        """Why the answer is no; empty where it is not."""
        refusals = (fact for fact in self.events if says_no(newest_version(fact.type)))
        said = [each for fact in refusals for each in reasons_of(fact.body) or [fact.type]]
        return said if self.refused is None else [self.refused, *said]


def send(
    config: Settings,
    topic: str,
    subject: str,
    message: Message,
    *,
    stage: str,
    wait: bool,
    json: bool,
    claim: str | None = None,
) -> None:
    """Send one command to this stage, say under which ids, and what has come of it. `claim`: the kind under which the
    store of the stage keeps `subject`, where that is no request. Raises `CommandRefused`, `NoAnswer`."""
    sender = Sender(config, SOURCE)
    envelope = sender.send(topic, subject, message)
    sender.flush()
    told: dict[str, Any] = {"request": subject, "command": envelope.id, "topic": topic, "type": message.TYPE}
    if not json:
        console.print(f"{message.TYPE} sent for [bold]{subject}[/]", highlight=False)
    if not wait:
        print_line(told | {"outcome": "sent"}) if json else None
        return
    assert sender.place is not None  # noqa: S101  # the broker has taken it
    found = _wait(config, stage, sender.place, subject, claim)
    if json:
        print_line(told | _as_json(found, config))
    elif found is not None:
        for fact in found.events:
            console.print(event_line(fact.stage, fact.type, fact.body), highlight=False, soft_wrap=True)
        if not found.events and found.refused is None:
            console.print("nothing has changed: it was so already")
    if found is None:
        raise NoAnswer(
            f"sent, but nothing has come of it in {PATIENCE_SECONDS:.0f} s: is the service {stage} at work? "
            "`postavka doctor` looks"
        )
    if found.reasons:
        raise CommandRefused("; ".join(["refused: " + found.reasons[0], *found.reasons[1:]]))


def _wait(
    config: Settings, stage: str, place: tuple[str, int, int], subject: str, claim: str | None
) -> CommandAnswer | None:
    """What has come of it; None when nothing was heard in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with _store(config, stage) as store:

        def subjects() -> list[UUID]:
            return [UUID(subject)] if claim is None else claimed_by(store, claim, subject)

        first = _until(deadline, partial(outcome_of, store, stage, place, subjects))
    if first is None:
        return None
    found = CommandAnswer(list(first.events), first.refused)
    for fact in first.events:
        if (name := NEXT.get(fact.type.partition(".")[0])) is None:
            continue
        with _store(config, name) as store:
            answer = _until(deadline, partial(followed, store, name, fact, place[1], UUID(subject)))
        if answer is None:
            return None
        found.events += answer.events
    return found


def _store(config: Settings, stage: str) -> psycopg.Connection[Any]:
    return open_session(database_url(config), {"search_path": stage})


def _until(deadline: float, ask: Callable[[], RecordOutcome | None]) -> RecordOutcome | None:
    """Ask until there is an outcome; None when there was none in time."""
    while (outcome := ask()) is None:
        time.sleep(POLL_SECONDS)
        if time.monotonic() >= deadline:
            return None
    return outcome


def _as_json(found: CommandAnswer | None, config: Settings) -> dict[str, Any]:
    if found is None:
        return {"outcome": "no-answer", "events": [], "reasons": []}
    outcome = "refused" if found.reasons else "done" if found.events else "nothing"
    reveal = open_vault(config).reveal
    events = [{"stage": each.stage, "type": each.type, "body": reveal(each.body)} for each in found.events]
    return {"outcome": outcome, "events": events, "reasons": found.reasons}
