"""What must be true of the log and the cabinet, worked out from the records alone. Imports nothing of the product.

It reads every stage's topic from the beginning, and checks:

- positions of a stage: each exactly once, without gaps, rising within a partition;
- ids: never twice; the key is the request; an event lies in the partition of its request;
- order: the events of a request have versions 1, 2, 3 … in each topic; an effect is later than its cause;
- every request of the traffic: exactly the events that its plan leads to;
- the gate (L17): nothing is manufactured before it was confirmed or paid in full, and every order once;
- money: every payment that was sent counts once, and what an invoice says of itself is their sum;
- dead letters: every record of poison has one, and nothing else has;
- webhooks: every event of the partner's came to its receiver, in order for one request, under one id however often;
- the cabinet: row by row what the log says.

The judge is itself judged: `tests/faults/planted.py` puts defects into a good log, and each must be found.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from operator import itemgetter, methodcaller
from typing import Any
from uuid import uuid4

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition
from psycopg.rows import dict_row

STAGES = ("request", "approval", "billing", "shipping", "activation", "renewal")
PARTITIONS = 12
SILENCE_SECONDS = 60
"""The broker must not be silent for longer while there is something to read."""
MAY_COME = {"ConfirmationHeld", "BasisHeld", "ActivationHeld", "ServiceRenewed", "RenewalRefused"}
"""A stage's note that something came before what it belongs to: depends on the order across topics."""

OF_PAPERS = {"DocumentRendered", "DocumentDispatched"}
"""What is told of documents that go out by themselves, whenever that is: once each, never twice."""

OF_NO_REQUEST = {
    *("PaymentUnmatched", "RenewalRefused"),
    *("ReturnOrdered", "ReturnPaid", "ReturnUnmatched", "ReturnMatched", "SettlementRefused"),
}
"""Money, orders about money, and renewals, that may belong to no request: the cabinet shows none of it."""

POSTED = {
    *(
        "RequestSubmitted",
        "RequestWithdrawn",
        "Approved",
        "Rejected",
        "InvoiceIssued",
        "PaymentReceived",
        "BillingClosed",
    ),
    *("DistributorConfirmed", "DistributorDeclined", "PermissionIssued", "DocumentIssued", "ManufacturingOrdered"),
    *("ShipmentIssued", "Activated", "ActivationRefused", "ServiceStarted"),
}
"""What a partner's program must hear of, at least."""

OPENED = ["RequestSubmitted", "Approved", "BillingOpened", "ShippingOpened", "PermissionIssued"]
ACT = ["DocumentIssued"]
MADE = ["ManufacturingOrdered", "ShipmentIssued", "DeliveryRegistered"]
RUNS = ["Activated", "ServiceStarted"]
SOLD = [*OPENED, *ACT, "DistributorConfirmed", *MADE]
INVOICED = [*OPENED, *ACT, "InvoiceIssued", "InvoiceNoted", "DocumentIssued"]
DECLINED = ["RequestSubmitted", "Approved", "BillingOpened", "DistributorDeclined", "ShippingClosed"]
EXPECTED = {
    "through-distributor": [*SOLD, *RUNS],
    "confirmed-before-approval": [*SOLD, *RUNS],
    "everything-told-twice": [*SOLD, *RUNS],
    "direct-in-two-parts": [*INVOICED, "PaymentReceived", "PaymentReceived", *MADE, *RUNS],
    "direct-overpaid": [*INVOICED, "PaymentReceived", *MADE, *RUNS],
    "declined": [*DECLINED, "ShippingOpened", "PermissionIssued", *ACT],
    "incomplete": ["RequestSubmitted", "Rejected", "BillingClosed"],
    "no-contract": [*SOLD, "ActivationRefused"],
    "renewal": [*SOLD, "Activated", "RenewalRequested", "RenewalActivated"],
}
OR_ELSE = {"declined": DECLINED, "renewal": [*EXPECTED["renewal"], "ServiceStarted"]}
"""Shipping may read the refusal before the approval, from another topic: then it closes without permission and act. A
renewal of what is not there, or not yet, becomes a service of its own."""


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

    @property
    def name(self) -> str:
        """The type without its version: two releases of a service may write two versions of it."""
        return self.type.partition(".")[0]

    @property
    def clock(self) -> int:
        return int(self.headers["ce_clock"], 16)

    @property
    def version(self) -> int:
        return int(self.headers["ce_id"].rpartition("/")[2])

    @property
    def reference(self) -> str:
        """How an effect names this as its cause."""
        return f"{self.headers['ce_source']}#{self.headers['ce_id']}"


@dataclass(frozen=True, slots=True)
class Post:
    """An event that a webhook has posted, and whether its receiver took it."""

    webhook_id: str
    event: dict[str, Any]
    taken: bool

    @property
    def reference(self) -> str:
        return f"{self.event['source']}#{self.event['id']}"

    @property
    def number(self) -> int:
        """Of the event in the partner's feed."""
        return int(self.event["cursor"].partition(".")[0])


Rows = Mapping[str, Mapping[str, Any]]
"""The cabinet's rows by request."""


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """None for a record with a header name that is not UTF-8: the client leaves an error behind there, and a method
    that is called by its name is the one way to be sure to see it."""
    try:
        return methodcaller("headers")(message) or []
    except SystemError:
        return []


def read(kafka: Mapping[str, Any], topics: Iterable[str]) -> list[Told]:
    """Every record that lies on these topics now."""
    return [
        Told(
            message.topic(),
            message.partition(),
            message.offset(),
            message.key().decode(),
            {name: value.decode() for name, value in headers_of(message)},
            json.loads(message.value()),
        )
        for message in read_raw(kafka, topics)
    ]


def read_raw(kafka: Mapping[str, Any], topics: Iterable[str]) -> list[Message]:
    """The same as the client gives them: poison need not be JSON."""
    consumer = Consumer({**kafka, "group.id": f"oracle-{uuid4()}", "enable.auto.commit": False})
    places, left = [], {}
    for topic in topics:
        for number in range(PARTITIONS):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20)
            places.append(TopicPartition(topic, number, low))
            if high > low:
                left[topic, number] = high
    consumer.assign(places)
    found: list[Message] = []
    heard = time.monotonic()
    while left:
        messages = consumer.consume(2_000, timeout=0.2)
        heard = time.monotonic() if messages else heard
        assert time.monotonic() - heard < SILENCE_SECONDS, f"the log ends early: {left}"
        for message in messages:
            assert message.error() is None, message.error()
            found.append(message)
            place = (message.topic(), message.partition())
            if message.offset() + 1 >= left.get(place, 0):
                left.pop(place, None)
    consumer.close()
    return found


def cabinet_rows(database_url: str) -> Rows:
    """What the cabinet shows now."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return {str(row["request_id"]): row for row in connection.execute("SELECT * FROM cabinet.requests")}


class Oracle:
    """The log as it is now, and the judgements on it. Each `check_…` raises `AssertionError` with what is wrong."""

    def __init__(
        self,
        everything: Sequence[Told],
        orders: Sequence[Told],
        gaps_allowed_in: Iterable[str] = (),
        forged: int = 0,
        late_allowed: bool = False,
        beside: Iterable[str] = (),
    ) -> None:
        """`everything`: all of the stages' topics; `orders`: all of `manufacturing.orders`; `forged`: how many records
        the tests put on stage topics themselves. `late_allowed`: a relay that was replaced while it was paused may
        publish again, byte for byte, what its successor has published; readers skip that. `beside`: events that
        strangers may bring about in a request, of no effect on it."""
        self._beside = {*MAY_COME, *OF_PAPERS, *beside}
        self.log = [told for told in everything if "ce_position" in told.headers]
        assert len(everything) - len(self.log) == forged, "records on a stage topic that no relay wrote"
        self.orders = list(orders)
        self.late = 0
        """How many records were such late duplicates."""
        if late_allowed:
            self.log, self.orders = self._without_late(self.log), self._without_late(self.orders)
        self._gaps = set(gaps_allowed_in)
        self.of: dict[str, list[Told]] = defaultdict(list)
        for told in self.log:
            self.of[told.headers["ce_subject"]].append(told)

    @classmethod
    def of_broker(cls, kafka: Mapping[str, Any], **allowed: Any) -> Oracle:
        """Of what lies there now; `allowed` as of `Oracle`."""
        return cls(
            read(kafka, [f"{stage}.events" for stage in STAGES]), read(kafka, ["manufacturing.orders"]), **allowed
        )

    def _without_late(self, log: Sequence[Told]) -> list[Told]:
        first: dict[tuple[str, str], Told] = {}
        for told in log:
            before = first.setdefault((told.topic, told.headers["ce_position"]), told)
            if before is not told:
                same = (before.partition, before.key, before.headers, before.body)
                assert same == (told.partition, told.key, told.headers, told.body), (
                    f"another event in place of {before}"
                )
                self.late += 1
        return list(first.values())

    def violations(self, plans: Mapping[str, str], rows: Rows) -> list[str]:
        """Everything that is wrong."""
        checks: list[Callable[[], None]] = [
            self.check_positions,
            self.check_identity,
            self.check_order,
            self.check_gate,
            self.check_numbers,
            self.check_money,
            self.check_terms,
            partial(self.check_cabinet, rows),
            *(partial(self.check_request, request_id, plan) for request_id, plan in plans.items()),
        ]
        return self.complaints(*checks)

    def complaints(self, *checks: Callable[[], None]) -> list[str]:
        """What these checks find."""
        return [wrong for check in checks if (wrong := _complaint(check)) is not None]

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
        ids = Counter(told.headers["ce_id"] for told in self.log if told.name != "PaymentUnmatched")
        stages_of = Counter((told.topic, told.headers["ce_id"]) for told in self.log)
        assert max(stages_of.values(), default=1) == 1, stages_of.most_common(1)
        assert ids
        for request_id, events in self.of.items():
            assert {told.key for told in events} == {request_id}
            assert len({told.partition for told in events}) == 1, request_id

    def check_order(self) -> None:
        """Versions of a request in a topic without gap, in order; an effect is later than its cause, which is there."""
        versions: Counter[tuple[str, str]] = Counter()
        clocks = {told.reference: told.clock for told in self.log}
        for told in self.log:
            place = told.topic, told.headers["ce_subject"]
            versions[place] += 1
            assert told.version == versions[place], f"{place}: version {told.version} in place {versions[place]}"
            cause = told.headers.get("ce_causationid", "")
            if cause.startswith("/postavka/") and cause.partition("#")[0].split("/")[2] in STAGES:
                assert cause in clocks, f"{told.reference}: its cause {cause} is on no topic"
                assert clocks[cause] < told.clock, f"{told.reference} is not later than its cause {cause}"

    def check_gate(self) -> None:
        """Manufacturing is ordered after the distributor's word or the last of the money, and once (L17); what follows
        follows."""
        copies = Counter(told.headers["ce_id"] for told in self.orders)
        for request_id, events in self.of.items():
            first = {told.name: told for told in reversed(events)}
            if (order := first.get("ManufacturingOrdered")) is not None:
                assert copies[order.headers["ce_id"]] == 1, f"{request_id}: {copies} copies of the order"
                opened = [
                    told.clock
                    for told in events
                    if told.name == "DistributorConfirmed"
                    or (told.name == "PaymentReceived" and Decimal(told.body["due"]) == 0)
                ]
                assert opened, f"{request_id}: manufactured, neither confirmed nor paid"
                assert min(opened) < order.clock, f"{request_id}: manufactured before it was confirmed or paid"
            for after, before in (
                ("ShipmentIssued", "ManufacturingOrdered"),
                ("Activated", "ShipmentIssued"),
                ("ServiceStarted", "Activated"),
            ):
                if after in first:
                    assert before in first, f"{request_id}: {after} without {before}"
                    assert first[before].clock < first[after].clock, f"{request_id}: {after} before {before}"
        assert sum(copies.values()) == sum(told.name == "ManufacturingOrdered" for told in self.log)

    def check_money(self) -> None:
        """What an invoice says of itself is the sum of what came for it."""
        for request_id, events in self.of.items():
            invoice = next((Decimal(told.body["amount"]) for told in events if told.name == "InvoiceIssued"), None)
            paid = Decimal(0)
            for told in events:
                if told.name in ("PaymentReceived", "PaymentReturned"):
                    assert invoice is not None, f"{request_id}: money, and no invoice"
                    amount = Decimal(told.body["amount"])
                    paid += amount if told.name == "PaymentReceived" else -amount
                    said = tuple(Decimal(told.body[name]) for name in ("paid", "due", "overpaid"))
                    counted = (paid, max(invoice - paid, Decimal(0)), max(paid - invoice, Decimal(0)))
                    assert said == counted, f"{request_id}: {said} is said, {counted} came"
                elif told.name == "OverpaymentCredited":
                    paid -= Decimal(told.body["amount"])
                    assert invoice is not None, f"{request_id}: money, and no invoice"
                    assert paid >= invoice, f"{request_id}: more was credited than came above"
                    assert Decimal(told.body["paid"]) == paid, f"{request_id}: {told.body} is said, {paid} is left"

    def check_terms(self) -> None:
        """A delivery that is activated is part of one service, and of one only: its own, or that which it prolongs. A
        reminder comes once for one end, while the service runs; nothing comes after its end but a renewal."""
        service_of, days_of = (
            itemgetter("service_from", "service_until"),
            itemgetter("activated_from", "activated_until"),
        )
        parts: Counter[str] = Counter()
        for request_id, events in self.of.items():
            term = [told for told in events if told.topic == "renewal.events"]
            bodies: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for told in term:
                bodies[told.name].append(told.body)
            activated = [service_of(told.body) for told in events if told.name == "Activated"]
            own = {*map(service_of, bodies["ServiceStarted"]), *map(days_of, bodies["RenewalActivated"])}
            assert own <= set(activated), f"{request_id}: activated for {activated}, its service says {own}"
            parts[request_id] += bool(activated and bodies["ServiceStarted"])
            parts.update(body["renewal_id"] for body in bodies["ServiceRenewed"])
            self._check_reminders(request_id, term)
        wrong = {each: times for each, times in parts.items() if times != 1 and self._is_activated(each)}
        assert not wrong, f"activated, and part of so many services: {dict(list(wrong.items())[:3])}"

    def _is_activated(self, request_id: str) -> bool:
        return any(told.name == "Activated" for told in self.of[request_id])

    def _check_reminders(self, request_id: str, term: Sequence[Told]) -> None:
        steps: set[tuple[str, int]] = set()
        lapsed = False
        for told in term:
            lapsed = lapsed and told.name != "ServiceRenewed"
            assert not lapsed, f"{request_id}: ended, and goes on with {told.name}"
            if "reckoning" in told.body:
                lapsed = told.body["reckoning"]["day"] > told.body["service_until"]
                assert lapsed == (told.name == "ServiceLapsed"), f"{request_id}: {told.name} on another day"
            if told.name == "ReminderDue":
                step = (told.body["service_until"], told.body["days_before"])
                nearer = [each for end, each in steps if end == step[0] and each <= step[1]]
                assert not nearer, f"{request_id}: {step} after {nearer}"
                steps.add(step)

    def check_payments(self, sent: Mapping[str, Decimal]) -> None:
        """Every payment that was sent (id → amount) counts once, for an invoice or as unmatched."""
        found: dict[str, list[Decimal]] = defaultdict(list)
        for told in self.log:
            if told.name in ("PaymentReceived", "PaymentUnmatched"):
                found[told.body["payment_id"]].append(Decimal(told.body["amount"]))
        wrong = [name for name, amount in sent.items() if found[name] != [amount]]
        assert not wrong, f"{len(wrong)} payments are lost, doubled or changed: {wrong[:3]}"

    def check_dead_letters(self, letters: Sequence[Mapping[str, str]], poison: Iterable[str]) -> None:
        """`letters`: headers of the dead letters; `poison`: `topic/partition/offset` of what can't be taken."""
        found = {
            each["dlq_id"]: f"{each['dlq_topic']}/{each['dlq_partition']}/{each['dlq_offset']}" for each in letters
        }
        times = Counter(found.values())  # a copy of the same letter is one letter
        expected = set(poison)
        assert times.keys() >= expected, f"poison without a dead letter: {sorted(expected - times.keys())[:5]}"
        assert times.keys() <= expected, f"dead letters of good records: {sorted(times.keys() - expected)[:5]}"
        assert max(times.values(), default=1) == 1, f"two letters for one record: {times.most_common(1)}"

    def check_posts(self, posts: Sequence[Post], partner: str) -> None:
        """Every event of this partner's that is to be posted was taken, and nobody else's was posted; each under an id
        of its own, which stays; of a request none was posted before the one in front of it was taken."""
        theirs = {
            told.headers["ce_subject"]
            for told in self.log
            if told.name == "RequestSubmitted" and told.body["partner_id"] == partner
        }
        expected = {told.reference for subject in theirs for told in self.of[subject] if told.name in POSTED}
        taken = {post.reference for post in posts if post.taken}
        assert expected <= taken, f"{len(expected - taken)} events were not posted: {sorted(expected - taken)[:3]}"
        assert {post.event["subject"] for post in posts} <= theirs, "another partner's events were posted"
        ids = {(post.webhook_id, post.reference) for post in posts}
        assert len(ids) == len(dict(ids)) == len({name for _, name in ids}), "an id was used twice, or has changed"
        of: dict[str, list[Post]] = defaultdict(list)
        for post in posts:
            of[post.event["subject"]].append(post)
        for subject, those in of.items():
            numbers, done = sorted({post.number for post in those}), 0
            for post in those:
                awaited = numbers[max(0, done - 1) : done + 1]  # the last one that was taken may come once more
                assert post.number in awaited, f"{subject}: number {post.number} came, {awaited} was awaited"
                done += post.taken and post.number == awaited[-1] and done < len(numbers)

    def check_request(self, request_id: str, plan: str) -> None:
        """Exactly what its plan leads to."""
        types = sorted(told.name for told in self.of[request_id] if told.name not in self._beside)
        if plan == "withdrawn":
            self._check_withdrawn(request_id, types)
        else:
            expected = sorted(EXPECTED[plan]), sorted(OR_ELSE.get(plan, EXPECTED[plan]))
            assert types in expected, f"{request_id} {plan}: {types}"
        issued = {told.body["document_id"] for told in self.of[request_id] if told.name.startswith("DocumentIssued")}
        left = Counter((told.name, told.body["document_id"]) for told in self.of[request_id] if told.name in OF_PAPERS)
        assert max(left.values(), default=1) == 1, left
        assert {document for _, document in left} <= issued
        held = Counter(told.name for told in self.of[request_id] if told.name in MAY_COME)
        assert max(held.values(), default=1) <= 1, held
        if plan == "direct-overpaid":
            payment = next(told for told in self.of[request_id] if told.name == "PaymentReceived").body
            assert (payment["due"], payment["overpaid"]) == ("0.00", "1.00")
        if plan == "direct-in-two-parts":
            received = [told.body for told in self.of[request_id] if told.name == "PaymentReceived"]
            invoice = next(told for told in self.of[request_id] if told.name == "InvoiceIssued").body
            assert sum(Decimal(each["amount"]) for each in received) == Decimal(invoice["amount"])
            assert received[-1]["due"] == "0.00"

    def _check_withdrawn(self, request_id: str, types: list[str]) -> None:
        # Approval may read the request before or after its withdrawal; billing too. Whatever the order: it is on
        # record, it is closed, nothing is manufactured.
        assert types.count("RequestWithdrawn") == 1, f"{request_id} {types}"
        assert types.count("BillingClosed") == 1, f"{request_id} {types}"
        assert types.count("Approved") + types.count("Rejected") <= 1, f"{request_id} {types}"
        assert not {"ManufacturingOrdered", "ShipmentIssued", "Activated"} & set(types), f"{request_id}"
        assert max(Counter(types).values()) == 1, f"{request_id} {types}"

    def check_numbers(self) -> None:
        """Permission numbers, invoice numbers, kits: each for one request."""
        for type_name, name in (("PermissionIssued.v1", "number"), ("InvoiceIssued.v1", "number")):
            numbers = Counter(told.body[name] for told in self.log if told.type == type_name)
            assert not [number for number, times in numbers.items() if times > 1], f"{type_name}: a number twice"

    def check_cabinet(self, rows: Rows) -> None:
        """Row by row what the log says."""
        shown = {
            subject: events
            for subject, events in self.of.items()
            if any(told.name not in OF_NO_REQUEST for told in events)
        }
        assert rows.keys() == shown.keys()
        for request_id, events in shown.items():
            shown_there, expected = picture(rows[request_id]), expected_picture(events)
            assert shown_there == expected, (request_id, shown_there, expected, [told.type for told in events])


def _complaint(check: Callable[[], None]) -> str | None:
    try:
        check()
    except AssertionError as wrong:
        return str(wrong)
    return None


def picture(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a partner is shown of a request, from a row of the cabinet."""
    request, approval, billing, shipping, activation, _ = (row[stage] or {} for stage in STAGES)
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
