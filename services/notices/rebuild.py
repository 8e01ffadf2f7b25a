"""What notices know of the log (states of the rules, answers seen), built anew. Nobody gets anything by that: e-mails
and notices stay as they are, and the new tables reach exactly as far as the projection's marks, from which it goes
on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from events.commands import DistributorConfirmation
from events.topics import DEAD_LETTERS, distributor_of
from postavka.kernel.log.record import Piece, Record
from postavka.kernel.projection.copy_format import field, json_text, line
from postavka.kernel.projection.event_reader import EventReader
from postavka.kernel.projection.read_model import Copied, ReadModel, Unread
from postavka.kernel.settings import Settings
from postavka.kernel.store.checkpoint import Checkpoint
from postavka.kernel.store.queries import load_queries
from services.notices.channels.topic.distributors import with_topics
from services.notices.projection import SCHEMA, Notices, cause_of, is_relayed, not_taken, prepare, read_news, topics_of
from services.notices.rules import RuleState, apply_rules

QUERIES = load_queries("services.notices")

Answer = tuple[str, UUID, str]
"""Distributor, request, confirmation."""


class NoticesFold:
    """The `postavka.kernel.projection.read_model.Fold` of the notices."""

    def __init__(self) -> None:
        self.events = 0
        self.unread: list[Unread] = []
        self._reader = EventReader({}, is_relayed)
        self._states: dict[UUID, RuleState] = {}
        self._answers: dict[Answer, list[str]] = {}
        """Records of each answer."""
        self._refused: set[str] = set()
        """Records that billing could not take: they are no answers."""

    @property
    def marks(self) -> Mapping[str, Checkpoint]:
        """The checkpoints by `topic/partition`."""
        return self._reader.checkpoints

    def take(self, piece: Piece) -> None:
        """Take some records of one partition."""
        for record, envelope, message, subject in read_news(self._reader, _records(piece), self.unread.append):
            self.events += 1
            if message is None:
                if (found := not_taken(record)) is not None:
                    self._refused.add(found[1])
            elif isinstance(message, DistributorConfirmation):
                answer = (distributor_of(record.topic) or "", message.request_id, message.confirmation_id)
                self._answers.setdefault(answer, []).append(record.coordinates)
            elif envelope is not None and subject is not None:
                before = self._states.get(subject) or RuleState()
                after, _ = apply_rules(before, subject, message, cause_of(record, envelope))
                if after is not before:
                    self._states[subject] = after

    def copied(self) -> Iterator[Copied]:
        """All rows of the fold."""
        states = (
            line((str(subject).encode(), json_text(known.model_dump_json(exclude_defaults=True))))
            for subject, known in self._states.items()
        )
        yield Copied("stories", ("request_id", "story"), states)
        answers = (
            line([field(each) for each in (distributor, str(request), confirmation, taken[0])])
            for (distributor, request, confirmation), records in self._answers.items()
            if (taken := [record for record in records if record not in self._refused])
        )
        yield Copied("answers", ("distributor_id", "request_id", "confirmation_id", "record"), answers)


def _records(piece: Piece) -> Iterator[Record]:
    for each in piece.records:
        at = (piece.topic, piece.partition, each.offset, each.timestamp)
        yield Record(*at, each.key, each.value, tuple(each.headers))


def _reached(connection: psycopg.Connection[Any]) -> dict[str, Checkpoint]:
    rows = connection.execute(QUERIES.reached).fetchall()
    return {name: Checkpoint(offset, position) for name, offset, position in rows}


def _topics(config: Settings) -> Sequence[str]:
    return topics_of(with_topics(config))


MODEL = ReadModel(
    address="services.notices.rebuild:MODEL",
    schema=SCHEMA,
    tables={"stories": (), "answers": (), "unread": ()},
    topics=_topics,
    prepare=prepare,
    fold=lambda config: NoticesFold(),
    live=lambda config, schema, marks: Notices(config, with_topics(config), anew=(schema, marks)),
    reached=_reached,
    together=lambda topic: topic == DEAD_LETTERS.name or distributor_of(topic) is not None,
)
