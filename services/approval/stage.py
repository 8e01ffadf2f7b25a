"""Approval on the log: submitted requests come in; facts come from the reference data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from events.model import Event
from events.request import RequestSubmitted
from events.topics import REQUEST_EVENTS
from postavka.settings import database_url, settings
from postavka.stage.definition import Incoming, Input, Stage
from postavka.store.recorder import EventRecorder
from services.approval import decider
from services.reference.store import Snapshot, current


def inputs() -> list[Input]:
    """The same for every installation."""
    return [Input(REQUEST_EVENTS.name, (RequestSubmitted,), from_stage=True)]


class Gathered:
    """Facts for one batch, all on one version of the reference data."""

    def __init__(self, batch: Sequence[Incoming], recorder: EventRecorder, before: Mapping[UUID, Any]) -> None:
        self._known = current(database_url(settings()))

    def of(self, incoming: Incoming, state: decider.State) -> decider.Facts:
        assert isinstance(incoming.message, RequestSubmitted)  # noqa: S101  (the one type this stage takes)
        return facts_from(self._known, incoming.message)

    def decided(self, incoming: Incoming, events: Sequence[Event]) -> None: ...


def facts_from(known: Snapshot, submitted: RequestSubmitted) -> decider.Facts:
    """What a version of the reference data says about a request."""
    asked = decider.Asked.of(submitted)
    partner = known.partners.get(submitted.partner_id)
    product = known.products.get(asked.product or "")
    return decider.Facts(
        version=known.version,
        partner=partner.partner if partner else None,
        contacts=partner.contacts if partner else MappingProxyType({}),
        distributor=known.distributors.get(asked.distributor or ""),
        base_delivery=known.base_deliveries.get(asked.base_delivery or ""),
        product=product.product if product else None,
        fits=product.fits if product else frozenset(),
    )


STAGE = Stage("approval", inputs, decider.INITIAL, decider.decide, decider.evolve, gather=Gathered)
