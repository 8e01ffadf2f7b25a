"""A load of whole requests through all stages: submits, answers as distributor, user and bank, and takes the times.

It follows the log with a client of its own and decides by headers alone, so that it costs little beside the services.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import orjson
from confluent_kafka import Consumer, TopicPartition

from events.activation import Activated, Activator
from events.approval import Approved
from events.billing import InvoiceIssued
from events.commands import ActivateDelivery, BankPayment, DistributorConfirmation, SubmitRequest
from events.envelope import header_map
from events.model import Message
from events.registry import encode
from events.request import REQUEST_TYPE
from events.shipping import ShipmentIssued
from events.topics import (
    ACTIVATION_COMMANDS,
    APPROVAL_EVENTS,
    BANK_PAYMENTS,
    REQUEST_COMMANDS,
    STAGE_TOPICS,
    confirmations_of,
)
from postavka.log.connection import for_librdkafka
from postavka.log.publisher import Publisher
from postavka.log.send import envelope_of
from postavka.log.unreadable import headers_of
from postavka.settings import PARTITIONS, Settings

DISTRIBUTOR = "dist-north"
PARTNER = "lukomor"
GATHER_SECONDS, LATE_SECONDS = 0.1, 0.2
"""How often other events than `Approved` are looked at: as fast as requests are taken; while latency is measured."""


@dataclass(slots=True)
class Result:
    """Times in seconds of a monotonic clock."""

    sent: dict[str, float] = field(default_factory=dict)
    approved: dict[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    events: int = 0

    def latencies_ms(self) -> list[float]:
        """From handing the command to the client library until `Approved` was read from the log, sorted."""
        return sorted((at - self.sent[each]) * 1000 for each, at in self.approved.items())


class Load:
    """One run. `direct` of every hundred requests are direct sales."""

    def __init__(self, config: Settings, direct: int = 0) -> None:
        self._publisher = Publisher(config, {})
        self._direct = direct
        self.result = Result()
        self._approvals = _reader(config, [APPROVAL_EVENTS.name], min_bytes=1)
        self._others = _reader(config, [each.name for each in STAGE_TOPICS if each is not APPROVAL_EVENTS], 1_000_000)
        self._others_due = 0.0

    def run(self, requests: int, rate: float | None, patience: float = 300) -> Result:
        """Send so many, at so many a second (None: as fast as they are taken), until all are activated."""
        started = time.monotonic()
        outstanding = 2_000
        count = 0
        while len(self.result.done) < requests:
            now = time.monotonic()
            if now - started > patience:
                raise TimeoutError(f"{len(self.result.done)} of {requests} were done after {patience:.0f} s")
            due = requests if rate is None else min(requests, int((now - started) * rate) + 1)
            while count < due and count - len(self.result.done) < outstanding:
                self._submit(count)
                count += 1
            self._publisher.wait()
            self._answer(GATHER_SECONDS if rate is None else LATE_SECONDS)
        self._publisher.wait()
        return self.result

    def close(self) -> None:
        self._publisher.close()
        self._approvals.close()
        self._others.close()

    def _send(self, topic: str, subject: str, message: Message) -> None:
        headers = envelope_of(message, "/postavka/bench", subject, None).headers()
        self._publisher.send(topic, subject.encode(), encode(message), headers)

    def _submit(self, number: int) -> None:
        request_id = uuid4()
        direct = number % 100 < self._direct
        command = SubmitRequest(
            request_id=request_id,
            partner_id=PARTNER,
            submitted_by="bench",
            request_type=REQUEST_TYPE,
            contact_id="lukomor-1",
            distributor_id=None if direct else DISTRIBUTOR,
            base_delivery_id="upp-13",
            registration_number="1000001",
            product_id="upp-extension-12",
            inn="7707083893",
            kpp="773601001",
            buyer="АО «Завод точных весов»",
        )
        self.result.sent[str(request_id)] = time.monotonic()
        self._send(REQUEST_COMMANDS.name, str(request_id), command)

    def _answer(self, gather: float) -> None:
        for subject, type_name, value in self._events(gather):
            if subject not in self.result.sent:
                continue
            self.result.events += 1
            now = time.monotonic()
            match type_name:
                case Approved.TYPE:
                    self.result.approved[subject] = now
                    if orjson.loads(value)["channel"] == "distributor":
                        answer = DistributorConfirmation(
                            request_id=UUID(subject), confirmation_id=subject, accepted=True
                        )
                        self._send(confirmations_of(DISTRIBUTOR), subject, answer)
                case InvoiceIssued.TYPE:
                    invoice = orjson.loads(value)
                    payment = BankPayment(
                        payment_id=subject,
                        amount=Decimal(invoice["amount"]),
                        received_on=date.fromisoformat(invoice["issued_on"]),
                        payer_inn=invoice["payer_inn"],
                        purpose="",
                        invoice_number=invoice["number"],
                    )
                    self._send(BANK_PAYMENTS.name, subject, payment)
                case ShipmentIssued.TYPE:
                    wish = ActivateDelivery(
                        request_id=UUID(subject),
                        activation_id=subject,
                        activated_by=Activator.PARTNER,
                        actor="bench",
                        partner_id=PARTNER,
                    )
                    self._send(ACTIVATION_COMMANDS.name, subject, wish)
                case Activated.TYPE:
                    self.result.done[subject] = now

    def _events(self, gather: float) -> Iterator[tuple[str, str, bytes]]:
        messages = self._approvals.consume(1_000, timeout=0.01)
        if (now := time.monotonic()) >= self._others_due:
            self._others_due = now + gather
            messages += self._others.consume(10_000, timeout=0.0)
        for message in messages:
            if message.error() is None:
                headers = header_map(headers_of(message))
                yield headers["ce_subject"].decode(), headers["ce_type"].decode(), message.value()


def _reader(config: Settings, topics: Sequence[str], min_bytes: int) -> Consumer:
    """Reads from now on. `min_bytes` are gathered at the broker for a fetch, or what comes in `GATHER_SECONDS`: one
    that each record answers at once costs the broker, for so many partitions, as much as all the stages."""
    reader = Consumer(
        for_librdkafka(config)
        | {
            "group.id": "bench",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": int(GATHER_SECONDS * 1000),
            "fetch.min.bytes": min_bytes,
        }
    )
    places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    for place in places:
        place.offset = reader.get_watermark_offsets(place, timeout=10)[1]
    reader.assign(places)
    return reader
