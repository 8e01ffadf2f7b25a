"""A channel: what all have in common on which news reach people and programs."""

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
class NewsItem:
    """A piece of news, and the record that brought it; `envelope` None: the record is no event of a stage."""

    news: News
    record: Record
    envelope: Envelope | None


class OutgoingChannel(Protocol):
    """A channel writes down what it sends."""

    def deliver(self, connection: psycopg.Connection[Any], items: Sequence[NewsItem]) -> int:
        """Write down what of this goes out on this channel, in the transaction that moves the marks: each once, however
        often it is read. Returns how much that is."""
        ...


class Carrier(BackgroundTask, Protocol):
    """Carries away what a channel has written down."""

    def wake(self) -> None:
        """Say that there may be something to carry. From any thread."""
        ...
