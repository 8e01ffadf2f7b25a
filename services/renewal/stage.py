"""Renewal on the log: activations and the timer's days come in; contracts are looked up once a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from events.activation import Activated
from events.reference import Contract
from events.request import RequestSubmitted
from events.topics import ACTIVATION_EVENTS, REQUEST_EVENTS, SERVICE_COMMANDS
from events.versions import ADDED
from postavka.domain.calendar import MOSCOW
from postavka.domain.reference.store import find_registrations
from postavka.kernel.settings import database_url, settings
from postavka.kernel.stage.definition import BatchFacts, Incoming, Input, Stage
from postavka.kernel.store.recorder import EventRecorder
from services.renewal import decider

PLAIN = frozenset({ADDED[RequestSubmitted.TYPE][0]})
"""Requests that renew nothing, which are nearly all, are written as the version before: they are not even decoded."""


def inputs() -> list[Input]:
    """The same for every installation."""
    return [
        Input(REQUEST_EVENTS.name, (RequestSubmitted,), from_stage=True, silent=PLAIN),
        Input(ACTIVATION_EVENTS.name, (Activated,), from_stage=True),
        Input(SERVICE_COMMANDS.name, SERVICE_COMMANDS.carries),
    ]


class RenewalFacts(BatchFacts):
    """Facts for one batch: the contracts of all services that are considered are looked up in one query."""

    def __init__(self, batch: Sequence[Incoming], recorder: EventRecorder, before: Mapping[UUID, Any]) -> None:
        self._contracts: dict[str, Contract | None] = {}
        self._look_up({decider.contract_to_look_up(before[each.subject], _message(each)) for each in batch})

    def of(self, incoming: Incoming, state: decider.State) -> decider.Facts:
        """The record's moment, its day in Moscow, and the contract where the state asks for one."""
        number = decider.contract_to_look_up(state, _message(incoming))
        self._look_up({number} - self._contracts.keys())  # the state may have changed within this very batch
        moment = datetime.fromtimestamp(incoming.record.timestamp_ms / 1000, UTC)
        contract = self._contracts[number] if number is not None else None
        return decider.Facts(moment, moment.astimezone(MOSCOW).date(), contract)

    def _look_up(self, wanted: set[str | None]) -> None:
        numbers = sorted(number for number in wanted if number is not None)
        if numbers:
            found = find_registrations(database_url(settings()), numbers)
            self._contracts |= {number: found[number].contract if number in found else None for number in numbers}


def _message(incoming: Incoming) -> decider.Message:
    assert isinstance(incoming.message, decider.Message)  # noqa: S101  (all that `inputs` takes)
    return incoming.message


STAGE = Stage("renewal", inputs, decider.INITIAL, decider.decide, decider.evolve, gather=RenewalFacts)
