"""What the tests of billing and shipping share: one approval for each channel, histories in any order, and their run.

Topics keep their own order; between topics there is none. So a history is any merge of topics, with any of its messages
delivered again later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from events.approval import Approved
from events.model import Channel, Delivery, Event, Unacceptable
from events.reference import BaseDelivery, Client, Contact, Distributor, Partner, Product, Service
from events.request import PROCEDURE, REQUEST_TYPE
from events.shipping import Signatory, Vendor

TODAY = date(2026, 3, 1)
PERMISSION = "482-019-337-561-908-274-651"
INVOICE = "2026-0000001"
PRICE = Decimal("1000.00")

PARTNER = Partner(id="p-1", name="ООО «Первый»", inn="7707083893", kpp="773601001", delivery=Delivery.POST)
DISTRIBUTOR = Distributor(id="d-1", name="ООО «Союз»", inn="7736050003", kpp="773601001")
VENDOR = Vendor(
    id="softehno",
    name="ООО «Софтехно»",
    inn="7707083893",
    kpp="773601001",
    account="40702810000000000001",
    signatory=Signatory(family_name="Сидоров", given_name="Сидор", patronymic="Сидорович"),
)
PRODUCT = Product(
    id="its-12", service=Service.ITS_INDUSTRY, name="1С:ИТС Отраслевой", months=12, price=PRICE, vat_rate=Decimal("20")
)
CLIENT = Client(inn="500100732259", kpp=None, name="ИП Иванов")


def approved(distributor: Distributor | None = DISTRIBUTOR, partner: Partner = PARTNER) -> Approved:
    """An approval: through a distributor, or with None a direct sale."""
    return Approved(
        procedure=PROCEDURE,
        request_type=REQUEST_TYPE,
        channel=Channel.DISTRIBUTOR if distributor else Channel.DIRECT,
        partner=partner,
        contact=Contact(id="c-1", name="Иванова Анна"),
        distributor=distributor,
        base_delivery=BaseDelivery(id="upp-13", name="1С:УПП"),
        registration_number="12345678",
        product=PRODUCT,
        client=CLIENT,
        reference_version=1,
    )


@st.composite
def merged(draw: st.DrawFn, topics: Sequence[Sequence[Any]], repeats: bool = True) -> list[Any]:
    """The messages of all topics, each topic in its order; with `repeats` some come again at any later place."""
    left = [list(topic) for topic in topics if topic]
    history: list[Any] = []
    while left:
        topic = draw(st.sampled_from(left))
        history.append(topic.pop(0))
        left = [topic for topic in left if topic]
    if repeats and history:
        for first in draw(st.lists(st.integers(0, len(history) - 1), max_size=5)):
            history.insert(draw(st.integers(first + 1, len(history))), history[first])
    return history


def run(decider: ModuleType, history: Sequence[Any], facts: Any) -> tuple[list[Event], list[Unacceptable]]:
    """Decide a history from the start: what happened, and what was not acceptable."""
    state, events, refused = decider.INITIAL, [], []
    for message in history:
        decision = decider.decide(state, message, facts)
        if isinstance(decision, Unacceptable):
            refused.append(decision)
            continue
        for event in decision:
            state = decider.evolve(state, event)
            events.append(event)
    return events, refused


def again(decider: ModuleType, history: Sequence[Any], facts: Any) -> list[Event]:
    """Decide a history with every message twice in a row: what the second times led to."""
    state, surplus = decider.INITIAL, []
    for message in history:
        for told_before in (False, True):
            decision = decider.decide(state, message, facts)
            for event in () if isinstance(decision, Unacceptable) else decision:
                state = decider.evolve(state, event)
                if told_before:
                    surplus.append(event)
    return surplus


def facts_of(events: Sequence[Event], *left_out: type[Event]) -> list[str]:
    """Events as texts in a fixed order, to compare histories that need not agree on the order."""
    return sorted(f"{event.TYPE} {event.model_dump_json()}" for event in events if not isinstance(event, left_out))
