"""A load of whole requests through all stages: submits, answers as distributor, user and bank, and takes the times.

It follows the log with a client of its own and decides by headers alone, so that it costs little beside the services.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import chain
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any
from uuid import UUID

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from events.activation import Activated, Activator
from events.approval import Approved
from events.billing import InvoiceIssued
from events.commands import ActivateDelivery, BankPayment, DistributorConfirmation, SubmitRequest
from events.envelope import header_map
from events.model import Message
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
from events.versions import spoken
from postavka.kernel.ids import new_id
from postavka.kernel.log.connection import for_librdkafka
from postavka.kernel.outbox.command_sender import envelope_of
from postavka.kernel.outbox.publisher import Publisher
from postavka.kernel.settings import PARTITIONS, Settings

DISTRIBUTOR = "dist-north"
PARTNER = "lukomor"
OUTSTANDING = 4_000
"""Most requests on their way, while they are sent as fast as they are taken. At a rate there is no bound, and
the sender never waits: those that it had held back would not have been waiting in the figures."""
GATHER_SECONDS, LATE_SECONDS = 0.1, 0.2
"""How often events are answered: as fast as requests are taken; while latency is measured."""
STOP_SECONDS = 10.0
STEP_SECONDS = 0.002
"""How often requests that are due are looked for, while latency is measured."""

Read = tuple[str, str, bytes]
"""Request, type and body of an event."""
Headers = Sequence[tuple[str, bytes | None]]
Send = Callable[[str, bytes, bytes, Headers], None]
"""Takes topic, key, value and headers of a record."""


@dataclass(slots=True)
class Result:
    """Times in seconds of a monotonic clock."""

    sent: dict[str, float] = field(default_factory=dict)
    """Request → when it was handed to the client library; at a rate, when it was due, so that the load's own lateness
    counts as well."""
    approved: dict[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    events: int = 0

    def latencies_ms(self) -> list[float]:
        """The latencies in ms, from `sent` until `Approved` was read from the log, sorted."""
        return sorted((at - self.sent[each]) * 1000 for each, at in self.approved.items())


class Load:
    """The load of one run. `direct` of every hundred requests are direct sales.

    Three threads, so that none of them makes another one's times look much longer: one submits, one waits for approvals
    and takes the time of each, one answers.
    """

    def __init__(self, config: Settings, direct: int = 0) -> None:
        self._config = config
        self._publisher = Publisher(config, {})
        self._at_a_rate = Producer(for_librdkafka(config) | {"acks": "all", "partitioner": "murmur2_random"})
        self._direct = direct
        self.result = Result()
        self._approvals = _reader(config, [APPROVAL_EVENTS.name], min_bytes=1)
        self._others = _reader(config, [each.name for each in STAGE_TOPICS if each is not APPROVAL_EVENTS], 1_000_000)
        self._approved: SimpleQueue[Read] = SimpleQueue()
        self._ended = Event()
        self._failed: BaseException | None = None

    def run(self, requests: int, rate: float | None, patience: float = 300) -> Result:
        """Send so many, at so many a second (None: as fast as they are taken), until all are activated."""
        threads = [
            Thread(target=self._beside, args=(work, told), daemon=True)
            for work, told in (
                (self._await_approvals, rate is None),
                (self._answer, GATHER_SECONDS if rate is None else LATE_SECONDS),
            )
        ]
        gc.collect()
        gc.disable()  # all three threads would stand for as long as it takes, up to 0.2 s
        for thread in threads:
            thread.start()
        try:
            self._submit_all(requests, rate, patience)
        finally:
            gc.enable()
            self._ended.set()
            for thread in threads:  # one that waits for a broker that is away is left behind
                thread.join(STOP_SECONDS)
        return self.result

    def close(self) -> None:
        """Close the connections of all that publish and read."""
        self._publisher.close()
        self._at_a_rate.flush(STOP_SECONDS)
        self._approvals.close()
        self._others.close()

    def _beside(self, work: Callable[[Any], None], told: Any) -> None:
        try:
            work(told)
        except BaseException as error:
            self._failed = error

    def _submit_all(self, requests: int, rate: float | None, patience: float) -> None:
        started = time.monotonic()
        count = 0
        while len(self.result.done) < requests:
            now = time.monotonic()
            if self._failed is not None:
                raise RuntimeError("the load can't go on") from self._failed
            if now - started > patience:
                raise TimeoutError(f"{len(self.result.done)} of {requests} were done after {patience:.0f} s")
            if rate is None:
                while count < requests and count - len(self.result.done) < OUTSTANDING:
                    self._submit(self._publisher.send, count, now)
                    count += 1
                self._publisher.wait()
                self._ended.wait(GATHER_SECONDS)
            else:
                while count < min(requests, int((now - started) * rate) + 1):
                    self._submit(self._send_at_once, count, started + count / rate)
                    count += 1
                self._at_a_rate.poll(0)
                self._ended.wait(STEP_SECONDS)

    def _await_approvals(self, gathered: bool) -> None:
        while not self._ended.is_set():
            first = None if gathered else self._approvals.poll(GATHER_SECONDS)
            more = self._approvals.consume(1_000, timeout=GATHER_SECONDS if gathered else 0.0)
            for read in _read([first, *more] if first is not None else more):
                subject, type_name, _ = read
                if type_name == Approved.TYPE and subject in self.result.sent:
                    self.result.approved[subject] = time.monotonic()
                self._approved.put(read)

    def _answer(self, gather: float) -> None:
        publisher = Publisher(self._config, {})
        try:
            while not self._ended.wait(gather):
                for read in chain(_waiting(self._approved), _read(self._others.consume(10_000, timeout=0.0))):
                    self._answer_to(publisher.send, *read)
                publisher.wait()
        finally:
            publisher.close()

    def _send_at_once(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None:
        """Hand over a record, and wait for nobody."""
        self._at_a_rate.produce(topic, value, key, headers=headers)

    def _submit(self, send: Send, number: int, since: float) -> None:
        request_id = new_id()
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
        self.result.sent[str(request_id)] = since
        _send(send, REQUEST_COMMANDS.name, str(request_id), command)

    def _answer_to(self, send: Send, subject: str, type_name: str, value: bytes) -> None:
        if subject not in self.result.sent:
            return
        self.result.events += 1
        match type_name:
            case Approved.TYPE:
                if orjson.loads(value)["channel"] == "distributor":
                    answer = DistributorConfirmation(request_id=UUID(subject), confirmation_id=subject, accepted=True)
                    _send(send, confirmations_of(DISTRIBUTOR), subject, answer)
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
                _send(send, BANK_PAYMENTS.name, subject, payment)
            case ShipmentIssued.TYPE:
                wish = ActivateDelivery(
                    request_id=UUID(subject),
                    activation_id=subject,
                    activated_by=Activator.PARTNER,
                    actor="bench",
                    partner_id=PARTNER,
                )
                _send(send, ACTIVATION_COMMANDS.name, subject, wish)
            case Activated.TYPE:
                self.result.done[subject] = time.monotonic()


def _send(send: Send, topic: str, subject: str, message: Message) -> None:
    type_name, body = spoken(message)
    headers = envelope_of(type_name, "/postavka/bench", subject, None).headers()
    send(topic, subject.encode(), body, headers)


def _read(messages: Sequence[KafkaMessage]) -> Iterator[Read]:
    for message in messages:
        if message.error() is None:
            headers = header_map(message.headers() or ())
            yield headers["ce_subject"].decode(), headers["ce_type"].decode(), message.value()


def _waiting(queue: SimpleQueue[Read]) -> Iterator[Read]:
    while not queue.empty():
        yield queue.get()


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
