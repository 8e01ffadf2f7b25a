"""Approval on the log: submitted requests come in; facts come from the reference data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from events.reference import Contact
from events.request import RequestSubmitted
from events.topics import REQUEST_EVENTS
from postavka.domain.calendar import today
from postavka.domain.reference.request_facts import facts_from
from postavka.domain.reference.store import Snapshot, current
from postavka.domain.request_rules import Asked
from postavka.kernel.privacy.protect import protected
from postavka.kernel.privacy.vault import open_vault
from postavka.kernel.settings import database_url, settings
from postavka.kernel.stage.definition import BatchFacts, Incoming, Input, Stage
from postavka.kernel.store.recorder import EventRecorder
from services.approval import decider

RECORDED_SECONDS = 60.0
"""So much longer than the vault's five minutes (`postavka.kernel.privacy.vault`) a contact may be recorded under a key
that
was destroyed: it can't be read, which is safe. Where the reference data forgets the contact, it is over at once."""


def inputs() -> list[Input]:
    """The same for every installation."""
    return [Input(REQUEST_EVENTS.name, (RequestSubmitted,), from_stage=True)]


def contacts_as_recorded(partner_id: str, contacts: Mapping[str, Contact]) -> dict[str, Contact]:
    """Contact persons with their personal data encrypted: so they go into events."""
    return {key: protected(settings(), each, f"{partner_id}/{key}") for key, each in contacts.items()}


class RecordedContacts:
    """Contact persons of one version of the reference data as they were recorded lately: encrypting the same ones for
    every request took an eighth of this stage. One worker's own."""

    def __init__(self) -> None:
        self._known: Snapshot | None = None
        self._until = 0.0
        self._contacts: dict[tuple[str, str], dict[str, Contact]] = {}

    def of(self, known: Snapshot, partner_id: str, contacts: Mapping[str, Contact]) -> dict[str, Contact]:
        """`contacts_as_recorded` of the one that a request names; none, if there is none."""
        if known is not self._known or self._until < time.monotonic():
            self._known, self._until, self._contacts = known, time.monotonic() + RECORDED_SECONDS, {}
        if len(contacts) != 1:
            return contacts_as_recorded(partner_id, contacts)
        [name] = contacts
        recorded = self._contacts.get((partner_id, name))
        if recorded is None:
            recorded = self._contacts[partner_id, name] = contacts_as_recorded(partner_id, contacts)
        return recorded


@dataclass(frozen=True, slots=True)
class ApprovalFacts(BatchFacts):
    """Facts for one batch, all on one version of the reference data."""

    known: Snapshot
    recorded: RecordedContacts

    def of(self, incoming: Incoming, state: decider.State) -> decider.Facts:
        """The facts that the rules of L13 ask for, by the reference data of today."""
        assert isinstance(incoming.message, RequestSubmitted)  # noqa: S101  (the one type this stage takes)
        partner = incoming.message.partner_id
        facts = facts_from(self.known, partner, Asked.of(dict(incoming.message)), today())
        return replace(facts, contacts=self.recorded.of(self.known, partner, facts.contacts))


class Gathering:
    """Gathers the facts of batch after batch, and keeps what can be used again."""

    def __init__(self) -> None:
        self._recorded = RecordedContacts()

    def __call__(self, batch: Sequence[Incoming], recorder: EventRecorder, before: Mapping[UUID, Any]) -> ApprovalFacts:
        return ApprovalFacts(current(database_url(settings())), self._recorded)


STAGE = Stage(
    "approval",
    inputs,
    decider.INITIAL,
    decider.decide,
    decider.evolve,
    gather=Gathering(),
    gather_ms=15,
    begins=(RequestSubmitted,),
    check=open_vault,  # contacts are recorded encrypted
)
