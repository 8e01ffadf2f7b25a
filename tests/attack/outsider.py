"""A client outside with nothing but its own credentials, and a list of what the broker has taken from it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tests.attack.records import Hostile

PATIENCE_SECONDS = 180
_UNHEARD = logging.getLogger("outsider")
_UNHEARD.disabled = True  # that a refusal is fatal is told by the client on the console as well


@dataclass
class Ledger:
    """What became of hostile records."""

    sent: Counter[str] = field(default_factory=Counter)
    """By kind."""
    taken: dict[str, str] = field(default_factory=dict)
    """`topic/partition/offset` → kind"""
    refused: Counter[str] = field(default_factory=Counter)
    """By kind and the broker's word."""


class Outsider:
    """Sends as one distributor's user. `conf`: how it signs in."""

    def __init__(self, conf: Mapping[str, str], ledger: Ledger | None = None, **more: Any) -> None:
        self._conf = {**conf, "log_level": 0, "message.max.bytes": 10_000_000}
        self.ledger = ledger or Ledger()
        in_time = {"linger.ms": 2, "message.timeout.ms": PATIENCE_SECONDS * 1_000}
        self._producer = Producer({**self._conf, **in_time, **more})

    def send(self, records: Iterable[Hostile], seconds: float) -> None:
        """As fast as the broker lets it, until all are out or so many seconds are over; then waits for its answers."""
        deadline = time.monotonic() + seconds
        for record in records:
            if time.monotonic() > deadline:
                break
            self._send(record)
        assert self._producer.flush(PATIENCE_SECONDS) == 0, "the broker does not answer"

    def _send(self, record: Hostile) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.ledger.refused[f"{record.kind}: {error.name()}"] += 1
            else:
                self.ledger.taken[f"{message.topic()}/{message.partition()}/{message.offset()}"] = record.kind

        self.ledger.sent[record.kind] += 1
        given: dict[str, Any] = {"timestamp": record.timestamp} if record.timestamp else {}
        while True:
            try:
                self._producer.produce(
                    record.topic, record.value, record.key, headers=list(record.headers), on_delivery=delivered, **given
                )
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as refused:  # too large for its own client
                self.ledger.refused[f"{record.kind}: {refused.args[0].name()}"] += 1
                return

    def opens_a_transaction(self) -> bool:
        """Does the broker let it? One left open would hold up what it says later."""
        producer = Producer({**self._conf, "transactional.id": f"attack-{uuid4()}"}, logger=_UNHEARD)
        try:
            producer.init_transactions(PATIENCE_SECONDS)
        except KafkaException as refused:
            if refused.args[0].code() != KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                raise
            return False
        return True
