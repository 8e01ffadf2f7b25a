"""Activation on the log: shipments and activations come in; the registry is asked once a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from events.commands import ActivateDelivery
from events.model import Event
from events.shipping import ShipmentIssued
from events.topics import ACTIVATION_COMMANDS, SHIPPING_EVENTS
from postavka.settings import settings
from postavka.stage.definition import Incoming, Input, Stage
from postavka.stage.service import database_url
from postavka.store.recorder import EventRecorder
from services.activation import decider
from services.activation.registry import ContractRegistry, EmbeddedRegistry
from services.moscow import today
from services.reference.store import Registration


def inputs() -> list[Input]:
    """The same for every installation."""
    return [
        Input(SHIPPING_EVENTS.name, (ShipmentIssued,), from_stage=True),
        Input(ACTIVATION_COMMANDS.name, (ActivateDelivery,)),
    ]


def registry() -> ContractRegistry:
    """Whom this installation asks."""
    return EmbeddedRegistry(database_url(settings()))


class Gathered:
    """Facts for one batch: a number is looked up when it is first wanted, and then known."""

    def __init__(self, batch: Sequence[Incoming], recorder: EventRecorder) -> None:
        self._today = today()
        self._found: dict[str, Registration | None] = {}

    def of(self, incoming: Incoming, state: decider.State) -> decider.Facts:
        number = decider.registration_number(state)
        if number is None or not isinstance(incoming.message, ActivateDelivery):
            return decider.Facts(self._today)
        if number not in self._found:
            found: Mapping[str, Registration] = registry().find([number])
            self._found[number] = found.get(number)
        registration = self._found[number]
        return decider.Facts(self._today, registration is not None, registration.contract if registration else None)

    def decided(self, incoming: Incoming, events: Sequence[Event]) -> None: ...


STAGE = Stage("activation", inputs, decider.INITIAL, decider.decide, decider.evolve, gather=Gathered)
