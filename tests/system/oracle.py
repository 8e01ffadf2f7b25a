"""What must be true of the log and the cabinet, worked out from the records alone. Imports nothing of the product.

It reads every stage's topic from the beginning, and checks:

- positions of a stage: each exactly once, without gaps, rising within a partition;
- ids: never twice; the key is the request; an event lies in the partition of its request;
- every request of the traffic: exactly the events that its plan leads to;
- the cabinet: row by row what the log says.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
from confluent_kafka import Consumer, TopicPartition
from psycopg.rows import dict_row

STAGES = ("request", "approval", "billing", "shipping", "activation")
PARTITIONS = 12
MAY_COME = {"ConfirmationHeld.v1", "BasisHeld.v1", "ActivationHeld.v1"}
"""A stage's note that something came before what it belongs to: depends on the order across topics."""

OF_PAPERS = {"DocumentRendered.v1", "DocumentDispatched.v1"}
"""What is told of documents that go out by themselves, whenever that is: once each, never twice."""

OF_NO_REQUEST = {
    "PaymentUnmatched.v1",
    *("ReturnOrdered.v1", "ReturnPaid.v1", "ReturnUnmatched.v1", "ReturnMatched.v1", "SettlementRefused.v1"),
}
"""Money, and orders about money, that may belong to no request: the cabinet shows none of it."""

OPENED = ["RequestSubmitted.v1", "Approved.v2", "BillingOpened.v1", "ShippingOpened.v2", "PermissionIssued.v1"]
ACT = ["DocumentIssued.v2"]
MADE = ["ManufacturingOrdered.v1", "ShipmentIssued.v1", "DeliveryRegistered.v1"]
SOLD = [*OPENED, *ACT, "DistributorConfirmed.v1", *MADE]
INVOICED = [*OPENED, *ACT, "InvoiceIssued.v1", "InvoiceNoted.v1", "DocumentIssued.v2"]
DECLINED = ["RequestSubmitted.v1", "Approved.v2", "BillingOpened.v1", "DistributorDeclined.v1", "ShippingClosed.v1"]
EXPECTED = {
    "through-distributor": [*SOLD, "Activated.v1"],
    "confirmed-before-approval": [*SOLD, "Activated.v1"],
    "everything-told-twice": [*SOLD, "Activated.v1"],
    "direct-in-two-parts": [*INVOICED, "PaymentReceived.v1", "PaymentReceived.v1", *MADE, "Activated.v1"],
    "direct-overpaid": [*INVOICED, "PaymentReceived.v1", *MADE, "Activated.v1"],
    "declined": [*DECLINED, "ShippingOpened.v2", "PermissionIssued.v1", *ACT],
    "incomplete": ["RequestSubmitted.v1", "Rejected.v1", "BillingClosed.v1"],
    "no-contract": [*SOLD, "ActivationRefused.v2"],
}
OR_ELSE = {"declined": DECLINED}
"""Shipping may read the refusal before the approval, from another topic: then it closes without permission and act."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the log."""

    topic: str
    partition: int
    offset: int
    key: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def type(self) -> str:
        return self.headers["ce_type"]


def read(kafka: Mapping[str, Any], topics: Iterable[str]) -> list[Told]:
    """Every record that lies on these topics now."""
    consumer = Consumer({**kafka, "group.id": f"oracle-{uuid4()}", "enable.auto.commit": False})
    places, left = [], {}
    for topic in topics:
        for number in range(PARTITIONS):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20)
            places.append(TopicPartition(topic, number, low))
            if high > low:
                left[topic, number] = high
    consumer.assign(places)
    found: list[Told] = []
    deadline = time.monotonic() + 60
    while left:
        messages = consumer.consume(2_000, timeout=0.2)
        assert time.monotonic() < deadline, f"the log ends early: {left}"
        for message in messages:
            assert message.error() is None, message.error()
            place = (message.topic(), message.partition())
            headers = {name: value.decode() for name, value in message.headers() or ()}
            body = json.loads(message.value())
            found.append(Told(*place, message.offset(), message.key().decode(), headers, body))
            if message.offset() + 1 >= left.get(place, 0):
                left.pop(place, None)
    consumer.close()
    return found


class Oracle:
    """The log as it is now, and the judgements on it."""

    def __init__(self, kafka: Mapping[str, Any], gaps_allowed_in: Iterable[str] = (), forged: int = 0) -> None:
        """`forged`: how many records the tests put on stage topics themselves."""
        everything = read(kafka, [f"{stage}.events" for stage in STAGES])
        self.log = [told for told in everything if "ce_position" in told.headers]
        assert len(everything) - len(self.log) == forged, "records on a stage topic that no relay wrote"
        self._gaps = set(gaps_allowed_in)
        self.of: dict[str, list[Told]] = defaultdict(list)
        for told in self.log:
            self.of[told.headers["ce_subject"]].append(told)

    def check(self, plans: Mapping[str, str], database_url: str) -> None:
        """All of it. Raises `AssertionError` with the first thing that is wrong."""
        self.check_positions()
        self.check_identity()
        for request_id, plan in plans.items():
            self.check_request(request_id, plan)
        self.check_numbers()
        self.check_cabinet(database_url)

    def check_positions(self) -> None:
        """Nothing lost, nothing twice, in every topic."""
        for stage in STAGES:
            positions: list[int] = []
            last: dict[int, int] = {}
            for told in self.log:
                if told.topic == f"{stage}.events":
                    assert told.headers["ce_source"] == f"/postavka/{stage}", told
                    position = int(told.headers["ce_position"])
                    assert position > last.get(told.partition, 0), f"{stage}: {position} again or out of order: {told}"
                    last[told.partition] = position
                    positions.append(position)
            assert len(set(positions)) == len(positions), f"{stage}: a position twice"
            if positions and stage not in self._gaps:
                missing = set(range(1, max(positions) + 1)) - set(positions)
                assert not missing, f"{stage}: positions lost: {sorted(missing)[:10]}"

    def check_identity(self) -> None:
        """An id once; a request in one partition number of all topics."""
        ids = Counter(told.headers["ce_id"] for told in self.log if told.type != "PaymentUnmatched.v1")
        stages_of = Counter((told.topic, told.headers["ce_id"]) for told in self.log)
        assert max(stages_of.values(), default=1) == 1, stages_of.most_common(1)
        assert ids
        for request_id, events in self.of.items():
            assert {told.key for told in events} == {request_id}
            assert len({told.partition for told in events}) == 1, request_id

    def check_request(self, request_id: str, plan: str) -> None:
        """Exactly what its plan leads to."""
        types = sorted(told.type for told in self.of[request_id] if told.type not in MAY_COME | OF_PAPERS)
        if plan == "withdrawn":
            self._check_withdrawn(request_id, types)
        else:
            expected = sorted(EXPECTED[plan]), sorted(OR_ELSE.get(plan, EXPECTED[plan]))
            assert types in expected, f"{request_id} {plan}: {types}"
        issued = {told.body["document_id"] for told in self.of[request_id] if told.type.startswith("DocumentIssued.")}
        left = Counter((told.type, told.body["document_id"]) for told in self.of[request_id] if told.type in OF_PAPERS)
        assert max(left.values(), default=1) == 1, left
        assert {document for _, document in left} <= issued
        held = Counter(told.type for told in self.of[request_id] if told.type in MAY_COME)
        assert max(held.values(), default=1) <= 1, held
        if plan == "direct-overpaid":
            payment = next(told for told in self.of[request_id] if told.type == "PaymentReceived.v1").body
            assert (payment["due"], payment["overpaid"]) == ("0.00", "1.00")
        if plan == "direct-in-two-parts":
            received = [told.body for told in self.of[request_id] if told.type == "PaymentReceived.v1"]
            invoice = next(told for told in self.of[request_id] if told.type == "InvoiceIssued.v1").body
            assert sum(Decimal(each["amount"]) for each in received) == Decimal(invoice["amount"])
            assert received[-1]["due"] == "0.00"

    def _check_withdrawn(self, request_id: str, types: list[str]) -> None:
        # Approval may read the request before or after its withdrawal; billing too. Whatever the order: it is on
        # record, it is closed, nothing is manufactured.
        assert types.count("RequestWithdrawn.v1") == 1, f"{request_id} {types}"
        assert types.count("BillingClosed.v1") == 1, f"{request_id} {types}"
        assert types.count("Approved.v2") + types.count("Rejected.v1") <= 1, f"{request_id} {types}"
        assert not {"ManufacturingOrdered.v1", "ShipmentIssued.v1", "Activated.v1"} & set(types), f"{request_id}"
        assert max(Counter(types).values()) == 1, f"{request_id} {types}"

    def check_numbers(self) -> None:
        """Permission numbers, invoice numbers, kits: each for one request."""
        for type_name, name in (("PermissionIssued.v1", "number"), ("InvoiceIssued.v1", "number")):
            numbers = Counter(told.body[name] for told in self.log if told.type == type_name)
            assert not [number for number, times in numbers.items() if times > 1], f"{type_name}: a number twice"

    def check_cabinet(self, database_url: str) -> None:
        """Row by row what the log says."""
        with psycopg.connect(database_url, row_factory=dict_row) as connection:
            rows = {str(row["request_id"]): row for row in connection.execute("SELECT * FROM cabinet.requests")}
        shown = {
            subject: events
            for subject, events in self.of.items()
            if any(told.type not in OF_NO_REQUEST for told in events)
        }
        assert rows.keys() == shown.keys()
        for request_id, events in shown.items():
            shown_there, expected = picture(rows[request_id]), expected_picture(events)
            assert shown_there == expected, (request_id, shown_there, expected, [told.type for told in events])


def picture(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a partner is shown of a request, from a row of the cabinet."""
    request, approval, billing, shipping, activation = (row[stage] or {} for stage in STAGES)
    return {
        "status": row["status"],
        "partner": row["partner_id"],
        "reasons": len(approval.get("reasons", ())),
        "permission": shipping.get("permission_number"),
        "invoice": billing.get("invoice", {}).get("number"),
        "payments": len(billing.get("payments", ())),
        "paid": billing.get("paid"),
        "confirmed": "confirmed_at" in billing,
        "documents": len(shipping.get("documents", ())),
        "kit": (shipping.get("kit") or {}).get("number"),
        "refusals": len(activation.get("refusals", ())),
        "withdrawn": "withdrawn_at" in request,
    }


def expected_picture(events: list[Told]) -> dict[str, Any]:
    """The same from the log."""
    by: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for told in events:
        by[told.type.partition(".")[0]].append(told.body)

    def last(type_name: str, name: str) -> Any:
        return by[type_name][-1].get(name) if by[type_name] else None

    approved = by["Approved"][0] if by["Approved"] else None
    status = "submitted"
    if approved:
        status = "awaiting-payment" if approved["channel"] == "direct" else "awaiting-confirmation"
    for type_name, then in (
        ("DistributorDeclined", "declined"),
        ("Rejected", "rejected"),
        ("RequestWithdrawn", "withdrawn"),
        ("ManufacturingOrdered", "manufacturing"),
        ("ShipmentIssued", "shipped"),
        ("Activated", "activated"),
    ):
        status = then if by[type_name] else status
    return {
        "status": status,
        "partner": last("RequestSubmitted", "partner_id") or (approved["partner"]["id"] if approved else None),
        "reasons": len(last("Rejected", "reasons") or ()),
        "permission": last("PermissionIssued", "number"),
        "invoice": last("InvoiceIssued", "number"),
        "payments": len(by["PaymentReceived"]),
        "paid": next((told.body["paid"] for told in reversed(events) if "paid" in told.body), None),
        "confirmed": bool(by["DistributorConfirmed"]),
        "documents": len({each["document_id"] for each in by["DocumentIssued"]}),
        "kit": (last("ShipmentIssued", "kit") or {}).get("number"),
        "refusals": len(by["ActivationRefused"]),
        "withdrawn": bool(by["RequestWithdrawn"]),
    }
