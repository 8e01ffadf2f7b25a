"""Activation on the log: shipments and activations come in; the registry is asked once a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from events.commands import ActivateDelivery
from events.shipping import ShipmentIssued
from events.topics import ACTIVATION_COMMANDS, SHIPPING_EVENTS
from postavka.domain.calendar import today
from postavka.kernel.settings import database_url, settings
from postavka.kernel.stage.definition import BatchFacts, Incoming, Input, Stage
from postavka.kernel.store.recorder import EventRecorder
from services.activation import decider
from services.activation.registry import ContractRegistry, EmbeddedRegistry


def inputs() -> list[Input]:
    """The same for every installation."""
    return [
        Input(SHIPPING_EVENTS.name, (ShipmentIssued,), from_stage=True),
        Input(ACTIVATION_COMMANDS.name, (ActivateDelivery,)),
    ]


def registry() -> ContractRegistry:
    """Whom this installation asks."""
    return EmbeddedRegistry(database_url(settings()))


class ActivationFacts(BatchFacts):
    """Facts for one batch: the numbers of all deliveries to be activated are looked up in one query."""

    def __init__(self, batch: Sequence[Incoming], recorder: EventRecorder, before: Mapping[UUID, Any]) -> None:
        self._today = today()
        wanted = (decider.registration_to_look_up(before[each.subject], _message(each)) for each in batch)
        self._asked = {number for number in wanted if number is not None}
        self._found = dict(registry().find(sorted(self._asked)))

    def of(self, incoming: Incoming, state: decider.State) -> decider.Facts:
        """Today, and the registration with its contract where the state asks for one."""
        number = decider.registration_to_look_up(state, _message(incoming))
        if number is None:
            return decider.Facts(self._today)
        if number not in self._asked:  # the state has changed within this very batch
            self._found.update(registry().find([number]))
            self._asked.add(number)
        registration = self._found.get(number)
        return decider.Facts(self._today, registration is not None, registration.contract if registration else None)


def _message(incoming: Incoming) -> ShipmentIssued | ActivateDelivery:
    assert isinstance(incoming.message, ShipmentIssued | ActivateDelivery)  # noqa: S101  (all that `inputs` takes)
    return incoming.message


STAGE = Stage("activation", inputs, decider.INITIAL, decider.decide, decider.evolve, gather=ActivationFacts)
