"""Random requests of both channels, and everything that outside systems do wrong: they send late, in another order,
twice or three times, and now and then something that nobody can take. Imports nothing of the product.

What they may not do is lose what they have promised: what the broker has not acknowledged is sent again.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections.abc import Mapping
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any

from confluent_kafka import KafkaError, Message

from tests.system.traffic import DISTRIBUTOR, PLANS, RENEWAL, Traffic

COPIES = (1, 1, 1, 1, 1, 1, 2, 2, 3)
LATEST_SECONDS = 3.0
"""How much later than it could have been something is sent."""
POISONED = 0.05
"""Pieces of poison for each request."""
PATIENCE_SECONDS = 900.0
"""After the last fault, until every request has come to its end."""


class Load(Traffic):
    """Traffic that is sent as badly as outside systems may send it. Run it in a thread: `run_until`."""

    def __init__(self, kafka: Mapping[str, Any], seed: int) -> None:
        super().__init__(kafka)
        self._chance = Random(seed)
        self._later: list[tuple[float, int, tuple[str, str, str, dict[str, Any]]]] = []
        self._numbers = count()
        self.payments: dict[str, Decimal] = {}
        """payment id → amount, of all that were sent"""
        self.poison: dict[str, str] = {}
        """`topic/partition/offset` → what is wrong with it"""
        self.inputs = 0
        """Records that the broker has acknowledged."""
        self.failed: BaseException | None = None

    def run_until(self, stop: threading.Event, rate: float, patience: float = PATIENCE_SECONDS) -> None:
        """So many requests a second until told to stop; then until all have ended. `failed` says what went wrong."""
        try:
            self._run_until(stop, rate, patience)
        except BaseException as failed:  # for the thread that waits
            self.failed = failed

    def _run_until(self, stop: threading.Event, rate: float, patience: float) -> None:
        started = time.monotonic()
        while not stop.is_set():
            while len(self.plans) < (time.monotonic() - started) * rate:
                self._submit(self._chance.choice((*PLANS, RENEWAL)))
                if self._chance.random() < POISONED:
                    self._send_poison()
            self._send_due()
            self._answer()
        deadline = time.monotonic() + patience
        while len(self.ended) < len(self.plans) or self._later:
            if time.monotonic() > deadline:
                raise AssertionError(self._what_is_missing())
            self._send_due()
            self._answer()
        self.flush()
        self._consumer.close()

    def send(self, topic: str, key: str, type_name: str, body: dict[str, Any], **headers: str) -> None:
        """Sent once or several times, now or later. Of one request the first copies of submission and withdrawal keep
        their order: they come from one sender."""
        assert not headers
        if topic == "bank.payments":
            self.payments[body["payment_id"]] = Decimal(body["amount"])
        now = time.monotonic()
        first = now if topic == "commands.requests" else now + self._delay()
        times = [first, *(first + self._delay() for _ in range(self._chance.choice(COPIES) - 1))]
        for due in times:
            heapq.heappush(self._later, (due, next(self._numbers), (topic, key, type_name, body)))

    def _delay(self) -> float:
        return self._chance.random() ** 3 * LATEST_SECONDS

    def _send_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            topic, key, type_name, body = heapq.heappop(self._later)[2]
            value = json.dumps(body, ensure_ascii=False).encode()
            self._produce(topic, key.encode(), value, [("ce_type", type_name.encode())])

    def _produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], poison: str = ""
    ) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:  # nobody knows whether it is there: sent again, as a sender must
                self._produce(topic, key, value, headers, poison)
                return
            self.inputs += 1
            if poison:
                self.poison[f"{message.topic()}/{message.partition()}/{message.offset()}"] = poison

        self._producer.produce(topic, value, key, headers=headers, on_delivery=delivered)
        self._producer.poll(0)

    def _send_poison(self) -> None:
        name, (topic, key, value, headers) = self._chance.choice(list(POISON.items()))
        self._produce(topic, key, value, [*headers], name)


def _typed(name: str) -> list[tuple[str, bytes]]:
    return [("ce_type", name.encode())]


NOBODY = "00000000-0000-4000-8000-000000000000"
CONFIRMATIONS = f"distributors.{DISTRIBUTOR}.confirmations"
POISON: dict[str, tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]] = {
    "not JSON": ("commands.requests", NOBODY.encode(), b"\xff{", _typed("SubmitRequest.v1")),
    "no value": ("commands.requests", NOBODY.encode(), None, _typed("SubmitRequest.v1")),
    "no type": ("commands.activations", NOBODY.encode(), b"{}", []),
    "unknown type": ("bank.payments", b"x", b"{}", _typed("Gift.v1")),
    "type of the future": ("commands.requests", NOBODY.encode(), b"{}", _typed("SubmitRequest.v9")),
    "no fields": (CONFIRMATIONS, NOBODY.encode(), b"{}", _typed("DistributorConfirmation.v1")),
    "other key": (
        CONFIRMATIONS,
        b"another",
        json.dumps({"request_id": NOBODY, "confirmation_id": "c", "accepted": True}).encode(),
        _typed("DistributorConfirmation.v1"),
    ),
    "not a number": (
        "bank.payments",
        b"x",
        json.dumps(
            {
                "payment_id": "x",
                "amount": "NaN",
                "received_on": "2026-01-01",
                "payer_inn": "7707083893",
                "purpose": "",
                "invoice_number": None,
            }
        ).encode(),
        _typed("BankPayment.v1"),
    ),
    "deep": ("commands.requests", NOBODY.encode(), b"[" * 50_000, _typed("SubmitRequest.v1")),
}
"""What is wrong with it → topic, key, value, headers."""
