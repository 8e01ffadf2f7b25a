"""Requests of every kind, sent as outside systems send them: plain JSON, one header. Imports nothing of the product.

Each request follows a plan. What a plan must lead to is in `oracle.py`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle, islice
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from tests.system.oracle import headers_of

STAGES = ("request", "approval", "billing", "shipping", "activation")
PARTITIONS = 12

THROUGH_DISTRIBUTOR = "through-distributor"
EARLY = "confirmed-before-approval"
TOLD_TWICE = "everything-told-twice"
DIRECT = "direct-in-two-parts"
OVERPAID = "direct-overpaid"
DECLINED = "declined"
WITHDRAWN = "withdrawn"
INCOMPLETE = "incomplete"
NO_CONTRACT = "no-contract"
RENEWAL = "renewal"
"""Names one that was sold through the distributor and has ended; none yet: nothing that was ever sold."""

PLANS = (
    THROUGH_DISTRIBUTOR,
    EARLY,
    DIRECT,
    THROUGH_DISTRIBUTOR,
    TOLD_TWICE,
    DECLINED,
    THROUGH_DISTRIBUTOR,
    WITHDRAWN,
    OVERPAID,
    THROUGH_DISTRIBUTOR,
    INCOMPLETE,
    NO_CONTRACT,
)
LAST_OF = {
    THROUGH_DISTRIBUTOR: "Activated.v1",
    EARLY: "Activated.v1",
    TOLD_TWICE: "Activated.v1",
    DIRECT: "Activated.v1",
    OVERPAID: "Activated.v1",
    DECLINED: "DistributorDeclined.v1",
    WITHDRAWN: "BillingClosed.v1",
    INCOMPLETE: "BillingClosed.v1",
    NO_CONTRACT: "ActivationRefused.v2",
    RENEWAL: "Activated.v1",
}
"""The event that ends a plan as far as the sender of the traffic is concerned."""

PARTNER = "lukomor"
DISTRIBUTOR = "dist-north"
REQUEST_TYPE = "1c8-updates-and-addons"


class Unfinished(AssertionError):
    """Requests did not come to their end in time; names the first of them with what is known."""


@dataclass
class Traffic:
    """Sends requests at a steady rate and answers what follows; `ended` says which have come to their end."""

    kafka: Mapping[str, Any]
    """How a client signs in."""
    plans: dict[str, str] = field(default_factory=dict)
    """request id → plan"""
    ended: set[str] = field(default_factory=set)
    renewed: dict[str, str] = field(default_factory=dict)
    """request id that a renewal names → the renewal"""
    _not_sent: list[str] = field(default_factory=list)
    seen: dict[str, list[str]] = field(default_factory=dict)
    approved_after: list[float] = field(default_factory=list)
    """Seconds from the sending of each request to its first Approved, as its sender sees it."""
    _sent_at: dict[str, float] = field(default_factory=dict)
    partitioner: str = "murmur2_random"
    """Outside senders choose partitions as they like; "consistent_random" is librdkafka's own way."""

    def __post_init__(self) -> None:
        self._producer = Producer(
            {
                **self.kafka,
                "enable.idempotence": True,
                # With more a broker that is just coming back can lose one: see `docs/events.md`.
                "max.in.flight.requests.per.connection": 1,
                "partitioner": self.partitioner,
                "message.timeout.ms": 180_000,
                "linger.ms": 2,
                "log_level": 0,
            }
        )
        self._consumer = Consumer(
            {
                **self.kafka,
                "group.id": f"traffic-{uuid4()}",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                "log_level": 0,
            }
        )
        places = [TopicPartition(f"{stage}.events", number) for stage in STAGES for number in range(PARTITIONS)]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=20)[1]
        self._consumer.assign(places)
        self._stop = threading.Event()
        self._spellings = cycle(zip((True, "true", 1, "yes"), (str, str.upper, "{{{}}}".format, str), strict=True))
        """How distributors' programs write a yes and the request's id: all of it is taken."""

    def run(self, count: int, rate: float, patience: float = 300, plans: Sequence[str] = PLANS) -> None:
        """Send `count` requests and stay until all have ended. Raises `Unfinished`."""
        wanted = list(islice(cycle(plans), count))
        started = time.monotonic()
        sent = 0
        while len(self.ended) < count:
            now = time.monotonic()
            while sent < min(count, (now - started) * rate + 1):
                self._submit(wanted[sent])
                sent += 1
            if now - started > count / rate + patience:
                raise Unfinished(self._what_is_missing())
            self._answer()
        self.flush()
        self._consumer.close()

    def in_background(self, count: int, rate: float, patience: float = 300, plans: Sequence[str] = PLANS) -> Running:
        """The same in a thread of its own."""
        return Running(self, count, rate, patience, plans)

    def send(self, topic: str, key: str, type_name: str, body: dict[str, Any], **headers: str) -> None:
        """One command, with further headers."""
        value = json.dumps(body, ensure_ascii=False).encode()
        more = [(name, text.encode()) for name, text in headers.items()]
        self._producer.produce(
            topic, value, key.encode(), headers=[("ce_type", type_name.encode()), *more], on_delivery=self._delivered
        )
        self._producer.poll(0)

    def flush(self) -> None:
        """Until the broker has all that was sent."""
        assert self._producer.flush(60) == 0

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._not_sent.append(f"{message.key()!r} to {message.topic()}: {error.str()}")

    def _submit(self, plan: str) -> None:
        request_id = str(uuid4())
        self.plans[request_id] = plan
        self._sent_at[request_id] = time.monotonic()
        body = {
            "request_id": request_id,
            "partner_id": PARTNER,
            "submitted_by": "traffic",
            "request_type": REQUEST_TYPE,
            "contact_id": "lukomor-1",
            "distributor_id": None if plan in (DIRECT, OVERPAID) else DISTRIBUTOR,
            "base_delivery_id": "upp-13",
            "registration_number": "9999999" if plan == NO_CONTRACT else "1000001",
            "product_id": "upp-extension-12",
            "inn": "7707083893",
            "kpp": None if plan == INCOMPLETE else "773601001",
            "buyer": "АО «Завод точных весов»",
        }
        if plan == RENEWAL:
            sold = [each for each in self.ended if self.plans[each] == THROUGH_DISTRIBUTOR and each not in self.renewed]
            body["renews"] = min(sold, default=str(uuid4()))
            self.renewed[body["renews"]] = request_id
        for _ in range(2 if plan == TOLD_TWICE else 1):
            self.send("commands.requests", request_id, f"SubmitRequest.v{2 if 'renews' in body else 1}", body)
        if plan == WITHDRAWN:
            withdrawal = {"request_id": request_id, "partner_id": PARTNER, "withdrawn_by": "traffic"}
            self.send("commands.requests", request_id, "WithdrawRequest.v1", withdrawal)
        if plan == EARLY:
            self._confirm(request_id, True)

    def _confirm(self, request_id: str, accepted: bool) -> None:
        word, name = next(self._spellings)
        said = (word if accepted else str(accepted).lower(), name(request_id))
        body = {"request_id": said[1], "confirmation_id": f"c-{request_id}", "accepted": said[0]}
        self.send(f"distributors.{DISTRIBUTOR}.confirmations", request_id, "DistributorConfirmation.v1", body)

    def _pay(self, request_id: str, invoice: dict[str, Any], *amounts: Decimal) -> None:
        for number, amount in enumerate(amounts):
            payment = {
                "payment_id": f"{request_id}-{number}",
                "amount": f"{amount:.2f}",
                "received_on": invoice["issued_on"],
                "payer_inn": invoice["payer_inn"],
                "purpose": f"Оплата по счету {invoice['number']}",
                "invoice_number": invoice["number"],
            }
            self.send("bank.payments", payment["payment_id"], "BankPayment.v1", payment)

    def _activate(self, request_id: str) -> None:
        body = {
            "request_id": request_id,
            "activation_id": f"a-{request_id}",
            "activated_by": "partner",
            "actor": "traffic",
            "partner_id": PARTNER,
        }
        self.send("commands.activations", request_id, "ActivateDelivery.v1", body)

    def _answer(self) -> None:
        self._producer.poll(0)
        for message in self._consumer.consume(500, timeout=0.02):
            if message.error() is not None:
                continue
            headers = dict(headers_of(message))
            if "ce_type" not in headers:
                continue
            subject, type_name = headers["ce_subject"].decode(), headers["ce_type"].decode()
            plan = self.plans.get(subject)
            if plan is None:
                continue
            self.seen.setdefault(subject, []).append(type_name)
            if type_name.startswith("Approved.") and subject in self._sent_at:
                self.approved_after.append(time.monotonic() - self._sent_at.pop(subject))
            times = 2 if plan == TOLD_TWICE else 1
            if type_name.startswith("Approved.") and plan not in (EARLY, DIRECT, OVERPAID, WITHDRAWN):
                for _ in range(times):
                    self._confirm(subject, plan != DECLINED)
            elif type_name == "InvoiceIssued.v1":
                invoice = json.loads(message.value())
                amount = Decimal(invoice["amount"])
                half = (amount / 3).quantize(Decimal("0.01"))
                self._pay(subject, invoice, *((half, amount - half) if plan == DIRECT else (amount + 1,)))
            elif type_name == "ShipmentIssued.v1":
                for _ in range(times):
                    self._activate(subject)
            if type_name == "Rejected.v1" and plan not in (INCOMPLETE, WITHDRAWN):
                raise Unfinished(f"{subject} {plan}: {message.value().decode()}")
            if type_name.partition(".")[0] == LAST_OF[plan].partition(".")[0]:
                self.ended.add(subject)

    def _what_is_missing(self) -> str:
        left = [(request_id, plan) for request_id, plan in self.plans.items() if request_id not in self.ended]
        named = "\n".join(self._not_sent[:5]) + "\n".join(
            f"{request_id} {plan}: {self.seen.get(request_id, [])}" for request_id, plan in left[:5]
        )
        return f"{len(left)} of {len(self.plans)} requests have not ended\n{named}"


class Running:
    """Traffic in a thread; `join` raises what went wrong in it."""

    def __init__(self, traffic: Traffic, *arguments: Any) -> None:
        self._traffic = traffic
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._thread.start()

    def _run(self, *arguments: Any) -> None:
        try:
            self._traffic.run(*arguments)
        except BaseException as failed:  # handed to `join`
            self._failed = failed

    def wait_for(self, ended: int, patience: float = 180) -> None:
        """Until so many requests have ended."""
        deadline = time.monotonic() + patience
        while len(self._traffic.ended) < ended:
            if self._failed is not None or time.monotonic() > deadline:
                self.join()
                raise Unfinished(f"only {len(self._traffic.ended)} have ended, {ended} were waited for")
            time.sleep(0.02)

    def join(self) -> None:
        """Until all have ended."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed
