"""What every way has in common on which news reach people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from events.envelope import Envelope
from postavka.kernel.log.record import Record
from postavka.kernel.projection.worker import BackgroundTask
from services.notices.rules import News


@dataclass(frozen=True, slots=True)
class Told:
    """A piece of news, and the record that told it; `envelope` None: the record is no event of a stage."""

    news: News
    record: Record
    envelope: Envelope | None


class OutgoingChannel(Protocol):
    """Writes down what goes out on one way."""

    def deliver(self, connection: psycopg.Connection[Any], told: Sequence[Told]) -> int:
        """Write down what of this goes out on this way, in the transaction that moves the marks: each once, however
        often it is told. Returns how much that is."""
        ...


class Carrier(BackgroundTask, Protocol):
    """Carries away what a channel has written down."""

    def wake(self) -> None:
        """Say that there may be something to carry. From any thread."""
        ...
